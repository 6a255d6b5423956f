/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    fprintf(stderr, "judge: out of memory\n");
    abort();
}

static MPI_Request *append(struct pool *p, struct vc_chan_req *r)
{
    if (p->n == p->room) {
        p->room = p->room ? 2 * p->room : 32;
        p->req = realloc(p->req, (size_t)p->room * sizeof *p->req);
        p->who = realloc(p->who, (size_t)p->room * sizeof *p->who);
        if (!p->req || !p->who)
            out_of_memory();
    }
    vc_req_begin(r);
    r->err = VC_OK;
    p->who[p->n] = r;
    return &p->req[p->n++];
}

/* Lengths are the same on both sides, so that messages of a pair still match in order. SMPI keeps short and
 * long messages apart and would let one tag's receive wait for the wrong kind. */
static int tag_of(enum pool_tag tag, size_t len)
{
    return (int)(len % 16384) * 4 + (int)tag;
}

void pool_send(struct pool *p, enum pool_tag tag, int peer, const void *buf, size_t len,
               struct vc_chan_req *r)
{
    MPI_Request *req = append(p, r);
    MPI_Isend(buf, (int)len, MPI_BYTE, peer, tag_of(tag, len), p->comm, req);
}

void pool_recv(struct pool *p, enum pool_tag tag, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    MPI_Request *req = append(p, r);
    MPI_Irecv(buf, (int)len, MPI_BYTE, peer, tag_of(tag, len), p->comm, req);
}

/* Not MPI_Waitsome: in SMPI that is a loop of tests, each of which takes simulated time. */
void pool_wait(struct pool *p)
{
    int i;
    MPI_Waitany(p->n, p->req, &i, MPI_STATUS_IGNORE);
    vc_req_end(p->who[i]);
    p->n--;
    memmove(&p->req[i], &p->req[i + 1], (size_t)(p->n - i) * sizeof *p->req);
    memmove(&p->who[i], &p->who[i + 1], (size_t)(p->n - i) * sizeof *p->who);
}

/* ---- the channel of plans ---- */

static int chan_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    pool_send((struct pool *)ch, POOL_PLAN, peer, buf, len, r);
    return VC_OK;
}

static int chan_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    pool_recv((struct pool *)ch, POOL_PLAN, peer, buf, len, r);
    return VC_OK;
}

/* Whoever drives the plan calls pool_wait() where nothing else is left to do. */
static int chan_progress(struct vc_chan *ch)
{
    (void)ch;
    return 0;
}

static void chan_destroy(struct vc_chan *ch)
{
    (void)ch;
}

static void chan_give_up(struct vc_chan *ch, const char *text)
{
    (void)ch;
    (void)text;
}

void pool_init(struct pool *p, MPI_Comm comm)
{
    static const struct vc_chan_ops ops = {.name = "simulated",
                                           .isend = chan_isend,
                                           .irecv = chan_irecv,
                                           .progress = chan_progress,
                                           .destroy = chan_destroy,
                                           .give_up = chan_give_up};
    *p = (struct pool){.chan = {.ops = &ops}, .comm = comm};
    MPI_Comm_rank(comm, &p->chan.rank);
    MPI_Comm_size(comm, &p->chan.size);
}

void pool_free(struct pool *p)
{
    free(p->req);
    free(p->who);
}
