# SPDX-License-Identifier: BSD-3-Clause
target_sources(vcoll_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/node/node.c
  ${CMAKE_CURRENT_SOURCE_DIR}/node/node_cma.c
  ${CMAKE_CURRENT_SOURCE_DIR}/node/node_lengths.c
  ${CMAKE_CURRENT_SOURCE_DIR}/node/node_slots.c
  ${CMAKE_CURRENT_SOURCE_DIR}/node/node_small.c)
