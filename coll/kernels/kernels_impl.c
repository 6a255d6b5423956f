/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels. Compiled once per instruction set, VC_ISA (baseline, avx2, avx512) naming it; the compiler
 * vectorizes the loops. This is the one place of the project where functions are made by macros: a matrix of
 * operators and types.
 *
 * What makes the loops right and fast at once:
 *   - elements are read and written through types of alignment 1 that may alias anything, which compiles to
 * the unaligned vector moves and is defined for packed buffers;
 *   - VC_INDEPENDENT tells the compiler that no iteration reads what another one writes. That holds for equal
 *     buffers too: element k of out depends on element k of a and b alone. So there is no check for overlap,
 * and no scalar loop behind one;
 *   - every kernel is a function of the elements at k only, so the vector body and the scalar rest agree. The
 * build forbids contraction to fused multiply-add, which would make results depend on the instruction set.
 */
#include "coll/kernels/kernels_isa.h"

#include <float.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#ifndef VC_ISA
#define VC_ISA baseline
#endif
#define VC_PASTE_(a, b) a##b
#define VC_PASTE(a, b)  VC_PASTE_(a, b)
#define VC_TEXT_(a)     #a
#define VC_TEXT(a)      VC_TEXT_(a)

#if defined(__clang__)
/* The hint is given to loops that no vector unit can run as well (long double), and to unoptimized builds. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define VC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define VC_INDEPENDENT _Pragma("GCC ivdep")
#else
#define VC_INDEPENDENT
#endif

/* For each element type: v_ as a value, m_ as it lies in a buffer, put_ to store one. */
#define ELEMENT_NO_PUT(name, type)                                                                           \
    typedef type v_##name;                                                                                   \
    typedef type m_##name __attribute__((may_alias, aligned(1)));
#define ELEMENT(name, type)                                                                                  \
    ELEMENT_NO_PUT(name, type)                                                                               \
    static inline void put_##name(m_##name *to, v_##name value)                                              \
    {                                                                                                        \
        *to = value;                                                                                         \
    }

ELEMENT(i8, int8_t)
ELEMENT(u8, uint8_t)
ELEMENT(i16, int16_t)
ELEMENT(u16, uint16_t)
ELEMENT(i32, int32_t)
ELEMENT(u32, uint32_t)
ELEMENT(i64, int64_t)
ELEMENT(u64, uint64_t)
ELEMENT(f, float)
ELEMENT(d, double)
ELEMENT_NO_PUT(ld, long double)
ELEMENT_NO_PUT(cf, float _Complex)
ELEMENT_NO_PUT(cd, double _Complex)
ELEMENT_NO_PUT(cld, long double _Complex)

/* x87 stores 10 bytes; the rest would keep whatever lay there, and differ between ranks. */
static inline void put_ld(m_ld *to, v_ld value)
{
    *to = value;
#if LDBL_MANT_DIG == 64
    memset((char *)to + 10, 0, sizeof value - 10);
#endif
}

/* op_element(): out[k] = expression of x = a[k] and y = b[k]. */
#define KERNEL(op, e, expression)                                                                            \
    static void op##_##e(const void *va, const void *vb, void *vout, size_t count, void *ctx)                \
    {                                                                                                        \
        const m_##e *a = va, *b = vb;                                                                        \
        m_##e *out = vout;                                                                                   \
        (void)ctx;                                                                                           \
        VC_INDEPENDENT                                                                                       \
        for (size_t k = 0; k < count; k++) {                                                                 \
            const v_##e x = a[k], y = b[k];                                                                  \
            put_##e(&out[k], (v_##e)(expression));                                                           \
        }                                                                                                    \
    }

/* Not x > y ? x : y: with a NaN on either side, or zeros of both signs, a must win. */
#define MAXMIN(e)                                                                                            \
    KERNEL(max, e, y > x ? y : x)                                                                            \
    KERNEL(min, e, y < x ? y : x)

MAXMIN(i8)
MAXMIN(u8)
MAXMIN(i16)
MAXMIN(u16)
MAXMIN(i32)
MAXMIN(u32)
MAXMIN(i64)
MAXMIN(u64)
MAXMIN(f)
MAXMIN(d)
MAXMIN(ld)

/* For both signs, C booleans, Fortran logicals and bytes. 1u keeps products of short operands from being
 * signed. */
#define MODULAR(e)                                                                                           \
    KERNEL(sum, e, x + y)                                                                                    \
    KERNEL(prod, e, 1u * x * y)                                                                              \
    KERNEL(band, e, x &y)                                                                                    \
    KERNEL(bor, e, x | y)                                                                                    \
    KERNEL(bxor, e, x ^ y)                                                                                   \
    KERNEL(land, e, (x != 0) & (y != 0))                                                                     \
    KERNEL(lor, e, (x | y) != 0)                                                                             \
    KERNEL(lxor, e, (x != 0) ^ (y != 0))

MODULAR(u8)
MODULAR(u16)
MODULAR(u32)
MODULAR(u64)

#define ARITHMETIC(e)                                                                                        \
    KERNEL(sum, e, x + y)                                                                                    \
    KERNEL(prod, e, x *y)

ARITHMETIC(f)
ARITHMETIC(d)
ARITHMETIC(ld)

#define COMPLEX_SUM(e, part)                                                                                 \
    static void sum_##e(const void *a, const void *b, void *out, size_t count, void *ctx)                    \
    {                                                                                                        \
        sum_##part(a, b, out, 2 * count, ctx);                                                               \
    }

COMPLEX_SUM(cf, f)
COMPLEX_SUM(cd, d)
COMPLEX_SUM(cld, ld)

/* One product as C defines it, infinities recovered. */
#define COMPLEX_PROD_ONE(e, part)                                                                            \
    static inline void prod_one_##e(const m_##e *a, const m_##e *b, m_##e *out)                              \
    {                                                                                                        \
        const v_##e x = *a, y = *b, z = x * y;                                                               \
        put_##part((m_##part *)out, __real__ z);                                                             \
        put_##part((m_##part *)out + 1, __imag__ z);                                                         \
    }

COMPLEX_PROD_ONE(cld, ld)

#ifndef VC_PROD_BORROWED

COMPLEX_PROD_ONE(cf, f)
COMPLEX_PROD_ONE(cd, d)

/*
 * C's product calls a function when both parts come out as NaN, which no vector loop can. So a block is
 * multiplied by the school formula aside, and done again by C's rules in the rare case that one of its
 * elements needs it.
 */
#define COMPLEX_PROD(e, part)                                                                                \
    static void prod_##e(const void *va, const void *vb, void *vout, size_t count, void *ctx)                \
    {                                                                                                        \
        enum { BLOCK = 16 };                                                                                 \
        const m_##e *a = va, *b = vb;                                                                        \
        m_##e *out = vout;                                                                                   \
        size_t k = 0;                                                                                        \
        (void)ctx;                                                                                           \
        for (; count - k >= BLOCK; k += BLOCK) {                                                             \
            const m_##part *x = (const m_##part *)(a + k), *y = (const m_##part *)(b + k);                   \
            v_##part z[2 * BLOCK];                                                                           \
            int redo = 0;                                                                                    \
            for (size_t j = 0; j < 2 * BLOCK; j += 2) {                                                      \
                const v_##part re = x[j] * y[j] - x[j + 1] * y[j + 1];                                       \
                const v_##part im = x[j] * y[j + 1] + x[j + 1] * y[j];                                       \
                z[j] = re;                                                                                   \
                z[j + 1] = im;                                                                               \
                redo |= (re != re) & (im != im);                                                             \
            }                                                                                                \
            if (__builtin_expect(!redo, 1))                                                                  \
                memcpy(out + k, z, sizeof z);                                                                \
            else                                                                                             \
                for (size_t j = k; j < k + BLOCK; j++)                                                       \
                    prod_one_##e(a + j, b + j, out + j);                                                     \
        }                                                                                                    \
        for (; k < count; k++)                                                                               \
            prod_one_##e(a + k, b + k, out + k);                                                             \
    }

COMPLEX_PROD(cf, f)
COMPLEX_PROD(cd, d)

#ifdef VC_PROD_LENT
void vc_prod_cf_avx2(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    prod_cf(a, b, out, count, ctx);
}

void vc_prod_cd_avx2(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    prod_cd(a, b, out, count, ctx);
}
#endif

#else
/*
 * With AVX-512 come the fused instructions, and gcc (12 at least) forms vfmaddsub from complex products even
 * under -ffp-contract=off, so that results would depend on the CPU. The avx2 object is built without them.
 */
#define prod_cf vc_prod_cf_avx2
#define prod_cd vc_prod_cd_avx2
#endif

static void prod_cld(const void *va, const void *vb, void *vout, size_t count, void *ctx)
{
    const m_cld *a = va, *b = vb;
    m_cld *out = vout;

    (void)ctx;
    for (size_t k = 0; k < count; k++)
        prod_one_cld(a + k, b + k, out + k);
}

/*
 * Value and index, members stored one by one so that gaps stay as they are. Ranks hold unsorted values, which
 * no branch predictor guesses, so the choice is made by masks on the bits; seen as integers of few widths,
 * the members of a pair also go through vectors.
 */
#define LOC(op, beats, name, value, vbits, index, ibits)                                                     \
    static void op##_##name(const void *va, const void *vb, void *vout, size_t count, void *ctx)             \
    {                                                                                                        \
        enum { STRIDE = sizeof(struct name), AT = offsetof(struct name, i) };                                \
        const char *a = va, *b = vb;                                                                         \
        char *out = vout;                                                                                    \
        (void)ctx;                                                                                           \
        VC_INDEPENDENT                                                                                       \
        for (size_t k = 0; k < count; k++) {                                                                 \
            const v_##vbits x = *(const m_##vbits *)(a + k * STRIDE);                                        \
            const v_##vbits y = *(const m_##vbits *)(b + k * STRIDE);                                        \
            const v_##ibits xi = *(const m_##ibits *)(a + k * STRIDE + AT);                                  \
            const v_##ibits yi = *(const m_##ibits *)(b + k * STRIDE + AT);                                  \
            const int wins = value##_of(x) beats value##_of(y);                                              \
            const int ties = value##_of(x) == value##_of(y);                                                 \
            const int lower = !(index##_of(yi) < index##_of(xi));                                            \
            *(m_##vbits *)(out + k * STRIDE) = (v_##vbits)(y ^ ((x ^ y) & (v_##vbits)(-wins)));              \
            *(m_##ibits *)(out + k * STRIDE + AT) =                                                          \
                (v_##ibits)(yi ^ ((xi ^ yi) & (v_##ibits)(-(wins | (ties & lower)))));                       \
        }                                                                                                    \
    }

#define OF_BITS(e, bits)                                                                                     \
    static inline v_##e e##_of(v_##bits image)                                                               \
    {                                                                                                        \
        v_##e value;                                                                                         \
        memcpy(&value, &image, sizeof value);                                                                \
        return value;                                                                                        \
    }

OF_BITS(i16, u16)
OF_BITS(i32, u32)
OF_BITS(i64, u64)
OF_BITS(f, u32)
OF_BITS(d, u64)

#define PAIR(name, value, vbits, index, ibits)                                                               \
    struct name {                                                                                            \
        v_##value v;                                                                                         \
        v_##index i;                                                                                         \
    };                                                                                                       \
    LOC(maxloc, >, name, value, vbits, index, ibits)                                                         \
    LOC(minloc, <, name, value, vbits, index, ibits)

PAIR(float_int, f, u32, i32, u32)
PAIR(double_int, d, u64, i32, u32)
PAIR(int64_int, i64, u64, i32, u32)
PAIR(two_int, i32, u32, i32, u32)
PAIR(short_int, i16, u16, i32, u32)
PAIR(two_real, f, u32, f, u32)
PAIR(two_double, d, u64, d, u64)

struct long_double_int {
    v_ld v;
    v_i32 i;
};

#define LOC_LONG_DOUBLE(op, beats)                                                                           \
    static void op##_long_double_int(const void *va, const void *vb, void *vout, size_t count, void *ctx)    \
    {                                                                                                        \
        enum { STRIDE = sizeof(struct long_double_int), AT = offsetof(struct long_double_int, i) };          \
        const char *a = va, *b = vb;                                                                         \
        char *out = vout;                                                                                    \
        (void)ctx;                                                                                           \
        for (size_t k = 0; k < count; k++) {                                                                 \
            const v_ld x = *(const m_ld *)(a + k * STRIDE), y = *(const m_ld *)(b + k * STRIDE);             \
            const v_i32 xi = *(const m_i32 *)(a + k * STRIDE + AT);                                          \
            const v_i32 yi = *(const m_i32 *)(b + k * STRIDE + AT);                                          \
            put_ld((m_ld *)(out + k * STRIDE), x beats y ? x : y);                                           \
            *(m_i32 *)(out + k * STRIDE + AT) = x beats y || (x == y && xi < yi) ? xi : yi;                  \
        }                                                                                                    \
    }

LOC_LONG_DOUBLE(maxloc, >)
LOC_LONG_DOUBLE(minloc, <)

/* Rows of the table, by what MPI-3.1 section 5.9.2 allows. */
#define SIGNED_AND_UNSIGNED(op)                                                                              \
    [VC_T_INT8] = op##_i8, [VC_T_UINT8] = op##_u8, [VC_T_INT16] = op##_i16, [VC_T_UINT16] = op##_u16,        \
    [VC_T_INT32] = op##_i32, [VC_T_UINT32] = op##_u32, [VC_T_INT64] = op##_i64, [VC_T_UINT64] = op##_u64,    \
    [VC_T_FINT8] = op##_i8, [VC_T_FINT16] = op##_i16, [VC_T_FINT32] = op##_i32, [VC_T_FINT64] = op##_i64
#define C_INTEGERS(op)                                                                                       \
    [VC_T_INT8] = op##_u8, [VC_T_UINT8] = op##_u8, [VC_T_INT16] = op##_u16, [VC_T_UINT16] = op##_u16,        \
    [VC_T_INT32] = op##_u32, [VC_T_UINT32] = op##_u32, [VC_T_INT64] = op##_u64, [VC_T_UINT64] = op##_u64
#define INTEGERS(op)                                                                                         \
    C_INTEGERS(op), [VC_T_FINT8] = op##_u8, [VC_T_FINT16] = op##_u16, [VC_T_FINT32] = op##_u32,              \
                    [VC_T_FINT64] = op##_u64
#define FLOATS(op)  [VC_T_FLOAT] = op##_f, [VC_T_DOUBLE] = op##_d, [VC_T_LONG_DOUBLE] = op##_ld
#define COMPLEX(op) [VC_T_CFLOAT] = op##_cf, [VC_T_CDOUBLE] = op##_cd, [VC_T_CLONG_DOUBLE] = op##_cld
#define LOGICALS(op)                                                                                         \
    [VC_T_BOOL] = op##_u8, [VC_T_LOGICAL8] = op##_u8, [VC_T_LOGICAL16] = op##_u16,                           \
    [VC_T_LOGICAL32] = op##_u32, [VC_T_LOGICAL64] = op##_u64
#define BYTES(op) [VC_T_BYTE] = op##_u8
#if LONG_MAX == INT32_MAX
#define LONG_INT(op) op##_two_int
#else
#define LONG_INT(op) op##_int64_int
#endif
#define PAIRS(op)                                                                                            \
    [VC_T_FLOAT_INT] = op##_float_int, [VC_T_DOUBLE_INT] = op##_double_int, [VC_T_LONG_INT] = LONG_INT(op),  \
    [VC_T_2INT] = op##_two_int, [VC_T_SHORT_INT] = op##_short_int,                                           \
    [VC_T_LONG_DOUBLE_INT] = op##_long_double_int, [VC_T_2REAL] = op##_two_real,                             \
    [VC_T_2DOUBLE] = op##_two_double

const struct vc_kernel_set
    VC_PASTE(vc_kernels_, VC_ISA) =
        {
            .isa = VC_TEXT(VC_ISA),
            .fn =
                {
                    [VC_OP_MAX] = {SIGNED_AND_UNSIGNED(max), FLOATS(max)},
                    [VC_OP_MIN] = {SIGNED_AND_UNSIGNED(min), FLOATS(min)},
                    [VC_OP_SUM] = {INTEGERS(sum), FLOATS(sum), COMPLEX(sum)},
                    [VC_OP_PROD] = {INTEGERS(prod), FLOATS(prod), COMPLEX(prod)},
                    [VC_OP_LAND] = {C_INTEGERS(land), LOGICALS(land)},
                    [VC_OP_LOR] = {C_INTEGERS(lor), LOGICALS(lor)},
                    [VC_OP_LXOR] = {C_INTEGERS(lxor), LOGICALS(lxor)},
                    [VC_OP_BAND] = {INTEGERS(band), BYTES(band)},
                    [VC_OP_BOR] = {INTEGERS(bor), BYTES(bor)},
                    [VC_OP_BXOR] = {INTEGERS(bxor), BYTES(bxor)},
                    [VC_OP_MAXLOC] = {PAIRS(maxloc)},
                    [VC_OP_MINLOC] = {PAIRS(minloc)},
                },
};
