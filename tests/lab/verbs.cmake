# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll over real verbs: rdma_rxe on SR-IOV virtual functions, on two virtual machines.
set(_preload LD_PRELOAD=$<TARGET_FILE:vcoll>)
set(_verbs ${_preload} VCOLL_CHANNELS=shm,verbs VCOLL_SETUP_AFTER=1)

# The conformance suite. Who polls needs a CPU that the software device does not.
vc_lab_test(conformance.poll VMS 2 RANKS 2 ENV VCOLL_WAIT=poll COMMAND $<TARGET_FILE:conformance_verbs>)
vc_lab_test(conformance.event VMS 2 RANKS 4 ENV VCOLL_WAIT=event COMMAND $<TARGET_FILE:conformance_verbs>)

# All six collectives with random types, counts, roots and communicators, against the MPI underneath.
foreach(_wait poll event hybrid auto)
  vc_lab_test(differential.${_wait}.2 VMS 2 RANKS 2 ENV ${_verbs} VCOLL_WAIT=${_wait}
    COMMAND $<TARGET_FILE:differential> --seed 71 --seconds 8 --iterations 60)
  vc_lab_test(progress.${_wait} VMS 2 RANKS 2 ENV ${_verbs} VCOLL_WAIT=${_wait} COMMAND $<TARGET_FILE:law_progress>)
endforeach()
foreach(_wait event hybrid auto)
  vc_lab_test(differential.${_wait}.4 VMS 2 RANKS 4 ENV ${_verbs} VCOLL_WAIT=${_wait}
    COMMAND $<TARGET_FILE:differential> --seed 72 --seconds 8 --iterations 60)
endforeach()
# Verbs alone, inside machines too, and everything by rendezvous.
vc_lab_test(differential.verbs_alone VMS 2 RANKS 4 ENV ${_preload} VCOLL_CHANNELS=verbs VCOLL_SETUP_AFTER=1
  VCOLL_WAIT=event VCOLL_VERBS_ZCOPY_MIN=512
  COMMAND $<TARGET_FILE:differential> --seed 73 --seconds 8 --iterations 60)

# The registration cache on another kernel than the build machine's.
foreach(_part "" _limits _threads)
  vc_lab_test(regcache${_part} VMS 2 RANKS 1 COMMAND $<TARGET_FILE:test_regcache${_part}>)
endforeach()

# What goes wrong.
add_executable(outlive verbs/outlive.c)
target_link_libraries(outlive PRIVATE vcoll_flags)
# Machines with their root in memory can be migrated.
vc_lab_fixture(2m -v 2 --hold $<TARGET_FILE:outlive> --hold $<TARGET_FILE:vcoll> --hold ${CMAKE_CURRENT_SOURCE_DIR}/verbs/outlive.sh)
set_property(TEST lab2m.up APPEND PROPERTY DEPENDS lab2.down)
foreach(_lost "delete 3" "down 3" "unplug 10" "migrate 3")
  separate_arguments(_lost)
  list(GET _lost 0 _how)
  # Beside other processes each unplugging takes a minute and more.
  set(_machines VMS 2 TIMEOUT 1800)
  if(_how STREQUAL migrate)
    list(APPEND _machines FIXTURE 2m)
  endif()
  vc_lab_test(outlive.${_how}.event ${_machines} RANKS 4 ENV ${_verbs} VCOLL_WAIT=event
    SCRIPT verbs/outlive.sh $<TARGET_FILE:outlive> ${_lost})
  # Who polls needs a CPU that the software device does not.
  vc_lab_test(outlive.${_how}.poll ${_machines} RANKS 2 ENV ${_verbs} VCOLL_WAIT=poll
    SCRIPT verbs/outlive.sh $<TARGET_FILE:outlive> ${_lost})
endforeach()
foreach(_how memlock device nogid)
  vc_lab_test(fall_back.${_how} VMS 2 RANKS 4 ENV ${_preload} VCOLL_SETUP_AFTER=1
    SCRIPT verbs/fall_back.sh $<TARGET_FILE:differential> ${_how})
endforeach()
