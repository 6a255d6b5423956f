/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/kernel_values.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* What an element is made of. */
enum kind { INT, BOOL, FLOAT, DOUBLE, LONG_DOUBLE };
struct part {
    enum kind kind;
    size_t at, size;
};

static int parts_of(enum vc_type type, struct part parts[2])
{
#define PAIR(V, vk, I, ik)                                                                                   \
    do {                                                                                                     \
        struct pair {                                                                                        \
            V v;                                                                                             \
            I i;                                                                                             \
        };                                                                                                   \
        parts[0] = (struct part){vk, 0, sizeof(V)};                                                          \
        parts[1] = (struct part){ik, offsetof(struct pair, i), sizeof(I)};                                   \
        return 2;                                                                                            \
    } while (0)

    switch (type) {
    case VC_T_FLOAT:
        parts[0] = (struct part){FLOAT, 0, sizeof(float)};
        return 1;
    case VC_T_DOUBLE:
        parts[0] = (struct part){DOUBLE, 0, sizeof(double)};
        return 1;
    case VC_T_LONG_DOUBLE:
        parts[0] = (struct part){LONG_DOUBLE, 0, sizeof(long double)};
        return 1;
    case VC_T_BOOL:
        parts[0] = (struct part){BOOL, 0, 1};
        return 1;
    case VC_T_CFLOAT:
    case VC_T_2REAL:
        PAIR(float, FLOAT, float, FLOAT);
    case VC_T_CDOUBLE:
    case VC_T_2DOUBLE:
        PAIR(double, DOUBLE, double, DOUBLE);
    case VC_T_CLONG_DOUBLE:
        PAIR(long double, LONG_DOUBLE, long double, LONG_DOUBLE);
    case VC_T_FLOAT_INT:
        PAIR(float, FLOAT, int, INT);
    case VC_T_DOUBLE_INT:
        PAIR(double, DOUBLE, int, INT);
    case VC_T_LONG_INT:
        PAIR(long, INT, int, INT);
    case VC_T_2INT:
        PAIR(int, INT, int, INT);
    case VC_T_SHORT_INT:
        PAIR(short, INT, int, INT);
    case VC_T_LONG_DOUBLE_INT:
        PAIR(long double, LONG_DOUBLE, int, INT);
    default:
        parts[0] = (struct part){INT, 0, vc_type_size(type)};
        return 1;
    }
#undef PAIR
}

/* Bytes of a part that carry its value. */
static size_t value_bytes(const struct part *part)
{
    return part->kind == LONG_DOUBLE && LDBL_MANT_DIG == 64 ? 10 : part->size;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t random_int(uint64_t *rng)
{
    const uint64_t r = next_random(rng);

    switch (r & 7) {
    case 0:
    case 1:
        return 0;
    case 2:
        return ~UINT64_C(0);
    case 3:
        return UINT64_C(0x8080808080808080);
    case 4:
        return (r >> 8) & 3;
    default:
        return next_random(rng);
    }
}

static long double random_real(uint64_t *rng)
{
    static const double special[] = {0.0, -0.0, NAN, -NAN, INFINITY, -INFINITY, 1.0, -1.0};
    const uint64_t r = next_random(rng);

    if (r & 1)
        return special[(r >> 1) & 7];
    if (r & 2)
        return (long double)(int64_t)((r >> 8) & 7) - 3;
    return ldexpl((long double)(int64_t)next_random(rng), (int)((r >> 8) & 127) - 126);
}

static void fill(enum vc_type type, void *to, size_t count, uint64_t seed, bool tame)
{
    struct part parts[2];
    const int n = parts_of(type, parts);
    const size_t size = vc_type_size(type);
    uint64_t rng = seed * UINT64_C(0xd1342543de82ef95);

    for (size_t k = 0; k < count; k++) {
        unsigned char *element = (unsigned char *)to + k * size;

        for (size_t i = 0; i < size; i++)
            element[i] = (unsigned char)next_random(&rng);
        for (int p = 0; p < n; p++) {
            const long double r = tame ? (long double)(1 + next_random(&rng) % 9) / 2 : random_real(&rng);
            const float f = (float)r;
            const double d = (double)r;
            const uint64_t i = tame ? next_random(&rng) % 9 : random_int(&rng);
            const unsigned char truth = i & 1;

            switch (parts[p].kind) {
            case INT: /* the low bytes: little-endian machines only, as everything the project runs on */
                memcpy(element + parts[p].at, &i, parts[p].size);
                break;
            case BOOL:
                memcpy(element + parts[p].at, &truth, 1);
                break;
            case FLOAT:
                memcpy(element + parts[p].at, &f, sizeof f);
                break;
            case DOUBLE:
                memcpy(element + parts[p].at, &d, sizeof d);
                break;
            case LONG_DOUBLE:
                memcpy(element + parts[p].at, &r, value_bytes(&parts[p]));
                break;
            }
        }
    }
}

void kernel_fill(enum vc_type type, void *to, size_t count, uint64_t seed)
{
    fill(type, to, count, seed, false);
}

void kernel_fill_tame(enum vc_type type, void *to, size_t count, uint64_t seed)
{
    fill(type, to, count, seed, true);
}

static bool is_nan(const struct part *part, const unsigned char *at)
{
    float f;
    double d;
    long double ld;

    switch (part->kind) {
    case FLOAT:
        memcpy(&f, at, sizeof f);
        return isnan(f);
    case DOUBLE:
        memcpy(&d, at, sizeof d);
        return isnan(d);
    case LONG_DOUBLE:
        memcpy(&ld, at, sizeof ld);
        return isnan(ld);
    default:
        return false;
    }
}

bool kernel_equal(enum vc_type type, const void *one, const void *other)
{
    struct part parts[2];
    const int n = parts_of(type, parts);

    for (int p = 0; p < n; p++) {
        const unsigned char *x = (const unsigned char *)one + parts[p].at;
        const unsigned char *y = (const unsigned char *)other + parts[p].at;

        if (memcmp(x, y, value_bytes(&parts[p])) != 0 && !(is_nan(&parts[p], x) && is_nan(&parts[p], y)))
            return false;
    }
    return true;
}

bool kernel_gaps_kept(enum vc_type type, const void *was, unsigned char filler, const void *now)
{
    enum { GAP, VALUE, PADDING };
    struct part parts[2];
    const int n = parts_of(type, parts);
    unsigned char what[32] = {GAP};

    for (int p = 0; p < n; p++) {
        memset(what + parts[p].at, PADDING, parts[p].size);
        memset(what + parts[p].at, VALUE, value_bytes(&parts[p]));
    }
    for (size_t i = 0; i < vc_type_size(type); i++) {
        const unsigned char byte = ((const unsigned char *)now)[i];

        if (what[i] == GAP && byte != (was ? ((const unsigned char *)was)[i] : filler))
            return false;
        if (what[i] == PADDING && byte != 0)
            return false;
    }
    return true;
}

size_t kernel_tail_gap(enum vc_type type)
{
    struct part parts[2];
    const int n = parts_of(type, parts);

    return vc_type_size(type) - (parts[n - 1].at + parts[n - 1].size);
}
