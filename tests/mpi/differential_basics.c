/* SPDX-License-Identifier: BSD-3-Clause */
/* Basic datatypes, the operators that go with them, and values whose combination does not depend on the
 * order. */
#include "differential.h"

#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LDOUBLE_BYTES = 10 }; /* of a long double that are its value; the rest of the 16 is padding */

static struct basic basics[96];
static int nbasics;

static struct operation predefined[OPS_PREDEFINED];
static struct operation user_ops[OPS_USER];

const struct layout *op_layout;
int op_complaints;

/* ---- user operators: elements are `fields` unsigned 64-bit pieces of op_layout, wherever those are ---- */
typedef void (*combine_fn)(const uint64_t *a, const uint64_t *b, uint64_t *out);

static void combine(void *in, void *inout, int len, const MPI_Datatype *type, int fields, combine_fn fn)
{
    const struct layout *l = op_layout;

    if (l == NULL || *type != l->type) {
        op_complaints++; /* the datatype given to the operator must be the caller's */
        return;
    }
    for (int i = 0; i < len; i++) {
        const char *a = (const char *)in + i * l->extent;
        char *b = (char *)inout + i * l->extent;
        for (size_t p = 0; p < l->npieces; p += (size_t)fields) {
            uint64_t x[MAX_FIELDS], y[MAX_FIELDS], z[MAX_FIELDS];
            for (int k = 0; k < fields; k++) {
                memcpy(&x[k], a + l->piece[p + (size_t)k].at, sizeof x[k]);
                memcpy(&y[k], b + l->piece[p + (size_t)k].at, sizeof y[k]);
            }
            fn(x, y, z);
            for (int k = 0; k < fields; k++)
                memcpy(b + l->piece[p + (size_t)k].at, &z[k], sizeof z[k]);
        }
    }
}

static void fn_add_mod(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    out[0] = (a[0] % 1000003u + b[0] % 1000003u) % 1000003u;
}

/* x -> p x + q modulo 2^32, p and q packed into one word: composition is associative and does not commute. */
static void fn_affine(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    uint32_t p1 = (uint32_t)(a[0] >> 32), q1 = (uint32_t)a[0], p2 = (uint32_t)(b[0] >> 32),
             q2 = (uint32_t)b[0];

    out[0] = (uint64_t)(uint32_t)(p1 * p2) << 32 | (uint32_t)(p1 * q2 + q1);
}

static void fn_affine2(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    out[0] = a[0] * b[0];
    out[1] = a[0] * b[1] + a[1];
}

static void fn_matrix(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    out[0] = a[0] * b[0] + a[1] * b[2];
    out[1] = a[0] * b[1] + a[1] * b[3];
    out[2] = a[2] * b[0] + a[3] * b[2];
    out[3] = a[2] * b[1] + a[3] * b[3];
}

/* Keeps the sum in one field and the first operand's name in the other: order shows, grouping does not. */
static void fn_first(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    out[0] = a[0];
    out[1] = a[1] + b[1];
}

#define USER_OP(name, fields)                                                                                \
    static void user_##name(void *in, void *inout, int *len, MPI_Datatype *type)                             \
    {                                                                                                        \
        combine(in, inout, *len, type, fields, fn_##name);                                                   \
    }
USER_OP(add_mod, 1)
USER_OP(affine, 1)
USER_OP(affine2, 2)
USER_OP(matrix, 4)
USER_OP(first, 2)

void ops_init(void)
{
    static const struct {
        const char *name;
        MPI_User_function *fn;
        int commutes, fields;
    } users[OPS_USER] = {
        {"user add mod p", user_add_mod, 1, 1},   {"user affine", user_affine, 0, 1},
        {"user affine pair", user_affine2, 0, 2}, {"user matrix", user_matrix, 0, 4},
        {"user first", user_first, 0, 2},
    };
    for (int i = 0; i < OPS_USER; i++) {
        user_ops[i] = (struct operation){.name = users[i].name,
                                         .user = true,
                                         .commutative = users[i].commutes != 0,
                                         .mode = V_BITS,
                                         .fields = users[i].fields};
        MPI_Op_create(users[i].fn, users[i].commutes, &user_ops[i].op);
    }
}

void ops_fini(void)
{
    for (int i = 0; i < OPS_USER; i++)
        MPI_Op_free(&user_ops[i].op);
}

const struct operation *op_user_random(struct rng *r)
{
    return &user_ops[rng_below(r, OPS_USER)];
}

/* ---- basic types ---- */
static void add_basic(const char *name, MPI_Datatype type, enum basic_kind kind)
{
    MPI_Aint lb, extent;

    if (type == MPI_DATATYPE_NULL)
        return;
    MPI_Type_get_extent(type, &lb, &extent);
    struct basic *b = &basics[nbasics++];
    *b = (struct basic){.name = name, .type = type, .kind = kind, .size = (size_t)extent, .npieces = 1};
    b->piece[0].len = b->size;
}

static void add_pair(const char *name, MPI_Datatype type, size_t first, size_t second_at, size_t second)
{
    add_basic(name, type, B_PAIR);
    struct basic *b = &basics[nbasics - 1];
    b->npieces = 2;
    b->piece[0] = (struct piece){0, first};
    b->piece[1] = (struct piece){(ptrdiff_t)second_at, second};
}

/* Which pairs of type and operator the underlying MPI accepts is asked of it, once. */
static void probe_ops(struct basic *b)
{
    long double in[8] = {0}, out[8] = {0};

    for (int o = 0; o < OPS_PREDEFINED; o++)
        if (MPI_Reduce_local(in, out, 1, b->type, predefined[o].op) == MPI_SUCCESS)
            b->ops |= 1u << o;
}

static bool grid_only;

bool basics_need_grid(void)
{
    return grid_only;
}

/* Whether the MPI steps over elements as it should where the stride is no multiple of their size: Open
 * MPI 5.0 does not for float complex, depending on where its fragments end, so that no layout of
 * them is a reference. */
static bool strides(const struct basic *b)
{
    enum { N = 4, MOST = 64 };
    char from[2 * N * MOST], to[N * MOST];
    int stride = (int)(b->size + b->size / 2), at = 0;
    bool right = true;
    MPI_Datatype t;

    if (b->kind == B_PAIR || b->size > MOST)
        return true;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (char)(i * 37 + i / 256);
    MPI_Type_create_hvector(N, 1, stride, b->type, &t);
    MPI_Type_commit(&t);
    MPI_Pack(from, 1, t, to, sizeof to, &at, MPI_COMM_SELF);
    MPI_Type_free(&t);
    for (int i = 0; i < N; i++)
        right = right && basic_equal(b, V_BITS, to + (size_t)i * b->size, from + (size_t)i * (size_t)stride);
    return right;
}

/* Up to so many ranks, results are in range and exact, whatever the values that basic_fill() draws. */
enum { FEW = 17 };
static int rank, nranks; /* of MPI_COMM_WORLD */

void basics_init(void)
{
    static const char *const names[OPS_PREDEFINED] = {"MAX",  "MIN",  "SUM", "PROD", "LAND",   "LOR",
                                                      "LXOR", "BAND", "BOR", "BXOR", "MINLOC", "MAXLOC"};
    const MPI_Op ops[OPS_PREDEFINED] = {MPI_MAX,  MPI_MIN,  MPI_SUM, MPI_PROD, MPI_LAND,   MPI_LOR,
                                        MPI_LXOR, MPI_BAND, MPI_BOR, MPI_BXOR, MPI_MINLOC, MPI_MAXLOC};
    static const enum value_mode modes[OPS_PREDEFINED] = {V_SMALL, V_SMALL, V_SMALL, V_FACTORS,
                                                          V_TRUTH, V_TRUTH, V_TRUTH, V_BITS,
                                                          V_BITS,  V_BITS,  V_SMALL, V_SMALL};
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    for (int i = 0; i < OPS_PREDEFINED; i++)
        predefined[i] =
            (struct operation){.name = names[i], .op = ops[i], .commutative = true, .mode = modes[i]};

#define B(t, k) add_basic(#t, MPI_##t, k)
    B(SIGNED_CHAR, B_INT), B(UNSIGNED_CHAR, B_UINT), B(SHORT, B_INT), B(UNSIGNED_SHORT, B_UINT),
        B(INT, B_INT);
    B(UNSIGNED, B_UINT), B(LONG, B_INT), B(UNSIGNED_LONG, B_UINT), B(LONG_LONG_INT, B_INT);
    B(UNSIGNED_LONG_LONG, B_UINT), B(INT8_T, B_INT), B(INT16_T, B_INT), B(INT32_T, B_INT), B(INT64_T, B_INT);
    B(UINT8_T, B_UINT), B(UINT16_T, B_UINT), B(UINT32_T, B_UINT), B(UINT64_T, B_UINT);
    B(AINT, B_INT), B(OFFSET, B_INT), B(COUNT, B_INT);
    B(INTEGER, B_INT), B(INTEGER1, B_INT), B(INTEGER2, B_INT), B(INTEGER4, B_INT), B(INTEGER8, B_INT);
    B(FLOAT, B_FLOAT), B(DOUBLE, B_FLOAT), B(REAL, B_FLOAT), B(DOUBLE_PRECISION, B_FLOAT), B(REAL4, B_FLOAT);
    B(REAL8, B_FLOAT), B(LONG_DOUBLE, B_LDOUBLE);
    B(C_FLOAT_COMPLEX, B_COMPLEX), B(C_DOUBLE_COMPLEX, B_COMPLEX), B(COMPLEX, B_COMPLEX),
        B(DOUBLE_COMPLEX, B_COMPLEX);
    B(COMPLEX8, B_COMPLEX), B(COMPLEX16, B_COMPLEX), B(C_LONG_DOUBLE_COMPLEX, B_LDCOMPLEX);
    B(C_BOOL, B_BOOL), B(CXX_BOOL, B_BOOL), B(LOGICAL, B_BOOL), B(BYTE, B_BYTE);
    B(CHAR, B_CHAR), B(CHARACTER, B_CHAR), B(WCHAR, B_CHAR);
#undef B
#define P(t, first, second)                                                                                  \
    do {                                                                                                     \
        struct pair_##t {                                                                                    \
            first v;                                                                                         \
            second k;                                                                                        \
        };                                                                                                   \
        add_pair(#t, MPI_##t, sizeof(first), offsetof(struct pair_##t, k), sizeof(second));                  \
    } while (0)
    P(FLOAT_INT, float, int);
    P(DOUBLE_INT, double, int);
    P(LONG_INT, long, int);
    P(2INT, int, int);
    P(SHORT_INT, short, int);
    P(LONG_DOUBLE_INT, long double, int);
    P(2INTEGER, int, int);
    P(2REAL, float, float);
    P(2DOUBLE_PRECISION, double, double);
#undef P

    MPI_Errhandler old;
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &old);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    for (int i = 0; i < nbasics; i++) {
        probe_ops(&basics[i]);
        basics[i].strides = strides(&basics[i]);
        grid_only = grid_only || !basics[i].strides;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, old);
}

const struct basic *basic_random(struct rng *r, bool pairs_too)
{
    const struct basic *b;

    do
        b = &basics[rng_below(r, nbasics)];
    while ((b->kind == B_PAIR && !pairs_too) || b->kind == B_LDCOMPLEX || !b->strides);
    return b; /* not the 32-byte type: Open MPI 4.1's unpacking keeps a split element in 16 bytes of stack */
}

const struct basic *basic_random_reducible(struct rng *r, const struct operation **op)
{
    const struct basic *b;
    int o;

    do
        b = &basics[rng_below(r, nbasics)];
    while (b->ops == 0 || b->kind == B_CHAR);
    do
        o = rng_below(r, OPS_PREDEFINED);
    while (!(b->ops >> o & 1));
    *op = &predefined[o];
    return b;
}

/* ---- values ---- */
static void put_int(void *out, size_t size, int64_t v)
{
    memcpy(out, &v, size < 8 ? size : 8); /* little-endian, like everything vcoll is built for here */
}

static void put_float(void *out, size_t size, double v)
{
    if (size == sizeof(float)) {
        float f = (float)v;
        memcpy(out, &f, sizeof f);
    } else {
        memcpy(out, &v, sizeof v);
    }
}

static void put_ldouble(void *out, double v)
{
    long double l = v;
    memset(out, 0, sizeof l);
    memcpy(out, &l, LDOUBLE_BYTES);
}

/* Products of many complex numbers: by these they stay exact. */
static void draw_complex_factor(struct rng *r, double part[2])
{
    static const double factors[][2] = {{1, 0}, {-1, 0},  {0, 1}, {0, -1},
                                        {2, 0}, {0, 0.5}, {1, 1}, {0.5, -0.5}};

    memcpy(part, factors[rng_below(r, 8)], sizeof factors[0]);
}

static double draw(enum value_mode mode, struct rng *r)
{
    static const double factors[] = {1, 1, -1, 2, 1, 0.5, 1, -1};

    switch (mode) {
    case V_FACTORS:
        return factors[rng_below(r, 8)];
    case V_TRUTH:
        return rng_below(r, 2);
    case V_RANDOM_SUM:
        return (double)(rng_next(r) >> 11) / 9007199254740992.0 * 2 - 1;
    case V_RANDOM_PROD:
        return 0.5 + (double)(rng_next(r) >> 11) / 9007199254740992.0;
    default:
        return rng_below(r, 15) - 7;
    }
}

/* The value half of a MINLOC pair: few different ones, so that ties happen. */
static void fill_pair(const struct basic *b, struct rng *r, char *out)
{
    int v = rng_below(r, 4) - 1, k = rng_below(r, 100);
    bool real = strstr(b->name, "FLOAT") || strstr(b->name, "DOUBLE") || strstr(b->name, "REAL");
    bool both_real = b->name[0] == '2' && real;

    if (strstr(b->name, "LONG_DOUBLE"))
        put_ldouble(out, v);
    else if (real)
        put_float(out, b->piece[0].len, v);
    else
        put_int(out, b->piece[0].len, v);
    if (both_real)
        put_float(out + b->piece[1].at, b->piece[1].len, k);
    else
        put_int(out + b->piece[1].at, b->piece[1].len, k);
}

void basic_fill(const struct basic *b, enum value_mode mode, const char *opname, struct rng *r, void *out)
{
    static const int int_factors[] = {1, -1, 2, 3, -1, 1, 5, 7};
    char *o = out;

    if (mode == V_BITS) { /* moved, or combined bit by bit, or by a user operator: any bits will do */
        for (int p = 0; p < b->npieces; p++)
            for (size_t i = 0; i < b->piece[p].len; i += 8) {
                uint64_t v = rng_next(r);
                size_t left = b->piece[p].len - i;
                memcpy(o + b->piece[p].at + i, &v, left < 8 ? left : 8);
            }
        return;
    }
    switch (b->kind) {
    case B_INT:
    case B_UINT:
    case B_BYTE: /* Open MPI also adds bytes, as unsigned numbers */
        if (mode == V_SMALL && (strcmp(opname, "MAX") == 0 || strcmp(opname, "MIN") == 0)) {
            /* Any bits, so that the sign of the type matters: but Open MPI 4.1 has it wrong for two types. */
            bool wrong = b->type == MPI_UNSIGNED_LONG || b->type == MPI_OFFSET;
            put_int(o, b->size, (int64_t)(rng_next(r) >> wrong));
            break;
        }
        /* Sums stay in range even in 8 bits: Open MPI's vector code saturates where its scalar code wraps. */
        if (mode == V_FACTORS)
            put_int(o, b->size, int_factors[rng_below(r, 8)]);
        else if (mode == V_SMALL && b->size == 1 && rank % ((nranks + FEW - 1) / FEW) != 0)
            put_int(o, b->size, 0);
        else
            put_int(o, b->size, (int64_t)draw(mode, r) + (b->kind != B_INT && mode == V_SMALL ? 7 : 0));
        break;
    case B_FLOAT:
        put_float(o, b->size, draw(mode, r));
        break;
    case B_LDOUBLE:
        put_ldouble(o, draw(mode, r));
        break;
    case B_COMPLEX:
    case B_LDCOMPLEX: {
        double part[2];
        part[0] = draw(mode, r);
        part[1] = draw(mode, r);
        if (mode == V_FACTORS && nranks > FEW)
            draw_complex_factor(r, part);
        for (int i = 0; i < 2; i++) {
            if (b->kind == B_COMPLEX)
                put_float(o + (size_t)i * (b->size / 2), b->size / 2, part[i]);
            else
                put_ldouble(o + (size_t)i * (b->size / 2), part[i]);
        }
        break;
    }
    case B_BOOL:
        memset(o, 0, b->size);
        o[0] = (char)rng_below(r, 2);
        break;
    case B_PAIR:
        fill_pair(b, r, o);
        break;
    case B_CHAR:
        put_int(o, b->size, (int64_t)rng_next(r));
        break;
    }
}

static double get_float(const void *p, size_t size)
{
    float f;
    double d;

    if (size == sizeof f) {
        memcpy(&f, p, sizeof f);
        return f;
    }
    memcpy(&d, p, sizeof d);
    return d;
}

/* Zeros of either sign are equal: a product of complex numbers may end in one or the other. */
static bool near(double a, double b, double eps, enum value_mode mode)
{
    double scale = mode == V_RANDOM_PROD ? fmax(fabs(a), fabs(b)) : 16;

    if (mode != V_RANDOM_SUM && mode != V_RANDOM_PROD)
        return a == b;
    return fabs(a - b) <= 64 * eps * fmax(scale, 1e-30);
}

bool basic_equal(const struct basic *b, enum value_mode mode, const void *x, const void *y)
{
    const char *p = x, *q = y;

    if (b->kind == B_LDOUBLE || b->kind == B_LDCOMPLEX) {
        /* Six of the sixteen bytes are nobody's: Open MPI 5 does not move them where it moves by value. */
        for (size_t i = 0; i < b->size; i += 16) {
            long double u, v;
            if (mode == V_BITS) {
                if (memcmp(p + i, q + i, LDOUBLE_BYTES) != 0)
                    return false;
                continue;
            }
            memcpy(&u, p + i, sizeof u);
            memcpy(&v, q + i, sizeof v);
            if (!near((double)u, (double)v, 0x1p-52, mode))
                return false;
        }
        return true;
    }
    if (b->kind == B_PAIR) {
        size_t first = b->piece[0].len == 16 ? LDOUBLE_BYTES : b->piece[0].len;
        return memcmp(p, q, first) == 0 &&
               memcmp(p + b->piece[0].len, q + b->piece[0].len, b->piece[1].len) == 0;
    }
    if (mode == V_BITS || (b->kind != B_FLOAT && b->kind != B_COMPLEX))
        return memcmp(p, q, b->size) == 0;
    size_t part = b->kind == B_COMPLEX ? b->size / 2 : b->size;
    for (size_t i = 0; i < b->size; i += part)
        if (!near(get_float(p + i, part), get_float(q + i, part), part == 4 ? 0x1p-23 : 0x1p-52, mode))
            return false;
    return true;
}
