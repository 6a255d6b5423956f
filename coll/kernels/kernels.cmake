# SPDX-License-Identifier: BSD-3-Clause
#
# kernels_impl.c is compiled once per instruction set; kernels.c chooses at run time.
include(CheckCCompilerFlag)
target_sources(vcoll_core PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/kernels/kernels.c)

# -O3 in every build type: these loops are nothing without vectors. Contraction (fused multiply-add) would make results
# depend on the CPU; nobody reads the floating-point exception flags of a reduction.
function(vc_kernels_for isa)
  add_library(vc_kernels_${isa} OBJECT ${CMAKE_CURRENT_SOURCE_DIR}/kernels/kernels_impl.c)
  target_link_libraries(vc_kernels_${isa} PRIVATE vcoll_flags)
  target_compile_definitions(vc_kernels_${isa} PRIVATE VC_ISA=${isa})
  target_compile_options(vc_kernels_${isa} PRIVATE -O3 -ffp-contract=off -fno-trapping-math -fno-math-errno ${ARGN})
  target_sources(vcoll_core PRIVATE $<TARGET_OBJECTS:vc_kernels_${isa}>)
endfunction()

vc_kernels_for(baseline)
set(_vc_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  string(JOIN " " _vc_avx512_flags ${_vc_avx512})
  check_c_compiler_flag("${_vc_avx512_flags}" VC_COMPILER_HAS_AVX512)
  if(VC_COMPILER_HAS_AVX512)
    # No fused instructions, whatever the user's flags: avx512 borrows what gcc would fuse there.
    vc_kernels_for(avx2 -mavx2 -mno-avx512f -mno-fma -DVC_KERNELS_X86 -DVC_PROD_LENT)
    vc_kernels_for(avx512 ${_vc_avx512} -DVC_KERNELS_X86 -DVC_PROD_BORROWED)
    # For everyone else who includes kernels_isa.h: the dispatcher and the tests.
    target_compile_definitions(vcoll_core PUBLIC VC_KERNELS_X86)
  endif()
endif()
