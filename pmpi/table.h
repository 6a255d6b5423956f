/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tuning table of the job. Rank 0 of the world finds, reads and checks it; the others get its text and
 * parse the same rows from it. So choices are equal on all ranks where VCOLL_TABLE and files are not.
 */
#ifndef VC_PMPI_TABLE_H
#define VC_PMPI_TABLE_H

#include "tune/table/table.h"

/** NULL: the built-in rules alone. Equal on all ranks; constant between vc_table_init() and vc_table_fini().
 */
extern const struct vc_table *vc_world_table;

/**
 * Collective over MPI_COMM_WORLD, after vc_world_init(). VC_OK also where the table cannot be used: rank 0
 * logs why, and the built-in rules run on all ranks. Where rank 0 has VCOLL_STRICT=1 that is VC_ERR_INVAL, on
 * all ranks with the same text.
 */
int vc_table_init(void);
void vc_table_fini(void);

/** The file's name, or "built-in"; *checksum (NULL: not wanted) is that of the file's canonical text. */
const char *vc_table_in_use(uint64_t *checksum);

#endif
