# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-tune, which `vcoll tune run`, `check` and `validate --measure` start. Linked with the shared library as an
# application is, like vcoll-bench (bench.cmake), whose calls, clock and statistics it shares.
add_executable(vcoll-tune
  table_file.c
  table_measured.c
  table_file.c
  table_measured.c
  tune_check.c
  tune_check_print.c
  tune_check_rules.c
  tune_comm.c
  tune_device.c
  tune_fit.c
  tune_fit_cpu.c
  tune_fit_link.c
  tune_fit_node.c
  tune_fit_probe.c
  tune_guard.c
  tune_judge.c
  tune_launch.c
  tune_main.c
  tune_measure.c
  tune_moderate.c
  tune_opts.c
  tune_places.c
  tune_point.c
  tune_progress.c
  tune_race.c
  tune_refine.c
  tune_remeasure.c
  tune_remeasure_load.c
  tune_remeasure_point.c
  tune_remeasure_print.c
  tune_restore.c
  tune_resume.c
  tune_rules.c
  tune_run.c
  tune_sides.c
  tune_sigs.c
  tune_space.c
  tune_state.c
  tune_sum.c
  tune_write.c
)
# The rooms below the front door for tables, choices, plans and the cost model.
target_link_libraries(vcoll-tune PRIVATE vcoll_bench_parts vcoll vcoll_core vcoll_flags PkgConfig::JANSSON m)
set_target_properties(vcoll-tune PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_libexec}")
install(TARGETS vcoll-tune RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
