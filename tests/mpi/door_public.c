/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of vcoll.h, in a program that is linked with the library. */
#include "door.h"

#include "vcoll/vcoll.h"

static void describe(void)
{
    struct vcoll_comm_info info;
    MPI_Comm comm, inter, half;
    int x = 1, sum, low = (size + 1) / 2;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    CHECK(vcoll_comm_describe(&comm, &info) == -1); /* not met yet */
    CHECK(strcmp(vcoll_comm_algorithm(&comm, "allreduce", 8), "") == 0);
    for (int i = 0; i < 8; i++)
        MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK(vcoll_comm_describe(&comm, &info) == 0);
    CHECK(info.active && info.why_not[0] == '\0' && info.nodes == 1 && info.ranks_here == size);
    CHECK(info.shm_bytes > 0 && info.heap_bytes > 0 && info.setup_seconds > 0);
    CHECK(strcmp(vcoll_comm_algorithm(&comm, "allreduce", 8), "shm") == 0);
    CHECK(strcmp(vcoll_comm_algorithm(&comm, "nonsense", 8), "") == 0);
    MPI_Comm_free(&comm);

    MPI_Barrier(MPI_COMM_SELF);
    comm = MPI_COMM_SELF;
    CHECK(vcoll_comm_describe(&comm, &info) == 0 && !info.active && strstr(info.why_not, "one rank"));
    MPI_Comm_split(MPI_COMM_WORLD, rank < low, rank, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, rank < low ? low : 0, 1, &inter);
    MPI_Barrier(inter);
    CHECK(vcoll_comm_describe(&inter, &info) == 0 && !info.active && strstr(info.why_not, "intercomm"));
    MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
}

int main(int argc, char **argv)
{
    int (*barrier)(MPI_Comm);
    char version[32];
    void *sym = vcoll_native("Barrier");
    CHECK(sym != NULL && vcoll_native("Nonsense") == NULL && vcoll_native(NULL) == NULL);
    memcpy(&barrier, &sym, sizeof barrier);
    CHECK(barrier != MPI_Barrier && barrier != PMPI_Barrier);
    snprintf(version, sizeof version, "%d.%d.%d", VCOLL_VERSION_MAJOR, VCOLL_VERSION_MINOR,
             VCOLL_VERSION_PATCH);
    CHECK(strcmp(vcoll_version(), version) == 0);
    CHECK(vcoll_comm_describe(&sym, NULL) == -1);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    barrier(MPI_COMM_WORLD);
    vcoll_host_progress();
    describe();
    MPI_Finalize();
    struct vcoll_comm_info info;
    MPI_Comm world = MPI_COMM_WORLD;
    CHECK(vcoll_comm_describe(&world, &info) == -1);
    return 0;
}
