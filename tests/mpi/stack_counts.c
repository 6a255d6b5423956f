/* SPDX-License-Identifier: BSD-3-Clause */
/* What tells an MPI with large counts from one without; nobody calls it. */
int PMPI_Bcast_c(void);
int PMPI_Bcast_c(void)
{
    return -1;
}
