# SPDX-License-Identifier: BSD-3-Clause
#
# The verbs channel under MPI, over the loopback verbs device (tests/loopback). Label loopback.

# vc_loopback_test(<name> VIA verbs|shm+verbs NP <n> [TIMEOUT s] [ENV A=b ...] COMMAND <program> [args...])
# A healthy run whose messages go over VIA; what else must hold: verbs_run.sh.
function(vc_loopback_test name)
  cmake_parse_arguments(T "" "VIA;NP;TIMEOUT" "ENV;COMMAND" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  string(REPLACE "+" "," channels ${T_VIA})
  set(env VC_TEST_PRELOAD=$<TARGET_FILE:vcoll> VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>
    VCOLL_CHANNELS=${channels} VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1 ${T_ENV})
  add_test(NAME loopback.${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/verbs_run.sh ${VC_MPIRUN} ${T_VIA} ${T_NP} ${T_COMMAND})
  set_tests_properties(loopback.${name} PROPERTIES LABELS loopback TIMEOUT ${T_TIMEOUT}
    SKIP_RETURN_CODE 77 ENVIRONMENT "${env}")
endfunction()

# vc_loopback_script(<name> [args...]): verbs_<name>.sh MPIRUN DIRECTORY args...
function(vc_loopback_script name)
  list(JOIN ARGV "." test)
  add_test(NAME loopback.${test}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/verbs_${name}.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} ${ARGN})
  set_tests_properties(loopback.${test} PROPERTIES LABELS loopback TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>;VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>")
endfunction()

# The same results as the MPI underneath, whatever the shape of the device, of the rings and of the ranks.
# vc_loopback_differential(<name> <via> <ranks> [environment...])
function(vc_loopback_differential name via np)
  math(EXPR seed "${np} * 100")
  string(LENGTH ${name} length)
  math(EXPR seed "${seed} + ${length}")
  vc_loopback_test(differential.${name} VIA ${via} NP ${np} ENV ${ARGN}
    COMMAND $<TARGET_FILE:differential> --seed ${seed} --seconds 1 --iterations 120)
endfunction()
set(_tiny VCOLL_VERBS_SLOT=1k VCOLL_VERBS_CREDITS=2 VCOLL_VERBS_ZCOPY_MIN=3000)

foreach(_wait poll event hybrid auto)
  set(_np 3)
  if(_wait STREQUAL poll)
    set(_np 2) # who polls needs a CPU
  endif()
  vc_loopback_differential(${_wait} verbs ${_np} VCOLL_WAIT=${_wait})
  vc_loopback_differential(nodes.${_wait} shm+verbs 4 VCOLL_WAIT=${_wait} VCOLL_NODE_SPLIT=2)
  vc_loopback_differential(moderated.${_wait} verbs 2 VCOLL_WAIT=${_wait}
    VCOLL_CQ_MODERATION=latency=4:50,bulk=16:200)
  vc_loopback_differential(tiny_rings.${_wait} verbs ${_np} VCOLL_WAIT=${_wait} ${_tiny})
endforeach()
foreach(_alg linear pairwise)
  vc_loopback_differential(vectors.${_alg} verbs 3 "VCOLL_ALG=allgatherv=ring,alltoallv=${_alg},alltoallw=${_alg}")
endforeach()
vc_loopback_differential(nodes.vectors shm+verbs 5 VCOLL_NODE_SPLIT=2
  "VCOLL_ALG=allgatherv=two_level,alltoallv=linear,alltoallw=pairwise")
# Nonblocking ones, several under way.
set(_plans "alltoallv=pairwise,alltoallw=linear,gatherv=linear,scatterv=linear,barrier=dissemination,bcast=binomial,reduce=binomial"
  "allreduce=ring,allgather=ring,alltoall=pairwise,allgatherv=ring,gather=binomial,scatter=binomial,reduce_scatter=ring"
  "reduce_scatter_block=pairwise,scan=recursive_doubling,exscan=chain")
list(JOIN _plans "," _plans)
foreach(_progress off thread)
  vc_loopback_test(differential.posted.${_progress} VIA verbs NP 3
    ENV VCOLL_PROGRESS=${_progress} VCOLL_WAIT=event "VCOLL_ALG=${_plans}"
    COMMAND $<TARGET_FILE:differential> --seed 77 --seconds 2 --iterations 200 --nonblocking --taken)
endforeach()
# The thread moves some communicators while the program waits in others, over the same device.
vc_loopback_test(posts.mixed.thread VIA verbs NP 3 ENV VCOLL_PROGRESS=thread VCOLL_WAIT=event
  COMMAND $<TARGET_FILE:law_posts> mixed)
vc_loopback_test(posts.late VIA verbs NP 3 ENV VCOLL_WAIT=event COMMAND $<TARGET_FILE:law_posts> late)
vc_loopback_test(posts.late.thread VIA verbs NP 3 ENV VCOLL_PROGRESS=thread VCOLL_WAIT=event
  COMMAND $<TARGET_FILE:law_posts> late)
vc_loopback_test(posts.mixed.thread.nodes VIA shm+verbs NP 4
  ENV VCOLL_PROGRESS=thread VCOLL_WAIT=event VCOLL_NODE_SPLIT=2 COMMAND $<TARGET_FILE:law_posts> mixed)
# More peers than queue pairs.
vc_loopback_differential(peers verbs 6 VCOLL_WAIT=event VCOLL_VERBS_PEERS=1)
vc_loopback_differential(peers.linear verbs 16 VCOLL_WAIT=event VCOLL_VERBS_PEERS=4 VCOLL_ALG=alltoall=linear)
vc_loopback_differential(peers.granted verbs 5 VC_LOOPBACK=max_qp=2)
vc_loopback_differential(nodes.lengths shm+verbs 5 VCOLL_NODE_SPLIT=2
  "VCOLL_ALG=gatherv=two_level,scatterv=two_level,alltoallv=two_level,alltoallw=two_level")
vc_loopback_differential(lengths verbs 5 VCOLL_WAIT=event "VCOLL_ALG=gatherv=binomial,scatterv=binomial")
vc_loopback_differential(nodes.of_three shm+verbs 6 VCOLL_WAIT=event VCOLL_NODE_SPLIT=3)
vc_loopback_differential(nodes.unequal shm+verbs 5 VCOLL_NODE_SPLIT=3)
vc_loopback_differential(nodes.moderated shm+verbs 4 VCOLL_WAIT=event VCOLL_NODE_SPLIT=2 VCOLL_CQ_MODERATION=8:100)
vc_loopback_differential(nodes.tiny shm+verbs 6 VCOLL_WAIT=event VCOLL_NODE_SPLIT=2 ${_tiny}
  VC_LOOPBACK=max_qp_wr=8,max_cqe=48,max_srq_wr=16)
vc_loopback_differential(nodes.reordered shm+verbs 4 VCOLL_NODE_SPLIT=2 VC_LOOPBACK=delay_us=30,reorder=1)
vc_loopback_differential(many verbs 9 VCOLL_WAIT=event)
vc_loopback_differential(unmoderated verbs 2 VCOLL_WAIT=event VCOLL_CQ_MODERATION=4:50 VC_LOOPBACK=cqmod=0)
vc_loopback_differential(tiny_device verbs 4 VCOLL_WAIT=event ${_tiny}
  VC_LOOPBACK=max_qp_wr=8,max_cqe=48,max_srq_wr=16,max_mr=64)
vc_loopback_differential(no_srq verbs 4 VC_LOOPBACK=max_srq=0,max_inline=0)
vc_loopback_differential(no_srq.tiny verbs 4 VCOLL_WAIT=event ${_tiny} VC_LOOPBACK=max_srq=0,max_qp_wr=8,max_cqe=48)
vc_loopback_differential(zcopy verbs 3 VCOLL_VERBS_ZCOPY_MIN=256 VCOLL_WAIT=event)
vc_loopback_differential(zcopy.pieces verbs 2 VCOLL_VERBS_ZCOPY_MIN=1k VC_LOOPBACK=max_msg=4096)
vc_loopback_differential(no_cache verbs 3 VCOLL_VERBS_REG_CACHE=0)
vc_loopback_differential(no_cache.of_one verbs 3 VCOLL_VERBS_ZCOPY_MIN=1k VC_LOOPBACK=rank=1,max_mr=2)
vc_loopback_differential(reordered verbs 4 VCOLL_WAIT=event VCOLL_VERBS_ZCOPY_MIN=4k
  VC_LOOPBACK=delay_us=50,reorder=1,rnr=29)
vc_loopback_differential(infiniband verbs 4 VCOLL_WAIT=event VC_LOOPBACK=link=ib)
vc_loopback_differential(lossy verbs 2 VCOLL_WAIT=event VCOLL_VERBS_TIMEOUT=1 VC_LOOPBACK=drop=997)
foreach(_kind flat two_level)
  add_test(NAME loopback.plans.${_kind}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/verbs_sweep.sh ${VC_MPIRUN} $<TARGET_FILE:differential>
            $<TARGET_FILE:differential_algs> ${_kind})
  set_tests_properties(loopback.plans.${_kind} PROPERTIES LABELS loopback TIMEOUT 300
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>;VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>")
endforeach()

# The laws of the design (laws.cmake), over verbs.
foreach(_wait poll event hybrid auto)
  vc_loopback_test(law.progress.${_wait} VIA verbs NP 2 ENV VCOLL_WAIT=${_wait} COMMAND $<TARGET_FILE:law_progress>)
  vc_loopback_test(law.progress.nodes.${_wait} VIA shm+verbs NP 4 ENV VCOLL_WAIT=${_wait} VCOLL_NODE_SPLIT=2
    COMMAND $<TARGET_FILE:law_progress>)
endforeach()
foreach(_wait event hybrid auto)
  vc_loopback_test(law.cool.${_wait} VIA verbs NP 4 ENV VCOLL_WAIT=${_wait} VC_TEST_SLEEPS=some
    COMMAND $<TARGET_FILE:law_cool>)
  vc_loopback_test(law.cool.nodes.${_wait} VIA shm+verbs NP 6 ENV VCOLL_WAIT=${_wait} VCOLL_NODE_SPLIT=2
    VC_TEST_SLEEPS=some COMMAND $<TARGET_FILE:law_cool>)
  vc_alone(loopback.law.cool.${_wait} loopback.law.cool.nodes.${_wait})
endforeach()
vc_loopback_test(law.threads.auto VIA verbs NP 2 COMMAND $<TARGET_FILE:law_threads> 100)
vc_loopback_test(law.threads.event VIA verbs NP 2 ENV VCOLL_WAIT=event COMMAND $<TARGET_FILE:law_threads> 100)
vc_loopback_test(law.threads.nodes VIA shm+verbs NP 4 ENV VCOLL_WAIT=event VCOLL_NODE_SPLIT=2
  COMMAND $<TARGET_FILE:law_threads> 60)
# All communicators together have one queue pair for each peer, two completion queues and one receive queue.
set(_few VC_LOOPBACK=max_qp=1,max_cq=2,max_srq=1)
vc_loopback_test(law.churn VIA verbs NP 2 ENV ${_few} COMMAND $<TARGET_FILE:law_lifecycle> churn 1000)
vc_loopback_test(law.churn.nodes VIA shm+verbs NP 4 ENV VCOLL_NODE_SPLIT=2 VC_LOOPBACK=max_qp=2,max_cq=2
  COMMAND $<TARGET_FILE:law_lifecycle> churn 300)
vc_loopback_test(law.alive VIA verbs NP 2 ENV ${_few} COMMAND $<TARGET_FILE:law_lifecycle> alive 300)
vc_loopback_test(law.alive.nodes VIA shm+verbs NP 4 ENV VCOLL_NODE_SPLIT=2 COMMAND $<TARGET_FILE:law_lifecycle> alive 60)
vc_loopback_test(law.reuse VIA verbs NP 4 COMMAND $<TARGET_FILE:law_lifecycle> reuse 60)
vc_loopback_test(law.verify VIA verbs NP 3 ENV VCOLL_REPRODUCIBLE=1 COMMAND $<TARGET_FILE:law_verify> 1)

# Devices that are missing or unusable, settings that name what is not there.
vc_loopback_script(input)

# Devices that look healthy and are not, or that cannot do what most do.
add_executable(verbs_meet verbs_meet.c)
target_link_libraries(verbs_meet PRIVATE vcoll_flags)
foreach(_kind cards lost nodes many islands)
  vc_loopback_script(paths ${_kind})
endforeach()

# Devices with the limits and oddities of real ones.
foreach(_profile mlx5-vf mana erdma erdma-roce irdma-e810 vmw-pvrdma bnxt efa siw rxe)
  vc_loopback_script(profiles ${_profile})
endforeach()

# Ranks of a node on different devices.
vc_loopback_differential(near_devices verbs 4 VC_LOOPBACK=devices=2 VCOLL_VERBS_DEVICE=near)

# What breaks in the middle of a collective.
add_executable(verbs_fail verbs_fail.c)
target_link_libraries(verbs_fail PRIVATE vcoll_flags)
foreach(_kind flat nodes ended)
  vc_loopback_script(failures ${_kind})
endforeach()

# The path of small messages: what it may not do, and its instructions.
add_executable(verbs_allreduces verbs_allreduces.c)
target_link_libraries(verbs_allreduces PRIVATE vcoll_flags)
if(NOT VCOLL_SANITIZE)
  add_test(NAME loopback.hot_path COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/verbs_hot_path.sh $<TARGET_FILE:hot_path>)
  vc_alone(loopback.hot_path)
  set_tests_properties(loopback.hot_path PROPERTIES LABELS loopback TIMEOUT 400 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>;VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>")
  add_test(NAME loopback.instructions
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/verbs_instructions.sh ${PROJECT_BINARY_DIR} 40)
  set_tests_properties(loopback.instructions PROPERTIES LABELS loopback TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
