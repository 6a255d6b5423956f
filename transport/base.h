/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every room may use: error codes with their one error path, logging, time and the constants
 * of the memory hierarchy. Knows nothing of MPI, collectives or channels.
 */
#ifndef VC_TRANSPORT_BASE_H
#define VC_TRANSPORT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define VC_LIKELY(x)   __builtin_expect(!!(x), 1)
#define VC_UNLIKELY(x) __builtin_expect(!!(x), 0)

/** A function on the way of the shortest calls. They lie together, in few pages: where more ranks share a CPU
 * than the kernel keeps translations of, a rank that comes back finds none of them. */
#define VC_HOT __attribute__((hot))

/** Unit of ownership in shared memory, in bytes. */
#define VC_CACHELINE 64
/** Distance in bytes that keeps two writers apart: some processors fetch pairs of lines. */
#define VC_LINE_PAIR 128

/** Results of internal functions: 0 is success, errors are negative. */
enum vc_err {
    VC_OK = 0,
    VC_ERR_NOMEM = -1,       /**< memory, locked memory or shared memory ran out */
    VC_ERR_SYS = -2,         /**< a system call failed; the text of the error carries errno */
    VC_ERR_PEER = -3,        /**< a peer process died */
    VC_ERR_UNSUPPORTED = -4, /**< the request is valid but cannot be done here */
    VC_ERR_INVAL = -5,       /**< a value given by the user is not valid */
    VC_ERR_MPI = -6,         /**< the underlying MPI reported an error */
    VC_ERR_TRUNCATE = -7,    /**< ranks gave different lengths for one message */
};

/**
 * The one error path. Records a printf-style text that says what failed, why and what to do about it. Returns
 * `err`, so that callers write `return vc_fail(VC_ERR_SYS, "...")`. The text is thread-local, has up to 511
 * bytes, and stays until the next vc_fail() of the same thread. Preserves errno. Allocates nothing.
 */
int vc_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The text of this thread's last vc_fail(), or "" when there was none. Owned by the library. */
const char *vc_error_text(void);

enum vc_log_level { VC_LOG_ERROR, VC_LOG_WARN, VC_LOG_INFO, VC_LOG_DEBUG };

/** Sets what is printed from now on (default VC_LOG_WARN) and the rank that precedes lines (-1: none). */
void vc_log_setup(enum vc_log_level level, int rank);

/**
 * One line to standard error, "vcoll[rank]: text", written with a single write(2) so that lines of several
 * ranks do not mix. Never called on a hot path; nothing at or below VC_LOG_WARN is printed on a healthy run.
 * Preserves errno.
 */
void vc_log(enum vc_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Monotonic time in nanoseconds, comparable between processes of one operating system. About 20 ns a call.
 */
static inline uint64_t vc_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/** Tells the core that this is a spin loop. */
static inline void vc_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#endif
}

/** Appends printf-style to the string in `buf` of `len` bytes; what does not fit is cut off. */
void vc_append(char *buf, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** FNV-1a (Fowler, Noll, Vo), 64 bits, of bytes behind those that gave h, which is VC_HASH_START at first. */
#define VC_HASH_START 0xcbf29ce484222325u
uint64_t vc_hash(uint64_t h, const void *bytes, size_t len);

static inline size_t vc_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static inline size_t vc_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/**
 * Cuts `bytes` (a multiple of `grain`) into `parts` slices whose borders are multiples of `grain` and whose
 * sizes differ by at most one grain. Returns the first byte of slice `i`; slice i is [vc_slice(i), vc_slice(i
 * + 1)).
 */
static inline size_t vc_slice(size_t bytes, size_t grain, int parts, int i)
{
    size_t n = bytes / grain, q = n / (size_t)parts, r = n % (size_t)parts;
    size_t k = (size_t)i;
    return (q * k + (k < r ? k : r)) * grain;
}

#endif
