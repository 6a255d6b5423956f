/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the MPI underneath is a reference for a layout at all. */
#include "differential.h"

#include <stdlib.h>

static long refused;

long layouts_refused(void)
{
    return refused;
}

/* What was moved into `to` is what `want` says, and nothing else was written. Leaves `to` as it was filled.
 */
static bool arrived(struct view *to, const struct signature *sig, const char *want, char *scratch)
{
    ptrdiff_t where;
    bool right = !view_touched(to, false, &where);

    view_pack(to, scratch);
    right = right && signature_difference(sig, V_BITS, to->packed, scratch, want) < 0;
    view_reset(to);
    return right;
}

static bool on_grid(const struct layout *l)
{
    for (size_t i = 0; i < l->npieces; i++) {
        const ptrdiff_t size = (ptrdiff_t)l->piece[i].len;
        if ((l->piece[i].at - l->piece[0].at) % size != 0 || l->extent % size != 0)
            return false;
    }
    return true;
}

bool layout_moves(struct layout *l, const struct signature *sig, size_t natoms)
{
    struct rng r = {natoms};
    struct view from, to;

    if (basics_need_grid() && !on_grid(l)) {
        refused++;
        return false;
    }
    natoms = l->atoms ? natoms / l->atoms * l->atoms : 0;
    view_make(&from, l, 1, &natoms, PLACE_ROW, 1, &r);
    view_make(&to, l, 1, &natoms, PLACE_ROW, 1, &r);
    view_fill(&from, sig, V_BITS, "", &r);
    view_fill(&to, sig, V_BITS, "", &r);

    int n = from.count[0], bytes = (int)from.packed, at = 0;
    char *want = malloc(from.packed + 1), *packed = malloc(from.packed + 1),
         *scratch = malloc(from.packed + 1);
    if (!want || !packed || !scratch)
        MPI_Abort(MPI_COMM_WORLD, 2);
    view_pack(&from, want);
    MPI_Pack(from.base, n, l->type, packed, bytes, &at, MPI_COMM_SELF);
    bool right = signature_difference(sig, V_BITS, from.packed, packed, want) < 0;
    at = 0;
    MPI_Unpack(want, bytes, &at, to.base, n, l->type, MPI_COMM_SELF);
    right = arrived(&to, sig, want, scratch) && right;
    MPI_Sendrecv(from.base, n, l->type, 0, 0, to.base, n, l->type, 0, 0, MPI_COMM_SELF, MPI_STATUS_IGNORE);
    right = arrived(&to, sig, want, scratch) && right;
    refused += !right;
    free(want);
    free(packed);
    free(scratch);
    view_free(&from);
    view_free(&to);
    return right;
}
