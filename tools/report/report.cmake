# SPDX-License-Identifier: BSD-3-Clause
#
# `vcoll report`, a part of the vcoll command; and what draws, which vcoll-bench uses too (bench/bench.cmake).
add_library(vcoll_plot OBJECT print/axis.c print/plot.c print/text.c)
target_link_libraries(vcoll_plot PUBLIC vcoll_flags m)
target_sources(vcoll-tool PRIVATE
  report/coll.c
  report/cpu.c
  report/gap.c
  report/head.c
  report/load.c
  report/model.c
  report/moderation.c
  report/page.c
  report/report.c
  report/rows.c
  report/rules.c
  report/simulated.c
  report/sum.c
)
target_link_libraries(vcoll-tool PRIVATE vcoll_plot m)
