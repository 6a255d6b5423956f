/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/pipe.h"

/* As much is on a link of 100 Gbit/s in four microseconds. */
#define UNDER_WAY      (48 * 1024)
#define MOST_UNDER_WAY 8

struct vc_pipe vc_pipe_of(size_t bytes)
{
    struct vc_pipe pipe = {.width = 2};
    while (pipe.width < MOST_UNDER_WAY && (size_t)pipe.width * bytes < UNDER_WAY)
        pipe.width++;
    return pipe;
}

/* Shorter ones are away before another one's end could be known. */
#define TAKES_TURNS 8192

struct vc_pipe vc_pipe_of_copies(size_t bytes, int children)
{
    return (struct vc_pipe){.width = bytes < TAKES_TURNS ? 0 : children};
}

void vc_pipe_send(struct vc_pipe *pipe, struct vc_plan *p, int peer, struct vc_ref msg)
{
    int step = vc_plan_send(p, peer, msg);
    if (!pipe->width)
        return;
    int *slot = &pipe->step[pipe->n % pipe->width];
    if (pipe->n >= pipe->width)
        vc_plan_after(p, step, *slot);
    *slot = step;
    pipe->n++;
}
