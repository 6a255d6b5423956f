# SPDX-License-Identifier: BSD-3-Clause
#
# Random collectives through vcoll and through the MPI underneath, compared (see differential.h).
add_executable(differential
  differential.c
  differential_basics.c
  differential_calls.c
  differential_trial.c
  differential_types.c
  differential_views.c
  differential_moves.c
)
target_link_libraries(differential PRIVATE vcoll_flags m)
add_executable(differential_algs differential_algs.c)
target_link_libraries(differential_algs PRIVATE vcoll_core m)

# Every algorithm of a collective forced in turn; "auto": the built-in selection, on 1..9 ranks.
foreach(_coll barrier bcast reduce allreduce allgather alltoall gather scatter gatherv scatterv allgatherv alltoallv alltoallw reduce_scatter_block reduce_scatter scan
  exscan auto)
  add_test(NAME mpi.differential.${_coll}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/differential_sweep.sh ${VC_MPIRUN} $<TARGET_FILE:differential>
            $<TARGET_FILE:differential_algs> ${_coll})
  set_tests_properties(mpi.differential.${_coll} PROPERTIES LABELS mpi TIMEOUT 300
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()

# Over trees of up to three tiers; on the communicators of the test groups are uneven and in any order.
foreach(_np 6 9 12)
  vc_mpi_test(differential.tree.${_np} NP ${_np} TIMEOUT 120 PRELOAD
    ENV VCOLL_TABLE=none VCOLL_SETUP_AFTER=1 "VCOLL_TOPOLOGY=numa:2 l3:2 core:2"
    COMMAND $<TARGET_FILE:differential> --seed 1${_np} --seconds 4)
endforeach()

# A ring of many segments is made part by part as it runs, blocking and not.
set(_parts VCOLL_SETUP_AFTER=1 VCOLL_CHANNELS=mpi VCOLL_ALG=allreduce=ring:segment=64)
vc_mpi_test(differential.parts NP 8 TIMEOUT 120 PRELOAD ENV ${_parts}
  COMMAND $<TARGET_FILE:differential> --seed 41 --seconds 3 --coll allreduce)
vc_mpi_test(differential.parts.posted NP 8 TIMEOUT 120 PRELOAD ENV ${_parts}
  COMMAND $<TARGET_FILE:differential> --seed 42 --seconds 3 --nonblocking --iterations 100000)

# Nonblocking ones, several under way, among blocking ones: nothing forced, over trees, and moved by a thread as well.
foreach(_np 2 3 5)
  vc_mpi_test(differential.posted.${_np} NP ${_np} TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1
    COMMAND $<TARGET_FILE:differential> --seed 2${_np} --seconds 5 --nonblocking --iterations 100000)
endforeach()
vc_mpi_test(differential.posted.tree NP 6 TIMEOUT 120 PRELOAD
  ENV VCOLL_TABLE=none VCOLL_SETUP_AFTER=1 "VCOLL_TOPOLOGY=numa:2 l3:2 core:2"
  COMMAND $<TARGET_FILE:differential> --seed 26 --seconds 5 --nonblocking --iterations 100000)
vc_mpi_test(differential.posted.thread NP 3 TIMEOUT 120 PRELOAD ENV VCOLL_SETUP_AFTER=1 VCOLL_PROGRESS=thread
  COMMAND $<TARGET_FILE:differential> --seed 29 --seconds 5 --nonblocking --iterations 100000)
# Every algorithm forced, with and without the thread.
add_test(NAME mpi.differential.posted.forced
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/differential_posted.sh ${VC_MPIRUN} $<TARGET_FILE:differential>
          $<TARGET_FILE:differential_algs>)
set_tests_properties(mpi.differential.posted.forced PROPERTIES LABELS mpi TIMEOUT 300
  ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")

# The driver itself: equal to itself without vcoll, and able to see what is wrong.
vc_mpi_test(differential.itself NP 3 COMMAND $<TARGET_FILE:differential> --seed 11 --iterations 150)
foreach(_how result gap send barrier)
  vc_mpi_test(differential.sees_${_how} NP 3 COMMAND $<TARGET_FILE:differential> --break ${_how} --iterations 60)
endforeach()
vc_mpi_test(differential.sees_agreement NP 3 TIMEOUT 180
  COMMAND $<TARGET_FILE:differential> --break agreement --coll allreduce --iterations 1500 --seed 4 --max-bytes 4096)
set_tests_properties(mpi.differential.sees_result mpi.differential.sees_gap mpi.differential.sees_send
  mpi.differential.sees_barrier mpi.differential.sees_agreement PROPERTIES
  PASS_REGULAR_EXPRESSION "differential: again with")

# Where the bytes of derived types lie; the makers of random types know it.
add_executable(layout layout.c differential_basics.c differential_types.c ${PROJECT_SOURCE_DIR}/pmpi/layout.c
  ${PROJECT_SOURCE_DIR}/pmpi/layout_of.c)
target_link_libraries(layout PRIVATE vcoll_core m)
vc_mpi_test(layout NP 1 COMMAND layout)
