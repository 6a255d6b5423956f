/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A communicator in numbers, as the keys of tables see it: for explaining and comparing tables without
 * starting ranks.
 */
#ifndef VC_TOOLS_TABLE_KEY_H
#define VC_TOOLS_TABLE_KEY_H

#include "tune/select/select.h"

enum { TABLE_RANKS_MAX = 1 << 20 };

/** What is given of a communicator. Zeroed: nothing; 0 of ranks, nodes and ppn: not given. */
struct table_place {
    struct vc_topo_key at;
    unsigned given; /**< bit i: vc_key_info[i], of those that are no numbers */
};

/**
 * Fills in what is not given: the missing one of ranks, nodes and ranks per node from the others (one node
 * with a rank for each CPU, at least two, when nothing is given), the rest from this machine and the
 * settings. Looks at sysfs and the CPUs. False, with the reason in `why`, when the numbers contradict.
 */
bool table_place_complete(struct table_place *p, const struct vc_params *params, char *why, size_t len);

/** "4 ranks on 1 node" and "8 ranks on 4 nodes, 2 per node". Returns buf. */
char *table_place_text(int ranks, int nodes, int ppn, char *buf, size_t len);

/** `key.hier` points to `hier`, so the struct must stay where it is. */
struct table_key {
    struct vc_topo_key key;
    struct vc_hier hier;
    int *mem;
};

/**
 * The key of a completed place: ranks in blocks, each node filled as far as the later ones still get a rank.
 * Without the shm channel every rank is a node of its own, as at run time. VC_OK (table_key_free()),
 * VC_ERR_INVAL when no such placement exists, or VC_ERR_NOMEM.
 */
int table_key_make(const struct table_place *p, const struct vc_params *params, struct table_key *out);
/** Zeroed is legal. */
void table_key_free(struct table_key *k);

#endif
