/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reduction kernels of every instruction set that this CPU runs, against one-element-at-a-time code
 * written for the test, with values that matter (ties, zeros of both signs, NaN, infinities, overflow), at
 * every small count, misaligned, in place, and with memory behind the buffers that faults when touched.
 */
#include "coll/kernels/kernels_isa.h"
#include "tests/unit/kernel_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- What MPI-3.1 section 5.9.2 and 5.9.4 allow, said once more and differently from the table under test.
 * ---- */

static bool allowed(enum vc_op op, enum vc_type type)
{
    const bool c_int = type <= VC_T_UINT64, fortran_int = type >= VC_T_FINT8 && type <= VC_T_FINT64;
    const bool real = type >= VC_T_FLOAT && type <= VC_T_LONG_DOUBLE;
    const bool cplx = type >= VC_T_CFLOAT && type <= VC_T_CLONG_DOUBLE;
    const bool logical = type >= VC_T_BOOL && type <= VC_T_LOGICAL64;
    const bool pair = type >= VC_T_FLOAT_INT;

    switch (op) {
    case VC_OP_MAX:
    case VC_OP_MIN:
        return c_int || fortran_int || real;
    case VC_OP_SUM:
    case VC_OP_PROD:
        return c_int || fortran_int || real || cplx;
    case VC_OP_LAND:
    case VC_OP_LOR:
    case VC_OP_LXOR:
        return c_int || logical;
    case VC_OP_BAND:
    case VC_OP_BOR:
    case VC_OP_BXOR:
        return c_int || fortran_int || type == VC_T_BYTE;
    case VC_OP_MAXLOC:
    case VC_OP_MINLOC:
        return pair;
    default:
        return false;
    }
}

/* ---- The reference: one element. ---- */

static uint64_t bits_op(enum vc_op op, uint64_t x, uint64_t y)
{
    switch (op) {
    case VC_OP_SUM:
        return x + y;
    case VC_OP_PROD:
        return x * y;
    case VC_OP_BAND:
        return x & y;
    case VC_OP_BOR:
        return x | y;
    case VC_OP_BXOR:
        return x ^ y;
    case VC_OP_LAND:
        return x && y;
    case VC_OP_LOR:
        return x || y;
    case VC_OP_LXOR:
        return !x != !y;
    default:
        abort();
    }
}

/* An integer of `size` bytes, sign-extended if `is_signed`. */
static int64_t load_int(const void *at, size_t size, bool is_signed)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)((const unsigned char *)at)[i] << (8 * i);
    if (is_signed && size < 8 && v >> (8 * size - 1))
        v |= ~UINT64_C(0) << (8 * size);
    return (int64_t)v;
}

static void ref_int(enum vc_op op, size_t size, bool is_signed, const void *a, const void *b, void *out)
{
    const int64_t x = load_int(a, size, is_signed), y = load_int(b, size, is_signed);
    const bool less = is_signed ? x < y : (uint64_t)x < (uint64_t)y;
    uint64_t r;

    if (op == VC_OP_MAX)
        r = (uint64_t)(less ? y : x);
    else if (op == VC_OP_MIN)
        r = (uint64_t)(less ? x : y);
    else
        r = bits_op(op, (uint64_t)x, (uint64_t)y);
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)(r >> (8 * i));
}

#define REF_REAL(T, name)                                                                                    \
    static void ref_##name(enum vc_op op, const void *a, const void *b, void *out)                           \
    {                                                                                                        \
        T x, y, r = 0;                                                                                       \
        memcpy(&x, a, sizeof x);                                                                             \
        memcpy(&y, b, sizeof y);                                                                             \
        if (op == VC_OP_MAX)                                                                                 \
            r = y > x ? y : x;                                                                               \
        else if (op == VC_OP_MIN)                                                                            \
            r = y < x ? y : x;                                                                               \
        else if (op == VC_OP_SUM)                                                                            \
            r = x + y;                                                                                       \
        else                                                                                                 \
            r = x * y;                                                                                       \
        memcpy(out, &r, sizeof r);                                                                           \
    }
REF_REAL(float, float)
REF_REAL(double, double)
REF_REAL(long double, ld)

#define REF_COMPLEX(T, name)                                                                                 \
    static void ref_##name(enum vc_op op, const void *a, const void *b, void *out)                           \
    {                                                                                                        \
        T _Complex x, y, r;                                                                                  \
        memcpy(&x, a, sizeof x);                                                                             \
        memcpy(&y, b, sizeof y);                                                                             \
        r = op == VC_OP_SUM ? x + y : x * y;                                                                 \
        memcpy(out, &r, sizeof r);                                                                           \
    }
REF_COMPLEX(float, cfloat)
REF_COMPLEX(double, cdouble)
REF_COMPLEX(long double, cld)

#define REF_PAIR(V, I, name)                                                                                 \
    static void ref_##name(enum vc_op op, const void *a, const void *b, void *out)                           \
    {                                                                                                        \
        struct pair {                                                                                        \
            V v;                                                                                             \
            I i;                                                                                             \
        } x, y, r;                                                                                           \
        memcpy(&x, a, sizeof x);                                                                             \
        memcpy(&y, b, sizeof y);                                                                             \
        r = y;                                                                                               \
        if (op == VC_OP_MAXLOC ? x.v > y.v : x.v < y.v) {                                                    \
            r.v = x.v;                                                                                       \
            r.i = x.i;                                                                                       \
        } else if (x.v == y.v && !(y.i < x.i)) {                                                             \
            r.i = x.i;                                                                                       \
        }                                                                                                    \
        memcpy((char *)out + offsetof(struct pair, v), &r.v, sizeof r.v);                                    \
        memcpy((char *)out + offsetof(struct pair, i), &r.i, sizeof r.i);                                    \
    }
REF_PAIR(float, int, float_int)
REF_PAIR(double, int, double_int)
REF_PAIR(long, int, long_int)
REF_PAIR(int, int, 2int)
REF_PAIR(short, int, short_int)
REF_PAIR(long double, int, ld_int)
REF_PAIR(float, float, 2real)
REF_PAIR(double, double, 2double)

static void reference(enum vc_op op, enum vc_type type, const void *a, const void *b, void *out)
{
    static void (*const other[VC_TYPE_COUNT])(enum vc_op, const void *, const void *, void *) = {
        [VC_T_FLOAT] = ref_float,         [VC_T_DOUBLE] = ref_double,
        [VC_T_LONG_DOUBLE] = ref_ld,      [VC_T_CFLOAT] = ref_cfloat,
        [VC_T_CDOUBLE] = ref_cdouble,     [VC_T_CLONG_DOUBLE] = ref_cld,
        [VC_T_FLOAT_INT] = ref_float_int, [VC_T_DOUBLE_INT] = ref_double_int,
        [VC_T_LONG_INT] = ref_long_int,   [VC_T_2INT] = ref_2int,
        [VC_T_SHORT_INT] = ref_short_int, [VC_T_LONG_DOUBLE_INT] = ref_ld_int,
        [VC_T_2REAL] = ref_2real,         [VC_T_2DOUBLE] = ref_2double,
    };
    const bool is_signed = (type <= VC_T_UINT64 && (type - VC_T_INT8) % 2 == 0) || type >= VC_T_FINT8;

    if (other[type])
        other[type](op, a, b, out);
    else
        ref_int(op, vc_type_size(type), is_signed, a, b, out);
}

/* ---- Running one kernel. ---- */

enum { MAX_COUNT = 4099, MAX_SIZE = 32, MARGIN = 64 };
enum place { APART, OVER_B, OVER_A, PLACES };

static unsigned char mem_a[MAX_COUNT * MAX_SIZE + 2 * MARGIN], mem_b[sizeof mem_a], mem_out[sizeof mem_a];
static unsigned char in_a[MAX_COUNT * MAX_SIZE], in_b[sizeof in_a], expected[sizeof in_a];

/* Runs `fn` on in_a and in_b copied to misaligned places, and compares with `expected` and with what was
 * around. */
static void run(const struct vc_kernel_set *set, enum vc_op op, enum vc_type type, size_t count,
                unsigned shift, enum place place)
{
    const size_t size = vc_type_size(type), bytes = count * size;
    unsigned char *a = mem_a + MARGIN + shift % 16, *b = mem_b + MARGIN + (shift * 3) % 16;
    unsigned char *out = place == OVER_A ? a : place == OVER_B ? b : mem_out + MARGIN + (shift * 5) % 16;
    unsigned char before[MARGIN], after[MARGIN / 2];

    memcpy(a, in_a, bytes);
    memcpy(b, in_b, bytes);
    if (place == APART)
        memset(out, 0xa5, bytes);
    memcpy(before, out - MARGIN / 2, MARGIN / 2);
    memcpy(after, out + bytes, sizeof after);

    set->fn[op][type](a, b, out, count, NULL);

    for (size_t k = 0; k < count; k++) {
        const unsigned char *was = place == APART ? NULL : (place == OVER_A ? in_a : in_b) + k * size;

        if (!kernel_equal(type, expected + k * size, out + k * size) ||
            !kernel_gaps_kept(type, was, 0xa5, out + k * size))
            fail_msg("%s: %s of %s, count %zu, element %zu, shift %u, place %d", set->isa, vc_op_name(op),
                     vc_type_name(type), count, k, shift, (int)place);
    }
    assert_memory_equal(before, out - MARGIN / 2, MARGIN / 2);
    assert_memory_equal(after, out + bytes, sizeof after);
    if (place != OVER_A)
        assert_memory_equal(a, in_a, bytes);
    if (place != OVER_B)
        assert_memory_equal(b, in_b, bytes);
}

static void prepare(enum vc_op op, enum vc_type type, size_t count, uint64_t seed)
{
    const size_t size = vc_type_size(type);

    kernel_fill(type, in_a, count, seed);
    kernel_fill(type, in_b, count, seed + 1);
    for (size_t k = 0; k < count; k++)
        reference(op, type, in_a + k * size, in_b + k * size, expected + k * size);
}

#define FOR_ALL_KERNELS(set, op, type)                                                                       \
    for (unsigned i_ = 0; vc_kernel_set(i_); i_++)                                                           \
        for (const struct vc_kernel_set *set = vc_kernel_set(i_); set; set = NULL)                           \
            for (enum vc_op op = 0; op < VC_OP_COUNT; op++)                                                  \
                for (enum vc_type type = 0; type < VC_TYPE_COUNT; type++)                                    \
                    if (set->fn[op][type])

static void test_table(void **state)
{
    (void)state;
    for (unsigned i = 0; vc_kernel_set(i); i++)
        for (enum vc_op op = 0; op < VC_OP_COUNT; op++)
            for (enum vc_type type = 0; type < VC_TYPE_COUNT; type++)
                if (allowed(op, type) != (vc_kernel_set(i)->fn[op][type] != NULL))
                    fail_msg("%s: %s of %s should %sexist", vc_kernel_set(i)->isa, vc_op_name(op),
                             vc_type_name(type), allowed(op, type) ? "" : "not ");
}

static void test_small_counts(void **state)
{
    (void)state;
    FOR_ALL_KERNELS(set, op, type)
    {
        prepare(op, type, 68, (uint64_t)op * 100 + type);
        for (size_t count = 0; count < 68; count++)
            for (enum place place = 0; place < PLACES; place++)
                run(set, op, type, count, (unsigned)count + place, place);
    }
}

static void test_large_counts(void **state)
{
    static const size_t counts[] = {128, 255, 1000, MAX_COUNT};

    (void)state;
    FOR_ALL_KERNELS(set, op, type)
    {
        prepare(op, type, MAX_COUNT, (uint64_t)op * 1000 + type);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            for (enum place place = 0; place < PLACES; place++)
                run(set, op, type, counts[i], (unsigned)i * 8 + place, place);
    }
}

/* Buffers that end where the last element's index does, with nothing mapped behind: not even gaps may be
 * read. */
static void test_nothing_read_behind(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 68 * MAX_SIZE / page * page + page;
    unsigned char *m[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        m[i] = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(m[i] != MAP_FAILED);
        assert_int_equal(mprotect(m[i] + room, page, PROT_NONE), 0);
    }
    FOR_ALL_KERNELS(set, op, type)
    {
        const size_t size = vc_type_size(type);

        prepare(op, type, 68, (uint64_t)op * 10 + type);
        for (size_t count = 1; count < 68; count++) {
            const size_t used = count * size - kernel_tail_gap(type);

            for (int i = 0; i < 3; i++)
                memcpy(m[i] + room - used, i == 0 ? in_a : in_b, used);
            set->fn[op][type](m[0] + room - used, m[1] + room - used, m[2] + room - used, count, NULL);
            for (size_t k = 0; k < count; k++)
                assert_true(kernel_equal(type, expected + k * size, m[2] + room - used + k * size));
        }
    }
    for (int i = 0; i < 3; i++)
        munmap(m[i], room + page);
}

/* The rules of kernels.h in plain numbers, so that a mistake shared with the reference shows. */
static void test_rules(void **state)
{
    const struct {
        double v;
        int i;
    } low = {2.0, 3}, high = {2.0, 7}, more = {5.0, 9};
    struct {
        double v;
        int i;
    } pair;
    const float zeros[2] = {0.0f, -0.0f};
    float f;
    const double nan = NAN, one = 1.0;
    double d;
    const int8_t big = 127, two = 2;
    int8_t i8;
    const uint16_t top = 65535;
    uint16_t u16;
    const int32_t truth[2] = {-4, 2}, no = 0;
    int32_t i32;
    const double inf[2] = {INFINITY, NAN}, c[2] = {1.0, 1.0};
    double z[2];

    (void)state;
    vc_kernel_find(VC_OP_MAXLOC, VC_T_DOUBLE_INT)(&low, &high, &pair, 1, NULL);
    assert_int_equal(pair.i, 3);
    vc_kernel_find(VC_OP_MAXLOC, VC_T_DOUBLE_INT)(&high, &low, &pair, 1, NULL);
    assert_int_equal(pair.i, 3);
    vc_kernel_find(VC_OP_MINLOC, VC_T_DOUBLE_INT)(&high, &low, &pair, 1, NULL);
    assert_int_equal(pair.i, 3);
    vc_kernel_find(VC_OP_MAXLOC, VC_T_DOUBLE_INT)(&more, &low, &pair, 1, NULL);
    assert_int_equal(pair.i, 9);
    assert_true(pair.v == 5.0);
    vc_kernel_find(VC_OP_MINLOC, VC_T_DOUBLE_INT)(&more, &low, &pair, 1, NULL);
    assert_int_equal(pair.i, 3);
    assert_true(pair.v == 2.0);

    vc_kernel_find(VC_OP_MAX, VC_T_DOUBLE)(&nan, &one, &d, 1, NULL);
    assert_true(isnan(d));
    vc_kernel_find(VC_OP_MAX, VC_T_DOUBLE)(&one, &nan, &d, 1, NULL);
    assert_true(d == 1.0);
    vc_kernel_find(VC_OP_MIN, VC_T_FLOAT)(&zeros[0], &zeros[1], &f, 1, NULL);
    assert_false(signbit(f));
    vc_kernel_find(VC_OP_MAX, VC_T_FLOAT)(&zeros[1], &zeros[0], &f, 1, NULL);
    assert_true(signbit(f));

    vc_kernel_find(VC_OP_SUM, VC_T_INT8)(&big, &two, &i8, 1, NULL);
    assert_int_equal(i8, -127);
    vc_kernel_find(VC_OP_PROD, VC_T_UINT16)(&top, &top, &u16, 1, NULL);
    assert_int_equal(u16, 1);
    vc_kernel_find(VC_OP_LAND, VC_T_LOGICAL32)(&truth[0], &truth[1], &i32, 1, NULL);
    assert_int_equal(i32, 1);
    vc_kernel_find(VC_OP_LXOR, VC_T_INT32)(&truth[0], &truth[1], &i32, 1, NULL);
    assert_int_equal(i32, 0);
    vc_kernel_find(VC_OP_LOR, VC_T_INT32)(&no, &truth[0], &i32, 1, NULL);
    assert_int_equal(i32, 1);

    vc_kernel_find(VC_OP_PROD, VC_T_CDOUBLE)(inf, c, z, 1, NULL);
    assert_true(isinf(z[0]) || isinf(z[1]));
}

/* Every sum of two bytes, and 16 bit sums around the edges: never saturated, whatever the position. */
static void test_narrow_sums_wrap(void **state)
{
    static const enum vc_type types[] = {VC_T_INT8,  VC_T_UINT8,  VC_T_FINT8,
                                         VC_T_INT16, VC_T_UINT16, VC_T_FINT16};
    static const unsigned edge[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff};
    enum { N = 65536 };
    static uint16_t a[N], b[N], out[N];
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        bool narrow = vc_type_size(types[t]) == 1;
        uint8_t *a8 = (uint8_t *)a, *b8 = (uint8_t *)b, *out8 = (uint8_t *)out;
        for (unsigned i = 0; i < N; i++) {
            if (narrow) {
                a8[i] = (uint8_t)(i >> 8);
                b8[i] = (uint8_t)i;
            } else {
                a[i] = (uint16_t)(edge[i % 11] + i / 121);
                b[i] = (uint16_t)edge[i / 11 % 11];
            }
        }
        for (unsigned k = 0; vc_kernel_set(k); k++) {
            memset(out, 0xa5, sizeof out);
            vc_kernel_set(k)->fn[VC_OP_SUM][types[t]](a, b, out, N, NULL);
            for (unsigned i = 0; i < N; i++) {
                unsigned is = narrow ? out8[i] : out[i];
                unsigned want = narrow ? (uint8_t)(a8[i] + b8[i]) : (uint16_t)(a[i] + b[i]);
                if (is != want)
                    fail_msg("%s: %s, element %u: %#x instead of %#x", vc_kernel_set(k)->isa,
                             vc_type_name(types[t]), i, is, want);
            }
        }
    }
}

static void test_facts(void **state)
{
    struct vc_redop redop;

    (void)state;
    for (enum vc_op op = 0; op < VC_OP_COUNT; op++)
        for (enum vc_type type = 0; type < VC_TYPE_COUNT; type++) {
            assert_ptr_equal(vc_kernel_find(op, type), vc_kernel_set(0)->fn[op][type]);
            assert_int_equal(vc_redop_init(&redop, op, type), allowed(op, type));
            if (allowed(op, type)) {
                assert_ptr_equal(redop.fn, vc_kernel_find(op, type));
                assert_int_equal(redop.esize, vc_type_size(type));
                assert_true(redop.commutative);
                assert_null(redop.ctx);
            }
        }
    for (enum vc_type type = 0; type < VC_TYPE_COUNT; type++) {
        assert_non_null(vc_type_name(type));
        assert_in_range(vc_type_size(type), 1, MAX_SIZE);
        for (enum vc_type other = 0; other < type; other++)
            assert_string_not_equal(vc_type_name(type), vc_type_name(other));
    }
    assert_int_equal(vc_type_size(VC_T_DOUBLE_INT), 16);
    assert_int_equal(vc_type_size(VC_T_SHORT_INT), 8);
    assert_string_equal(vc_op_name(VC_OP_MAXLOC), "maxloc");
    assert_string_equal(vc_op_name(VC_OP_USER), "user");
    assert_string_equal(vc_kernel_isa(), vc_kernel_set(0)->isa);

    assert_null(vc_op_name((enum vc_op)(VC_OP_USER + 1)));
    assert_null(vc_type_name(VC_TYPE_COUNT));
    assert_int_equal(vc_type_size(VC_TYPE_COUNT), 0);
    assert_null(vc_kernel_find(VC_OP_USER, VC_T_INT32));
    assert_null(vc_kernel_find(VC_OP_SUM, VC_TYPE_COUNT));
    assert_null(vc_kernel_find((enum vc_op) - 1, (enum vc_type) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_small_counts),
        cmocka_unit_test(test_large_counts),
        cmocka_unit_test(test_nothing_read_behind),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_narrow_sums_wrap),
    };

    printf("kernels of:");
    for (unsigned i = 0; vc_kernel_set(i); i++)
        printf(" %s", vc_kernel_set(i)->isa);
    printf("\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
