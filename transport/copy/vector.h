/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies by vector registers, for one instruction set. variants.c includes this once for each, with
 *
 *     NAME(kind)         the function's name
 *     TARGET             the compiler's name of the instruction set
 *     VECTOR             a register's type, WIDTH bytes
 *     LOAD(p)            loads, of any alignment
 *     STORE(p, v)        stores, aligned
 *     STREAM(p, v)       stores, aligned, past the caches
 *
 * The ends go by memcpy(), whole lines of the destination by four registers at a time.
 */

#define TO(i)   ((void *)(d + (size_t)(i)*WIDTH))
#define FROM(i) ((const void *)(s + (size_t)(i)*WIDTH))

#define BODY(put, ahead)                                                                                     \
    char *d = to;                                                                                            \
    const char *s = from;                                                                                    \
    size_t head = vc_min_size(-(uintptr_t)d % VC_CACHELINE, n);                                              \
    memcpy(d, s, head);                                                                                      \
    for (d += head, s += head, n -= head; n >= 4 * (size_t)WIDTH;                                            \
         d += 4 * (size_t)WIDTH, s += 4 * (size_t)WIDTH, n -= 4 * (size_t)WIDTH) {                           \
        VECTOR v0 = LOAD(FROM(0)), v1 = LOAD(FROM(1)), v2 = LOAD(FROM(2)), v3 = LOAD(FROM(3));               \
        ahead;                                                                                               \
        put(TO(0), v0);                                                                                      \
        put(TO(1), v1);                                                                                      \
        put(TO(2), v2);                                                                                      \
        put(TO(3), v3);                                                                                      \
    }                                                                                                        \
    for (; n >= WIDTH; d += WIDTH, s += WIDTH, n -= WIDTH)                                                   \
        put(TO(0), LOAD(FROM(0)));                                                                           \
    memcpy(d, s, n)

__attribute__((target(TARGET))) static void NAME(vector)(void *to, const void *from, size_t n)
{
    BODY(STORE, (void)0);
}

__attribute__((target(TARGET))) static void NAME(claim)(void *to, const void *from, size_t n)
{
    claim_lines(to, n < CLAIM_AHEAD ? n : CLAIM_AHEAD);
    BODY(STORE, if (n >= CLAIM_AHEAD + 4 * (size_t)WIDTH) claim_lines(d + CLAIM_AHEAD, 4 * (size_t)WIDTH));
}

__attribute__((target(TARGET))) static void NAME(stream)(void *to, const void *from, size_t n)
{
    BODY(STREAM, (void)0);
    /* Streaming stores are weakly ordered, even against a later release store. */
    _mm_sfence();
}

#undef BODY
#undef TO
#undef FROM
#undef NAME
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef STORE
#undef STREAM
