# SPDX-License-Identifier: BSD-3-Clause
#
# `vcoll report`, a part of the vcoll command.
target_sources(vcoll-tool PRIVATE
  report.c
  report_cands.c
  report_coll.c
  report_cpu.c
  report_head.c
  report_html.c
  report_lines.c
  report_load.c
  report_model.c
  report_moder.c
  report_moderation.c
  report_page.c
  report_params.c
  report_plot.c
  report_reference.c
  report_rules.c
  report_sum.c
  report_svg.c
)
target_link_libraries(vcoll-tool PRIVATE m)
