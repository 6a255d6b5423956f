/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/copy/variants.h"

#include "transport/base.h"

#include <stdatomic.h>

static void copy_memcpy(void *to, const void *from, size_t n)
{
    memcpy(to, from, n);
}

/* ThreadSanitizer sees what memcpy() touches, but not the others. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#include <immintrin.h>
#define HAVE_X86

static void copy_rep(void *to, const void *from, size_t n)
{
    __asm__ __volatile__("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* How far ahead lines are fetched for writing, in bytes. */
#define CLAIM_AHEAD ((size_t)1024)

static inline void claim_lines(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i += VC_CACHELINE)
        __asm__ __volatile__("prefetchw %0" ::"m"(p[i]));
}

#define NAME(kind)   copy_##kind##_sse2
#define TARGET       "sse2"
#define VECTOR       __m128i
#define WIDTH        16
#define LOAD(p)      _mm_loadu_si128(p)
#define STORE(p, v)  _mm_store_si128(p, v)
#define STREAM(p, v) _mm_stream_si128(p, v)
#include "transport/copy/vector.h"

#define NAME(kind)   copy_##kind##_avx2
#define TARGET       "avx2"
#define VECTOR       __m256i
#define WIDTH        32
#define LOAD(p)      _mm256_loadu_si256(p)
#define STORE(p, v)  _mm256_store_si256(p, v)
#define STREAM(p, v) _mm256_stream_si256(p, v)
#include "transport/copy/vector.h"

#define NAME(kind)   copy_##kind##_avx512
#define TARGET       "avx512f"
#define VECTOR       __m512i
#define WIDTH        64
#define LOAD(p)      _mm512_loadu_si512(p)
#define STORE(p, v)  _mm512_store_si512(p, v)
#define STREAM(p, v) _mm512_stream_si512(p, v)
#include "transport/copy/vector.h"
#endif

static const struct vc_copy_variant variants[] = {
    {VC_COPY_MEMCPY, "baseline", copy_memcpy},
#ifdef HAVE_X86
    {VC_COPY_REP, "baseline", copy_rep},          {VC_COPY_VECTOR, "avx512", copy_vector_avx512},
    {VC_COPY_VECTOR, "avx2", copy_vector_avx2},   {VC_COPY_VECTOR, "baseline", copy_vector_sse2},
    {VC_COPY_CLAIM, "avx512", copy_claim_avx512}, {VC_COPY_CLAIM, "avx2", copy_claim_avx2},
    {VC_COPY_CLAIM, "baseline", copy_claim_sse2}, {VC_COPY_STREAM, "avx512", copy_stream_avx512},
    {VC_COPY_STREAM, "avx2", copy_stream_avx2},   {VC_COPY_STREAM, "baseline", copy_stream_sse2},
#endif
};

/* These also ask whether the operating system saves the wide registers. */
static bool runs(const char *isa)
{
#ifdef HAVE_X86
    if (strcmp(isa, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    if (strcmp(isa, "avx2") == 0)
        return __builtin_cpu_supports("avx2");
#endif
    return strcmp(isa, "baseline") == 0;
}

const struct vc_copy_variant *vc_copy_variant(unsigned index)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (runs(variants[i].isa) && index-- == 0)
            return &variants[i];
    return NULL;
}

vc_copy_fn vc_copy_find(enum vc_copy_kind kind)
{
    /* Relaxed: all threads find the same functions, which are constant. */
    static _Atomic(vc_copy_fn) found[VC_COPY_KINDS];
    vc_copy_fn fn = atomic_load_explicit(&found[kind], memory_order_relaxed);
    if (fn)
        return fn;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (variants[i].kind == kind && runs(variants[i].isa)) {
            atomic_store_explicit(&found[kind], variants[i].fn, memory_order_relaxed);
            return variants[i].fn;
        }
    return NULL;
}
