/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/places.h"

#include "transport/base.h"

#include <stdlib.h>
#include <string.h>

/* A rank while they are being sorted. */
struct item {
    const struct vc_place *at;
    int rank;
};

/* The ranks of an operating system, taken together. */
struct os {
    const struct vc_place *at; /* of one of them */
    int number, ranks, told;
    double quota;
    uint64_t mask[VC_MASK_WORDS];
    int part; /* of those of its kernel: whose CPUs overlap */
};

static int compare_kernels(const struct vc_place *a, const struct vc_place *b)
{
    int c = memcmp(a->os.boot_id, b->os.boot_id, sizeof a->os.boot_id);
    return c ? c : (a->host > b->host) - (a->host < b->host);
}

static int compare_os(const struct vc_place *a, const struct vc_place *b)
{
    int c = compare_kernels(a, b);
    return c ? c : (a->os.shm_dev > b->os.shm_dev) - (a->os.shm_dev < b->os.shm_dev);
}

static int compare(const void *x, const void *y)
{
    const struct item *a = x, *b = y;
    int c = compare_os(a->at, b->at);
    return c ? c : (a->rank > b->rank) - (a->rank < b->rank);
}

/* ---- CPUs ---- */

static void mask_add(uint64_t to[VC_MASK_WORDS], const uint64_t more[VC_MASK_WORDS])
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        to[i] |= more[i];
}

static bool mask_meets(const uint64_t a[VC_MASK_WORDS], const uint64_t b[VC_MASK_WORDS])
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        if (a[i] & b[i])
            return true;
    return false;
}

static int mask_count(const uint64_t mask[VC_MASK_WORDS])
{
    int cpus = 0;
    for (int i = 0; i < VC_MASK_WORDS; i++)
        cpus += __builtin_popcountll(mask[i]);
    return cpus;
}

static bool too_many(int ranks, int told, double have)
{
    /* The launcher may know of more ranks here than this world has, never of fewer. Masks that could not be
     * read say nothing. */
    return have > 0 && (ranks > told ? ranks : told) > have + 0.01;
}

/* An operating system by itself. */
static bool alone_crowded(const struct os *o)
{
    int cpus = mask_count(o->mask);
    return cpus > 0 && too_many(o->ranks, o->told, o->quota < cpus ? o->quota : cpus);
}

/* Gives those of a kernel whose CPUs overlap, be it by way of others, the same part. */
static void find_parts(struct os *o, int n)
{
    for (int i = 0; i < n; i++)
        o[i].part = i;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            int from = o[i].part, to = o[j].part;
            if (from == to || !mask_meets(o[i].mask, o[j].mask))
                continue;
            for (int k = 0; k <= i; k++)
                if (o[k].part == from)
                    o[k].part = to;
        }
}

static bool part_crowded(const struct os *o, int n, int part)
{
    uint64_t mask[VC_MASK_WORDS] = {0};
    int ranks = 0, told = 0;
    for (int i = 0; i < n; i++) {
        if (o[i].part != part)
            continue;
        mask_add(mask, o[i].mask);
        ranks += o[i].ranks;
        if (o[i].told > told)
            told = o[i].told;
    }
    return too_many(ranks, told, mask_count(mask));
}

/* The operating systems of one kernel. */
static void judge(struct os *o, int n, bool *crowded)
{
    if (n > 1)
        find_parts(o, n);
    for (int i = 0; i < n; i++)
        crowded[o[i].number] = alone_crowded(&o[i]) || (n > 1 && part_crowded(o, n, o[i].part));
}

/* ---- which ranks share one ---- */

static void add_rank(struct os *o, const struct vc_place *p)
{
    /* Bound ranks see one CPU each and together have many; a quota binds them all together. */
    mask_add(o->mask, p->mask);
    if (p->quota < o->quota)
        o->quota = p->quota;
    if (p->local_size > o->told)
        o->told = p->local_size;
    o->ranks++;
}

/* Groups the sorted ranks; os_of gets indices into `os`. */
static int group(const struct item *item, int n, struct os *os, int *os_of)
{
    int nos = 0;
    for (int i = 0; i < n; i++) {
        if (i == 0 || compare_os(item[i].at, item[i - 1].at) != 0)
            os[nos++] = (struct os){.at = item[i].at, .number = -1, .quota = 1e9};
        add_rank(&os[nos - 1], item[i].at);
        os_of[item[i].rank] = nos - 1;
    }
    return nos;
}

int vc_places_find(const struct vc_place *const *at, int n, struct vc_places *out)
{
    struct item *item = malloc((size_t)n * sizeof *item);
    struct os *os = malloc((size_t)n * sizeof *os);
    if (!item || !os) {
        free(item);
        free(os);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", n);
    }
    for (int r = 0; r < n; r++)
        item[r] = (struct item){at[r], r};
    qsort(item, (size_t)n, sizeof *item, compare);
    int found = group(item, n, os, out->os_of);
    out->nos = 0;
    for (int r = 0; r < n; r++) {
        struct os *o = &os[out->os_of[r]];
        if (o->number < 0) {
            o->number = out->nos++;
            out->os_ranks[o->number] = o->ranks;
        }
        out->os_of[r] = o->number;
    }
    for (int i = 0, end; i < found; i = end) {
        for (end = i + 1; end < found && compare_kernels(os[i].at, os[end].at) == 0;)
            end++;
        judge(os + i, end - i, out->crowded);
    }
    free(item);
    free(os);
    return VC_OK;
}
