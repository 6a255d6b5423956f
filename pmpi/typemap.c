/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/typemap.h"

#include "pmpi/handles.h"
#include "transport/mpi/next.h"

static struct vc_handle_map type_map, op_map;

int vc_type_lookup(MPI_Datatype type)
{
    return vc_handle_find(&type_map, (uintptr_t)type);
}

int vc_op_lookup(MPI_Op op)
{
    return vc_handle_find(&op_map, (uintptr_t)op);
}

/* Types of C, their widths known to the compiler. Several names may be one handle. */
#define SIGNED(type)                                                                                         \
    (sizeof(type) == 1   ? VC_T_INT8                                                                         \
     : sizeof(type) == 2 ? VC_T_INT16                                                                        \
     : sizeof(type) == 4 ? VC_T_INT32                                                                        \
                         : VC_T_INT64)
#define UNSIGNED(type)                                                                                       \
    (sizeof(type) == 1   ? VC_T_UINT8                                                                        \
     : sizeof(type) == 2 ? VC_T_UINT16                                                                       \
     : sizeof(type) == 4 ? VC_T_UINT32                                                                       \
                         : VC_T_UINT64)

static void map_c_types(void)
{
    const struct {
        MPI_Datatype handle;
        enum vc_type type;
    } known[] = {
        {MPI_SIGNED_CHAR, VC_T_INT8},
        {MPI_UNSIGNED_CHAR, VC_T_UINT8},
        {MPI_SHORT, SIGNED(short)},
        {MPI_UNSIGNED_SHORT, UNSIGNED(unsigned short)},
        {MPI_INT, SIGNED(int)},
        {MPI_UNSIGNED, UNSIGNED(unsigned)},
        {MPI_LONG, SIGNED(long)},
        {MPI_UNSIGNED_LONG, UNSIGNED(unsigned long)},
        {MPI_LONG_LONG, SIGNED(long long)},
        {MPI_LONG_LONG_INT, SIGNED(long long)},
        {MPI_UNSIGNED_LONG_LONG, UNSIGNED(unsigned long long)},
        {MPI_INT8_T, VC_T_INT8},
        {MPI_UINT8_T, VC_T_UINT8},
        {MPI_INT16_T, VC_T_INT16},
        {MPI_UINT16_T, VC_T_UINT16},
        {MPI_INT32_T, VC_T_INT32},
        {MPI_UINT32_T, VC_T_UINT32},
        {MPI_INT64_T, VC_T_INT64},
        {MPI_UINT64_T, VC_T_UINT64},
        {MPI_AINT, SIGNED(MPI_Aint)},
        {MPI_OFFSET, SIGNED(MPI_Offset)},
        {MPI_COUNT, SIGNED(MPI_Count)},
        {MPI_FLOAT, VC_T_FLOAT},
        {MPI_DOUBLE, VC_T_DOUBLE},
        {MPI_LONG_DOUBLE, VC_T_LONG_DOUBLE},
        {MPI_C_FLOAT_COMPLEX, VC_T_CFLOAT},
        {MPI_C_COMPLEX, VC_T_CFLOAT},
        {MPI_C_DOUBLE_COMPLEX, VC_T_CDOUBLE},
        {MPI_C_LONG_DOUBLE_COMPLEX, VC_T_CLONG_DOUBLE},
        {MPI_C_BOOL, VC_T_BOOL},
        {MPI_BYTE, VC_T_BYTE},
        {MPI_FLOAT_INT, VC_T_FLOAT_INT},
        {MPI_DOUBLE_INT, VC_T_DOUBLE_INT},
        {MPI_LONG_INT, VC_T_LONG_INT},
        {MPI_2INT, VC_T_2INT},
        {MPI_SHORT_INT, VC_T_SHORT_INT},
        {MPI_LONG_DOUBLE_INT, VC_T_LONG_DOUBLE_INT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].handle != MPI_DATATYPE_NULL)
            vc_handle_add(&type_map, (uintptr_t)known[i].handle, known[i].type);
}

/* Types of other languages: the underlying MPI knows how wide they are. */
enum family { INTEGER, LOGICAL, REAL, COMPLEX, TWO_INTEGER, TWO_REAL, CXX_BOOL, CXX_COMPLEX };

static const struct {
    enum family family;
    size_t size;
    enum vc_type type;
} formats[] = {
    {INTEGER, 1, VC_T_FINT8},
    {INTEGER, 2, VC_T_FINT16},
    {INTEGER, 4, VC_T_FINT32},
    {INTEGER, 8, VC_T_FINT64},
    {LOGICAL, 1, VC_T_LOGICAL8},
    {LOGICAL, 2, VC_T_LOGICAL16},
    {LOGICAL, 4, VC_T_LOGICAL32},
    {LOGICAL, 8, VC_T_LOGICAL64},
    {REAL, sizeof(float), VC_T_FLOAT},
    {REAL, sizeof(double), VC_T_DOUBLE},
    {COMPLEX, sizeof(float _Complex), VC_T_CFLOAT},
    {COMPLEX, sizeof(double _Complex), VC_T_CDOUBLE},
    {TWO_INTEGER, 2 * sizeof(int), VC_T_2INT},
    {TWO_REAL, 2 * sizeof(float), VC_T_2REAL},
    {TWO_REAL, 2 * sizeof(double), VC_T_2DOUBLE},
    {CXX_BOOL, sizeof(bool), VC_T_BOOL},
    {CXX_COMPLEX, sizeof(float _Complex), VC_T_CFLOAT},
    {CXX_COMPLEX, sizeof(double _Complex), VC_T_CDOUBLE},
    {CXX_COMPLEX, sizeof(long double _Complex), VC_T_CLONG_DOUBLE},
};

/* Adds the handle if the kernels know its family in its size. A size of 0: the MPI lacks the language. */
static void map_by_size(MPI_Datatype handle, enum family family)
{
    int size = 0;
    if (handle == MPI_DATATYPE_NULL || vc_next.Type_size(handle, &size) != MPI_SUCCESS || size <= 0)
        return;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].family == family && formats[i].size == (size_t)size) {
            vc_handle_add(&type_map, (uintptr_t)handle, formats[i].type);
            return;
        }
}

static void map_other_types(void)
{
    const struct {
        MPI_Datatype handle;
        enum family family;
    } known[] = {
        {MPI_INTEGER, INTEGER},
        {MPI_LOGICAL, LOGICAL},
        {MPI_REAL, REAL},
        {MPI_DOUBLE_PRECISION, REAL},
        {MPI_COMPLEX, COMPLEX},
        {MPI_DOUBLE_COMPLEX, COMPLEX},
        {MPI_2INTEGER, TWO_INTEGER},
        {MPI_2REAL, TWO_REAL},
        {MPI_2DOUBLE_PRECISION, TWO_REAL},
        {MPI_CXX_BOOL, CXX_BOOL},
        {MPI_CXX_FLOAT_COMPLEX, CXX_COMPLEX},
        {MPI_CXX_DOUBLE_COMPLEX, CXX_COMPLEX},
        {MPI_CXX_LONG_DOUBLE_COMPLEX, CXX_COMPLEX},
/* The optional types exist only where the Fortran compiler of the MPI had them. */
#ifdef MPI_INTEGER1
        {MPI_INTEGER1, INTEGER},
#endif
#ifdef MPI_INTEGER2
        {MPI_INTEGER2, INTEGER},
#endif
#ifdef MPI_INTEGER4
        {MPI_INTEGER4, INTEGER},
#endif
#ifdef MPI_INTEGER8
        {MPI_INTEGER8, INTEGER},
#endif
#ifdef MPI_LOGICAL1
        {MPI_LOGICAL1, LOGICAL},
#endif
#ifdef MPI_LOGICAL2
        {MPI_LOGICAL2, LOGICAL},
#endif
#ifdef MPI_LOGICAL4
        {MPI_LOGICAL4, LOGICAL},
#endif
#ifdef MPI_LOGICAL8
        {MPI_LOGICAL8, LOGICAL},
#endif
#ifdef MPI_REAL4
        {MPI_REAL4, REAL},
#endif
#ifdef MPI_REAL8
        {MPI_REAL8, REAL},
#endif
#ifdef MPI_COMPLEX8
        {MPI_COMPLEX8, COMPLEX},
#endif
#ifdef MPI_COMPLEX16
        {MPI_COMPLEX16, COMPLEX},
#endif
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        map_by_size(known[i].handle, known[i].family);
}

static void map_ops(void)
{
    const struct {
        MPI_Op handle;
        enum vc_op op;
    } known[] = {
        {MPI_MAX, VC_OP_MAX},   {MPI_MIN, VC_OP_MIN},       {MPI_SUM, VC_OP_SUM},
        {MPI_PROD, VC_OP_PROD}, {MPI_LAND, VC_OP_LAND},     {MPI_BAND, VC_OP_BAND},
        {MPI_LOR, VC_OP_LOR},   {MPI_BOR, VC_OP_BOR},       {MPI_LXOR, VC_OP_LXOR},
        {MPI_BXOR, VC_OP_BXOR}, {MPI_MAXLOC, VC_OP_MAXLOC}, {MPI_MINLOC, VC_OP_MINLOC},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        vc_handle_add(&op_map, (uintptr_t)known[i].handle, known[i].op);
}

void vc_typemap_init(void)
{
    static bool done;
    if (done)
        return;
    map_c_types();
    map_other_types();
    map_ops();
    done = true;
}
