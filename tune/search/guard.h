/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process that puts a network device's coalescing back when the tuner ends, in whatever way, SIGKILL
 * included. It is forked before MPI_Init, holds one end of a socket pair and nothing else, lives in a session
 * of its own and sleeps. Told which device is about to be changed, it
 * - takes the host's lock (a socket name, abstract, so it belongs to the network namespace like the devices
 *   themselves, holds for all users, and is gone with its holder): a second run on the host is refused;
 * - notes the values in a restore file, on disk before the tuner hears that it may go on;
 * - puts them back, verified, when told to or when the tuner is gone, and removes the file.
 * Should the guard be killed too, the file outlives it, and the next run that starts puts the values back: a
 * lock that is free says that the file has no guard any more. The machine's next boot makes it void.
 *
 * One thread at a time. Errors as everywhere: vc_fail(), the text in vc_error_text(). No MPI.
 */
#ifndef VC_TUNE_SEARCH_GUARD_H
#define VC_TUNE_SEARCH_GUARD_H

#include "transport/topology/coalesce.h"
#include <sys/types.h>

/** What tests replace; zeroed (or NULL for the whole): the real things. */
struct vc_guard_env {
    const struct vc_netlink *nl; /**< the way to the kernel */
    const char *dir;             /**< where restore files lie; see vc_guard_dir() */
    const char *lock;            /**< name of the lock */
};

struct vc_guard;

/** Starts the guard process. NULL with an error's text when it cannot. `env` must stay valid. */
struct vc_guard *vc_guard_open(const struct vc_guard_env *env);
/** The guard's process id. */
pid_t vc_guard_pid(const struct vc_guard *g);

/**
 * From now on what `netdev` has at present is guarded; `before` receives it. Again for the same device:
 * nothing new. VC_OK; errors of vc_coalesce_get(); VC_ERR_INVAL for another device than the one that is
 * guarded already; VC_ERR_UNSUPPORTED when another run guards this host; VC_ERR_SYS when the restore file
 * cannot be written, what a killed run left behind cannot be put back, or the guard is gone. After an error
 * nothing may be changed.
 */
int vc_guard_hold(struct vc_guard *g, const char *netdev, struct vc_coalesce *before);

/**
 * Sets the device that is guarded to what it had before, but for the fields of `want`. VC_OK,
 * VC_COALESCE_ROUNDED (`now` says what is there; may be NULL) and errors of vc_coalesce_set().
 */
int vc_guard_set(struct vc_guard *g, const struct vc_coalesce *want, struct vc_coalesce *now);

/** Puts back and verifies; nothing to do: VC_OK. The guard lives on and can be told to hold again. Works when
 * the guard is gone, too. On errors (those of vc_coalesce_restore()) what was there stays noted. */
int vc_guard_restore(struct vc_guard *g);

/** Restores if that is still to be done, and waits for the guard process to end. NULL is legal. */
void vc_guard_close(struct vc_guard *g);

/**
 * Puts back what a killed run has left in this network namespace, and removes the files of earlier boots of
 * this machine. 0: there was nothing; 1: put back, `said` tells what; VC_ERR_SYS and others: it is there and
 * could not be put back, or another run is at work (VC_ERR_UNSUPPORTED, which is no reason to worry).
 */
int vc_guard_recover(const struct vc_guard_env *env, char *said, size_t len);

/** The directory of restore files: $XDG_STATE_HOME/vcoll, ~/.local/state/vcoll, or /var/lib/vcoll for root
 * without a home. False when there is none. */
bool vc_guard_dir(const struct vc_guard_env *env, char *dir, size_t len);

/** For tests, before vc_guard_start(): the guard that device.c uses, and the device it is about. */
void vc_device_inject(const struct vc_guard_env *env, const char *name);

/* ---- restore.c ---- */

/** What the file holds. */
struct vc_restore {
    struct vc_coalesce_saved saved;
    long long guard; /**< process id */
};

/** Name of this boot's and this network namespace's file. VC_OK, or VC_ERR_SYS when none can be named. */
int vc_restore_name(const struct vc_guard_env *env, char *path, size_t len);
/** Written to disk, directory entry included, when VC_OK is returned. */
int vc_restore_write(const char *path, const struct vc_restore *r);
/** 1: read; 0: there is no such file; VC_ERR_INVAL: it is not what vc_restore_write() wrote. The saved values
 * are this process's own then (vc_coalesce_saved.owner). */
int vc_restore_read(const char *path, struct vc_restore *r);
/** Puts the values back, with patience, and removes the file. On errors (those of vc_coalesce_restore()) the
 * file stays. */
int vc_restore_put_back(const struct vc_guard_env *env, const char *path, struct vc_coalesce_saved *saved);
/** Takes this host's lock and puts back what a killed run has left, as vc_guard_recover(). *lock: a
 * descriptor to be closed; -1 on errors. */
int vc_restore_lock(const struct vc_guard_env *env, const char *path, char *said, size_t len, int *lock);

#endif
