/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting mpirun: its words, and what it looks at in the environment. */
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

/** Whether a launcher started this process. */
bool launch_is_rank(void);
/** mpirun refuses to start things as root without being told twice; what the tools start is their own
 * program. */
void launch_allow_root(void);

#endif
