/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MPI looks for each rank that it translates from the beginning of the world's group on, which takes as
 * long as the set-up besides where there are hundreds. So ranks are guessed first, as those of most
 * communicators are evenly spaced in the world: a piece of them is translated into a group of the guessed
 * ones, which is as short. What the MPI finds there is certain, and the rest is looked for in the world.
 */
#include "pmpi/members.h"

#include "pmpi/world.h"

#include <string.h>

enum { PIECE = 16 };

/* The ranks of a communicator in the world, as far as they are known. */
struct members {
    MPI_Group ours, world;
    int size, known;
    int last, stride; /* of those that are known, the world rank of the last one, and how far it is from the
                         one before */
    bool agree;       /* they have the same settings */
};

/* Whether ranks `known`.. of ours are these. */
static bool are_these(const struct members *m, const int *guess, int n)
{
    int in[PIECE], got[PIECE];
    MPI_Group those;
    if (vc_next.Group_incl(m->world, n, guess, &those) != MPI_SUCCESS)
        return false;
    for (int i = 0; i < n; i++)
        in[i] = m->known + i;
    bool ok = vc_next.Group_translate_ranks(m->ours, n, in, those, got) == MPI_SUCCESS;
    for (int i = 0; ok && i < n; i++)
        ok = got[i] == i;
    vc_next.Group_free(&those);
    return ok;
}

static bool guess_piece(const struct members *m, int n, int *got)
{
    int64_t end = m->last + (int64_t)n * m->stride;
    if (m->known < 2 || m->stride == 0 || end < 0 || end >= vc_world.size)
        return false;
    for (int i = 0; i < n; i++)
        got[i] = m->last + (i + 1) * m->stride;
    return are_these(m, got, n);
}

static bool find_piece(const struct members *m, int n, int *got)
{
    int in[PIECE];
    for (int i = 0; i < n; i++)
        in[i] = m->known + i;
    if (vc_next.Group_translate_ranks(m->ours, n, in, m->world, got) != MPI_SUCCESS)
        return false;
    for (int i = 0; i < n; i++)
        if (got[i] < 0 || got[i] >= vc_world.size)
            return false;
    return true;
}

static void add_piece(struct members *m, const int *got, int n)
{
    for (int i = 0; i < n; i++) {
        if (vc_world.prints)
            m->agree &= vc_world.prints[got[i]] == vc_world.prints[m->known ? m->last : got[0]];
        m->stride = got[i] - m->last;
        m->last = got[i];
        m->known++;
    }
}

/* Whether the communicator has the ranks of the world in their order. The MPI compares rank by rank, and for
 * a long time where they differ, so the last one is tried first. */
static bool is_world(struct members *m, MPI_Comm comm)
{
    int last = m->size - 1, got = -1, how = MPI_UNEQUAL;
    MPI_Group end;
    if (m->size != vc_world.size || vc_world.prints ||
        vc_next.Group_incl(m->world, 1, &last, &end) != MPI_SUCCESS)
        return false;
    bool ends = vc_next.Group_translate_ranks(m->ours, 1, &last, end, &got) == MPI_SUCCESS && got == 0;
    vc_next.Group_free(&end);
    return ends && vc_next.Comm_compare(comm, MPI_COMM_WORLD, &how) == MPI_SUCCESS && how == MPI_CONGRUENT;
}

bool vc_members_find(MPI_Comm comm, int size, int *out, const char **why)
{
    struct members m = {.size = size, .agree = true};
    int got[PIECE];
    *why = "it has ranks of another MPI_COMM_WORLD";
    if (vc_next.Comm_group(comm, &m.ours) != MPI_SUCCESS)
        return false;
    if (vc_next.Comm_group(MPI_COMM_WORLD, &m.world) != MPI_SUCCESS) {
        vc_next.Group_free(&m.ours);
        return false;
    }
    bool ok = true;
    if (size > 2 * PIECE && is_world(&m, comm))
        for (; m.known < size; m.known++)
            if (out)
                out[m.known] = m.known;
    while (ok && m.known < size) {
        int left = size - m.known, n = m.known == 0 ? 2 : PIECE;
        n = n < left ? n : left;
        ok = guess_piece(&m, n, got) || find_piece(&m, n, got);
        if (ok && out)
            memcpy(out + m.known, got, (size_t)n * sizeof *got);
        if (ok)
            add_piece(&m, got, n);
    }
    vc_next.Group_free(&m.world);
    vc_next.Group_free(&m.ours);
    if (ok)
        *why = m.agree ? "" : "its ranks were started with different settings";
    return ok && m.agree;
}
