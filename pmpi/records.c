/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/records.h"

#include "transport/base.h"

#include <stdlib.h>
#include <string.h>

/* How they travel: this, then the values, then the runs. */
struct head {
    uint32_t nvalues, nruns;
};

/* An array with room for one more element, in place of this one. NULL: no memory, and this one stays. */
static void *with_room(void *array, int n, int *room, size_t bytes)
{
    if (n < *room)
        return array;
    int next = *room ? 2 * *room : 4;
    void *more = realloc(array, (size_t)next * bytes);
    if (more)
        *room = next;
    else
        vc_fail(VC_ERR_NOMEM, "out of memory for what %d ranks told", n);
    return more;
}

/* ---- values ---- */

/* The slot of a value, or a free one where it belongs. */
static uint32_t *slot_for(const struct vc_records *r, const void *value)
{
    size_t at = (size_t)vc_hash(VC_HASH_START, value, r->bytes) & (r->slots - 1);
    while (r->slot[at] && memcmp(vc_record(r, r->slot[at] - 1), value, r->bytes) != 0)
        at = (at + 1) & (r->slots - 1);
    return &r->slot[at];
}

/* Slots are at most half full. */
static bool grow_slots(struct vc_records *r)
{
    if (2 * ((size_t)r->nvalues + 1) <= r->slots)
        return true;
    size_t slots = r->slots ? 2 * r->slots : 16;
    uint32_t *more = calloc(slots, sizeof *more);
    if (!more)
        return vc_fail(VC_ERR_NOMEM, "out of memory for what %d ranks told", r->ranks) == VC_OK;
    free(r->slot);
    r->slot = more;
    r->slots = slots;
    for (int i = 0; i < r->nvalues; i++)
        *slot_for(r, vc_record(r, (uint32_t)i)) = (uint32_t)i + 1;
    return true;
}

/* The number of a value, which is added where there is none like it. Negative: no memory. */
static int number_of(struct vc_records *r, const void *value)
{
    char *values = grow_slots(r) ? with_room(r->value, r->nvalues, &r->value_room, r->bytes) : NULL;
    if (!values)
        return -1;
    r->value = values;
    uint32_t *slot = slot_for(r, value);
    if (!*slot) {
        memcpy(r->value + (size_t)r->nvalues * r->bytes, value, r->bytes);
        *slot = (uint32_t)++r->nvalues;
    }
    return (int)*slot - 1;
}

static bool add_run(struct vc_records *r, uint32_t value, uint32_t ranks)
{
    struct vc_record_run *last = r->nruns ? &r->run[r->nruns - 1] : NULL;
    if (last && last->value == value) {
        last->ranks += ranks;
    } else {
        struct vc_record_run *runs = with_room(r->run, r->nruns, &r->run_room, sizeof *r->run);
        if (!runs)
            return false;
        r->run = runs;
        r->run[r->nruns++] = (struct vc_record_run){value, ranks};
    }
    r->ranks += (int)ranks;
    return true;
}

int vc_records_begin(struct vc_records *r, const void *first, size_t bytes)
{
    *r = (struct vc_records){.bytes = bytes};
    if (number_of(r, first) == 0 && add_run(r, 0, 1))
        return VC_OK;
    vc_records_free(r);
    return VC_ERR_NOMEM;
}

void vc_records_free(struct vc_records *r)
{
    free(r->value);
    free(r->run);
    free(r->slot);
    memset(r, 0, sizeof *r);
}

/* ---- travelling ---- */

size_t vc_records_most(size_t bytes, int ranks)
{
    return sizeof(struct head) + (size_t)ranks * (bytes + sizeof(struct vc_record_run));
}

size_t vc_records_write(const struct vc_records *r, int ranks, char *out)
{
    struct head h = {0, 0};
    uint32_t left = (uint32_t)ranks;
    /* Values are numbered as they first occur, so the first runs have the first values. */
    for (; left > 0; h.nruns++) {
        const struct vc_record_run *run = &r->run[h.nruns];
        h.nvalues = run->value >= h.nvalues ? run->value + 1 : h.nvalues;
        left -= run->ranks < left ? run->ranks : left;
    }
    char *at = out + sizeof h;
    memcpy(out, &h, sizeof h);
    memcpy(at, r->value, h.nvalues * r->bytes);
    at += h.nvalues * r->bytes;
    left = (uint32_t)ranks;
    for (uint32_t i = 0; i < h.nruns; i++, at += sizeof *r->run) {
        struct vc_record_run run = r->run[i];
        run.ranks = run.ranks < left ? run.ranks : left;
        left -= run.ranks;
        memcpy(at, &run, sizeof run);
    }
    return (size_t)(at - out);
}

static int refuse(void)
{
    return vc_fail(VC_ERR_MPI, "what another rank told right after MPI_Init cannot be understood: the ranks "
                               "have different versions of vcoll");
}

int vc_records_append(struct vc_records *r, const char *in, int ranks)
{
    struct head h;
    int err = VC_OK;
    memcpy(&h, in, sizeof h);
    if (ranks < 1 || h.nvalues > (uint32_t)ranks || h.nruns > (uint32_t)ranks)
        return refuse();
    const char *values = in + sizeof h, *runs = values + h.nvalues * r->bytes;
    uint32_t left = (uint32_t)ranks, *number = malloc((h.nvalues + 1) * sizeof *number);
    if (!number)
        return vc_fail(VC_ERR_NOMEM, "out of memory for what %d ranks told", ranks);
    for (uint32_t i = 0; err == VC_OK && i < h.nvalues; i++) {
        int n = number_of(r, values + i * r->bytes);
        number[i] = (uint32_t)n;
        err = n < 0 ? VC_ERR_NOMEM : VC_OK;
    }
    for (uint32_t i = 0; err == VC_OK && i < h.nruns; i++) {
        struct vc_record_run run;
        memcpy(&run, runs + i * sizeof run, sizeof run);
        if (run.value >= h.nvalues || run.ranks < 1 || run.ranks > left)
            err = refuse();
        else if (!add_run(r, number[run.value], run.ranks))
            err = VC_ERR_NOMEM;
        left -= run.ranks;
    }
    free(number);
    return err == VC_OK && left > 0 ? refuse() : err;
}

/* ---- order ---- */

/* Adds those from place `from` to before `to`. */
static int add_part(struct vc_records *to_records, const struct vc_records *r, int from, int to)
{
    int at = 0;
    for (int i = 0; i < r->nruns && at < to; i++) {
        int end = at + (int)r->run[i].ranks, lo = at > from ? at : from, hi = end < to ? end : to;
        at = end;
        if (lo >= hi)
            continue;
        int n = number_of(to_records, vc_record(r, r->run[i].value));
        if (n < 0 || !add_run(to_records, (uint32_t)n, (uint32_t)(hi - lo)))
            return VC_ERR_NOMEM;
    }
    return VC_OK;
}

int vc_records_turn(struct vc_records *r, int first)
{
    struct vc_records turned = {.bytes = r->bytes};
    if (first == 0)
        return VC_OK;
    int err = add_part(&turned, r, first, r->ranks);
    if (err == VC_OK)
        err = add_part(&turned, r, 0, first);
    if (err != VC_OK) {
        vc_records_free(&turned);
        return err;
    }
    vc_records_free(r);
    *r = turned;
    return VC_OK;
}

void vc_records_spread(const struct vc_records *r, int *of)
{
    for (int i = 0, at = 0; i < r->nruns; i++)
        for (uint32_t k = 0; k < r->run[i].ranks; k++)
            of[at++] = (int)r->run[i].value;
}
