# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-tune, which `vcoll tune run`, `check` and `validate --measure` start. Linked with the shared library as an
# application is, like vcoll-bench (bench.cmake), whose calls, clock and statistics it shares.
add_executable(vcoll-tune
  table/file.c
  table/measured.c
  table/file.c
  table/measured.c
  tune/check.c
  tune/check_print.c
  tune/check_rules.c
  tune/comm.c
  tune/device.c
  tune/fit.c
  tune/fit_cpu.c
  tune/fit_link.c
  tune/fit_node.c
  tune/fit_probe.c
  tune/guard.c
  tune/judge.c
  tune/launch.c
  tune/main.c
  tune/measure.c
  tune/moderate.c
  tune/opts.c
  tune/places.c
  tune/point.c
  tune/progress.c
  tune/race.c
  tune/refine.c
  tune/remeasure.c
  tune/remeasure_load.c
  tune/remeasure_point.c
  tune/remeasure_print.c
  tune/restore.c
  tune/resume.c
  tune/rules.c
  tune/run.c
  tune/sides.c
  tune/sigs.c
  tune/space.c
  tune/state.c
  tune/sum.c
  tune/write.c
)
# The rooms below the front door for tables, choices, plans and the cost model.
target_link_libraries(vcoll-tune PRIVATE vcoll_bench_parts vcoll vcoll_core vcoll_flags PkgConfig::JANSSON m)
set_target_properties(vcoll-tune PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_libexec}")
install(TARGETS vcoll-tune RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
