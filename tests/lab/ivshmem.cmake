# SPDX-License-Identifier: BSD-3-Clause
#
# Machines that share memory in pairs: an ivshmem-plain device in each.
set(_shared LD_PRELOAD=$<TARGET_FILE:vcoll> VCOLL_SETUP_AFTER=1 VCOLL_IVSHMEM=auto)

# Two machines need no network. Who polls keeps the other machine's CPUs from working.
foreach(_ranks 2 4)
  vc_lab_test(ivshmem.differential.${_ranks} VMS 2 RANKS ${_ranks} ENV ${_shared} VCOLL_CHANNELS=shm,ivshmem
    COMMAND $<TARGET_FILE:differential> --seed 81 --seconds 8 --iterations 60)
endforeach()
# Two pairs, joined by the network.
foreach(_net verbs mpi)
  vc_lab_test(ivshmem.pairs.${_net} VMS 4 RANKS 8 ENV ${_shared} VCOLL_CHANNELS=shm,ivshmem,${_net} VCOLL_WAIT=event
    COMMAND $<TARGET_FILE:differential> --seed 82 --seconds 10 --iterations 40)
endforeach()
# Figures, of which none is demanded.
add_executable(ivshmem_speed ivshmem/speed.c)
target_link_libraries(ivshmem_speed PRIVATE vcoll_core)
vc_lab_test(ivshmem.speed VMS 2 RANKS 2 ENV VCOLL_IVSHMEM=auto SCRIPT ivshmem/speed.sh $<TARGET_FILE:ivshmem_speed>
  $<TARGET_FILE:vcoll>)
