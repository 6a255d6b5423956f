# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_kernels test_kernels.c kernel_values.c)

# Against the MPI found: its portable operators to the last bit, and whatever it chooses on this CPU with tame values.
add_executable(test_kernels_mpi test_kernels_mpi.c kernel_values.c ${PROJECT_SOURCE_DIR}/pmpi/typemap.c)
target_link_libraries(test_kernels_mpi PRIVATE vcoll_core m)
vc_mpi_test(kernels_portable NP 1 ENV OMPI_MCA_op=^avx COMMAND test_kernels_mpi)
vc_mpi_test(kernels_tame NP 1 COMMAND test_kernels_mpi tame)
