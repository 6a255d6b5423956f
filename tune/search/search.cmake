# SPDX-License-Identifier: BSD-3-Clause
#
# Searching for the best choices: what vcoll-tune is made of. Points and rules alone make no MPI calls.
add_library(vcoll_points STATIC ${CMAKE_CURRENT_LIST_DIR}/measured.c ${CMAKE_CURRENT_LIST_DIR}/rules.c)
target_link_libraries(vcoll_points PUBLIC vcoll_core vcoll_flags PkgConfig::JANSSON m)

set(_search
  again comm compose device fit fit_noise fit_probe guard guide levels moderate places point race refine restore results resume
  run space state visit write)
list(TRANSFORM _search REPLACE "(.+)" "${CMAKE_CURRENT_LIST_DIR}/\\1.c")
add_library(vcoll_search STATIC ${_search})
# The rooms below the front door for tables, choices, plans and the cost model.
target_link_libraries(vcoll_search PUBLIC vcoll vcoll_points vcoll_measure)
