/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_ends WHAT: what a communicator's end does to what the program may see and change (Law 7), and that no
 * state outlives its handle, whatever the delete callbacks of the program do.
 */
#include "law.h"

#include <pthread.h>

static int rank, size;

static void use(MPI_Comm comm, int times)
{
    int me, n;
    MPI_Comm_rank(comm, &me);
    MPI_Comm_size(comm, &n);
    for (int i = 0; i < times; i++) {
        long v = me + i, sum = -1;
        int all[64], from = me == n - 1 ? 7 + i : -1;
        MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, comm);
        LAW_CHECK(sum == (long)n * (n - 1) / 2 + (long)n * i, "sum %ld of %d ranks", sum, n);
        MPI_Allgather(&me, 1, MPI_INT, all, 1, MPI_INT, comm);
        for (int r = 0; r < n; r++)
            LAW_CHECK(all[r] == r, "rank %d's block is %d", r, all[r]);
        MPI_Bcast(&from, 1, MPI_INT, n - 1, comm);
        LAW_CHECK(from == 7 + i, "bcast brought %d", from);
        MPI_Barrier(comm);
    }
}

/* Whether vcoll serves it; -1 without vcoll. */
static int active(MPI_Comm comm)
{
    struct {
        int active, nodes, here;
        unsigned long long shm, heap;
        double s;
        const char *why;
    } info;
    int (*describe)(const void *, void *);
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    return !describe ? -1 : describe(&comm, &info) == 0 && info.active;
}

static void name_is(MPI_Comm comm, const char *name)
{
    char got[MPI_MAX_OBJECT_NAME + 1];
    int len = -1;
    memset(got, 'x', sizeof got);
    MPI_Comm_get_name(comm, got, &len);
    LAW_CHECK(len == (int)strlen(name) && strcmp(got, name) == 0, "name \"%s\" of %d characters", got, len);
}

/* ---- names ---- */

static char expected_name[MPI_MAX_OBJECT_NAME];

static int on_delete_name(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)key;
    (void)value;
    (void)extra;
    name_is(comm, expected_name);
    return MPI_SUCCESS;
}

static void with_name(int key, const char *name)
{
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_attr(comm, key, NULL);
    MPI_Comm_set_name(comm, name);
    snprintf(expected_name, sizeof expected_name, "%s", name);
    use(comm, 4);
    LAW_CHECK(active(comm) != 0, "passes through because of its name");
    name_is(comm, name);
    MPI_Comm_free(&comm);
}

static void names(void)
{
    int key;
    char longest[MPI_MAX_OBJECT_NAME];
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete_name, &key, NULL);
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    with_name(key, rank == 0 ? "solver\001" : "solver"); /* names are local */
    with_name(key, longest);
    longest[sizeof longest - 2] = '\001';
    with_name(key, longest);
    with_name(key, "");
}

/* ---- what callbacks do ---- */

static MPI_Comm kept;
static int in_callback, fails;

/* Renames it, uses it past any set-up, has it duplicated, and makes, uses and frees another. */
static int on_delete(MPI_Comm comm, int key, void *value, void *extra)
{
    MPI_Comm other;
    (void)key;
    (void)value;
    (void)extra;
    in_callback++;
    if (fails)
        return MPI_ERR_OTHER;
    MPI_Comm_set_name(comm, "renamed");
    use(comm, 3);
    LAW_CHECK(active(comm) <= 0, "served while it is freed");
    MPI_Comm_split(comm, 0, -rank, &other);
    use(other, 3);
    LAW_CHECK(active(other) != 0, "a communicator made in a callback is not served");
    MPI_Comm_free(&other);
    MPI_Comm_dup(comm, &kept);
    name_is(comm, "renamed");
    use(comm, 1);
    return MPI_SUCCESS;
}

/* A communicator of ranks in another order, with the handle of the last one if the MPI likes. */
static int reversed(MPI_Comm before)
{
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &comm);
    int same = comm == before;
    use(comm, 4);
    LAW_CHECK(active(comm) != 0, "not served");
    MPI_Comm_free(&comm);
    return same;
}

/* `early` ranks set their attribute before vcoll has met the communicator, so that it goes after vcoll's. */
static void callbacks(int (*end)(MPI_Comm *), int early)
{
    int key, again = 0;
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, NULL);
    for (int round = 0; round < 12; round++) {
        MPI_Comm comm, was;
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        if (early)
            MPI_Comm_set_attr(comm, key, NULL);
        use(comm, round % 4); /* 0: never used */
        if (!early)
            MPI_Comm_set_attr(comm, key, NULL);
        was = comm;
        in_callback = 0;
        end(&comm);
        LAW_CHECK(comm == MPI_COMM_NULL && in_callback == 1, "%d callbacks", in_callback);
        again += reversed(was);
        use(kept, 4);
        LAW_CHECK(active(kept) != 0, "the duplicate is not served");
        MPI_Comm_free(&kept);
    }
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory from being used again */
    LAW_CHECK(again > 0, "no handle was ever reused: this test shows nothing");
#else
    (void)again;
#endif
}

/* ---- ends that are none ---- */

static void failures(void)
{
    int key;
    MPI_Comm comm, world = MPI_COMM_WORLD, null = MPI_COMM_NULL;
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, NULL);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    use(world, 4);
    /* One rank alone: the others do not hear of it. */
    if (rank == 0) {
        LAW_CHECK(MPI_Comm_free(&world) != MPI_SUCCESS, "MPI_COMM_WORLD was freed");
        LAW_CHECK(MPI_Comm_free(&null) != MPI_SUCCESS, "MPI_COMM_NULL was freed");
        LAW_CHECK(MPI_Comm_disconnect(&null) != MPI_SUCCESS, "MPI_COMM_NULL was disconnected");
    }
    LAW_CHECK(active(MPI_COMM_WORLD) != 0, "not served after an error");
    use(MPI_COMM_WORLD, 4);
    /* A callback that refuses: the communicator lives on, with the order of attributes either way. */
    for (int early = 0; early < 2; early++) {
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        if (early)
            MPI_Comm_set_attr(comm, key, NULL);
        use(comm, 4);
        if (!early)
            MPI_Comm_set_attr(comm, key, NULL);
        fails = 1;
        LAW_CHECK(MPI_Comm_free(&comm) != MPI_SUCCESS && comm != MPI_COMM_NULL,
                  "freed in spite of the callback");
        fails = 0;
        use(comm, 4);
        LAW_CHECK(active(comm) != 0, "not served after a failed MPI_Comm_free");
        MPI_Comm was = comm;
        LAW_CHECK(MPI_Comm_free(&comm) == MPI_SUCCESS && comm == MPI_COMM_NULL, "cannot be freed any more");
        reversed(was);
    }
}

/* ---- past MPI_Comm_free ---- */

static void bypass(void)
{
    int key;
    void *mpi = dlopen("libmpi.so.40", RTLD_LAZY | RTLD_NOLOAD);
    int (*end)(MPI_Comm *) = NULL;
    if (mpi)
        *(void **)&end = dlsym(mpi, "PMPI_Comm_free");
    if (!end) {
        printf("SKIP: no libmpi.so.40\n");
        exit(77);
    }
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &key, NULL);
    for (int round = 0; round < 12; round++) {
        MPI_Comm comm, was;
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        MPI_Comm_set_attr(comm, key, NULL);
        use(comm, 1 + round % 3);
        was = comm;
        end(&comm);
        reversed(was);
        use(kept, 4);
        MPI_Comm_free(&kept);
    }
}

/* ---- threads ---- */

static MPI_Comm thread_comm[3];

static int on_delete_use(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)key;
    (void)value;
    (void)extra;
    use(comm, 2);
    return MPI_SUCCESS;
}

/* Handles that one thread gives back are another's the next moment. */
static void *churn(void *arg)
{
    MPI_Comm own = *(MPI_Comm *)arg;
    int key;
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete_use, &key, NULL);
    for (int i = 0; i < 40; i++) {
        MPI_Comm comm;
        MPI_Comm_split(own, 0, i % 2 ? -rank : rank, &comm);
        if (i % 3 == 0)
            MPI_Comm_set_attr(comm, key, NULL);
        use(comm, 3);
        MPI_Comm_free(&comm);
    }
    return NULL;
}

static void threads(int provided)
{
    pthread_t thread[3];
    if (provided < MPI_THREAD_MULTIPLE) {
        printf("SKIP: no MPI_THREAD_MULTIPLE\n");
        exit(77);
    }
    for (int i = 0; i < 3; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &thread_comm[i]);
    for (int i = 0; i < 3; i++)
        LAW_CHECK(pthread_create(&thread[i], NULL, churn, &thread_comm[i]) == 0, "no thread");
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int provided;
    MPI_Init_thread(&argc, &argv, strcmp(what, "threads") == 0 ? MPI_THREAD_MULTIPLE : MPI_THREAD_SINGLE,
                    &provided);
    law_watchdog(50);
    law_stage = what;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (strcmp(what, "names") == 0) {
        names();
    } else if (strcmp(what, "free") == 0) {
        callbacks(MPI_Comm_free, 1);
        callbacks(MPI_Comm_free, 0);
        callbacks(MPI_Comm_free, rank % 2);
    } else if (strcmp(what, "disconnect") == 0) {
        callbacks(MPI_Comm_disconnect, 1);
        callbacks(PMPI_Comm_disconnect, 0);
        callbacks(PMPI_Comm_free, rank % 2);
    } else if (strcmp(what, "failures") == 0) {
        failures();
    } else if (strcmp(what, "bypass") == 0) {
        bypass();
    } else if (strcmp(what, "threads") == 0) {
        threads(provided);
    } else {
        LAW_CHECK(0, "usage: law_ends names|free|disconnect|failures|bypass|threads");
    }
    MPI_Finalize();
    return 0;
}
