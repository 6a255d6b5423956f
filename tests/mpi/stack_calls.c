/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stack_calls vcoll=WORD TOOL=WORD...: every call that vcoll takes over, twice. TOOL is the name of a
 * stack_tool; WORD is all (it saw every call, Init and Finalize included), ends (it saw these two), or none.
 * vcoll=on: vcoll serves MPI_COMM_WORLD; off: it does not, or is not there.
 */
#include "door.h"

#include "vcoll/vcoll.h"
#include <dlfcn.h>

static const char *const collectives[] = {
    "Barrier",   "Bcast",     "Gather",     "Gatherv",        "Scatter",
    "Scatterv",  "Allgather", "Allgatherv", "Alltoall",       "Alltoallv",
    "Alltoallw", "Reduce",    "Allreduce",  "Reduce_scatter", "Reduce_scatter_block",
    "Scan",      "Exscan"};

static void call_all(MPI_Comm comm)
{
    int one[64], many[64], n[64], at[64], bytes[64];
    MPI_Datatype t[64];
    for (int i = 0; i < size; i++) {
        one[i] = many[i] = rank + i;
        n[i] = 1;
        at[i] = i;
        bytes[i] = i * (int)sizeof(int);
        t[i] = MPI_INT;
    }
    MPI_Barrier(comm);
    MPI_Bcast(one, 1, MPI_INT, 0, comm);
    MPI_Gather(one, 1, MPI_INT, many, 1, MPI_INT, 0, comm);
    MPI_Gatherv(one, 1, MPI_INT, many, n, at, MPI_INT, 0, comm);
    MPI_Scatter(many, 1, MPI_INT, one, 1, MPI_INT, 0, comm);
    MPI_Scatterv(many, n, at, MPI_INT, one, 1, MPI_INT, 0, comm);
    MPI_Allgather(one, 1, MPI_INT, many, 1, MPI_INT, comm);
    MPI_Allgatherv(one, 1, MPI_INT, many, n, at, MPI_INT, comm);
    MPI_Alltoall(one, 1, MPI_INT, many, 1, MPI_INT, comm);
    MPI_Alltoallv(one, n, at, MPI_INT, many, n, at, MPI_INT, comm);
    MPI_Alltoallw(one, n, bytes, t, many, n, bytes, t, comm);
    MPI_Reduce(one, many, 1, MPI_INT, MPI_SUM, 0, comm);
    MPI_Reduce_scatter(one, many, n, MPI_INT, MPI_SUM, comm);
    MPI_Reduce_scatter_block(one, many, 1, MPI_INT, MPI_SUM, comm);
    MPI_Scan(one, many, 1, MPI_INT, MPI_SUM, comm);
    MPI_Exscan(one, many, 1, MPI_INT, MPI_SUM, comm);
    int x = rank + 1, sum = 0;
    MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK(sum == size * (size + 1) / 2);
}

static int saw(const char *tool, const char *call)
{
    char symbol[64];
    int (*fn)(const char *);
    snprintf(symbol, sizeof symbol, "%s_saw", tool);
    *(void **)&fn = dlsym(RTLD_DEFAULT, symbol);
    return fn ? fn(call) : -1;
}

/* 0, or 1 after a line. */
static int expect(const char *tool, const char *call, int calls)
{
    int got = saw(tool, call);
    if (got == calls)
        return 0;
    fprintf(stderr, "rank %d: %s saw MPI_%s %d times instead of %d\n", rank, tool, call, got, calls);
    return 1;
}

static int check_tool(const char *tool, const char *word)
{
    int bad = 0, all = strcmp(word, "all") == 0, ends = all || strcmp(word, "ends") == 0;
    for (size_t i = 0; i < sizeof collectives / sizeof *collectives; i++)
        bad += expect(tool, collectives[i], all ? 2 : 0);
    bad += expect(tool, "Comm_free", all) + expect(tool, "Comm_disconnect", all);
    bad += expect(tool, "Init_thread", 0);
    if (strcmp(word, "ends") != 0) /* behind vcoll it hears vcoll's own PMPI_Comm_rank as well */
        bad += expect(tool, "Comm_rank", all);
    return bad + expect(tool, "Init", ends) + expect(tool, "Finalize", ends);
}

/* Whether vcoll serves the world. */
static int served(void)
{
    int (*describe)(const void *, struct vcoll_comm_info *);
    struct vcoll_comm_info info;
    MPI_Comm world = MPI_COMM_WORLD;
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    return describe && describe(&world, &info) == 0 && info.active;
}

int main(int argc, char **argv)
{
    MPI_Comm a, b;
    int bad = 0, on;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    call_all(MPI_COMM_WORLD);
    call_all(MPI_COMM_WORLD);
    on = served();
    MPI_Comm_dup(MPI_COMM_WORLD, &a);
    MPI_Comm_dup(MPI_COMM_WORLD, &b);
    MPI_Comm_free(&a);
    MPI_Comm_disconnect(&b);
    MPI_Finalize();
    for (int i = 1; i < argc; i++) {
        char *word = strchr(argv[i], '=');
        if (!word)
            return 2;
        *word++ = '\0';
        if (strcmp(argv[i], "vcoll") == 0) {
            if (on != (strcmp(word, "on") == 0)) {
                fprintf(stderr, "rank %d: vcoll is not %s\n", rank, word);
                bad++;
            }
        } else {
            bad += check_tool(argv[i], word);
        }
    }
    return bad != 0;
}
