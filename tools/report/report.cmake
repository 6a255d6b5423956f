# SPDX-License-Identifier: BSD-3-Clause
#
# `vcoll report`, a part of the vcoll command.
target_sources(vcoll-tool PRIVATE
  report/report.c
  report/cands.c
  report/coll.c
  report/cpu.c
  report/head.c
  report/html.c
  report/lines.c
  report/load.c
  report/model.c
  report/moder.c
  report/moderation.c
  report/page.c
  report/params.c
  report/plot.c
  report/reference.c
  report/rules.c
  report/sum.c
  report/svg.c
)
target_link_libraries(vcoll-tool PRIVATE m)
