# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-sim, which `vcoll sim` starts. Like the command itself it is made of the rooms and starts no ranks.
add_library(vcoll_sim_parts OBJECT
  sim/cluster.c
  sim/cluster_noise.c
  sim/cluster_opts.c
  sim/cluster_show.c
  sim/cluster_tune.c
  sim/figures.c
  sim/json.c
  sim/lists.c
  sim/opts.c
  sim/plot.c
  sim/predict.c
  sim/text.c
  sim/topology.c
  facts/costs.c
  print/terminal.c
)
target_link_libraries(vcoll_sim_parts PUBLIC vcoll_plot vcoll_core PkgConfig::JANSSON m)

add_executable(vcoll-sim sim/main.c facts/place.c vcoll/start.c)
target_compile_definitions(vcoll-sim PRIVATE VC_LIBEXEC_FROM_BIN=".")
target_link_libraries(vcoll-sim PRIVATE vcoll_sim_parts vcoll_plot)
install(TARGETS vcoll-sim RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
