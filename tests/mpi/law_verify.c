/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_verify [ROUNDS [MOST]]: an honest little program: collectives of several sizes, of MOST elements at
 * most, on several communicators, checked. Rank 0 prints "ok", and what vcoll says of the world: "ok active"
 * or "ok passive: why". Scripts run it in odd surroundings.
 */
#include "law.h"

#include "include/vcoll/vcoll.h"

int main(int argc, char **argv)
{
    static const int sizes[] = {0, 1, 3, 17, 128, 1000, 4096, 40000};
    int rank, size;
    int (*describe)(const void *, struct vcoll_comm_info *);
    struct vcoll_comm_info info = {0};

    MPI_Init(&argc, &argv);
    law_watchdog(60);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm reversed, halves, world = MPI_COMM_WORLD;
    MPI_Comm_split(MPI_COMM_WORLD, 0, size - rank, &reversed);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &halves);
    for (int round = 0; round < law_arg(argc, argv, 1, 4); round++)
        for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0] && sizes[s] <= law_arg(argc, argv, 2, 40000);
             s++) {
            long bad = law_six(world, sizes[s], round);
            LAW_CHECK(bad == 0, "%ld wrong elements on world, size %d", bad, sizes[s]);
            bad = law_six(reversed, sizes[s], round);
            LAW_CHECK(bad == 0, "%ld wrong elements on reversed, size %d", bad, sizes[s]);
            bad = law_six(halves, sizes[s], round);
            LAW_CHECK(bad == 0, "%ld wrong elements on halves, size %d", bad, sizes[s]);
        }
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    if (rank == 0) {
        if (describe == NULL)
            printf("ok without vcoll\n");
        else if (describe(&world, &info) != 0)
            printf("ok unknown\n");
        else if (info.active)
            printf("ok active\n");
        else
            printf("ok passive: %s\n", info.why_not);
    }
    MPI_Comm_free(&reversed);
    MPI_Comm_free(&halves);
    MPI_Finalize();
    return 0;
}
