/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite over the mpi channel, the same with messages split into small MPI messages, and both
 * ways of driving the MPI's progress. conformance_mpi [direct|probe]
 */
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/conformance/harness.h"
#include "transport/mpi/next.h"
#include "transport/shm/segment.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(void)
{
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "conformance_mpi: %s: %s\n", what, vc_error_text());
    die();
}

static struct vc_chan *channel(MPI_Comm of)
{
    MPI_Comm dup;
    struct vc_chan *ch;
    need(vc_next.Comm_dup(of, &dup) == MPI_SUCCESS, "dup");
    need(vc_mpi_chan_create(dup, &ch) == VC_OK, "channel");
    return ch;
}

/**
 * Law 2: a rendezvous send completes at its receiver while the sender drives nothing but vc_host_progress().
 * The receiver reports through shared memory, because any MPI call of the sender would be progress as well.
 * The launcher turns single copy off, with which the receiver would help itself.
 */
static void progress_moves_the_host(int rank, int size)
{
    enum { LEN = 8 << 20, TAG = 5 };
    if (size < 2)
        return;
    struct vc_seg seg = {0};
    struct vc_seg_handle h;
    if (rank == 0)
        need(vc_seg_create(4096, VC_SEG_AUTO, &seg, &h) == VC_OK, "segment");
    MPI_Bcast(&h, (int)sizeof h, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (rank != 0)
        need(vc_seg_attach(&h, &seg) == VC_OK, "attach");
    MPI_Barrier(MPI_COMM_WORLD);
    vc_seg_settle(&seg);
    _Atomic int *arrived = seg.base;
    char *buf = malloc(LEN);
    need(buf != NULL, "memory");
    memset(buf, rank == 0 ? 'r' : 0, LEN);
    if (rank == 0) {
        MPI_Request req;
        MPI_Isend(buf, LEN, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, &req);
        uint64_t until = vc_now_ns() + 10000000000u;
        while (!atomic_load(arrived) && vc_now_ns() < until) {
            vc_host_progress();
            usleep(20);
        }
        need(atomic_load(arrived), "the peer's receive did not complete");
        MPI_Wait(&req, MPI_STATUS_IGNORE);
    } else if (rank == 1) {
        usleep(20000); /* let the sender be done with all that it does on its own */
        MPI_Recv(buf, LEN, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        need(buf[0] == 'r' && buf[LEN - 1] == 'r', "data");
        atomic_store(arrived, 1);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    vc_seg_detach(&seg);
    free(buf);
}

static void table(void)
{
    Dl_info info;
    void *fn = vc_next_symbol("Allreduce");
    need(fn && dladdr(fn, &info) && strstr(info.dli_fname, "libmpi"), "Allreduce is not libmpi's");
    need(vc_next_symbol("Ibarrier") != NULL, "a function outside the table");
    need(vc_next_symbol("No_such_function") == NULL, "a function that does not exist");
    memcpy(&fn, &vc_next.Allreduce, sizeof fn);
    need(fn == vc_next_symbol("Allreduce"), "table and look-up differ");
}

/** A message of the wrong length is an error of the channel, with words, and ends nothing else. */
static void wrong_length(int rank, int size)
{
    if (size < 2)
        return;
    struct vc_chan *ch = channel(MPI_COMM_WORLD);
    struct vc_chan_req r;
    char buf[64] = "";
    if (rank == 0)
        need(ch->ops->isend(ch, 1, buf, 8, &r) == VC_OK, "isend");
    if (rank == 1) {
        int rc;
        need(ch->ops->irecv(ch, 0, buf, 64, &r) == VC_OK, "irecv");
        while ((rc = ch->ops->progress(ch)) == 0)
            ;
        need(rc == VC_ERR_TRUNCATE && strstr(vc_error_text(), "8 bytes"), "a short message passed");
    }
    MPI_Barrier(MPI_COMM_WORLD);
    ch->ops->destroy(ch);
}

/** Who gives up is heard by all who wait, whomever they wait for, and by who comes later; a second word is
 * none. */
static void giving_up(int rank, int size)
{
    if (size < 2)
        return;
    struct vc_chan *ch = channel(MPI_COMM_WORLD);
    struct vc_chan_req r;
    char buf[64] = "";
    if (rank == 0) {
        ch->ops->give_up(ch, "its disk is full");
        ch->ops->give_up(ch, "never mind");
        need(ch->ops->irecv(ch, 1, buf, 64, &r) == VC_ERR_PEER, "this channel is no longer to be used");
    } else {
        int rc = VC_OK;
        uint64_t until = vc_now_ns() + 20000000000u;
        if (rank == 1)
            usleep(300000);
        need(ch->ops->irecv(ch, size - 1, buf, 64, &r) == VC_OK, "irecv");
        while (rc == 0 && vc_now_ns() < until)
            rc = ch->ops->progress(ch);
        need(rc == VC_ERR_PEER && strcmp(vc_error_text(), "rank 0 gave up: its disk is full") == 0,
             "giving up");
        ch->ops->give_up(ch, vc_error_text());
    }
    MPI_Barrier(MPI_COMM_WORLD);
    ch->ops->destroy(ch);
}

/* The table must bypass symbols like this one, which a program may define in front of libmpi. */
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out);
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out)
{
    (void)comm;
    *out = MPI_COMM_NULL;
    return MPI_ERR_OTHER;
}

int main(int argc, char **argv)
{
    int rank, size;
    bool direct = argc < 2 || strcmp(argv[1], "probe") != 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    vc_next_init();
    vc_next_init();
    table();
    need(vc_host_progress_init_with(direct) == VC_OK, "host progress");
    progress_moves_the_host(rank, size);

    static const enum vc_wait_mode modes[] = {VC_WAIT_HYBRID, VC_WAIT_EVENT};
    for (int i = 0; i < 2; i++) {
        struct vc_wait_cfg wait = hs_wait(modes[i], true);
        wait.host_progress = vc_host_progress;
        struct cf_env e = {.ch = channel(MPI_COMM_WORLD), .wait = &wait, .die = die, .seed = 99};
        if (i == 1)
            vc_mpi_chan_split(e.ch, 10000);
        cf_run(&e);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    wrong_length(rank, size);
    giving_up(rank, size);
    vc_host_progress_fini();
    vc_host_progress(); /* harmless without set-up */
    MPI_Finalize();
    return 0;
}
