# SPDX-License-Identifier: BSD-3-Clause
#
# One test for each law of the design, and for each kind of wrong or missing surroundings. The programs run without vcoll
# as well (by hand: tests/mpirun -n 4 law_verify), which is how to tell a wrong test from a wrong library.
foreach(_law bcast cool counts ends flood gaps init kill large lifecycle nowrite pool posts progress rows shared signals threads unequal verify yield young)
  add_executable(law_${_law} law_${_law}.c)
  target_link_libraries(law_${_law} PRIVATE vcoll_flags)
endforeach()
add_executable(law_errors law_errors.c differential_calls.c)
target_link_libraries(law_errors PRIVATE vcoll_flags)

# vc_law_script(<name> [TIMEOUT s]): a script that launches programs of this directory in its own ways.
function(vc_law_script name)
  cmake_parse_arguments(T "" "TIMEOUT" "" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 150)
  endif()
  add_test(NAME mpi.law.${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/law_${name}.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} ${CMAKE_NM})
  set_tests_properties(mpi.law.${name} PROPERTIES LABELS mpi TIMEOUT ${T_TIMEOUT}
    SKIP_RETURN_CODE 77 ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endfunction()

# 1: symmetric decisions, although the ranks' settings differ.
vc_law_script(settings TIMEOUT 300)

# 2: host progress, under every wait policy and without shared memory.
foreach(_wait poll event hybrid auto)
  foreach(_np 2 4)
    vc_mpi_test(law.progress.${_wait}.${_np} NP ${_np} PRELOAD ENV VCOLL_WAIT=${_wait} VCOLL_SETUP_AFTER=1
      COMMAND $<TARGET_FILE:law_progress>)
  endforeach()
endforeach()
# Counts of allgatherv and alltoallv that differ between ranks: through slots, by single copy, as messages. Forced: where copies
# cost much, the choice would be the MPI's own, which writes too far itself (below).
foreach(_alg shm shm_cma)
  foreach(_np 2 5)
    vc_mpi_test(law.counts.${_alg}.${_np} NP ${_np} PRELOAD
      ENV VCOLL_SETUP_AFTER=1 VCOLL_CMA_MIN=4k VCOLL_ALG=allgatherv=${_alg},alltoallv=${_alg}
      COMMAND $<TARGET_FILE:law_counts> 4 5 9 2 0 3 40 7 2000 1000 30000 29999 40000 41000)
  endforeach()
endforeach()
vc_mpi_test(law.counts.plans NP 3 PRELOAD
  ENV VCOLL_SETUP_AFTER=1 VCOLL_ALG=allgatherv=ring,alltoallv=linear
  COMMAND $<TARGET_FILE:law_counts> 4 5 9 2 0 3 2000 1000 40000 30000)
# Open MPI 4.1 and 5 themselves write too far where a message that is copied once is longer than its receive.
vc_mpi_test(law.counts.two_level NP 4 PRELOAD
  ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2 VCOLL_ALG=allgatherv=two_level,alltoallv=two_level
    OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_smsc=^cma,xpmem
  COMMAND $<TARGET_FILE:law_counts> 4 5 9 2 0 3 2000 1000 40000 30000)
# Plans that the next call of their kind finds again, in and between nodes.
vc_mpi_test(law.rows.plans NP 3 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_CHANNELS=mpi COMMAND $<TARGET_FILE:law_rows>)
vc_mpi_test(law.rows.split NP 4 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2 COMMAND $<TARGET_FILE:law_rows>)
# Those of collectives in which all come with the same: in slots of each ring, one of them and several, and by single copy.
set(_unequal allreduce=@,allgather=@,alltoall=@,reduce=@,gather=@,scatter=@,bcast=@,reduce_scatter_block=@,reduce_scatter=@,scan=shm,exscan=shm)
foreach(_alg shm shm_cma)
  string(REPLACE @ ${_alg} _algs "${_unequal}")
  vc_mpi_test(law.unequal.${_alg} NP 3 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_CMA_MIN=4k VCOLL_ALG=${_algs}
    COMMAND $<TARGET_FILE:law_unequal> 1 10 60 400 5000)
endforeach()
vc_law_script(unequal TIMEOUT 300)
vc_law_script(flood TIMEOUT 300)
vc_alone(mpi.law.flood)
foreach(_chan shm mpi)
  vc_mpi_test(law.progress.split.${_chan} NP 4 PRELOAD
    ENV VCOLL_NODE_SPLIT=1 VCOLL_CHANNELS=${_chan} VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_progress>)
endforeach()

# 3 (same result everywhere) is checked by the differential driver, for every algorithm.

# 4: all of MPI. Communicators come and go, threads, errors, large counts.
vc_mpi_test(law.churn NP 2 TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_lifecycle> churn 10000)
foreach(_np 2 8)
  vc_mpi_test(law.churn.once.${_np} NP ${_np} TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1
    COMMAND $<TARGET_FILE:law_lifecycle> churn 10000 1)
endforeach()
vc_mpi_test(law.churn.lazy NP 4 TIMEOUT 200 PRELOAD COMMAND $<TARGET_FILE:law_lifecycle> churn 1000)
vc_mpi_test(law.churn.split NP 4 TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2
  COMMAND $<TARGET_FILE:law_lifecycle> churn 500)
vc_mpi_test(law.alive NP 2 TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_lifecycle> alive 300)
vc_mpi_test(law.alive.limit NP 4 TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_SHM_LIMIT=64m
  COMMAND $<TARGET_FILE:law_lifecycle> alive 300)
foreach(_np 2 4)
  vc_mpi_test(law.many.${_np} NP ${_np} TIMEOUT 200 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_SHM_LIMIT=16m
    COMMAND $<TARGET_FILE:law_lifecycle> many 307)
endforeach()
vc_mpi_test(law.reuse NP 3 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_lifecycle> reuse 200)
vc_mpi_test(law.reuse.lazy NP 4 PRELOAD COMMAND $<TARGET_FILE:law_lifecycle> reuse 100)
foreach(_wait auto event)
  vc_mpi_test(law.threads.${_wait} NP 2 TIMEOUT 120 PRELOAD ENV VCOLL_WAIT=${_wait} VCOLL_SETUP_AFTER=1
    COMMAND $<TARGET_FILE:law_threads> 200)
endforeach()
vc_mpi_test(law.threads.split NP 4 TIMEOUT 120 PRELOAD ENV VCOLL_NODE_SPLIT=2 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_threads> 100)
set_tests_properties(mpi.law.threads.auto mpi.law.threads.event mpi.law.threads.split PROPERTIES SKIP_RETURN_CODE 77)
vc_mpi_test(law.errors NP 2 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_errors>)
vc_mpi_test(law.errors.nonblocking NP 2 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_errors> nonblocking)
vc_mpi_test(law.errors.split NP 3 PRELOAD ENV VCOLL_NODE_SPLIT=1 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_errors>)
vc_mpi_test(law.large NP 2 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_large>)
set_tests_properties(mpi.law.large PROPERTIES SKIP_RETURN_CODE 77)

# 8: worth its cost. Memory of freed communicators goes on in later ones; communicators take
# no memory that they do not use; and those that do not live long, or are
# many, cost about what they cost without vcoll. The factors are for a machine that does other things, too.
foreach(_np 2 4)
  vc_mpi_test(law.pool.${_np} NP ${_np} TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_SHM_LIMIT=16m
    COMMAND $<TARGET_FILE:law_pool> 30)
endforeach()
foreach(_np 2 3 5 8)
  vc_mpi_test(law.pool.single.${_np} NP ${_np} TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_SHM_LIMIT=32m
    COMMAND $<TARGET_FILE:law_pool> 30 single)
endforeach()
vc_mpi_test(law.pool.single.split NP 4 TIMEOUT 120 PRELOAD
  ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2 VCOLL_SHM_LIMIT=32m COMMAND $<TARGET_FILE:law_pool> 20 single)
foreach(_np 2 6)
  vc_mpi_test(law.shared.${_np} NP ${_np} TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_CMA=0
    COMMAND $<TARGET_FILE:law_shared> 40)
endforeach()
# What a hundred communicators take of a process is at most 8 MiB, besides what the MPI has for them.
add_executable(setup_cost setup_cost.c)
target_link_libraries(setup_cost PRIVATE vcoll_flags)
target_include_directories(setup_cost PRIVATE ${PROJECT_SOURCE_DIR}/include)
vc_mpi_test(law.memory.many NP 6 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:setup_cost> 100 8192)
vc_mpi_test(law.pool.split NP 4 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2 VCOLL_SHM_LIMIT=32m
  COMMAND $<TARGET_FILE:law_pool> 20)
vc_mpi_test(law.young.loop NP 2 TIMEOUT 120 PRELOAD COMMAND $<TARGET_FILE:law_young> loop 40 10 5)
vc_mpi_test(law.young.living NP 2 TIMEOUT 120 PRELOAD COMMAND $<TARGET_FILE:law_young> living 60 10 8)

# Nonblocking collectives: by themselves, over nodes, over the MPI's messages, and moved by a thread. Without vcoll these pass,
# too.
set(_two_level "alltoallv=pairwise,alltoallw=pairwise,gatherv=linear,scatterv=linear")
foreach(_coll barrier bcast reduce allreduce allgather alltoall allgatherv gather scatter reduce_scatter reduce_scatter_block scan
  exscan)
  string(APPEND _two_level ",${_coll}=two_level")
endforeach()
string(REGEX REPLACE "=[a-z_]+" "=shm" _shm "${_two_level}")
foreach(_what requests types mixed progress finalize alone threads)
  vc_mpi_test(law.posts.${_what} NP 3 TIMEOUT 120 PRELOAD COMMAND $<TARGET_FILE:law_posts> ${_what})
  vc_mpi_test(law.posts.${_what}.native NP 3 TIMEOUT 120 COMMAND $<TARGET_FILE:law_posts> ${_what})
  vc_mpi_test(law.posts.${_what}.early NP 4 TIMEOUT 120 PRELOAD
    ENV VCOLL_NONBLOCKING=early VCOLL_PROGRESS=thread VCOLL_WAIT=event COMMAND $<TARGET_FILE:law_posts> ${_what})
  vc_mpi_test(law.posts.${_what}.split NP 4 TIMEOUT 120 PRELOAD
    ENV VCOLL_NODE_SPLIT=2 VCOLL_NONBLOCKING=early VCOLL_SETUP_AFTER=1 "VCOLL_ALG=${_two_level}"
    COMMAND $<TARGET_FILE:law_posts> ${_what})
endforeach()
# Communicators freed with calls under way: all of them vcoll's.
vc_mpi_test(law.posts.freed.shm NP 4 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 "VCOLL_ALG=${_shm}"
  COMMAND $<TARGET_FILE:law_posts> freed)
vc_mpi_test(law.posts.freed.two_level NP 4 TIMEOUT 120 PRELOAD ENV VCOLL_NODE_SPLIT=2 VCOLL_SETUP_AFTER=1
  "VCOLL_ALG=${_two_level}" COMMAND $<TARGET_FILE:law_posts> freed)
foreach(_of "" .native .early .split)
  set_tests_properties(mpi.law.posts.threads${_of} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()
# 4: gaps are as they were, also where types are freed meanwhile: what is freed is overwritten.
set(_freed MALLOC_PERTURB_=90 VCOLL_SETUP_AFTER=1)
vc_mpi_test(law.gaps.freed NP 3 TIMEOUT 120 PRELOAD ENV ${_freed} COMMAND $<TARGET_FILE:law_gaps> freed)
vc_mpi_test(law.gaps.freed.native NP 3 TIMEOUT 120 COMMAND $<TARGET_FILE:law_gaps> freed)
vc_mpi_test(law.gaps.freed.shm NP 3 TIMEOUT 120 PRELOAD ENV ${_freed} "VCOLL_ALG=${_shm}" VCOLL_CMA=0
  COMMAND $<TARGET_FILE:law_gaps> freed)
vc_mpi_test(law.gaps.freed.thread NP 4 TIMEOUT 120 PRELOAD ENV ${_freed} "VCOLL_ALG=${_shm}" VCOLL_PROGRESS=thread
  COMMAND $<TARGET_FILE:law_gaps> freed)
vc_mpi_test(law.gaps.freed.split NP 4 TIMEOUT 120 PRELOAD ENV ${_freed} VCOLL_NODE_SPLIT=2 "VCOLL_ALG=${_two_level}"
  COMMAND $<TARGET_FILE:law_gaps> freed)
vc_mpi_test(law.gaps.room NP 2 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 "VCOLL_ALG=${_shm}" VCOLL_CMA=0
  COMMAND $<TARGET_FILE:law_gaps> room)
set_tests_properties(mpi.law.gaps.room PROPERTIES SKIP_RETURN_CODE 77)

# 5: what vcoll does not own, and its silence.
vc_law_script(owns)
vc_law_script(messages)

# 6: failure is loud or harmless.
vc_law_script(shm TIMEOUT 300)
# Its nanosleep() is that of the library, too.
set_target_properties(law_kill PROPERTIES ENABLE_EXPORTS ON)
vc_law_script(kill TIMEOUT 300)
vc_law_script(bcast)
foreach(_np 2 3)
  vc_mpi_test(law.nowrite.${_np} NP ${_np} PRELOAD
    ENV VCOLL_SETUP_AFTER=1 VCOLL_ALG=bcast=shm_cma,reduce=shm_cma,allreduce=shm_cma COMMAND $<TARGET_FILE:law_nowrite>)
  set_tests_properties(mpi.law.nowrite.${_np} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()
# Stands in front of the library: requests for memory fail as told, and what it opens is counted. Sanitizers bring their own
# malloc.
if(NOT VCOLL_SANITIZE)
  add_library(vcoll_fault SHARED fault.c)
  target_link_libraries(vcoll_fault PRIVATE vcoll_flags)
  target_compile_options(vcoll_fault PRIVATE -fvisibility=default)
  foreach(_law memory odd)
    add_executable(law_${_law} law_${_law}.c)
    target_link_libraries(law_${_law} PRIVATE vcoll_flags vcoll_fault)
  endforeach()

  # One rank is odd.
  vc_law_script(odd TIMEOUT 300)

  # One rank is out of memory, at every place.
  foreach(_rank 0 1)
    vc_mpi_test(law.memory.${_rank} NP 2 TIMEOUT 150 PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:law_memory> ${_rank})
    vc_mpi_test(law.memory.split.${_rank} NP 3 TIMEOUT 150 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2
      COMMAND $<TARGET_FILE:law_memory> ${_rank} 9)
    vc_mpi_test(law.memory.alone.${_rank} NP 3 TIMEOUT 150 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=1
      COMMAND $<TARGET_FILE:law_memory> ${_rank} 9)
  endforeach()
endif()

# Waiting: few CPUs, and cool.
vc_law_script(cpu TIMEOUT 300)
vc_alone(mpi.law.cpu)
vc_law_script(waits)
vc_law_script(yield)

# 6, in fault-tolerant jobs: where the MPI has them (Open MPI from 5.0 on).
include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
check_symbol_exists(MPIX_Comm_shrink "mpi.h;mpi-ext.h" VC_HAVE_ULFM)
unset(CMAKE_REQUIRED_LIBRARIES)
if(VC_HAVE_ULFM)
  add_executable(law_ft law_ft.c)
  target_link_libraries(law_ft PRIVATE vcoll_flags)
  vc_law_script(ft TIMEOUT 300)
endif()

# 7: no trace. Names, attributes, and what callbacks do while a communicator ends.
foreach(_what names free disconnect failures bypass threads)
  vc_mpi_test(law.ends.${_what} NP 3 PRELOAD ENV VCOLL_SETUP_AFTER=3 COMMAND $<TARGET_FILE:law_ends> ${_what})
  vc_mpi_test(law.ends.${_what}.native NP 3 COMMAND $<TARGET_FILE:law_ends> ${_what})
  set_tests_properties(mpi.law.ends.${_what} mpi.law.ends.${_what}.native PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

# 8: worth its cost. How many messages MPI_Init takes; plans that would be too long.
vc_law_script(init)
vc_law_script(long)

# What standing between programs and their requests costs (README, limits): a prototype; no speed is asserted.
add_library(request_shim SHARED request_shim.c)
target_link_libraries(request_shim PRIVATE vcoll_flags)
add_executable(request_cost request_cost.c)
target_link_libraries(request_cost PRIVATE request_shim vcoll_flags)
vc_mpi_test(request_cost NP 1 COMMAND $<TARGET_FILE:request_cost> 3)
