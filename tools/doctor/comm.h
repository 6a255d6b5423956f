/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ranks tell each other, over the MPI underneath alone, and never longer than a bound: where something
 * is broken, the doctor still has to come back.
 */
#ifndef VC_TOOLS_DOCTOR_COMM_H
#define VC_TOOLS_DOCTOR_COMM_H

#include "tools/doctor/facts.h"

#include <jansson.h>
#include <mpi.h>
#include <stdint.h>

/* ---- comm.c: meeting, sending texts ---- */

/** What ranks tell each other first. Its layout never moves. */
struct doc_card {
    uint64_t magic;
    uint8_t boot[16];
    uint64_t shm_dev, pid_ns;
    uint64_t host_id; /**< hash of VCOLL_HOST_ID */
    int64_t pid;
    uint64_t probe, nonce; /**< where in this process a struct doc_target is, and its word */
    uint32_t channels;     /**< VCOLL_CHANNELS, of enum vc_chan_mask */
    int32_t node_split;    /**< VCOLL_NODE_SPLIT */
    uint8_t spare[48];
};
_Static_assert(sizeof(struct doc_card) == 128, "the layout is fixed");

struct doc_comm {
    int rank, size;
    double patience;       /**< seconds that others are given */
    struct doc_card *card; /**< [size] */
    int *os_of;            /**< [size] numbered by their lowest rank */
    int *first;            /**< [nos] lowest rank of each */
    int nos, os;           /**< the own one */
    struct doc_set kin;    /**< ranks of the own one */
};

/** Seconds, monotonic. */
double doc_now(void);

/** Ends the process with a line on standard error when `stage` lasts longer; NULL: nothing is watched. */
void doc_watch(const char *stage, double seconds, int rank);

/** Waits until all requests are complete or `until` (doc_now()) has come: false. MPI_REQUEST_NULL is
 * complete. */
bool doc_finish(MPI_Request *req, int n, double until);

/** Exchanges the cards; false when not all ranks came. Then `alive` gets, on rank 0, those that are there. */
bool doc_comm_meet(struct doc_comm *c, const struct vc_params *p, struct doc_set *alive);
void doc_comm_free(struct doc_comm *c);

/** Reads and writes the memory of the next rank of this operating system. */
void doc_comm_try_cma(const struct doc_comm *c, struct doc_rank *r);

/** Sends a text; it must stay until the end of the program. False when it could not be delivered in time. */
bool doc_send(const struct doc_comm *c, int to, int tag, const char *text);
/** Takes the texts of so many ranks, in any order. Ranks that did not come by `until` stay in `from`. */
void doc_collect(struct doc_set *from, int tag, double until,
                 void (*take)(void *arg, const char *text, size_t len), void *arg);

enum { DOC_TAG_ALIVE = 101, DOC_TAG_RANK, DOC_TAG_SITE, DOC_TAG_PATH };

/* ---- path.c ---- */

/** Seconds a message may take. */
#define DOC_PATH_SECONDS 2.0

/** Whether a message really arrives over verbs: from each node to the next in a ring, and once more to one
 * further away, on queue pairs of the doctor's own. All ranks call it; those that do not stand for a node
 * return at once. Findings go to `to`. */
void doc_path_try(const struct doc_comm *c, const struct vc_params *p, struct doc_findings *to);

/* ---- wire.c: the texts that travel, from each rank to the first of its operating system, and from there to
 * rank 0. They are JSON, so that doctors of different versions understand each other. What is read is
 * believed in nothing: a field that is missing or of another kind is left out. ---- */

/** "0-3,8" */
json_t *doc_json_set(const struct doc_set *s);
/** malloc()ed. `all`: with what has passed. */
char *doc_write_rank(const struct doc_rank *r, const struct doc_findings *f, bool all);
/** Adds a peer to the node (in order), its facts to the job's groups, and its findings. False when the text
 * is no report. */
bool doc_take_rank(const char *text, size_t len, struct doc_node *n, struct doc_job *j,
                   struct doc_findings *to);

/** `j` holds the groups of this site alone. malloc()ed. */
char *doc_write_site(const struct doc_site *s, const struct doc_job *j, const struct doc_findings *f,
                     bool all);
bool doc_take_site(const char *text, size_t len, struct doc_job *j, struct doc_findings *to);

/** Counts ranks into the group of that value. */
void doc_group_add(struct doc_job *j, enum doc_same s, const char *value, const struct doc_set *ranks);

#endif
