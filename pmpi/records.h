/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A record of each of some ranks, in their order. Equal records are kept once, and ranks in a row that have
 * the same one are one run: what ranks of a node have in common takes memory and messages for nodes, not for
 * ranks. The same holds for the form in which they travel. No messages here: gather.h has them.
 */
#ifndef VC_PMPI_RECORDS_H
#define VC_PMPI_RECORDS_H

#include <stddef.h>
#include <stdint.h>

struct vc_record_run {
    uint32_t value; /**< which of the values */
    uint32_t ranks; /**< how many ranks in a row have it */
};

struct vc_records {
    size_t bytes; /**< of a record */
    int ranks;
    char *value; /**< [nvalues] different records, in the order in which ranks first have them */
    int nvalues, value_room;
    struct vc_record_run *run; /**< [nruns] */
    int nruns, run_room;
    uint32_t *slot; /**< [slots] values by their hash: number + 1, 0: free */
    size_t slots;
};

/** Of one rank. VC_OK, or VC_ERR_NOMEM, after which nothing is to be freed. */
int vc_records_begin(struct vc_records *r, const void *first, size_t bytes);
/** None is legal. */
void vc_records_free(struct vc_records *r);

/** Bytes at most in which `ranks` of them travel. */
size_t vc_records_most(size_t bytes, int ranks);
/** Writes the first `ranks`. Returns how many bytes that took. */
size_t vc_records_write(const struct vc_records *r, int ranks, char *out);
/** Behind the last one follow these `ranks`, written in `in`, which has room for vc_records_most(). VC_OK,
 * VC_ERR_NOMEM, or VC_ERR_MPI: they are not what vc_records_write() writes. */
int vc_records_append(struct vc_records *r, const char *in, int ranks);
/** The rank at place `first` becomes the first one, and those before it come last. VC_OK or VC_ERR_NOMEM. */
int vc_records_turn(struct vc_records *r, int first);

static inline const void *vc_record(const struct vc_records *r, uint32_t value)
{
    return r->value + (size_t)value * r->bytes;
}
/** of[i]: which value rank i has. */
void vc_records_spread(const struct vc_records *r, int *of);

#endif
