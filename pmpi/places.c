/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/places.h"

#include "transport/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A rank, for sorting. */
struct item {
    const struct vc_place *at;
    int rank;
};

/* The ranks of an operating system, taken together. */
struct os {
    const struct vc_place *at; /* of one of them */
    int number;
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

static void add_rank(struct vc_cpu_claim *os, const struct vc_place *p)
{
    /* Ranks that are bound to one CPU each have many together; a quota holds for all of them together. */
    for (int i = 0; i < VC_MASK_WORDS; i++)
        os->mask[i] |= p->mask[i];
    if (p->quota < os->quota)
        os->quota = p->quota;
    if (p->local_size > os->launched)
        os->launched = p->local_size;
    os->procs++;
}

/* Groups the sorted ranks; os_of gets indices into `os`, and into `claim`. */
static int group(const struct item *item, int n, struct os *os, struct vc_cpu_claim *claim, int *os_of)
{
    int nos = 0;
    for (int i = 0; i < n; i++) {
        if (i == 0 || compare_os(item[i].at, item[i - 1].at) != 0) {
            os[nos] = (struct os){.at = item[i].at, .number = -1};
            claim[nos] = (struct vc_cpu_claim){.quota = INFINITY, .os = nos};
            nos++;
        }
        add_rank(&claim[nos - 1], item[i].at);
        os_of[item[i].rank] = nos - 1;
    }
    return nos;
}

int vc_places_find(const struct vc_place *const *at, int n, struct vc_places *out)
{
    struct item *item = malloc((size_t)n * sizeof *item);
    struct os *os = malloc((size_t)n * sizeof *os);
    struct vc_cpu_claim *claim = malloc((size_t)n * sizeof *claim);
    int err = VC_OK, found = 0;
    out->nos = 0;
    if (!item || !os || !claim)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", n);
    for (int r = 0; err == VC_OK && r < n; r++)
        item[r] = (struct item){at[r], r};
    if (err == VC_OK) {
        qsort(item, (size_t)n, sizeof *item, compare);
        found = group(item, n, os, claim, out->os_of);
    }
    for (int r = 0; err == VC_OK && r < n; r++) {
        int i = out->os_of[r];
        if (os[i].number < 0) {
            os[i].number = out->nos++;
            out->os_ranks[os[i].number] = claim[i].procs;
        }
        out->os_of[r] = os[i].number;
    }
    /* Those of one kernel stand together. */
    for (int first = 0, end; first < found; first = end) {
        for (end = first + 1; end < found && compare_kernels(os[first].at, os[end].at) == 0;)
            end++;
        for (int i = first; i < end; i++)
            out->crowded[os[i].number] = vc_cpus_shared(claim + first, end - first, i - first, 0);
    }
    free(item);
    free(os);
    free(claim);
    return err;
}
