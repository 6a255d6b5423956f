/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of a kilobyte and more between cores. Which instructions are fastest depends on the processor, on
 * the length, and on who holds the lines: plain stores to lines that another core holds first fetch them from
 * there, `rep movsb` and streaming stores need not. What the C library's memcpy() does differs between its
 * versions. So each process tries the ways that its CPU has on the first copies of a kind, measures them in
 * place, and keeps the fastest; it tries again from time to time, because a hypervisor moves CPUs about.
 *
 * How bytes are copied changes no result, so ranks may differ in it (it is no decision in the sense of Law
 * 1).
 */
#ifndef VC_TRANSPORT_COPY_H
#define VC_TRANSPORT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Who holds the lines of source and destination. */
enum vc_copy_role {
    VC_COPY_GIVE,   /**< to shared memory that another core has read and will read */
    VC_COPY_TAKE,   /**< from shared memory that another core has just written */
    VC_COPY_OWN,    /**< in memory of this rank alone */
    VC_COPY_RESULT, /**< as VC_COPY_TAKE, to a part of a result that is larger than a core's cache */
    VC_COPY_ROLES
};

/** The ways to copy. */
enum vc_copy_kind {
    VC_COPY_AUTO,   /**< the fastest, by trial */
    VC_COPY_MEMCPY, /**< of the C library */
    VC_COPY_REP,    /**< rep movsb */
    VC_COPY_VECTOR, /**< vector registers */
    VC_COPY_CLAIM,  /**< the same; lines of the destination are fetched for writing first */
    VC_COPY_STREAM, /**< streaming stores, past the caches */
    VC_COPY_KINDS
};

/** Shorter copies are memcpy(). */
#define VC_COPY_LEAST 1024

/** For vc_copy(). */
void vc_copy_long(void *to, const void *from, size_t n, enum vc_copy_role role);

/** As memcpy(). Its stores come before a later release store, as memcpy()'s do. Thread-safe. */
static inline void vc_copy(void *to, const void *from, size_t n, enum vc_copy_role role)
{
    if (n >= VC_COPY_LEAST)
        vc_copy_long(to, from, n, role);
    else if (n)
        memcpy(to, from, n);
}

/** Copies past the caches where the CPU can: lines are written without being read first. */
void vc_copy_stream(void *to, const void *from, size_t n);

/*
 * What a copy to another core costs shows in part at the other core, which reads it. Where all ranks do the
 * same at the same time, as in an allreduce, the whole operation is measured instead: a race is run by the
 * calls of an operation, each rank's calls go the same way in turn, and each rank keeps the way by which its
 * fastest call was fastest. Zeroed memory is a race that has not begun.
 */
struct vc_copy_race {
    uint32_t left; /* calls until the next one that is measured */
    uint16_t call; /* of the race that is being run, counted from 1; 0: it has not begun */
    uint8_t kind;  /* of the call under way */
    float least[VC_COPY_KINDS];
};

typedef void (*vc_copy_fn)(void *to, const void *from, size_t n);

/** The way for the copies of the next call; never NULL. *measure: vc_copy_race_took() is to be called at its
 * end. */
vc_copy_fn vc_copy_race_next(struct vc_copy_race *r, bool *measure);
/** What the call took this rank, without its waiting. */
void vc_copy_race_took(struct vc_copy_race *r, uint64_t ns);

/** Waits until earlier stores are where other cores see them: time that a measurement would not see
 * otherwise. */
static inline void vc_copy_drain(void)
{
#ifdef __x86_64__
    __builtin_ia32_mfence();
#endif
}

/** From now on all copies go this way (memcpy() where the CPU does not have it), or by trial. Forgets what
 * was measured. Not while copies are under way. */
void vc_copy_use(enum vc_copy_kind kind);

/** The way of a copy of n bytes now; VC_COPY_AUTO: nothing was copied yet. */
enum vc_copy_kind vc_copy_chosen(size_t n, enum vc_copy_role role);

/** "auto", "memcpy", ... by enum vc_copy_kind, NULL at the end. */
extern const char *const vc_copy_words[];

#endif
