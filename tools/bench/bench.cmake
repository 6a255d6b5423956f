# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-bench, which `vcoll bench` starts. Linked with the shared library as an application is: its public MPI calls go
# through the front door, and the underlying ones come from vcoll_native().

# What it shares with vcoll-tune (tune.cmake): words, and starting under mpirun.
add_library(vcoll_launch OBJECT bench/args.c bench/launch.c vcoll/launch.c)
target_link_libraries(vcoll_launch PUBLIC vcoll_flags PkgConfig::JANSSON)

add_executable(vcoll-bench
  bench/bench.c
  bench/extra.c
  bench/figures.c
  bench/floor.c
  bench/json.c
  bench/point.c
  bench/opts.c
  bench/overlap.c
  bench/plot.c
  bench/report.c
  bench/verbs.c
  bench/yields.c
)
# The rooms below the front door for raw verbs: the device and the settings, found as the library finds them.
target_link_libraries(vcoll-bench PRIVATE vcoll vcoll_launch vcoll_measure vcoll_plot vcoll_core)
file(RELATIVE_PATH _lib_from_libexec ${CMAKE_INSTALL_FULL_LIBEXECDIR}/vcoll ${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(vcoll-bench PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_libexec}")
install(TARGETS vcoll-bench RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)

if(BUILD_TESTING AND VCOLL_BUILD_TESTS)
  add_test(NAME mpi.bench COMMAND ${PROJECT_SOURCE_DIR}/tests/unit/test_bench.sh $<TARGET_FILE:vcoll-bench>
    $<TARGET_FILE:vcoll_loopback_verbs>)
  set_tests_properties(mpi.bench PROPERTIES LABELS mpi TIMEOUT 240 PROCESSORS 3)
  add_test(NAME mpi.bench_lost COMMAND ${PROJECT_SOURCE_DIR}/tests/unit/test_bench.sh $<TARGET_FILE:vcoll-bench>
    $<TARGET_FILE:vcoll_loopback_verbs> lost)
  set_tests_properties(mpi.bench_lost PROPERTIES LABELS mpi TIMEOUT 120 COST 15)
endif()
