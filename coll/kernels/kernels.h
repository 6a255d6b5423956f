/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reduction kernels: every predefined operator on every predefined type that MPI allows it for. Types are
 * named by their machine representation, so this room needs no MPI header; the front door maps MPI handles to
 * it.
 */
#ifndef VC_COLL_KERNELS_H
#define VC_COLL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

enum vc_op {
    VC_OP_MAX,
    VC_OP_MIN,
    VC_OP_SUM,
    VC_OP_PROD,
    VC_OP_LAND,
    VC_OP_BAND,
    VC_OP_LOR,
    VC_OP_BOR,
    VC_OP_LXOR,
    VC_OP_BXOR,
    VC_OP_MAXLOC,
    VC_OP_MINLOC,
    VC_OP_COUNT,
    VC_OP_USER = VC_OP_COUNT, /**< a user's operator, run through vc_redop.fn with ctx */
};

/** Machine types. "LOGICAL" is a Fortran logical of that width (false is 0, results are 0 or 1). */
enum vc_type {
    VC_T_INT8,
    VC_T_UINT8,
    VC_T_INT16,
    VC_T_UINT16,
    VC_T_INT32,
    VC_T_UINT32,
    VC_T_INT64,
    VC_T_UINT64,
    VC_T_FLOAT,
    VC_T_DOUBLE,
    VC_T_LONG_DOUBLE,
    VC_T_CFLOAT,       /**< float _Complex and Fortran COMPLEX */
    VC_T_CDOUBLE,      /**< double _Complex and DOUBLE COMPLEX */
    VC_T_CLONG_DOUBLE, /**< long double _Complex */
    VC_T_BOOL,         /**< C _Bool: logical operators only */
    VC_T_LOGICAL8,
    VC_T_LOGICAL16,
    VC_T_LOGICAL32,
    VC_T_LOGICAL64,
    VC_T_BYTE,  /**< MPI_BYTE: bitwise operators only */
    VC_T_FINT8, /**< Fortran INTEGERs: as VC_T_INT*, but MPI defines no logical operators for them */
    VC_T_FINT16,
    VC_T_FINT32,
    VC_T_FINT64,
    VC_T_FLOAT_INT,       /**< struct { float v; int i; }: MAXLOC and MINLOC only, as are all below */
    VC_T_DOUBLE_INT,      /**< struct { double v; int i; } */
    VC_T_LONG_INT,        /**< struct { long v; int i; } */
    VC_T_2INT,            /**< struct { int v; int i; }, also Fortran 2INTEGER */
    VC_T_SHORT_INT,       /**< struct { short v; int i; } */
    VC_T_LONG_DOUBLE_INT, /**< struct { long double v; int i; } */
    VC_T_2REAL,           /**< struct { float v; float i; } */
    VC_T_2DOUBLE,         /**< struct { double v; double i; } */
    VC_TYPE_COUNT
};

/*
 * What the operators do where the MPI standard leaves room. All of it is what Open MPI's portable code does.
 * The vector code of Open MPI's op/avx does something else, so that a program sees both, in calls that pass
 * through and in others: there sums of 8 and 16 bit integers that overflow saturate in whole vectors and wrap
 * in the rest, and the NaN rule depends on the position in the vector. Here an element's result depends on
 * nothing but its operands.
 *
 * - SUM and PROD of integers wrap around.
 * - MAX and MIN of floats are b > a ? b : a and b < a ? b : a: NaNs and zeros of both signs give a.
 * - PROD of complex numbers recovers infinities as the operator of C does.
 * - Logical operators give 0 or 1 in the width of the operand.
 * - MAXLOC and MINLOC give, of equal values, b's value and the lower index; and b where a value is NaN.
 *
 * Two more differences to Open MPI 4.1 follow the MPI standard: its MAX and MIN compare MPI_UNSIGNED_LONG as
 * signed and MPI_OFFSET as unsigned numbers, which shows only beyond 2^63.
 *
 * Gaps of pairs are never written. The padding inside a long double is written as zeros, so that equal
 * results have equal bytes. Results depend neither on the instruction set (signs and payloads of NaNs aside),
 * nor on the count or the alignment.
 */

/**
 * out[k] = a[k] (op) b[k] for k in 0..count-1, `a` being the operand of the lower rank (the left one).
 * `out` may be equal to `b`; for kernels of vc_kernel_find() it may also be equal to `a`; otherwise the three
 * do not overlap. No alignment beyond what the type's machine representation has in a malloc'ed array is
 * promised: packed buffers may be misaligned, so kernels load and store with memcpy semantics. Thread-safe,
 * cannot fail.
 */
typedef void (*vc_kernel_fn)(const void *a, const void *b, void *out, size_t count, void *ctx);

/** An operator bound to a type, as the engine and the node primitives use it. Owned by the caller of the
 * collective. */
struct vc_redop {
    vc_kernel_fn fn;
    void *ctx;        /**< handed to fn; NULL for predefined operators */
    size_t esize;     /**< bytes an element occupies in the (packed or dense) buffer */
    bool commutative; /**< operands may be exchanged */
};

/** The kernel for a predefined operator and type on this CPU, or NULL where MPI does not define the
 * combination. */
vc_kernel_fn vc_kernel_find(enum vc_op op, enum vc_type type);

/** Bytes one element of the type occupies in an array (its extent), e.g. 16 for VC_T_DOUBLE_INT. */
size_t vc_type_size(enum vc_type type);

/** Which instruction set the kernels use on this CPU: "avx512", "avx2", "baseline". Static storage. */
const char *vc_kernel_isa(void);

/** "max", "land", ... and "user" for VC_OP_USER; NULL for a value out of range. Static storage. */
const char *vc_op_name(enum vc_op op);

/** "int8", "double_int", ...; NULL for a value out of range. Static storage. */
const char *vc_type_name(enum vc_type type);

/** Fills `redop` for a predefined pair; false where there is none. */
bool vc_redop_init(struct vc_redop *redop, enum vc_op op, enum vc_type type);

#endif
