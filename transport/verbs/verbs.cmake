# SPDX-License-Identifier: BSD-3-Clause
#
# Only the headers are needed: the library is opened at run time, so that vcoll starts where there is none.
pkg_check_modules(IBVERBS REQUIRED libibverbs)
target_include_directories(vcoll_core SYSTEM PUBLIC ${IBVERBS_INCLUDE_DIRS})
target_sources(vcoll_core PRIVATE
  verbs/abort.c
  verbs/async.c
  verbs/chan.c
  verbs/conn.c
  verbs/detour.c
  verbs/device.c
  verbs/event.c
  verbs/fail.c
  verbs/idle.c
  verbs/lib.c
  verbs/limit.c
  verbs/lost.c
  verbs/near.c
  verbs/notes.c
  verbs/path.c
  verbs/port.c
  verbs/probe.c
  verbs/queues.c
  verbs/rc.c
  verbs/recv.c
  verbs/recvq.c
  verbs/regain.c
  verbs/regcache.c
  verbs/regcache_watch.c
  verbs/reopen.c
  verbs/send.c
  verbs/sendq.c
  verbs/turn.c
  verbs/verbs.c
)
