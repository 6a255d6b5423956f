# SPDX-License-Identifier: BSD-3-Clause
#
# aarch64 with Debian's cross compiler; the environment's VC_ARM64_ROOT is where packages of that architecture are unpacked.
# Later runs of CMake have that in their cache.
set(VC_ARM64_ROOT "$ENV{VC_ARM64_ROOT}" CACHE PATH "Packages of arm64, unpacked")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VC_ARM64_ROOT)
if(NOT IS_DIRECTORY "${VC_ARM64_ROOT}/usr/include")
  message(FATAL_ERROR "VC_ARM64_ROOT='${VC_ARM64_ROOT}' has no packages: tests/arm64/run fetches them")
endif()
set(_lib usr/lib/aarch64-linux-gnu)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_SYSROOT ${VC_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH ${VC_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${VC_ARM64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${VC_ARM64_ROOT}/${_lib}/pkgconfig:${VC_ARM64_ROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${VC_ARM64_ROOT})
# The compiler wrapper mpicc on this machine is for this machine's programs.
set(MPI_C_COMPILER MPI_C_COMPILER-NOTFOUND CACHE FILEPATH "")
set(MPI_C_HEADER_DIR ${VC_ARM64_ROOT}/${_lib}/openmpi/include CACHE PATH "")
set(MPI_C_LIB_NAMES mpi CACHE STRING "")
set(MPI_mpi_LIBRARY ${VC_ARM64_ROOT}/${_lib}/openmpi/lib/libmpi.so CACHE FILEPATH "")
