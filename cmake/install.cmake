# SPDX-License-Identifier: BSD-3-Clause
#
# `cmake --install build [--prefix DIR]`: library, header, command, completion, CMake package and pkg-config file.
# The top CMakeLists.txt includes this file last, when all targets exist.
include(CMakePackageConfigHelpers)

install(TARGETS vcoll LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/vcoll/vcoll.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vcoll)

if(TARGET vcoll-tool)
  install(TARGETS vcoll-tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/completion/vcoll
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
# The other programs are installed by tools/*/*.cmake, tables by tune/CMakeLists.txt, man pages and guides by docs/CMakeLists.txt.

set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vcoll)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/vcollConfig.cmake.in
  ${PROJECT_BINARY_DIR}/vcollConfig.cmake
  INSTALL_DESTINATION ${_package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR
)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vcollConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vcollConfig.cmake ${PROJECT_BINARY_DIR}/vcollConfigVersion.cmake
  DESTINATION ${_package_dir})

# The file finds the prefix from its own place, so an installed tree may be moved.
file(RELATIVE_PATH VCOLL_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/vcoll.pc.in ${PROJECT_BINARY_DIR}/vcoll.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vcoll.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
