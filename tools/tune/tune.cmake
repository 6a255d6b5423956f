# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-tune, which `vcoll tune run`, `check` and `validate --measure` start.
add_executable(vcoll-tune
  table/file.c
  table/measured.c
  tune/check_print.c
  tune/launch.c
  tune/main.c
  tune/opts.c
  tune/remeasure_print.c
  tune/sum.c
)
target_link_libraries(vcoll-tune PRIVATE vcoll vcoll_launch vcoll_search)
set_target_properties(vcoll-tune PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_libexec}")
install(TARGETS vcoll-tune RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
