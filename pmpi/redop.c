/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/redop.h"

#include "pmpi/typemap.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { OPERAND_BYTES = 64 << 10 }; /* layout memory of one operand, unless one element is larger */

__thread struct vc_redop_memo vc_redop_last;

/* ---- predefined operators ---- */

static bool init_predefined(struct vc_reduction *r, enum vc_op op)
{
    int type = r->type.predefined ? vc_type_of_mpi(r->type.type) : -1;
    if (type < 0 || !vc_redop_init(&r->op, op, (enum vc_type)type) || r->op.esize != (size_t)r->type.extent)
        return false;
    r->padded = !r->type.dense;
    return true;
}

/* The value of a pair; its index comes second. Gaps may lie behind either. */
static size_t first_member(MPI_Datatype type)
{
    if (type == MPI_SHORT_INT)
        return sizeof(short);
    if (type == MPI_LONG_DOUBLE_INT)
        return sizeof(long double);
    return type == MPI_LONG_INT ? sizeof(long) : sizeof(double);
}

void vc_reduction_copy(const struct vc_reduction *r, const void *from, void *to, size_t count)
{
    size_t esize = r->op.esize, a = first_member(r->type.type), b = r->type.size - a;
    /* The index is an int, aligned as one. */
    size_t at = vc_round_up(a, b);
    for (size_t i = 0; i < count; i++) {
        const char *f = (const char *)from + i * esize;
        char *t = (char *)to + i * esize;
        memcpy(t, f, a);
        memcpy(t + at, f + at, b);
    }
}

/* ---- user operators ---- */

static void reduce_local(struct vc_user_op *u, const void *in, void *inout, size_t count)
{
    if (vc_next.Reduce_local(in, inout, (int)count, u->type.type, u->op) != MPI_SUCCESS)
        u->failed = true;
}

/* Elements without gaps, in buffers that are aligned as the operator may expect. */
static void reduce_plain(struct vc_user_op *u, const char *a, const char *b, char *out, size_t count)
{
    if (out != b)
        memcpy(out, b, count * u->type.size);
    while (count > 0) {
        size_t n = vc_min_size(count, INT_MAX);
        reduce_local(u, a, out, n);
        a += n * u->type.size;
        out += n * u->type.size;
        count -= n;
    }
}

/* Into the layout that the operator expects. */
static void unpack_operand(struct vc_user_op *u, const char *from, char *to, size_t n)
{
    if (u->type.dense)
        memcpy(to, from, n * u->type.size);
    else if (vc_dtype_unpack(from, to, n, &u->type) != VC_OK)
        u->failed = true;
}

static void reduce_user(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    struct vc_user_op *u = ctx;
    size_t size = u->type.size;
    if (u->type.dense && (((uintptr_t)a | (uintptr_t)b | (uintptr_t)out) & (u->align - 1)) == 0) {
        reduce_plain(u, a, b, out, count);
        return;
    }
    for (size_t at = 0; at < count; at += u->chunk) {
        size_t n = vc_min_size(u->chunk, count - at);
        unpack_operand(u, (const char *)a + at * size, u->left, n);
        unpack_operand(u, (const char *)b + at * size, u->right, n);
        reduce_local(u, u->left, u->right, n);
        char *to = (char *)out + at * size;
        if (u->type.dense)
            memcpy(to, u->right, n * size);
        else if (vc_dtype_pack(u->right, n, &u->type, to) != VC_OK)
            u->failed = true;
    }
}

static bool init_user(struct vc_reduction *r, MPI_Op op)
{
    struct vc_user_op *u = &r->u;
    int commutes = 0;
    MPI_Aint lb = 0, extent = 0;
    if (vc_next.Op_commutative(op, &commutes) != MPI_SUCCESS ||
        vc_next.Type_get_true_extent(r->type.type, &lb, &extent) != MPI_SUCCESS)
        return false;
    memset(u, 0, sizeof *u);
    u->op = op;
    u->type = r->type;
    u->lb = lb;
    u->span = (size_t)extent;
    size_t size = r->type.size;
    u->align = size ? size & -size : 1;
    if (u->align > 16)
        u->align = 16;
    r->user = true;
    r->packed = !r->type.dense;
    r->op.fn = reduce_user;
    r->op.ctx = u;
    r->op.esize = size;
    r->op.commutative = commutes != 0;
    return true;
}

int vc_reduction_begin(struct vc_reduction *r, size_t count)
{
    if (!r->user)
        return VC_OK;
    struct vc_user_op *u = &r->u;
    size_t step = u->type.extent > 0 ? (size_t)u->type.extent : 0;
    size_t longest =
        step ? OPERAND_BYTES / step : 1; /* elements that overlap or run backwards go one by one */
    u->chunk = longest < 1 ? 1 : vc_min_size(longest, count ? count : 1);
    size_t bytes = vc_round_up(u->span + (u->chunk - 1) * step, VC_CACHELINE);
    /* Zeroed, because an operator that copies whole elements reads the gaps, too. */
    u->mem = calloc(1, 2 * bytes + VC_CACHELINE);
    if (!u->mem)
        return vc_fail(VC_ERR_NOMEM, "no memory for two operands of a user's operator");
    char *base = (char *)vc_round_up((uintptr_t)u->mem, VC_CACHELINE);
    u->left = base - u->lb;
    u->right = base + bytes - u->lb;
    return VC_OK;
}

int vc_reduction_end(struct vc_reduction *r, int err)
{
    if (!r->user)
        return err;
    free(r->u.mem);
    r->u.mem = NULL;
    if (err == VC_OK && r->u.failed)
        return vc_fail(VC_ERR_MPI, "MPI_Reduce_local with a user's operator failed");
    return err;
}

bool vc_reduction_init(struct vc_reduction *r, MPI_Op op, MPI_Datatype type)
{
    r->packed = r->padded = r->user = false;
    if (op == NULL || op == MPI_OP_NULL || op == MPI_REPLACE || op == MPI_NO_OP ||
        !vc_dtype_get(type, &r->type))
        return false;
    int known = vc_op_of_mpi(op);
    if (known < 0)
        return init_user(r, op);
    if (!init_predefined(r, (enum vc_op)known))
        return false;
    if (!r->padded && !vc_device_on()) {
        vc_redop_last.op = op;
        vc_redop_last.type = type;
        vc_redop_last.redop = r->op;
    }
    return true;
}
