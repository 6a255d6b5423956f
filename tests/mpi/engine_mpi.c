/* SPDX-License-Identifier: BSD-3-Clause */
/* Every plan of the registry over the mpi channel, each rank a node of its own. */
#include "tests/unit/conformance/engine_suite.h"
#include "tests/unit/conformance/harness.h"
#include "transport/mpi/next.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    int size, plans = 0;
    MPI_Comm dup;
    struct vc_chan *ch;
    MPI_Init(&argc, &argv);
    vc_next_init();
    if (vc_host_progress_init() != VC_OK || vc_next.Comm_dup(MPI_COMM_WORLD, &dup) != MPI_SUCCESS ||
        vc_mpi_chan_create(dup, &ch) != VC_OK) {
        fprintf(stderr, "%s\n", vc_error_text());
        MPI_Abort(MPI_COMM_WORLD, 1);
        return 1;
    }
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    struct es_hier hier;
    es_hier_make(&hier, size, 1, true);
    struct vc_wait_cfg wait = hs_wait(VC_WAIT_HYBRID, true);
    wait.host_progress = vc_host_progress;
    struct es_env e = {.chan = ch, .hier = &hier.h, .wait = &wait, .max_bytes = 300000};
    if (es_run(&e, &plans) != 0 || plans == 0)
        MPI_Abort(MPI_COMM_WORLD, 1);
    if (ch->rank == 0)
        printf("%d plans ran\n", plans);
    MPI_Barrier(MPI_COMM_WORLD);
    ch->ops->destroy(ch);
    vc_host_progress_fini();
    MPI_Finalize();
    return 0;
}
