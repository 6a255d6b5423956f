/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker must catch what is broken: hand-made wrong plans, each with the words it owes, and mutations of
 * right ones. */
#include "coll/info.h"
#include "coll/check/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEND(off, len) vc_ref_of(VC_BUF_SEND, off, len)
#define RECV(off, len) vc_ref_of(VC_BUF_RECV, off, len)
#define NONE           vc_ref_of(VC_BUF_NONE, 0, 0)

/* One node with all ranks, or nodes of two consecutive ranks. */
#define MOST 16
static int zeros[MOST], indices[MOST + 1], halves[MOST], parity[MOST], pairs[MOST / 2 + 1];
static struct vc_hier one_node, two_a_node;

static void hierarchies(int size)
{
    for (int i = 0; i < MOST; i++) {
        indices[i] = i;
        halves[i] = i / 2;
        parity[i] = i % 2;
    }
    for (int i = 0; i <= MOST / 2; i++)
        pairs[i] = 2 * i;
    static int whole[2];
    whole[1] = size;
    one_node = (struct vc_hier){1, true, true, zeros, indices, whole, indices, NULL};
    two_a_node = (struct vc_hier){size / 2, true, true, halves, parity, pairs, indices, NULL};
}

static struct vc_shape shape_of(enum vc_coll coll, int size, size_t bytes)
{
    bool reduction = vc_coll_reduces(coll);
    hierarchies(size);
    return (struct vc_shape){.coll = coll,
                             .size = size,
                             .bytes = bytes,
                             .esize = reduction ? 4 : 1,
                             .commutative = true,
                             .hier = &one_node};
}

typedef int builder(const struct vc_shape *s, int rank, struct vc_plan *p);

/* Checks a wrong plan: it must be refused, and the text must have all these words ("" ends them). */
static void refused_as(const struct vc_shape *s, builder *build, unsigned flags, bool alias,
                       const char *const *words)
{
    char text[1024];
    struct vc_alg alg = {
        .name = "broken", .coll = s->coll, .kind = VC_ALG_PLAN, .restrictions = flags, .build = build};
    if (vc_check_plan(&alg, s, alias, text, sizeof text) == 0)
        fail_msg("a broken plan was proven (expected: %s)", words[0]);
    for (; **words; words++)
        if (!strstr(text, *words))
            fail_msg("\"%s\" does not say \"%s\"", text, *words);
}
#define REFUSED(shape, build, ...) refused_as(shape, build, 0, false, (const char *const[]){__VA_ARGS__, ""})
#define REFUSED_ALIAS(shape, build, ...)                                                                     \
    refused_as(shape, build, 0, true, (const char *const[]){__VA_ARGS__, ""})

/* ---- messages ---- */

static int no_recv(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    if (rank == 0)
        vc_plan_send(p, 1, RECV(0, s->bytes));
    return vc_plan_finish(p);
}

static int no_send(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    if (rank == 1)
        vc_plan_recv(p, 0, RECV(0, s->bytes));
    return vc_plan_finish(p);
}

static int short_recv(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    if (rank == 0)
        vc_plan_send(p, 1, RECV(0, s->bytes));
    else
        vc_plan_recv(p, 0, RECV(0, s->bytes - 1));
    return vc_plan_finish(p);
}

static int swapped(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    size_t half = s->bytes / 2;
    vc_plan_begin(p, s, rank);
    for (int i = 0; i < 2; i++)
        if (rank == 0)
            vc_plan_send(p, 1, RECV((size_t)i * half, half));
        else
            vc_plan_recv(p, 0, RECV((size_t)(1 - i) * half, half));
    return vc_plan_finish(p);
}

static int to_self(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_send(p, rank, RECV(0, s->bytes));
    return vc_plan_finish(p);
}

static void test_messages(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 2, 8);
    REFUSED(&s, no_recv, "rank 0, step 0 (send to 1)", "no receive");
    REFUSED(&s, no_send, "rank 1, step 0 (recv from 0)", "no send of rank 0");
    REFUSED(&s, short_recv, "rank 1, step 0 (recv from 0)", "expects 7 bytes", "step 0 of rank 0 sends 8");
    REFUSED(&s, swapped, "rank 1", "byte 0 of RECV", "step 1 (recv from 0)");
    REFUSED(&s, to_self, "rank 0, step 0", "no other rank");
}

/* ---- deadlock ---- */

static int both_wait(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    int got = vc_plan_recv(p, 1 - rank, NONE);
    int told = vc_plan_send(p, 1 - rank, NONE);
    vc_plan_after(p, told, got);
    return vc_plan_finish(p);
}

/* Sends what it receives into: the receive waits for the send, which waits for a receive. */
static int both_send(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, SEND(0, s->bytes), RECV(0, s->bytes));
    vc_plan_send(p, 1 - rank, RECV(0, s->bytes));
    vc_plan_recv_reduce(p, 1 - rank, RECV(0, s->bytes), rank == 0);
    return vc_plan_finish(p);
}

static int ring_wait(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    int got = vc_plan_recv(p, (rank + s->size - 1) % s->size, NONE);
    vc_plan_after(p, vc_plan_send(p, (rank + 1) % s->size, NONE), got);
    return vc_plan_finish(p);
}

/* Rank 0 enters the node phase only after a message that rank 1 sends after it. */
static int node_and_message(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int first = -1;
    vc_plan_begin(p, s, rank);
    if (rank == 0)
        first = vc_plan_recv(p, 1, NONE);
    int node = vc_plan_node(p, VC_PHASE_BARRIER, 0, 0, 0, NONE, NONE);
    vc_plan_after(p, node, first);
    if (rank == 1)
        vc_plan_after(p, vc_plan_send(p, 0, NONE), node);
    return vc_plan_finish(p);
}

static void test_deadlock(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BARRIER, 2, 0), r = shape_of(VC_ALLREDUCE, 2, 8);
    REFUSED(&s, both_wait, "rank 0, step 0 (recv from 1)", "deadlock", "rank 1 step 1 (send to 0)");
    REFUSED(&r, both_send, "deadlock", "rank 0, step 1 (send to 1)");
    REFUSED(&s, node_and_message, "deadlock", "rank 1 step 0 (node barrier)");
    s = shape_of(VC_BARRIER, 5, 0);
    REFUSED(&s, ring_wait, "deadlock", "rank 0");
}

/* ---- memory ---- */

static int unordered(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    if (rank == 0)
        vc_plan_send(p, 1, RECV(0, s->bytes));
    if (rank == 1)
        vc_plan_recv(p, 0, RECV(0, s->bytes));
    if (rank == 1)
        vc_plan_send(p, 2, RECV(0, s->bytes));
    if (rank == 2)
        vc_plan_recv(p, 1, RECV(0, s->bytes));
    int err = vc_plan_finish(p);
    if (rank == 1)
        p->steps[1].dep_count = 0;
    return err;
}

static int reads_nothing(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, vc_plan_tmp(p, s->bytes), RECV(0, s->bytes));
    return vc_plan_finish(p);
}

static int writes_send(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_recv_reduce(p, 1 - rank, SEND(0, s->bytes), true);
    return vc_plan_finish(p);
}

static int beyond(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, RECV(0, 4), RECV(s->bytes - 2, 4));
    return vc_plan_finish(p);
}

static int overlapping(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, RECV(0, 4), RECV(2, 4));
    return vc_plan_finish(p);
}

/* Copies of several pieces of 4 bytes out of 16 of SEND into scratch. */
static int pieces, pieces_at, pieces_step;
static int in_pieces(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    struct vc_ref tmp = vc_plan_tmp(p, 64);
    vc_plan_copy_pieces(p, pieces, SEND((size_t)pieces_at, 4), pieces_step, vc_ref_sub(tmp, 0, 4), 4, NONE);
    return vc_plan_finish(p);
}

static int pieces_over_each_other(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    struct vc_ref tmp = vc_plan_tmp(p, 64);
    vc_plan_copy(p, SEND(0, 16), vc_ref_sub(tmp, 0, 16));
    vc_plan_copy_pieces(p, 3, vc_ref_sub(tmp, 0, 4), 4, vc_ref_sub(tmp, 4, 4), 8, NONE);
    return vc_plan_finish(p);
}

static int pieces_of_nothing(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    struct vc_ref tmp = vc_plan_tmp(p, 64);
    vc_plan_copy(p, SEND(0, 8), vc_ref_sub(tmp, 0, 8));
    vc_plan_copy_pieces(p, 3, vc_ref_sub(tmp, 0, 4), 4, vc_ref_sub(tmp, 16, 4), 8, NONE);
    return vc_plan_finish(p);
}

static void test_pieces(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 2, 16);
    pieces = 3;
    pieces_step = 8;
    REFUSED(&s, in_pieces, "rank 0, step 0 (copy of 3 pieces)", "bytes 0..20 of SEND, which has 16");
    pieces_step = 2;
    REFUSED(&s, in_pieces, "pieces of 4 bytes that are 2 apart");
    pieces_step = -4;
    REFUSED(&s, in_pieces, "before the buffer's begin");
    REFUSED(&s, pieces_over_each_other, "rank 0, step 1 (copy of 3 pieces)", "overlap");
    REFUSED(&s, pieces_of_nothing, "rank 0, step 1 (copy of 3 pieces)", "byte 8 of TMP", "undefined");
}

static int future(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int err = no_send(s, rank, p);
    if (rank == 1) {
        p->deps = calloc(1, sizeof *p->deps);
        p->ndeps = 1;
        p->steps[0].dep_count = 1;
    }
    return err;
}

static void test_memory(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 3, 8), r = shape_of(VC_ALLREDUCE, 2, 8);
    REFUSED(&s, unordered, "rank 1, step 1 (send to 2)", "hazard", "step 0 (recv from 0)", "byte 0 of RECV");
    REFUSED(&s, reads_nothing, "rank 0, step 0 (copy)", "byte 0 of TMP", "undefined");
    REFUSED(&r, writes_send, "rank 0, step 0 (recv_reduce from 1)", "writes SEND");
    REFUSED(&s, beyond, "rank 0, step 0 (copy)", "bytes 6..10 of RECV, which has 8");
    REFUSED(&s, overlapping, "rank 0, step 0 (copy)", "overlap");
    REFUSED(&s, future, "rank 1, step 0", "not an earlier one");
}

/* ---- reductions ---- */

/* Rank 0 collects the vectors of these ranks in turn and reduces them on the right, then tells all. */
static const int *sequence;
static int collect(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref sum = RECV(0, s->bytes);
    vc_plan_begin(p, s, rank);
    if (rank == 0)
        vc_plan_copy(p, SEND(0, s->bytes), sum);
    for (const int *r = sequence; *r; r++)
        if (rank == 0)
            vc_plan_recv_reduce(p, *r, sum, true);
        else if (rank == *r)
            vc_plan_send(p, 0, SEND(0, s->bytes));
    for (int r = 1; r < s->size; r++)
        if (rank == 0)
            vc_plan_send(p, r, sum);
        else if (rank == r)
            vc_plan_recv(p, 0, sum);
    return vc_plan_finish(p);
}

/* All send to all; rank 2 associates from the right, the others from the left. */
static int associates(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref in[3];
    vc_plan_begin(p, s, rank);
    for (int r = 0; r < 3; r++) {
        in[r] = vc_plan_tmp(p, s->bytes);
        if (r == rank) {
            vc_plan_copy(p, SEND(0, s->bytes), in[r]);
            continue;
        }
        vc_plan_recv(p, r, in[r]);
        vc_plan_send(p, r, SEND(0, s->bytes));
    }
    if (rank == 2) {
        vc_plan_reduce(p, in[1], in[2], false);
        vc_plan_reduce(p, in[0], in[2], false);
        vc_plan_copy(p, in[2], RECV(0, s->bytes));
    } else {
        vc_plan_reduce(p, in[1], in[0], true);
        vc_plan_reduce(p, in[2], in[0], true);
        vc_plan_copy(p, in[0], RECV(0, s->bytes));
    }
    return vc_plan_finish(p);
}

static int shifted(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, SEND(0, 8), RECV(0, 8));
    if (rank == 0)
        vc_plan_send(p, 1, SEND(0, 4));
    else
        vc_plan_recv_reduce(p, 0, RECV(4, 4), false);
    return vc_plan_finish(p);
}

static int half_elements(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, SEND(0, 8), RECV(0, 8));
    vc_plan_reduce(p, SEND(0, 2), RECV(0, 2), false);
    return vc_plan_finish(p);
}

/* Right unless SEND is RECV: the own part is overwritten before it is used. */
static int not_in_place(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    if (rank == 1) {
        vc_plan_send(p, 0, SEND(0, s->bytes));
    } else {
        vc_plan_recv(p, 1, RECV(0, s->bytes));
        vc_plan_reduce(p, SEND(0, s->bytes), RECV(0, s->bytes), false);
    }
    return vc_plan_finish(p);
}

static void test_reductions(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 4, 8);
    sequence = (const int[]){1, 2, 2, 3, 0};
    REFUSED(&s, collect, "rank 0, step 3 (recv_reduce from 2)", "counts a rank twice", "ranks 0-2", "rank 2");
    sequence = (const int[]){1, 3, 0};
    REFUSED(&s, collect, "rank 0", "ranks 0-1,3", "all 4 ranks");
    sequence = (const int[]){2, 1, 3, 0};
    s.commutative = false;
    REFUSED(&s, collect, "rank 0, step 1 (recv_reduce from 2)", "ascending rank order");
    s = shape_of(VC_ALLREDUCE, 3, 8);
    REFUSED(&s, associates, "rank 2", "the association of rank 0");
    s = shape_of(VC_ALLREDUCE, 2, 8);
    REFUSED(&s, shifted, "rank 1, step 1", "different places: 0 on the left with 4");
    REFUSED(&s, half_elements, "rank 0, step 1 (reduce)", "not whole elements");
    s = shape_of(VC_REDUCE, 2, 8);
    REFUSED_ALIAS(&s, not_in_place, "rank 0, step 1 (reduce)");
    char text[256];
    struct vc_alg good = {.name = "good", .coll = VC_REDUCE, .kind = VC_ALG_PLAN, .build = not_in_place};
    assert_int_equal(vc_check_plan(&good, &s, false, text, sizeof text), 0);
}

/* ---- the other collectives, node phases ---- */

static int wrong_blocks(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_copy(p, SEND((size_t)rank * s->bytes, s->bytes), RECV((size_t)rank * s->bytes, s->bytes));
    /* Sends the block that is its own, not the other's. */
    vc_plan_send(p, 1 - rank, SEND((size_t)rank * s->bytes, s->bytes));
    vc_plan_recv(p, 1 - rank, RECV((size_t)(1 - rank) * s->bytes, s->bytes));
    return vc_plan_finish(p);
}

/* Dissemination whose second round does not wait for the first. */
static int hasty(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    for (int d = 1; d < s->size; d *= 2) {
        vc_plan_send(p, (rank + d) % s->size, NONE);
        vc_plan_recv(p, (rank - d + s->size) % s->size, NONE);
    }
    return vc_plan_finish(p);
}

static int node_lengths(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    size_t len = rank == 3 ? s->bytes - 1 : s->bytes;
    vc_plan_begin(p, s, rank);
    vc_plan_node(p, VC_PHASE_BCAST, 0, 0, len, NONE, RECV(0, len));
    return vc_plan_finish(p);
}

static int node_count(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_node(p, VC_PHASE_BCAST, 0, 0, s->bytes, NONE, RECV(0, s->bytes));
    if (rank == 2)
        vc_plan_node(p, VC_PHASE_BARRIER, 0, 0, 0, NONE, NONE);
    return vc_plan_finish(p);
}

static int node_root(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_plan_node(p, VC_PHASE_BCAST, 5, 0, s->bytes, NONE, RECV(0, s->bytes));
    return vc_plan_finish(p);
}

static void test_others(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_ALLTOALL, 2, 3);
    REFUSED(&s, wrong_blocks, "rank 0", "byte 3 of RECV", "rank 1's place 0");
    s = shape_of(VC_BARRIER, 4, 0);
    REFUSED(&s, hasty, "may leave the barrier before rank");
    s = shape_of(VC_BCAST, 4, 8);
    s.hier = &two_a_node;
    REFUSED(&s, node_lengths, "rank 3, step 0 (node bcast)", "of rank 2 of the same node");
    REFUSED(&s, node_count, "rank 2, step 1 (node barrier)", "rank 3 of the same node has only 1");
    REFUSED(&s, node_root, "rank 0, step 0 (node bcast)", "root 5 of a node of 2");
    s.hier = &one_node;
    refused_as(&s, node_lengths, VC_PLACEMENT_FREE, false, (const char *const[]){"VC_PLACEMENT_FREE", ""});
}

static long promises_one(const struct vc_shape *s)
{
    (void)s;
    return 1;
}

static long promises_two(const struct vc_shape *s)
{
    (void)s;
    return 2;
}

static void test_lengths(void **state)
{
    (void)state;
    char text[512];
    struct vc_shape s = shape_of(VC_REDUCE, 2, 8);
    struct vc_alg alg = {.name = "short",
                         .coll = VC_REDUCE,
                         .kind = VC_ALG_PLAN,
                         .build = not_in_place,
                         .steps = promises_one};
    assert_int_equal(vc_check_plan(&alg, &s, false, text, sizeof text), -1);
    assert_non_null(strstr(text, "rank 0: has 2 steps and"));
    assert_non_null(strstr(text, "promises 1"));
    alg.steps = promises_two;
    assert_int_equal(vc_check_plan(&alg, &s, false, text, sizeof text), 0);
}

/* ---- what was proven before ---- */

static enum { AS_IT_IS, ITS_PEER, ITS_BYTES, ITS_PLACE, ITS_LENGTH, ITS_KIND } oddity;

/* Rank 0 sends the message, in two parts, to rank 1. */
static int two_parts(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    size_t half = s->bytes / 2;
    vc_plan_begin(p, s, rank);
    for (int i = 0; i < 2 && rank == 0; i++)
        vc_plan_send(p, 1, RECV((size_t)i * half, half));
    for (int i = 0; i < 2 && rank == 1; i++)
        vc_plan_recv(p, 0, RECV((size_t)i * half, half));
    int err = vc_plan_finish(p);
    if (err || rank == 0)
        return err;
    struct vc_step *last = &p->steps[1];
    last->peer += oddity == ITS_PEER;
    last->dst.len -= oddity == ITS_BYTES;
    last->dst.off -= oddity == ITS_PLACE;
    last->dep_count += oddity == ITS_LENGTH;
    last->kind = oddity == ITS_KIND ? VC_STEP_COPY : last->kind;
    return 0;
}

/* A plan that differs from a proven one in anything is looked at, and a proof for one shape is none for
 * another. */
static void test_known(void **state)
{
    (void)state;
    char text[512];
    struct vc_shape s = shape_of(VC_BCAST, 2, 8);
    struct vc_alg alg = {.name = "parts", .coll = VC_BCAST, .kind = VC_ALG_PLAN, .build = two_parts};
    struct vc_proven *known = vc_proven_new();
    assert_non_null(known);
    for (int again = 0; again < 2; again++) {
        oddity = AS_IT_IS;
        assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), 0);
        for (oddity = ITS_PEER; oddity <= ITS_KIND; oddity++)
            if (vc_check_plan_once(known, &alg, &s, false, text, sizeof text) == 0)
                fail_msg("oddity %d was taken for what is proven", (int)oddity);
        oddity = AS_IT_IS;
        s.root = 1;
        assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), -1);
        s.root = 0;
        s.bytes = 9;
        assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), -1);
        s.bytes = 8;
        alg.steps = promises_one;
        assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), -1);
        alg.steps = NULL;
    }
    /* In place, and without an order: what is good otherwise. */
    s = shape_of(VC_REDUCE, 2, 8);
    alg = (struct vc_alg){.name = "place", .coll = VC_REDUCE, .kind = VC_ALG_PLAN, .build = not_in_place};
    assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), 0);
    assert_int_equal(vc_check_plan_once(known, &alg, &s, true, text, sizeof text), -1);
    s = shape_of(VC_ALLREDUCE, 4, 8);
    sequence = (const int[]){2, 1, 3, 0};
    alg = (struct vc_alg){.name = "order", .coll = VC_ALLREDUCE, .kind = VC_ALG_PLAN, .build = collect};
    assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), 0);
    s.commutative = false;
    assert_int_equal(vc_check_plan_once(known, &alg, &s, false, text, sizeof text), -1);
    vc_proven_free(known);
}

/* ---- mutations: no step of a right plan can be left out, nor what it waits for, nor its operands' order
 * ---- */

static const struct vc_alg *victim;
static struct vc_proven *originals;
static int mutated_rank, mutated_step, mutation;

static int mutant(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int err = victim->build(s, rank, p);
    if (err || rank != mutated_rank)
        return err;
    struct vc_step *st = &p->steps[mutated_step];
    if (mutation == 0) {
        st->kind = VC_STEP_COPY;
        st->src = st->dst = NONE;
    } else if (mutation == 1) {
        st->dep_count = 0;
    } else {
        st->dst_left = !st->dst_left;
    }
    return 0;
}

static bool overlap(struct vc_ref a, struct vc_ref b)
{
    return a.buf == b.buf && a.off < b.off + b.len && b.off < a.off + a.len;
}

/* Whether a step waits for one whose memory it uses; an algorithm may also order steps for other reasons. */
static bool waits_for_memory(const struct vc_plan *p, const struct vc_step *st)
{
    for (int i = 0; i < st->dep_count; i++) {
        const struct vc_step *d = &p->steps[p->deps[st->dep_first + i]];
        if (overlap(st->dst, d->dst) || overlap(st->dst, d->src) || overlap(st->src, d->dst))
            return true;
    }
    return false;
}

static void mutate(const struct vc_shape *s, int rank, int *killed, int *survived)
{
    struct vc_plan p;
    char text[512];
    static const char *const words[] = {"dropping the step", "dropping dependencies", "exchanging operands"};
    assert_int_equal(victim->build(s, rank, &p), 0);
    for (int i = 0; i < p.nsteps; i++)
        for (mutation = 0; mutation < 3; mutation++) {
            const struct vc_step *st = &p.steps[i];
            bool local = st->kind == VC_STEP_COPY || st->kind == VC_STEP_REDUCE;
            bool reduces = (st->kind == VC_STEP_REDUCE || st->kind == VC_STEP_RECV_REDUCE) && st->dst.len;
            if ((mutation == 0 && local && st->dst.len == 0) ||
                /* Node phases also wait for each other. */
                (mutation == 1 && (st->kind == VC_STEP_NODE || !waits_for_memory(&p, st))) ||
                (mutation == 2 && (!reduces || s->commutative)))
                continue;
            mutated_rank = rank;
            mutated_step = i;
            struct vc_alg alg = *victim;
            alg.build = mutant;
            bool caught = vc_check_plan_once(originals, &alg, s, false, text, sizeof text) != 0;
            if (caught) {
                ++*killed;
                continue;
            }
            ++*survived;
            print_message("%s %s, rank %d step %d: %s went unnoticed\n", vc_coll_name(s->coll), victim->name,
                          rank, i, words[mutation]);
        }
    vc_plan_free(&p);
}

static void test_mutations(void **state)
{
    (void)state;
    int killed = 0, survived = 0;
    char text[512];
    originals = vc_proven_new();
    assert_non_null(originals);
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
            victim = *a;
            if (victim->kind != VC_ALG_PLAN)
                continue;
            for (int size = 2; size <= 8; size++) {
                bool rooted = vc_coll_rooted((enum vc_coll)c), reduction = vc_coll_reduces((enum vc_coll)c);
                bool whole = vc_coll_blocks((enum vc_coll)c, size) == 1;
                size_t bytes = (whole ? (size_t)(2 * size + 3) : 3) * (reduction ? 4 : 1);
                struct vc_shape s = shape_of((enum vc_coll)c, size, c == VC_BARRIER ? 0 : bytes);
                s.root = rooted ? size / 2 : 0;
                s.hier = size % 2 ? &one_node : &two_a_node;
                s.commutative = !reduction;
                if (vc_alg_refuses(victim, &s))
                    s.commutative = true;
                if (vc_alg_refuses(victim, &s))
                    continue;
                if (vc_check_plan_once(originals, victim, &s, false, text, sizeof text))
                    fail_msg("%s", text);
                for (int rank = 0; rank < size; rank++)
                    mutate(&s, rank, &killed, &survived);
            }
        }
    vc_proven_free(originals);
    print_message("%d mutants caught, %d not\n", killed, survived);
    assert_true(killed > 1000);
    assert_int_equal(survived, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_deadlock),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_pieces),   cmocka_unit_test(test_reductions), cmocka_unit_test(test_others),
        cmocka_unit_test(test_lengths),  cmocka_unit_test(test_known),      cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
