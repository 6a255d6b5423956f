/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random datatypes with a second opinion: next to each MPI datatype we keep our own list of where its bytes
 * are, in the order of its signature. Gaps, guards and data are told apart by that list, not by the MPI under
 * test.
 */
#include "differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grab(size_t n)
{
    void *p = malloc(n ? n : 1);

    if (p == NULL) {
        fprintf(stderr, "differential: out of memory (%zu bytes)\n", n);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    return p;
}

static void own(struct layout *l, MPI_Datatype t)
{
    l->made[l->nmade++] = t;
    l->type = t;
    MPI_Type_get_extent(t, &l->lb, &l->extent);
}

static void say(struct layout *l, const char *word)
{
    char inner[sizeof l->text];

    memcpy(inner, l->text, sizeof inner);
    snprintf(l->text, sizeof l->text, "%.30s%s%.120s", word, inner[0] ? " of " : "", inner);
}

static void leaf_basic(struct layout *l, const struct basic *b)
{
    MPI_Type_get_extent(b->type, &l->lb, &l->extent);
    l->type = b->type;
    l->predefined = true;
    l->atoms = 1;
    l->npieces = (size_t)b->npieces;
    l->piece = grab(sizeof *l->piece * l->npieces);
    memcpy(l->piece, b->piece, sizeof *l->piece * l->npieces);
    say(l, b->name);
}

/* A struct of the signature's fields, in memory in another order and with gaps. */
static void leaf_struct(struct layout *l, const struct signature *sig, struct rng *r)
{
    MPI_Datatype types[MAX_FIELDS], t;
    MPI_Aint at[MAX_FIELDS] = {0}, next = rng_below(r, 3) * 4 - 4;
    int ones[MAX_FIELDS], order[MAX_FIELDS], n = sig->nfields;

    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = rng_below(r, i + 1), k = order[i];
        order[i] = order[j];
        order[j] = k;
    }
    for (int i = 0; i < n; i++) {
        const struct basic *b = sig->field[order[i]];
        at[order[i]] = next;
        next += (MPI_Aint)b->size + (rng_once_in(r, 2) ? rng_below(r, 9) : 0);
    }
    l->piece = grab(sizeof *l->piece * (size_t)n * 2);
    for (int i = 0; i < n; i++) {
        types[i] = sig->field[i]->type;
        ones[i] = 1;
        for (int p = 0; p < sig->field[i]->npieces; p++) {
            l->piece[l->npieces] = sig->field[i]->piece[p];
            l->piece[l->npieces++].at += at[i];
        }
    }
    MPI_Type_create_struct(n, ones, at, types, &t);
    own(l, t);
    l->predefined = false;
    l->atoms = 1;
    say(l, "struct");
}

/* Replaces the layout by `m` copies of it at the given byte offsets. */
static void replicate(struct layout *l, size_t m, const MPI_Aint *at)
{
    struct piece *p = grab(sizeof *p * m * l->npieces);

    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < l->npieces; k++) {
            p[i * l->npieces + k] = l->piece[k];
            p[i * l->npieces + k].at += at[i];
        }
    free(l->piece);
    l->piece = p;
    l->npieces *= m;
    l->atoms *= m;
    l->predefined = false;
}

enum shape {
    S_CONTIGUOUS,
    S_VECTOR,
    S_HVECTOR,
    S_INDEXED,
    S_HINDEXED,
    S_INDEXED_BLOCK,
    S_STRUCT,
    S_COLUMN,
    S_COUNT
};

/* Cuts m copies into blocks, at most `most` of them, all of the same length when `equal`. */
static int cut(size_t m, int most, bool equal, int *len, struct rng *r)
{
    int n = 1;

    if (equal) {
        for (int d = most; d > 1; d--)
            if (m % (size_t)d == 0 && rng_once_in(r, 2)) {
                n = d;
                break;
            }
        for (int i = 0; i < n; i++)
            len[i] = (int)(m / (size_t)n);
        return n;
    }
    n = 1 + rng_below(r, (size_t)most < m ? most : (int)m);
    size_t left = m;
    for (int i = 0; i < n; i++) {
        size_t rest = (size_t)(n - i - 1);
        len[i] = i == n - 1 ? (int)left : 1 + rng_below(r, (int)(left - rest));
        left -= (size_t)len[i];
    }
    return n;
}

enum { MOST_BLOCKS = 12 };

static void multiply(struct layout *l, size_t m, size_t ninst, struct rng *r)
{
    static const char *const words[S_COUNT] = {"contiguous", "vector",        "hvector", "indexed",
                                               "hindexed",   "indexed_block", "struct",  "column"};
    int shape = rng_below(r, S_COUNT), len[MOST_BLOCKS], d[MOST_BLOCKS], order[MOST_BLOCKS], n = 1;
    MPI_Aint stride = 0, hd[MOST_BLOCKS], ext = l->extent, *at = grab(sizeof *at * m);
    MPI_Datatype t, types[MOST_BLOCKS], inner = l->type;
    size_t k = 0;
    /* Open MPI 4.1 takes single bytes at stride -1 for a run of bytes forward: nothing of one byte goes
     * backwards. */
    const int backwards = rng_once_in(r, 4) && ext > 1 ? -1 : 1;

    if (m == 0)
        shape = S_CONTIGUOUS;
    else if (shape == S_COLUMN && (ninst == 0 || m * ninst > 65536))
        shape = S_VECTOR;
    if (shape != S_CONTIGUOUS && shape != S_COLUMN) {
        n = cut(m, MOST_BLOCKS, shape == S_VECTOR || shape == S_HVECTOR || shape == S_INDEXED_BLOCK, len, r);
        /* Blocks lie in memory in another order than in the signature, with gaps between them. */
        for (int i = 0; i < n; i++)
            order[i] = i;
        for (int i = n - 1; i > 0; i--) {
            int j = rng_below(r, i + 1), o = order[i];
            order[i] = order[j];
            order[j] = o;
        }
        MPI_Aint bytes = 0;
        int units = rng_below(r, 3);
        for (int i = 0; i < n; i++) {
            d[order[i]] = units;
            hd[order[i]] = bytes;
            units += len[order[i]] + rng_below(r, 3);
            bytes += len[order[i]] * ext + rng_below(r, 12);
            types[i] = inner;
        }
    }
    switch (shape) {
    case S_VECTOR:
        stride = (len[0] + rng_below(r, 4)) * backwards;
        MPI_Type_vector(n, len[0], (int)stride, inner, &t);
        for (int i = 0; i < n; i++)
            d[i] = i * (int)stride;
        break;
    case S_HVECTOR:
        stride = (len[0] * ext + rng_below(r, 20)) * backwards;
        MPI_Type_create_hvector(n, len[0], stride, inner, &t);
        for (int i = 0; i < n; i++)
            hd[i] = i * stride;
        break;
    case S_INDEXED:
        MPI_Type_indexed(n, len, d, inner, &t);
        break;
    case S_INDEXED_BLOCK:
        MPI_Type_create_indexed_block(n, len[0], d, inner, &t);
        break;
    case S_HINDEXED:
        MPI_Type_create_hindexed(n, len, hd, inner, &t);
        break;
    case S_STRUCT:
        MPI_Type_create_struct(n, len, hd, types, &t);
        break;
    case S_COLUMN: { /* a column of a row-major matrix, resized so that the next instance is the next column
                      */
        MPI_Datatype v;
        MPI_Type_vector((int)m, 1, (int)ninst, inner, &v);
        own(l, v);
        MPI_Type_create_resized(v, 0, ext, &t);
        for (k = 0; k < m; k++)
            at[k] = (MPI_Aint)(k * ninst) * ext;
        break;
    }
    default:
        MPI_Type_contiguous((int)m, inner, &t);
        for (k = 0; k < m; k++)
            at[k] = (MPI_Aint)k * ext;
        break;
    }
    if (k == 0)
        for (int i = 0; i < n && m > 0; i++)
            for (int j = 0; j < len[i]; j++) {
                bool bytes = shape == S_HVECTOR || shape == S_HINDEXED || shape == S_STRUCT;
                at[k++] = (bytes ? hd[i] : d[i] * ext) + j * ext;
            }
    replicate(l, m, at);
    own(l, t);
    char word[64];
    if (shape == S_VECTOR || shape == S_HVECTOR)
        snprintf(word, sizeof word, "%s(%d x %d, %td)", words[shape], n, len[0], stride);
    else
        snprintf(word, sizeof word, "%s(%zu in %d)", words[shape], m, n);
    say(l, word);
    free(at);
}

/* Makes the extent larger, and moves the lower bound away from the first byte. */
static void resize(struct layout *l, struct rng *r)
{
    MPI_Aint lo = 0, hi = 0;
    MPI_Datatype t;

    for (size_t i = 0; i < l->npieces; i++) {
        MPI_Aint a = l->piece[i].at, b = a + (MPI_Aint)l->piece[i].len;
        if (i == 0 || a < lo)
            lo = a;
        if (i == 0 || b > hi)
            hi = b;
    }
    MPI_Aint lb = rng_once_in(r, 2) ? 0 : rng_below(r, 9) * 4 - 16;
    MPI_Aint room = hi - lo > l->extent ? hi - lo : l->extent;
    MPI_Type_create_resized(l->type, lb, room + rng_below(r, 4) * 8, &t);
    own(l, t);
    l->predefined = false;
    char word[64];
    snprintf(word, sizeof word, "resized(%td, %td)", l->lb, l->extent);
    say(l, word);
}

static void finish(struct layout *l)
{
    int size;

    for (size_t i = 0; i < l->npieces; i++)
        l->packed += l->piece[i].len;
    MPI_Type_size(l->type, &size);
    if ((size_t)size != l->packed) {
        fprintf(stderr, "differential: type of %d bytes taken for %zu (%s)\n", size, l->packed, l->text);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    if (!l->predefined)
        MPI_Type_commit(&l->type);
    if (l->nmade)
        l->made[l->nmade - 1] = l->type;
}

void layout_plain(struct layout *l, const struct basic *b)
{
    memset(l, 0, sizeof *l);
    leaf_basic(l, b);
    finish(l);
}

void layout_random(struct layout *l, const struct signature *sig, size_t atoms, size_t ninst, struct rng *r)
{
    memset(l, 0, sizeof *l);
    if (sig->nfields == 1)
        leaf_basic(l, sig->field[0]);
    else
        leaf_struct(l, sig, r);
    if (rng_once_in(r, 6))
        resize(l, r);
    if (atoms > 1 && atoms % 2 == 0 && atoms <= 4096 && rng_once_in(r, 4)) {
        multiply(l, 2, 0, r); /* nested */
        atoms /= 2;
    }
    /* A column's neighbours interleave, so nothing may be made of columns but buffers. */
    if (atoms != 1 || rng_once_in(r, 4))
        multiply(l, atoms, ninst, r);
    else if (rng_once_in(r, 3))
        resize(l, r);
    if (rng_once_in(r, 8)) {
        MPI_Datatype t;
        MPI_Type_dup(l->type, &t);
        own(l, t);
        l->predefined = false;
        say(l, "dup");
    }
    finish(l);
}

void layout_free(struct layout *l)
{
    for (int i = 0; i < l->nmade; i++)
        MPI_Type_free(&l->made[i]);
    free(l->piece);
    memset(l, 0, sizeof *l);
}
