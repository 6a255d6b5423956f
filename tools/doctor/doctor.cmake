# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-doctor, which `vcoll doctor` starts. Not linked with the shared library: it looks at machines on which that may not
# work, and talks over the MPI underneath alone.
add_library(vcoll_doctor_parts OBJECT
  doctor/check_cpus.c
  doctor/check_devices.c
  doctor/check_host.c
  doctor/check_job.c
  doctor/check_node.c
  doctor/check_rank.c
  doctor/checks.c
  doctor/comm.c
  doctor/findings.c
  doctor/gather_node.c
  doctor/gather_rank.c
  doctor/levels.c
  doctor/opts.c
  doctor/path.c
  doctor/print.c
  doctor/run.c
  doctor/set.c
  doctor/wire.c
  facts/host.c
  facts/place.c
  facts/table.c
  facts/verbs.c
  print/terminal.c
  vcoll/launch.c
)
target_link_libraries(vcoll_doctor_parts PUBLIC vcoll_core PkgConfig::JANSSON m)
file(RELATIVE_PATH _lib_from_doctor ${CMAKE_INSTALL_FULL_LIBEXECDIR}/vcoll ${CMAKE_INSTALL_FULL_LIBDIR})
target_compile_definitions(vcoll_doctor_parts PUBLIC
  VC_VERSION="${PROJECT_VERSION}"
  VC_LIB_FROM_DOCTOR="${_lib_from_doctor}"
)
add_executable(vcoll-doctor doctor/main.c)
target_link_libraries(vcoll-doctor PRIVATE vcoll_doctor_parts)
install(TARGETS vcoll-doctor RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
