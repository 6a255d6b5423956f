/* SPDX-License-Identifier: BSD-3-Clause */
/* Erroneous programs whose ranks give different lengths get an error, instead of a hang or missing data. */
#include "coll/node/impl.h"

/* Every so many polls a rank that waits also looks where a message of another length would be. */
#define LOOK_EVERY 16
/* A length of more than a small slot, in a slot that has no word for it. */
#define UNKNOWN UINT64_MAX

int vc_node_rank(const struct vc_node *nd, int r)
{
    int l = vc_node_index(nd, r);
    return nd->parking->ranks ? nd->parking->ranks[l] : l;
}

int vc_lengths_differ(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t theirs)
{
    size_t ours = c->st.says;
    if (theirs == UNKNOWN)
        return vc_fail(VC_ERR_TRUNCATE,
                       "rank %d comes with another length than rank %d, %zu bytes: the counts differ",
                       vc_node_rank(nd, r), vc_node_rank(nd, nd->me), ours);
    if (c->kind != VC_PHASE_BCAST)
        return vc_fail(VC_ERR_TRUNCATE,
                       "rank %d comes with %zu bytes where rank %d comes with %zu: the counts differ",
                       vc_node_rank(nd, r), (size_t)theirs, vc_node_rank(nd, nd->me), ours);
    bool root = nd->me == c->root;
    return vc_fail(VC_ERR_TRUNCATE,
                   "rank %d broadcasts %zu bytes where rank %d expects %zu: the counts differ",
                   vc_node_rank(nd, c->root), root ? ours : (size_t)theirs,
                   vc_node_rank(nd, root ? r : nd->me), root ? (size_t)theirs : ours);
}

int vc_pair_differs(const struct vc_node *nd, int r, size_t sent, size_t expected)
{
    return vc_fail(VC_ERR_TRUNCATE,
                   "rank %d sends %zu bytes to rank %d, which expects %zu: the counts differ",
                   vc_node_rank(nd, r), sent, vc_node_rank(nd, nd->me), expected);
}

int vc_block_differs(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t given)
{
    return vc_fail(VC_ERR_TRUNCATE,
                   "rank %d gives %zu bytes to all, and rank %d expects %zu of %zu in all: the counts differ",
                   vc_node_rank(nd, r), (size_t)given, vc_node_rank(nd, nd->me), c->at[r + 1] - c->at[r],
                   c->at[nd->n]);
}

/* The length that rank r says in slot g, which it has published. */
static uint64_t said_length(const struct vc_node_ring *ring, int r, uint64_t g)
{
    size_t say = vc_flag_says(vc_flag_value(ring, r, g)) & (VC_SAY_CALL - 1);
    struct vc_cma_address a = {.len = say};
    if (say == VC_SAY_WORD)
        return vc_has_word(ring) ? vc_read_word(ring, r, g) : UNKNOWN;
    if (say == VC_SAY_CMA || say == VC_SAY_OTHER)
        memcpy(&a, vc_payload(ring, r, g), sizeof a);
    return a.len;
}

/* The error of a rank whose root has published something else in slot g than this rank expects. */
static int root_differs(const struct vc_node *nd, const struct vc_node_call *c,
                        const struct vc_node_ring *ring, uint64_t g)
{
    if (vc_says_bcast(vc_flag_value(ring, c->root, g)))
        return vc_lengths_differ(nd, c, c->root, said_length(ring, c->root, g));
    return vc_fail(VC_ERR_INVAL,
                   "rank %d is in another collective, or had a count of 0, where rank %d expects a broadcast "
                   "of %zu bytes",
                   vc_node_rank(nd, c->root), vc_node_rank(nd, nd->me), c->len);
}

int vc_root_check(const struct vc_node *nd, struct vc_node_call *c, int r)
{
    const struct vc_node_ring *tiny = &nd->tiny;
    uint64_t g = !c->st.ring || c->st.ring == tiny ? c->st.base : tiny->pos;
    struct vc_cma_address a;
    if (++c->st.idle % LOOK_EVERY || r < 0 || nd->writer >= 0 ||
        vc_flag_value(tiny, r, g) != vc_bcast_flag(g, VC_SAY_OTHER))
        return VC_OK;
    memcpy(&a, vc_payload(tiny, r, g), sizeof a);
    return vc_lengths_differ(nd, c, r, a.len);
}

bool vc_say_passed(struct vc_node *nd, size_t len, uint64_t g, int *behind)
{
    struct vc_node_ring *tiny = &nd->tiny;
    struct vc_cma_address a = {.len = len};
    if (!vc_may_write(nd, tiny, g, behind))
        return false;
    memcpy(vc_payload(tiny, nd->me, g), &a, sizeof a);
    vc_publish_as(nd, tiny, g, vc_bcast_flag(g, VC_SAY_OTHER));
    return true;
}

void vc_pass_flat(struct vc_node *nd, size_t len)
{
    uint64_t g = nd->tiny.pos++;
    int behind;
    if (nd->n == 1)
        return;
    /* The slot may not be free. This does not wait for it: it is a courtesy to erroneous programs. */
    if (nd->writer < 0 || nd->writer == nd->me)
        vc_say_passed(nd, len, g, &behind);
    vc_set_done(nd, &nd->tiny, g + 1);
}

/* Whether rank r has published slot g as a rank in this operation would. */
static bool is_as_expected(const struct vc_node_call *c, const struct vc_node_ring *ring, int r, uint64_t g)
{
    if (c->kind == VC_PHASE_ALLTOALLV)
        return vc_flag_says(vc_flag_value(ring, r, g)) == 0;
    return vc_fits(ring, c, r, g);
}

/* The error of a rank that finds something else there. */
static int call_differs(const struct vc_node *nd, const struct vc_node_call *c, int r,
                        const struct vc_node_ring *ring, uint64_t g)
{
    uint64_t flag = vc_flag_value(ring, r, g);
    if (vc_says_bcast(flag) && vc_flag_says(flag) != VC_SAY_OTHER)
        return vc_fail(VC_ERR_INVAL,
                       "rank %d is in a broadcast, rank %d in another collective: the counts of a broadcast "
                       "differ, or the calls do",
                       vc_node_rank(nd, r), vc_node_rank(nd, nd->me));
    uint64_t theirs = said_length(ring, r, g);
    if (c->kind == VC_PHASE_ALLTOALLV || vc_flag_says(flag) == 0 || theirs == vc_said_by(c, r))
        return vc_fail(VC_ERR_INVAL, "ranks %d and %d are in different collectives: the calls differ",
                       vc_node_rank(nd, r), vc_node_rank(nd, nd->me));
    if (c->kind == VC_PHASE_ALLGATHERV || c->kind == VC_PHASE_GATHERV)
        return vc_block_differs(nd, c, r, theirs);
    return vc_lengths_differ(nd, c, r, theirs);
}

int vc_call_check(const struct vc_node *nd, struct vc_node_call *c, int r)
{
    const struct vc_node_ring *own = c->st.ring ? c->st.ring : &nd->tiny, *other = NULL;
    const struct vc_node_ring *rings[] = {&nd->tiny, &nd->small, &nd->bulk};
    bool pairs = c->kind == VC_PHASE_ALLTOALLV;
    uint64_t g = c->st.base + (c->st.ring ? (uint64_t)c->st.rd * (uint64_t)c->st.stages : 0);
    /* Not at once: in a broadcast the rank that knows both lengths finds the difference first. */
    if (++c->st.idle % LOOK_EVERY || r < 0 || (nd->writer >= 0 && r != nd->writer))
        return VC_OK;
    /* What lies behind the last chunk belongs to a later operation. */
    if (!pairs && c->st.ring && c->st.rd >= c->st.nchunks)
        return VC_OK;
    if (vc_published(own, r, g))
        return is_as_expected(c, own, r, g) ? VC_OK : call_differs(nd, c, r, own, g);
    for (size_t i = 0; i < sizeof rings / sizeof *rings && !other && !pairs; i++)
        if (rings[i] != own && rings[i]->cap && vc_published(rings[i], r, rings[i]->pos))
            other = rings[i];
    /* The rank uses that ring for this operation, or for a later one. In the second case it has published all
     * of this operation by now, which the next progress call finds. */
    if (!other || vc_published(own, r, g))
        return VC_OK;
    return call_differs(nd, c, r, other, other->pos);
}

/* The ring, other than `own`, in whose next slot the root has published something; preferably a broadcast.
 * NULL: none. */
static const struct vc_node_ring *other_ring_of_root(const struct vc_node *nd, const struct vc_node_call *c,
                                                     const struct vc_node_ring *own)
{
    const struct vc_node_ring *rings[] = {&nd->tiny, &nd->small, &nd->bulk}, *found = NULL;
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        const struct vc_node_ring *r = rings[i];
        if (r != own && r->cap && vc_published(r, c->root, r->pos) &&
            (!found || vc_says_bcast(vc_flag_value(r, c->root, r->pos))))
            found = r;
    }
    return found;
}

int vc_bcast_check(const struct vc_node *nd, struct vc_node_call *c)
{
    const struct vc_node_ring *own = c->st.ring ? c->st.ring : &nd->tiny;
    uint64_t g = c->st.base + (c->st.ring ? (uint64_t)c->st.rd : 0);
    bool here = vc_published(own, c->root, g);
    if (here && vc_fits(own, c, c->root, g))
        return VC_OK;
    if (!here && ++c->st.idle % LOOK_EVERY)
        return VC_OK;
    const struct vc_node_ring *other = other_ring_of_root(nd, c, own);
    if (!other)
        return here ? root_differs(nd, c, own, g) : VC_OK;
    /* The root uses that ring for this operation, or for a later one. In the second case it has published all
     * of this operation by now, which the next progress call finds. */
    if (!here && vc_published(own, c->root, g))
        return VC_OK;
    bool says = here && vc_says_bcast(vc_flag_value(own, c->root, g));
    return root_differs(nd, c, says ? own : other, says ? g : other->pos);
}

int vc_passed_check(const struct vc_node *nd, const struct vc_node_call *c, uint64_t g, bool look)
{
    const struct vc_node_ring *tiny = &nd->tiny;
    struct vc_cma_address a;
    bool here = vc_published(tiny, c->root, g);
    if (here && vc_flag_value(tiny, c->root, g) == vc_bcast_flag(g, VC_SAY_OTHER)) {
        memcpy(&a, vc_payload(tiny, c->root, g), sizeof a);
        return a.len == c->len ? 1 : vc_lengths_differ(nd, c, c->root, a.len);
    }
    if (!here && !look)
        return 0;
    const struct vc_node_ring *other = other_ring_of_root(nd, c, tiny);
    /* The slot may hold what the root does next, if its broadcast was in another ring. If it passes on this
     * broadcast, it says so in the slot before anything later. */
    if (here && (vc_says_bcast(vc_flag_value(tiny, c->root, g)) || !other))
        return root_differs(nd, c, tiny, g);
    if (other && (here || !vc_published(tiny, c->root, g)))
        return root_differs(nd, c, other, other->pos);
    return 0;
}
