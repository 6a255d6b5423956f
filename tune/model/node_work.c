/* SPDX-License-Identifier: BSD-3-Clause */
/* What coll/node does in a phase, in bytes, meetings and lines: among ranks that all meet, and over a tree of
 * groups. */
#include "coll/node/node.h"
#include "tune/model/impl.h"

#include <math.h>
#include <string.h>

/* Transfers from one rank to others are cut into pieces of this size; the others begin when one is copied. */
#define PIECE 16384.0
/* Chunks of a reduction by slices that are under way at once, and their length. */
#define CHUNKS 4.0
#define CHUNK  32768.0

/* ---- flat: p->ranks are those that meet ---- */

/* An allreduce or barrier in two meetings instead of one: contributions, then slices of the result. */
static bool two_stages(const struct vc_model_phase *p)
{
    size_t n = (size_t)p->ranks;
    return p->ranks > vc_flat_ranks(!p->crowded) || (n - 1) * p->len > vc_flat_bytes(p->ranks, !p->crowded);
}

/* A rooted reduction in two meetings. */
static bool root_slices(const struct vc_model_phase *p)
{
    return !p->crowded && p->ranks > VC_ROOT_RANKS && p->len > VC_FLAT_BYTES;
}

/* How many ranks reduce a chunk of a reduction by slices; `at_once`: all chunks that are under way. */
static double reducers(const struct vc_model_phase *p, bool at_once)
{
    if (p->ranks <= VC_FLAT_RANKS && p->kind != VC_PHASE_REDUCE)
        return p->ranks;
    double most = floor(fmin((double)p->len, at_once ? CHUNKS * CHUNK : CHUNK) / VC_SLICE_LEAST);
    return fmax(1, fmin(most, p->ranks));
}

/* All but the own slice is written and collected, the slice itself is published. */
static struct vc_model_work slices_work(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len, share = reducers(p, true);
    return (struct vc_model_work){
        .meetings = 2, .copied = (2 * share - 1) / share * len, .reduced = (q - 1) / share * len};
}

static struct vc_model_work allreduce_work(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len;
    if (!two_stages(p))
        return (struct vc_model_work){.meetings = 1, .copied = len, .reduced = (q - 1) * len};
    struct vc_model_work w = slices_work(p);
    if (reducers(p, true) < 2) /* one rank reduces, all copy what it publishes */
        w.copied = 2 * len;
    return w;
}

static struct vc_model_work cma_work(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len;
    double block = (double)VC_CMA_PAIR_BLOCK / (vc_cma_operands(p->ranks, 1) + 1);
    switch (p->kind) {
    case VC_PHASE_BCAST: /* root and reader of a pair share the work */
        return (struct vc_model_work){
            .meetings = 2, .cma_calls = 1, .cma_copied = p->ranks == 2 ? len / 2 : len};
    case VC_PHASE_REDUCE:
        if (p->ranks == 2) /* the root's part, three fifths, takes as long as reading and writing the rest */
            return (struct vc_model_work){.meetings = 2,
                                          .reduced = 0.6 * len,
                                          .cma_calls = ceil(0.6 * len / VC_CMA_PAIR_BLOCK),
                                          .cma_copied = 0.6 * len};
        return (struct vc_model_work){.meetings = 2,
                                      .reduced = (q - 1) / q * len,
                                      .cma_calls = q * ceil(len / q / block),
                                      .cma_copied = len};
    case VC_PHASE_ALLREDUCE:
        if (p->ranks == 2) /* half is read, and written across again */
            return (struct vc_model_work){.meetings = 2,
                                          .reduced = len / 2,
                                          .cma_calls = 2 * ceil(len / 2 / VC_CMA_PAIR_BLOCK),
                                          .cma_copied = len};
        return (struct vc_model_work){.meetings = 3,
                                      .reduced = (q - 1) / q * len,
                                      .cma_calls = (q - 1) * (1 + ceil(len / q / block)),
                                      .cma_copied = 2 * (q - 1) / q * len};
    case VC_PHASE_GATHER:
    case VC_PHASE_SCATTER: /* the others copy, and of a pair each one half */
        return (struct vc_model_work){.meetings = 2,
                                      .copied = p->waits == (p->kind == VC_PHASE_GATHER) ? len : 0,
                                      .cma_calls = 1,
                                      .cma_copied = p->ranks == 2 ? len / 2 : len};
    case VC_PHASE_REDUCE_BLOCKS:
    case VC_PHASE_REDUCE_BLOCKSV:
        return (struct vc_model_work){.meetings = 2,
                                      .reduced = (q - 1) * len,
                                      .cma_calls = (q - 1) * ceil(len / block),
                                      .cma_copied = (q - 1) * len};
    default: /* allgather, alltoall */
        return (struct vc_model_work){
            .meetings = 2, .copied = len, .cma_calls = q - 1, .cma_copied = (q - 1) * len};
    }
}

/* Of the last rank: short vectors are read from all below, long ones go up the ranks. */
static struct vc_model_work scan_work(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len;
    if (p->len <= VC_NODE_ELEMENT_MAX)
        return (struct vc_model_work){.meetings = 1, .copied = len, .reduced = (q - 1) * len};
    return (struct vc_model_work){
        .meetings = q - 1, .copied = 2 * len + (q - 1) * fmin(len, PIECE), .reduced = len};
}

static struct vc_model_work flat_work(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len, piece = fmin(len, PIECE), parts = p->parts > 0 ? p->parts : 1;
    struct vc_model_work w = {.meetings = p->waits};
    switch (p->kind) {
    case VC_PHASE_BARRIER:
        w.meetings = two_stages(p) ? 2 : 1;
        break;
    case VC_PHASE_BCAST:
        w.copied = p->waits ? len + piece : len;
        break;
    case VC_PHASE_REDUCE:
        if (root_slices(p)) {
            w = slices_work(p);
            w.copied -= p->waits ? 0 : len; /* only the root collects */
            break;
        }
        w.copied = p->waits ? piece : len;
        w.reduced = p->waits ? (q - 1) * len : 0;
        break;
    case VC_PHASE_ALLREDUCE:
        return allreduce_work(p);
    case VC_PHASE_REDUCE_SCATTER:
        w.copied = len;
        w.reduced = p->waits ? (q - 1) / parts * len : 0;
        break;
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLGATHERV: /* as of blocks that are all as long as the longest */
        w.copied = (q + 1) * len;
        break;
    case VC_PHASE_ALLGATHER_SLICES:
        w.copied = len;
        break;
    case VC_PHASE_GATHER:
    case VC_PHASE_GATHERV:
        w.copied = p->waits ? q * len + piece : len;
        break;
    case VC_PHASE_SCATTER:
    case VC_PHASE_SCATTERV:
        w.copied = p->waits ? len + piece : q * len;
        break;
    case VC_PHASE_ALLTOALL:
    case VC_PHASE_ALLTOALLV:
        w.copied = (2 * q - 1) * len;
        break;
    case VC_PHASE_REDUCE_BLOCKS:
    case VC_PHASE_REDUCE_BLOCKSV:
        w.copied = (q - 1) * len;
        w.reduced = (q - 1) * len;
        break;
    case VC_PHASE_SCAN:
    case VC_PHASE_EXSCAN:
        return scan_work(p);
    case VC_PHASE_COUNT:
        break;
    }
    return w;
}

/* ---- lines that go from one core to another, in all ---- */

/* Of a slot with `bytes` of payload. */
static double slot_lines(double bytes)
{
    return bytes <= 120 ? ceil((8 + bytes) / VC_CACHELINE) : 1 + ceil(bytes / VC_CACHELINE);
}

static double flat_lines(const struct vc_model_phase *p)
{
    double q = p->ranks, len = (double)p->len, pairs = q * (q - 1), share = reducers(p, false);
    double slices = share * (q - 1) + (q - 1) * ceil(len / VC_CACHELINE), chunks = fmax(1, len / CHUNK);
    /* What each rank collects that gets a result in slices. */
    double result = fmin(chunks, 1) * share + ceil(len / VC_CACHELINE);
    switch (p->kind) {
    case VC_PHASE_BARRIER:
    case VC_PHASE_ALLREDUCE:
        return two_stages(p) ? slices + (q - 1) * result : pairs * slot_lines(len);
    case VC_PHASE_REDUCE:
        return root_slices(p) ? slices + result : (q - 1) * slot_lines(len);
    case VC_PHASE_BCAST:
    case VC_PHASE_GATHER:
    case VC_PHASE_GATHERV:
    case VC_PHASE_SCATTER:
    case VC_PHASE_SCATTERV:
        return (q - 1) * slot_lines(len);
    case VC_PHASE_REDUCE_SCATTER:
    case VC_PHASE_ALLGATHER_SLICES:
        return pairs * slot_lines(len / (p->parts > 0 ? p->parts : 1));
    case VC_PHASE_SCAN:
    case VC_PHASE_EXSCAN:
        return (p->len <= VC_NODE_ELEMENT_MAX ? pairs / 2 : q - 1) * slot_lines(len);
    default:
        return pairs * slot_lines(len);
    }
}

/* ---- over a tree ---- */

/* Whether the tree has a part in it: as vc_tree_takes(), for operators that commute. */
static bool on_tree(const struct vc_model_phase *p)
{
    double padded = 1;
    if (p->tiers < 2 || p->cma || p->flat)
        return false;
    for (int t = 0; t < p->tiers; t++)
        padded *= p->group[t];
    switch (p->kind) {
    case VC_PHASE_BARRIER:
    case VC_PHASE_BCAST:
    case VC_PHASE_REDUCE:
    case VC_PHASE_ALLREDUCE:
        return true;
    case VC_PHASE_ALLGATHER:
        return padded <= 2.0 * p->ranks && (double)p->len * padded <= VC_NODE_PADDED;
    default:
        return false;
    }
}

int vc_mparts(const struct vc_model_phase *p, struct vc_mpart out[VC_MPARTS])
{
    bool up = p->kind != VC_PHASE_BCAST, down = p->kind != VC_PHASE_REDUCE;
    bool gathers = p->kind == VC_PHASE_ALLGATHER;
    int n = 0, top = p->tiers - 1;
    size_t len = p->len;
    struct vc_model_phase flat = *p;
    flat.tiers = 0;
    flat.levels = NULL;
    if (!on_tree(p)) {
        out[0] = (struct vc_mpart){flat, -1};
        return 1;
    }
    flat.waits = true;
    /* Up to the leaders, among those of the top, down. */
    for (int t = 0; t < top; t++) {
        flat.kind = gathers ? VC_PHASE_GATHER : VC_PHASE_REDUCE;
        flat.ranks = p->group[t];
        flat.len = len;
        if (up)
            out[n++] = (struct vc_mpart){flat, t};
        len *= gathers ? (size_t)p->group[t] : 1;
    }
    flat.kind = p->kind;
    flat.ranks = p->group[top];
    flat.len = len;
    out[n++] = (struct vc_mpart){flat, top};
    flat.kind = VC_PHASE_BCAST;
    flat.len *= gathers ? (size_t)p->group[top] : 1;
    for (int t = top - 1; down && t >= 0; t--) {
        flat.ranks = p->group[t];
        out[n++] = (struct vc_mpart){flat, t};
    }
    return n;
}

static struct vc_model_work part_work(const struct vc_model_phase *p)
{
    struct vc_model_work w = p->cma ? cma_work(p) : flat_work(p);
    w.flags = w.meetings * (p->ranks - 1);
    return w;
}

struct vc_model_work vc_model_node_work(const struct vc_model_phase *p)
{
    struct vc_mpart part[VC_MPARTS];
    struct vc_model_work sum = {0};
    if (!on_tree(p))
        return part_work(p);
    /* The leader of all does the most, one part after another. */
    int n = vc_mparts(p, part);
    for (int i = 0; i < n; i++) {
        if (part[i].phase.ranks < 2)
            continue;
        struct vc_model_work w = part_work(&part[i].phase);
        sum.meetings += w.meetings;
        sum.flags += w.flags;
        sum.copied += w.copied;
        sum.reduced += w.reduced;
    }
    if (p->kind == VC_PHASE_ALLGATHER) /* from padded blocks to dst */
        sum.copied += (double)p->ranks * (double)p->len;
    return sum;
}

/* Of all groups of a tier. */
static double tier_lines(const struct vc_model_phase *p, const struct vc_mpart *part)
{
    struct vc_model_phase flat = part->phase;
    int t = part->tier, groups = vc_mgroups(p, t);
    if (!p->levels)
        return flat.ranks > 1 ? groups * flat_lines(&flat) : 0;
    double sum = 0;
    for (int g = 0; g < groups; g++) {
        flat.ranks = vc_mmembers(p, t, g);
        sum += flat.ranks > 1 ? flat_lines(&flat) : 0;
    }
    return sum;
}

void vc_mpart_lines(const struct vc_model_phase *p, const struct vc_mpart *part, double lines[VC_MODEL_TIERS])
{
    memset(lines, 0, VC_MODEL_TIERS * sizeof *lines);
    if (part->tier >= 0) {
        lines[part->tier] = tier_lines(p, part);
        return;
    }
    if (p->ranks < 2)
        return;
    /* Of any two ranks, what is the lowest tier on which they are in one group, or below members of one? */
    double all = p->cma ? p->ranks * cma_work(p).cma_copied / VC_CACHELINE : flat_lines(p), before = 0;
    for (int t = 0; t < (p->tiers > 1 ? p->tiers : 1); t++) {
        double here = vc_mpairs(p, t);
        lines[t] = all * (here - before);
        before = here;
    }
}

void vc_model_node_lines(const struct vc_model_phase *p, double lines[VC_MODEL_TIERS])
{
    struct vc_mpart part[VC_MPARTS];
    memset(lines, 0, VC_MODEL_TIERS * sizeof *lines);
    int n = p->cma ? 0 : vc_mparts(p, part);
    for (int i = 0; i < n; i++) {
        double more[VC_MODEL_TIERS];
        vc_mpart_lines(p, &part[i], more);
        for (int t = 0; t < VC_MODEL_TIERS; t++)
            lines[t] += more[t];
    }
}
