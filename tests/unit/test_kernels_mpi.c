/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels and the map from MPI handles to them against the underlying MPI's MPI_Reduce_local, for every
 * predefined datatype and operator: what vcoll takes over the MPI must accept, and both must give the same.
 *
 *   test_kernels_mpi           any values; for Open MPI's portable operators (OMPI_MCA_op=^avx)
 *   test_kernels_mpi tame      values without overflow, NaN and negative zeros, which op/avx of Open MPI 4.1
 * treats by their position in a vector
 */
#include "pmpi/typemap.h"
#include "tests/unit/kernel_values.h"
#include "transport/mpi/next.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COUNT = 1000, MAX_SIZE = 32 };

#define NAMED(handle) #handle, handle

static const struct {
    const char *name;
    MPI_Op op;
    bool known;
} ops[] = {
    {NAMED(MPI_MAX), true},      {NAMED(MPI_MIN), true},    {NAMED(MPI_SUM), true},
    {NAMED(MPI_PROD), true},     {NAMED(MPI_LAND), true},   {NAMED(MPI_BAND), true},
    {NAMED(MPI_LOR), true},      {NAMED(MPI_BOR), true},    {NAMED(MPI_LXOR), true},
    {NAMED(MPI_BXOR), true},     {NAMED(MPI_MAXLOC), true}, {NAMED(MPI_MINLOC), true},
    {NAMED(MPI_REPLACE), false}, {NAMED(MPI_NO_OP), false}, {NAMED(MPI_OP_NULL), false},
};

/* How many of the twelve operators MPI-3.1 allows: none for those that must stay unmapped. */
enum { NONE = 0, LOC = 2, ARITHMETIC_ONLY = 2, BITS = 3, LOGIC = 3, REAL = 4, FORTRAN_INT = 7, C_INT = 10 };

static const struct {
    const char *name;
    MPI_Datatype type;
    int allowed;
} types[] = {
    {NAMED(MPI_SIGNED_CHAR), C_INT},
    {NAMED(MPI_UNSIGNED_CHAR), C_INT},
    {NAMED(MPI_SHORT), C_INT},
    {NAMED(MPI_UNSIGNED_SHORT), C_INT},
    {NAMED(MPI_INT), C_INT},
    {NAMED(MPI_UNSIGNED), C_INT},
    {NAMED(MPI_LONG), C_INT},
    {NAMED(MPI_UNSIGNED_LONG), C_INT},
    {NAMED(MPI_LONG_LONG), C_INT},
    {NAMED(MPI_LONG_LONG_INT), C_INT},
    {NAMED(MPI_UNSIGNED_LONG_LONG), C_INT},
    {NAMED(MPI_INT8_T), C_INT},
    {NAMED(MPI_UINT8_T), C_INT},
    {NAMED(MPI_INT16_T), C_INT},
    {NAMED(MPI_UINT16_T), C_INT},
    {NAMED(MPI_INT32_T), C_INT},
    {NAMED(MPI_UINT32_T), C_INT},
    {NAMED(MPI_INT64_T), C_INT},
    {NAMED(MPI_UINT64_T), C_INT},
    {NAMED(MPI_AINT), C_INT},
    {NAMED(MPI_OFFSET), C_INT},
    {NAMED(MPI_COUNT), C_INT},
    {NAMED(MPI_FLOAT), REAL},
    {NAMED(MPI_DOUBLE), REAL},
    {NAMED(MPI_LONG_DOUBLE), REAL},
    {NAMED(MPI_C_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_C_FLOAT_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_C_DOUBLE_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_C_LONG_DOUBLE_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_C_BOOL), LOGIC},
    {NAMED(MPI_CXX_BOOL), LOGIC},
    {NAMED(MPI_CXX_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_CXX_FLOAT_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_CXX_DOUBLE_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_CXX_LONG_DOUBLE_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_BYTE), BITS},
    {NAMED(MPI_FLOAT_INT), LOC},
    {NAMED(MPI_DOUBLE_INT), LOC},
    {NAMED(MPI_LONG_INT), LOC},
    {NAMED(MPI_2INT), LOC},
    {NAMED(MPI_SHORT_INT), LOC},
    {NAMED(MPI_LONG_DOUBLE_INT), LOC},
    {NAMED(MPI_INTEGER), FORTRAN_INT},
    {NAMED(MPI_REAL), REAL},
    {NAMED(MPI_DOUBLE_PRECISION), REAL},
    {NAMED(MPI_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_DOUBLE_COMPLEX), ARITHMETIC_ONLY},
    {NAMED(MPI_LOGICAL), LOGIC},
    {NAMED(MPI_2INTEGER), LOC},
    {NAMED(MPI_2REAL), LOC},
    {NAMED(MPI_2DOUBLE_PRECISION), LOC},
#ifdef MPI_INTEGER1
    {NAMED(MPI_INTEGER1), FORTRAN_INT},
#endif
#ifdef MPI_INTEGER2
    {NAMED(MPI_INTEGER2), FORTRAN_INT},
#endif
#ifdef MPI_INTEGER4
    {NAMED(MPI_INTEGER4), FORTRAN_INT},
#endif
#ifdef MPI_INTEGER8
    {NAMED(MPI_INTEGER8), FORTRAN_INT},
#endif
#ifdef MPI_INTEGER16
    {NAMED(MPI_INTEGER16), NONE},
#endif
#ifdef MPI_LOGICAL1
    {NAMED(MPI_LOGICAL1), LOGIC},
#endif
#ifdef MPI_LOGICAL2
    {NAMED(MPI_LOGICAL2), LOGIC},
#endif
#ifdef MPI_LOGICAL4
    {NAMED(MPI_LOGICAL4), LOGIC},
#endif
#ifdef MPI_LOGICAL8
    {NAMED(MPI_LOGICAL8), LOGIC},
#endif
#ifdef MPI_REAL2
    {NAMED(MPI_REAL2), NONE},
#endif
#ifdef MPI_REAL4
    {NAMED(MPI_REAL4), REAL},
#endif
#ifdef MPI_REAL8
    {NAMED(MPI_REAL8), REAL},
#endif
#ifdef MPI_REAL16
    {NAMED(MPI_REAL16), NONE},
#endif
#ifdef MPI_COMPLEX8
    {NAMED(MPI_COMPLEX8), ARITHMETIC_ONLY},
#endif
#ifdef MPI_COMPLEX16
    {NAMED(MPI_COMPLEX16), ARITHMETIC_ONLY},
#endif
#ifdef MPI_COMPLEX32
    {NAMED(MPI_COMPLEX32), NONE},
#endif
    {NAMED(MPI_CHAR), NONE},
    {NAMED(MPI_CHARACTER), NONE},
    {NAMED(MPI_WCHAR), NONE},
    {NAMED(MPI_PACKED), NONE},
    {NAMED(MPI_2COMPLEX), NONE},
    {NAMED(MPI_2DOUBLE_COMPLEX), NONE},
    {NAMED(MPI_DATATYPE_NULL), NONE},
};

static unsigned char in_a[MAX_COUNT * MAX_SIZE], in_b[sizeof in_a], native[sizeof in_a], ours[sizeof in_a];
static int failures;

#define FAIL(...) (failures++, fprintf(stderr, __VA_ARGS__))

/*
 * Open MPI 4.1 compares MPI_UNSIGNED_LONG as signed and MPI_OFFSET as unsigned numbers. The kernels do what
 * the standard says; what both do is the same for all values below 2^63, so those are compared.
 */
static void below_2_63(unsigned char *elements, size_t count)
{
    for (size_t k = 0; k < count; k++)
        elements[8 * k + 7] &= 0x7f;
}

/* One operator on one type, in place over b as MPI_Reduce_local works, and into a third buffer. */
static bool compare(const char *op_name, MPI_Op mpi_op, enum vc_op op, const char *type_name,
                    MPI_Datatype mpi_type, enum vc_type type, size_t count, bool tame)
{
    const vc_kernel_fn fn = vc_kernel_find(op, type);
    const size_t size = vc_type_size(type);

    (tame ? kernel_fill_tame : kernel_fill)(type, in_a, count, 2 * count);
    (tame ? kernel_fill_tame : kernel_fill)(type, in_b, count, 2 * count + 1);
    if ((op == VC_OP_MAX || op == VC_OP_MIN) && (mpi_type == MPI_UNSIGNED_LONG || mpi_type == MPI_OFFSET) &&
        size == 8) {
        below_2_63(in_a, count);
        below_2_63(in_b, count);
    }
    memcpy(native, in_b, count * size);
    if (vc_next.Reduce_local(in_a, native, (int)count, mpi_type, mpi_op) != MPI_SUCCESS) {
        FAIL("%s on %s: the MPI rejects what vcoll takes\n", op_name, type_name);
        return false;
    }
    for (int in_place = 0; in_place < 2; in_place++) {
        memcpy(ours, in_b, count * size);
        fn(in_a, in_place ? ours : in_b, ours, count, NULL);
        for (size_t k = 0; k < count; k++)
            if (!kernel_equal(type, native + k * size, ours + k * size)) {
                FAIL("%s on %s, count %zu: element %zu differs\n", op_name, type_name, count, k);
                return false;
            }
    }
    return true;
}

static void check_type(size_t t, bool tame)
{
    const int type = vc_type_of_mpi(types[t].type);
    MPI_Aint lower, extent;
    int allowed = 0;

    if ((type >= 0) != (types[t].allowed != NONE)) {
        FAIL("%s is %smapped\n", types[t].name, type >= 0 ? "" : "not ");
        return;
    }
    if (type < 0)
        return;
    vc_next.Type_get_extent(types[t].type, &lower, &extent);
    if (lower != 0 || (size_t)extent != vc_type_size((enum vc_type)type)) {
        FAIL("%s has extent %ld, its kernels %zu\n", types[t].name, (long)extent,
             vc_type_size((enum vc_type)type));
        return;
    }
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
        const int op = vc_op_of_mpi(ops[o].op);

        if (op < 0 || !vc_kernel_find((enum vc_op)op, (enum vc_type)type))
            continue;
        allowed++;
        for (size_t count = 0; count <= MAX_COUNT; count = count == 67 ? MAX_COUNT : count + 1)
            if (!compare(ops[o].name, ops[o].op, (enum vc_op)op, types[t].name, types[t].type,
                         (enum vc_type)type, count, tame))
                break;
    }
    if (allowed != types[t].allowed)
        FAIL("%s has %d operators, not %d\n", types[t].name, allowed, types[t].allowed);
}

static void any_op(void *in, void *inout, int *len, MPI_Datatype *type)
{
    (void)in, (void)inout, (void)len, (void)type;
}

/* Handles of the user's own are never taken for predefined ones. */
static void check_user_handles(void)
{
    MPI_Datatype derived[3];
    MPI_Op op;

    MPI_Type_contiguous(2, MPI_INT, &derived[0]);
    MPI_Type_dup(MPI_INT, &derived[1]);
    MPI_Type_create_resized(MPI_DOUBLE, 0, 16, &derived[2]);
    for (int i = 0; i < 3; i++) {
        MPI_Type_commit(&derived[i]);
        if (vc_type_of_mpi(derived[i]) != -1)
            FAIL("derived type %d is mapped\n", i);
        MPI_Type_free(&derived[i]);
    }
    MPI_Op_create(any_op, 1, &op);
    if (vc_op_of_mpi(op) != -1)
        FAIL("a user's operator is mapped\n");
    MPI_Op_free(&op);
}

int main(int argc, char **argv)
{
    const bool tame = argc > 1 && strcmp(argv[1], "tame") == 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    vc_next_init();
    vc_typemap_init();
    vc_typemap_init();
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        if ((vc_op_of_mpi(ops[o].op) >= 0) != ops[o].known)
            FAIL("%s is %smapped\n", ops[o].name, ops[o].known ? "not " : "");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        check_type(t, tame);
    check_user_handles();
    MPI_Finalize();
    if (failures == 0)
        printf("%zu datatypes, kernels: %s\n", sizeof types / sizeof *types, vc_kernel_isa());
    return failures != 0;
}
