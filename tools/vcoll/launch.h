/* SPDX-License-Identifier: BSD-3-Clause */
/* The words that mpirun is started with. */
#ifndef VC_TOOLS_VCOLL_LAUNCH_H
#define VC_TOOLS_VCOLL_LAUNCH_H

#include <stdbool.h>

/** A growing argv that owns its words. Zeroed: empty. */
struct words {
    char **word; /**< ends with NULL */
    int n;
    bool failed; /**< memory ran out */
};
void words_add(struct words *w, const char *word);
/** "-x NAME" of each VCOLL_ variable of the environment. mpirun hands these to ranks on other nodes; those on
 * its own node inherit all variables anyway. */
void words_add_settings(struct words *w);
void words_free(struct words *w);

#endif
