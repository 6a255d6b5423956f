# SPDX-License-Identifier: BSD-3-Clause
#
# Measuring: what vcoll-bench and vcoll-tune share.
add_library(vcoll_measure STATIC
  ${CMAKE_CURRENT_LIST_DIR}/block.c
  ${CMAKE_CURRENT_LIST_DIR}/calls.c
  ${CMAKE_CURRENT_LIST_DIR}/clock.c
  ${CMAKE_CURRENT_LIST_DIR}/judge.c
  ${CMAKE_CURRENT_LIST_DIR}/rounds.c
  ${CMAKE_CURRENT_LIST_DIR}/stats.c
  ${CMAKE_CURRENT_LIST_DIR}/world.c
)
# Programs name the shared library before this one, so that it comes before the MPI: public MPI calls go through the front
# door, as an application's do; the underlying ones come from vcoll_native().
target_link_libraries(vcoll_measure PUBLIC vcoll vcoll_core vcoll_flags PkgConfig::JANSSON m)
