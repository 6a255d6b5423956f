/* SPDX-License-Identifier: BSD-3-Clause */
/* Which variables of the environment mpirun is to hand to ranks on other nodes; those of its own inherit
 * them anyway. */
#ifndef VC_TOOLS_VCOLL_FORWARD_H
#define VC_TOOLS_VCOLL_FORWARD_H

/** The names of all VCOLL_ variables of the environment, for mpirun's -x; ends with NULL. NULL without
 * memory. forward_free() frees them. */
char **forward_names(void);
void forward_free(char **names);

#endif
