/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mpi/next.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Longer messages travel in parts, because MPI counts are ints. MPI keeps the order of parts as it keeps
 * that of messages. */
#define PART_MAX ((size_t)1 << 30)
#define CHAN_TAG 1
/** A rank that gives up sends its reason to all ranks with this tag. No receive is posted for it: a rank that
 * has waited for a while probes for one. */
#define NOTE_TAG   2
#define NOTE_BYTES 256
/** When it probes: in one of so many polls without success, if this much time has passed since the last. */
#define POLLS_PER_PROBE 16
#define PROBE_NS        10000000u
/** Longest time that handing notes to the MPI may take. */
#define NOTES_NS 100000000u
/** Notes that are sent at the same time. */
#define NOTES_OPEN 64
/** Before the first growth. */
#define SLOTS_MIN 32

/** What the channel keeps in vc_chan_req.priv. */
enum { P_PARTS };

/** An MPI request in flight, parallel to mpi_chan.reqs. */
struct slot {
    struct vc_chan_req *owner;
    int count; /**< bytes of this part */
    bool recv;
};

struct mpi_chan {
    struct vc_chan base;
    MPI_Comm comm;
    size_t part_max;
    int failed;
    unsigned idle_polls;
    uint64_t probed;       /**< when it was probed for notes, in ns */
    char note[NOTE_BYTES]; /**< what was told, or what this rank tells; "": nothing */
    bool told;             /**< notes were sent; the MPI may still read the text */
    int n, cap;            /**< slots in use are 0..n-1 */
    MPI_Request *reqs;
    struct slot *slots;
    int *ready; /**< [cap] MPI_Testsome's indices, ascending or not */
    MPI_Status *statuses;
};

static struct mpi_chan *mpi_of(struct vc_chan *ch)
{
    return (struct mpi_chan *)(void *)ch;
}

static int mpi_fail(struct mpi_chan *c, const char *what, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int len;
    vc_next.Error_string(code, text, &len);
    c->failed = VC_ERR_MPI;
    return vc_fail(VC_ERR_MPI, "%s failed in the mpi channel: %s", what, text);
}

/** Room for `more` requests beside those in flight. The arrays only ever grow. */
static int reserve(struct mpi_chan *c, size_t more)
{
    if ((size_t)c->n + more <= (size_t)c->cap)
        return VC_OK;
    size_t cap = c->cap ? (size_t)c->cap * 2 : SLOTS_MIN;
    while (cap < (size_t)c->n + more)
        cap *= 2;
    MPI_Request *reqs = realloc(c->reqs, cap * sizeof *reqs);
    if (reqs)
        c->reqs = reqs;
    struct slot *slots = realloc(c->slots, cap * sizeof *slots);
    if (slots)
        c->slots = slots;
    int *ready = realloc(c->ready, cap * sizeof *ready);
    if (ready)
        c->ready = ready;
    MPI_Status *statuses = realloc(c->statuses, cap * sizeof *statuses);
    if (statuses)
        c->statuses = statuses;
    if (!reqs || !slots || !ready || !statuses)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %zu requests of the mpi channel", cap);
    c->cap = (int)cap;
    return VC_OK;
}

static int failed_before(const struct mpi_chan *c)
{
    return c->note[0] ? vc_fail(c->failed, "%s", c->note)
                      : vc_fail(c->failed, "the mpi channel has failed before");
}

static int start_parts(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r, bool recv)
{
    struct mpi_chan *c = mpi_of(ch);
    if (c->failed)
        return failed_before(c);
    if (peer < 0 || peer >= ch->size)
        return vc_fail(VC_ERR_INVAL, "the mpi channel has no rank %d", peer);
    size_t parts = len ? (len + c->part_max - 1) / c->part_max : 1;
    int err = reserve(c, parts);
    if (err != VC_OK)
        return err;
    vc_req_begin(r);
    r->err = VC_OK;
    r->next = NULL;
    r->priv[P_PARTS] = parts;
    for (size_t i = 0, at = 0; i < parts; i++) {
        int count = (int)vc_min_size(len - at, c->part_max);
        char *p = len ? (char *)buf + at : NULL;
        int rc = recv ? vc_next.Irecv(p, count, MPI_BYTE, peer, CHAN_TAG, c->comm, &c->reqs[c->n])
                      : vc_next.Isend(p, count, MPI_BYTE, peer, CHAN_TAG, c->comm, &c->reqs[c->n]);
        if (rc != MPI_SUCCESS)
            return mpi_fail(c, recv ? "MPI_Irecv" : "MPI_Isend", rc);
        c->slots[c->n++] = (struct slot){r, count, recv};
        at += (size_t)count;
    }
    return VC_OK;
}

static int mpi_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    return start_parts(ch, peer, (void *)(uintptr_t)buf, len, r, false);
}

static int mpi_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    return start_parts(ch, peer, buf, len, r, true);
}

static int end_part(struct mpi_chan *c, int i, const MPI_Status *status)
{
    struct slot *s = &c->slots[i];
    if (s->recv) {
        int got = 0;
        vc_next.Get_count(status, MPI_BYTE, &got);
        if (got != s->count) {
            c->failed = VC_ERR_MPI;
            return vc_fail(VC_ERR_TRUNCATE, "rank %d sent a message of %d bytes where rank %d expects %d",
                           status->MPI_SOURCE, got, c->base.rank, s->count);
        }
    }
    if (--s->owner->priv[P_PARTS] == 0)
        vc_req_end(s->owner);
    s->owner = NULL;
    return VC_OK;
}

/** After a poll without success. VC_OK, or VC_ERR_PEER because a rank has given up. */
static int probe_note(struct mpi_chan *c)
{
    MPI_Status status;
    int there = 0, len = 0;
    char text[NOTE_BYTES] = "";
    if (++c->idle_polls % POLLS_PER_PROBE != 0)
        return VC_OK;
    uint64_t now = vc_now_ns();
    if (now - c->probed < PROBE_NS)
        return VC_OK;
    c->probed = now;
    if (vc_next.Iprobe(MPI_ANY_SOURCE, NOTE_TAG, c->comm, &there, &status) != MPI_SUCCESS || !there ||
        vc_next.Recv(text, NOTE_BYTES, MPI_CHAR, status.MPI_SOURCE, NOTE_TAG, c->comm, &status) !=
            MPI_SUCCESS)
        return VC_OK;
    vc_next.Get_count(&status, MPI_CHAR, &len);
    text[len > 0 && len < NOTE_BYTES ? len : NOTE_BYTES - 1] = '\0';
    /* A rank that was itself told of the failure passes the text on as it is: it names the first rank. */
    if (strstr(text, " gave up: "))
        snprintf(c->note, sizeof c->note, "%s", text);
    else
        snprintf(c->note, sizeof c->note, "rank %d gave up: %.*s", status.MPI_SOURCE, NOTE_BYTES - 40, text);
    c->failed = VC_ERR_PEER;
    return failed_before(c);
}

static int mpi_progress(struct vc_chan *ch)
{
    struct mpi_chan *c = mpi_of(ch);
    if (c->failed)
        return failed_before(c);
    if (c->n == 0)
        return probe_note(c);
    int done = 0;
    int rc = vc_next.Testsome(c->n, c->reqs, &done, c->ready, c->statuses);
    if (rc == MPI_ERR_IN_STATUS)
        for (int k = 0; k < done; k++)
            if (c->statuses[k].MPI_ERROR != MPI_SUCCESS)
                return mpi_fail(c, "a transfer", c->statuses[k].MPI_ERROR);
    if (rc != MPI_SUCCESS)
        return mpi_fail(c, "MPI_Testsome", rc);
    if (done == 0 || done == MPI_UNDEFINED)
        return probe_note(c);
    for (int k = 0; k < done; k++) {
        int err = end_part(c, c->ready[k], &c->statuses[k]);
        if (err != VC_OK)
            return err;
    }
    /* Close the gaps, keeping the order: MPI libraries test in array order, and the oldest completes first.
     */
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (c->slots[i].owner) {
            c->reqs[n] = c->reqs[i];
            c->slots[n++] = c->slots[i];
        }
    c->n = n;
    return done;
}

static void mpi_destroy(struct vc_chan *ch)
{
    struct mpi_chan *c = mpi_of(ch);
    uint64_t until = vc_now_ns() + 200000000u;
    for (int i = 0; i < c->n; i++) {
        if (c->reqs[i] == MPI_REQUEST_NULL)
            continue;
        if (!c->slots[i].recv) {
            vc_next.Request_free(&c->reqs[i]);
            continue;
        }
        /* A receive that has matched cannot be cancelled. To end it may need its peer, which may be gone, so
         * the wait is short. */
        int flag = 0;
        vc_next.Cancel(&c->reqs[i]);
        while (vc_next.Test(&c->reqs[i], &flag, MPI_STATUS_IGNORE) == MPI_SUCCESS && !flag &&
               vc_now_ns() < until)
            vc_cpu_relax();
    }
    free(c->reqs);
    free(c->slots);
    free(c->ready);
    free(c->statuses);
    /* The communicator stays, because notes that are still under way must not arrive in a later one. */
    if (c->told)
        return;
    if (c->comm != MPI_COMM_NULL)
        vc_next.Comm_free(&c->comm);
    free(c);
}

/** Notes are short, so the MPI sends them at once, whatever their receivers do. */
static void mpi_give_up(struct vc_chan *ch, const char *text)
{
    struct mpi_chan *c = mpi_of(ch);
    MPI_Request open[NOTES_OPEN];
    int nopen = 0, sent = 0;
    uint64_t until = vc_now_ns() + NOTES_NS;
    /* After a note of another rank there is nothing to tell, because all ranks got it. */
    if (c->told || c->failed == VC_ERR_PEER)
        return;
    c->failed = VC_ERR_PEER;
    c->told = true;
    snprintf(c->note, sizeof c->note, "%s", text);
    while (sent < ch->size || nopen > 0) {
        bool late = vc_now_ns() > until;
        int peer = sent, flag = 0;
        if (sent < ch->size && nopen < NOTES_OPEN) {
            sent++;
            nopen += peer != ch->rank && vc_next.Isend(c->note, (int)strlen(c->note), MPI_CHAR, peer,
                                                       NOTE_TAG, c->comm, &open[nopen]) == MPI_SUCCESS;
        }
        if (nopen > 0 && (vc_next.Test(&open[nopen - 1], &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || flag))
            nopen--;
        else if (nopen > 0 && late)
            vc_next.Request_free(&open[--nopen]);
    }
}

static const struct vc_chan_ops mpi_ops = {
    .name = "mpi",
    .isend = mpi_isend,
    .irecv = mpi_irecv,
    .progress = mpi_progress,
    .destroy = mpi_destroy,
    .wakes = false,
    .give_up = mpi_give_up,
};

void vc_mpi_chan_split(struct vc_chan *ch, size_t bytes)
{
    mpi_of(ch)->part_max = bytes;
}

int vc_mpi_chan_create(MPI_Comm comm, struct vc_chan **out)
{
    *out = NULL;
    vc_next_init();
    struct mpi_chan *c = calloc(1, sizeof *c);
    if (!c) {
        vc_next.Comm_free(&comm);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the mpi channel");
    }
    c->base.ops = &mpi_ops;
    c->comm = comm;
    c->part_max = PART_MAX;
    int err = reserve(c, SLOTS_MIN), rc;
    if (err == VC_OK && ((rc = vc_next.Comm_rank(comm, &c->base.rank)) != MPI_SUCCESS ||
                         (rc = vc_next.Comm_size(comm, &c->base.size)) != MPI_SUCCESS ||
                         (rc = vc_next.Comm_set_errhandler(comm, MPI_ERRORS_RETURN)) != MPI_SUCCESS))
        err = mpi_fail(c, "setting up the communicator", rc);
    if (err != VC_OK) {
        mpi_destroy(&c->base);
        return err;
    }
    *out = &c->base;
    return VC_OK;
}
