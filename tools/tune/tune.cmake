# SPDX-License-Identifier: BSD-3-Clause
#
# vcoll-tune, which `vcoll tune run`, `check` and `validate --measure` start.
add_executable(vcoll-tune
  tune/launch.c
  tune/main.c
  tune/opts.c
  tune/text_again.c
  tune/text_check.c
  tune/text_run.c
)
target_link_libraries(vcoll-tune PRIVATE vcoll vcoll_launch vcoll_search)
set_target_properties(vcoll-tune PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_libexec}")
install(TARGETS vcoll-tune RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/vcoll)
