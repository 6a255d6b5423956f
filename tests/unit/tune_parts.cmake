# SPDX-License-Identifier: BSD-3-Clause
# Parts of vcoll-tune that need no MPI.
if(VCOLL_BUILD_TOOLS)
  vc_unit_test(test_tune_guard test_tune_guard.c coalesce_kernel.c ${PROJECT_SOURCE_DIR}/tune/search/guard.c
    ${PROJECT_SOURCE_DIR}/tune/search/restore.c)
  target_link_libraries(test_tune_guard PRIVATE PkgConfig::MNL PkgConfig::JANSSON)
  vc_unit_test(test_tune_judge test_tune_judge.c ${PROJECT_SOURCE_DIR}/tune/measure/judge.c
    ${PROJECT_SOURCE_DIR}/tune/measure/stats.c)
  target_link_libraries(test_tune_judge PRIVATE vcoll_flags PkgConfig::JANSSON)
  vc_unit_test(test_points test_points.c)
  target_link_libraries(test_points PRIVATE vcoll_points)
endif()
