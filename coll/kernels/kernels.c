/* SPDX-License-Identifier: BSD-3-Clause */
/* Which kernels this CPU gets, and what is known of operators and types without them. */
#include "coll/kernels/kernels_isa.h"

#include <stdatomic.h>
#include <stdint.h>

/* Copies of the pairs' declarations in kernels.h, for their extents. */
#define PAIR_SIZE(value, index)                                                                              \
    sizeof(struct {                                                                                          \
        value v;                                                                                             \
        index i;                                                                                             \
    })

static const struct {
    const char *name;
    size_t size;
} types[VC_TYPE_COUNT] = {
    [VC_T_INT8] = {"int8", 1},
    [VC_T_UINT8] = {"uint8", 1},
    [VC_T_INT16] = {"int16", 2},
    [VC_T_UINT16] = {"uint16", 2},
    [VC_T_INT32] = {"int32", 4},
    [VC_T_UINT32] = {"uint32", 4},
    [VC_T_INT64] = {"int64", 8},
    [VC_T_UINT64] = {"uint64", 8},
    [VC_T_FLOAT] = {"float", sizeof(float)},
    [VC_T_DOUBLE] = {"double", sizeof(double)},
    [VC_T_LONG_DOUBLE] = {"long_double", sizeof(long double)},
    [VC_T_CFLOAT] = {"cfloat", sizeof(float _Complex)},
    [VC_T_CDOUBLE] = {"cdouble", sizeof(double _Complex)},
    [VC_T_CLONG_DOUBLE] = {"clong_double", sizeof(long double _Complex)},
    [VC_T_BOOL] = {"bool", sizeof(bool)},
    [VC_T_LOGICAL8] = {"logical8", 1},
    [VC_T_LOGICAL16] = {"logical16", 2},
    [VC_T_LOGICAL32] = {"logical32", 4},
    [VC_T_LOGICAL64] = {"logical64", 8},
    [VC_T_BYTE] = {"byte", 1},
    [VC_T_FINT8] = {"fint8", 1},
    [VC_T_FINT16] = {"fint16", 2},
    [VC_T_FINT32] = {"fint32", 4},
    [VC_T_FINT64] = {"fint64", 8},
    [VC_T_FLOAT_INT] = {"float_int", PAIR_SIZE(float, int)},
    [VC_T_DOUBLE_INT] = {"double_int", PAIR_SIZE(double, int)},
    [VC_T_LONG_INT] = {"long_int", PAIR_SIZE(long, int)},
    [VC_T_2INT] = {"2int", PAIR_SIZE(int, int)},
    [VC_T_SHORT_INT] = {"short_int", PAIR_SIZE(short, int)},
    [VC_T_LONG_DOUBLE_INT] = {"long_double_int", PAIR_SIZE(long double, int)},
    [VC_T_2REAL] = {"2real", PAIR_SIZE(float, float)},
    [VC_T_2DOUBLE] = {"2double", PAIR_SIZE(double, double)},
};

static const char *const op_names[VC_OP_COUNT + 1] = {
    [VC_OP_MAX] = "max",   [VC_OP_MIN] = "min",   [VC_OP_SUM] = "sum",       [VC_OP_PROD] = "prod",
    [VC_OP_LAND] = "land", [VC_OP_BAND] = "band", [VC_OP_LOR] = "lor",       [VC_OP_BOR] = "bor",
    [VC_OP_LXOR] = "lxor", [VC_OP_BXOR] = "bxor", [VC_OP_MAXLOC] = "maxloc", [VC_OP_MINLOC] = "minloc",
    [VC_OP_USER] = "user",
};

const struct vc_kernel_set *vc_kernel_set(unsigned index)
{
    const struct vc_kernel_set *usable[4] = {NULL};
    unsigned n = 0;

#ifdef VC_KERNELS_X86
    /* These also ask whether the operating system saves the wide registers. */
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        usable[n++] = &vc_kernels_avx512;
    if (__builtin_cpu_supports("avx2"))
        usable[n++] = &vc_kernels_avx2;
#endif
    usable[n++] = &vc_kernels_baseline;
    return index < n ? usable[index] : NULL;
}

/*
 * The set in use. Threads may race to fill it, but all write the same pointer, and what it points to is
 * constant data that the loader put there: relaxed order is enough.
 */
static const struct vc_kernel_set *best_set(void)
{
    static _Atomic(const struct vc_kernel_set *) best;
    const struct vc_kernel_set *set = atomic_load_explicit(&best, memory_order_relaxed);

    if (__builtin_expect(set == NULL, 0)) {
        set = vc_kernel_set(0);
        atomic_store_explicit(&best, set, memory_order_relaxed);
    }
    return set;
}

vc_kernel_fn vc_kernel_find(enum vc_op op, enum vc_type type)
{
    if ((unsigned)op >= VC_OP_COUNT || (unsigned)type >= VC_TYPE_COUNT)
        return NULL;
    return best_set()->fn[op][type];
}

size_t vc_type_size(enum vc_type type)
{
    return (unsigned)type < VC_TYPE_COUNT ? types[type].size : 0;
}

const char *vc_kernel_isa(void)
{
    return best_set()->isa;
}

const char *vc_op_name(enum vc_op op)
{
    return (unsigned)op <= VC_OP_USER ? op_names[op] : NULL;
}

const char *vc_type_name(enum vc_type type)
{
    return (unsigned)type < VC_TYPE_COUNT ? types[type].name : NULL;
}

bool vc_redop_init(struct vc_redop *redop, enum vc_op op, enum vc_type type)
{
    const vc_kernel_fn fn = vc_kernel_find(op, type);

    if (!fn)
        return false;
    *redop = (struct vc_redop){.fn = fn, .ctx = NULL, .esize = types[type].size, .commutative = true};
    return true;
}
