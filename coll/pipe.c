/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/pipe.h"

/* As much is on a link of 100 Gbit/s in four microseconds. */
#define UNDER_WAY (48 * 1024)

struct vc_pipe vc_pipe_of(size_t bytes)
{
    struct vc_pipe pipe = {.width = 2};
    int most = (int)(sizeof pipe.step / sizeof *pipe.step);
    while (pipe.width < most && (size_t)pipe.width * bytes < UNDER_WAY)
        pipe.width++;
    return pipe;
}

void vc_pipe_send(struct vc_pipe *pipe, struct vc_plan *p, int peer, struct vc_ref msg)
{
    int *slot = &pipe->step[pipe->n % pipe->width], step = vc_plan_send(p, peer, msg);
    if (pipe->n >= pipe->width)
        vc_plan_after(p, step, *slot);
    *slot = step;
    pipe->n++;
}
