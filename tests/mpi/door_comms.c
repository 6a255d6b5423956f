/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators that come and go: handles reused for other groups, intercommunicators, collectives from a
 * delete callback of the communicator that is being freed, communicators never freed, and collectives of the
 * user's MPI_COMM_SELF callback while MPI_Finalize runs.
 */
#include "door.h"

static int finalized_well;
static MPI_Comm kept;

static void use(MPI_Comm comm, int times)
{
    int n, me;
    MPI_Comm_size(comm, &n);
    MPI_Comm_rank(comm, &me);
    for (int i = 0; i < times; i++) {
        int in = me + i, sum = -1, from = me == n - 1 ? 42 + i : 0;
        MPI_Allreduce(&in, &sum, 1, MPI_INT, MPI_SUM, comm);
        CHECK(sum == n * (n - 1) / 2 + n * i);
        MPI_Bcast(&from, 1, MPI_INT, n - 1, comm);
        CHECK(from == 42 + i);
        MPI_Barrier(comm);
    }
}

static int on_delete(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)key;
    (void)value;
    (void)extra;
    use(comm, 3);
    return MPI_SUCCESS;
}

static int on_self_delete(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)comm;
    (void)key;
    (void)value;
    (void)extra;
    use(MPI_COMM_WORLD, 3);
    use(kept, 5);
    finalized_well = 1;
    return MPI_SUCCESS;
}

/* The handles of round i are those of round i + 1, for other groups of other sizes. */
static void reuse(int key)
{
    MPI_Comm comm;
    for (int i = 0; i < 60; i++) {
        switch (i % 4) {
        case 0:
            MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &comm);
            break;
        case 1:
            MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &comm);
            break;
        case 2:
            MPI_Comm_split(MPI_COMM_WORLD, rank < 2, rank, &comm);
            break;
        default:
            MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        }
        if (i % 3 == 0) /* set before vcoll's attribute, so deleted after it */
            MPI_Comm_set_attr(comm, key, NULL);
        use(comm, 2 + i % 3);
        MPI_Comm_free(&comm);
    }
}

static void intercomm(void)
{
    MPI_Comm half, inter, merged;
    int in = rank, sum = -1, low = (size + 1) / 2;
    if (size < 2)
        return;
    MPI_Comm_split(MPI_COMM_WORLD, rank < low, rank, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, rank < low ? low : 0, 9, &inter);
    for (int i = 0; i < 4; i++) {
        MPI_Allreduce(&in, &sum, 1, MPI_INT, MPI_SUM, inter);
        int lows = low * (low - 1) / 2;
        CHECK(sum == (rank < low ? size * (size - 1) / 2 - lows : lows));
        MPI_Barrier(inter);
    }
    MPI_Intercomm_merge(inter, rank < low, &merged);
    use(merged, 4);
    MPI_Comm_free(&merged);
    MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
}

int main(int argc, char **argv)
{
    int key, self_key, world_key;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, NULL);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_self_delete, &self_key, NULL);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &world_key, NULL);
    MPI_Comm_set_attr(MPI_COMM_SELF, self_key, NULL);
    MPI_Comm_set_attr(MPI_COMM_WORLD, world_key, NULL);
    reuse(key);
    intercomm();
    use(MPI_COMM_SELF, 3);
    MPI_Comm_dup(MPI_COMM_WORLD, &kept); /* in use until the end, never freed */
    use(kept, 2);
    MPI_Finalize();
    if (!finalized_well)
        fprintf(stderr, "the callback of MPI_COMM_SELF did not get through\n");
    return !finalized_well;
}
