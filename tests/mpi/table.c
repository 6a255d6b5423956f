/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs under a tuning table; table.sh makes the tables and looks at statistics and messages.
 *   table algorithms COLLECTIVE BYTES NAME...   on every rank, this is what runs
 *   table calls BYTES...                        allreduces of these sizes, in turns, with a late rank
 *   table ordered BYTES                         allreduces with an operator that does not commute
 *   table key NETWORK DEVICE                    what tables are asked about a communicator
 *   table force                                 vcoll_comm_force() where messages go over the MPI
 *   table forced CHOICE BYTES...                as calls, after forcing the choice
 *   table moderation SETTING ok|TEXT            vcoll_cq_moderation() works, or says that
 */
#include "door.h"

#include "vcoll/vcoll.h"
#include <unistd.h>

enum { ROUNDS = 12, BYTES_MAX = 1 << 20 };

static long *in, *out;

/* The communicator is set up by its first collective: VCOLL_SETUP_AFTER=1. */
static void allreduce(MPI_Comm comm, int bytes)
{
    int n = bytes / (int)sizeof *in;
    for (int i = 0; i < n; i++)
        in[i] = rank + i;
    MPI_Allreduce(in, out, n, MPI_LONG, MPI_SUM, comm);
    for (int i = 0; i < n; i++)
        CHECK(out[i] == (long)size * (size - 1) / 2 + (long)size * i);
}

static void algorithms(int n, char **word)
{
    MPI_Comm world = MPI_COMM_WORLD;
    allreduce(world, 8);
    for (int i = 0; i + 2 < n; i += 3) {
        const char *is = vcoll_comm_algorithm(&world, word[i], strtoull(word[i + 1], NULL, 10));
        if (strcmp(is, word[i + 2]) != 0) {
            fprintf(stderr, "rank %d: %s of %s bytes runs %s and not %s\n", rank, word[i], word[i + 1], is,
                    word[i + 2]);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
}

static void calls(int n, char **word)
{
    /* The set-up waits in its own way. */
    allreduce(MPI_COMM_WORLD, atoi(word[0]));
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < n; i++) {
            if (rank == round % size)
                usleep(20000);
            allreduce(MPI_COMM_WORLD, atoi(word[i]));
        }
}

/* Associative, and does not commute: of two the left one. */
static void left(void *in_, void *inout, int *len, MPI_Datatype *type)
{
    (void)type;
    memcpy(inout, in_, (size_t)*len * sizeof(long));
}

static void ordered(int bytes)
{
    MPI_Op op;
    int n = bytes / (int)sizeof *in;
    MPI_Op_create(left, 0, &op);
    for (int i = 0; i < n; i++)
        in[i] = 1000 * rank + i;
    MPI_Allreduce(in, out, n, MPI_LONG, op, MPI_COMM_WORLD);
    for (int i = 0; i < n; i++)
        CHECK(out[i] == i);
    MPI_Op_free(&op);
}

static void key(const char *network, const char *device)
{
    static const char *const platforms[] = {"native", "software", "passthrough", "sriov-vf"};
    struct vcoll_comm_key k;
    MPI_Comm world = MPI_COMM_WORLD, dup;
    int known = 0;
    CHECK(vcoll_comm_key(&world, &k) == -1);
    allreduce(world, 8);
    CHECK(vcoll_comm_key(&world, NULL) == -1);
    CHECK(vcoll_comm_key(&world, &k) == 0);
    CHECK(k.ranks == size && k.nodes >= 1 && k.nodes * k.ppn >= size && k.ppn >= 1);
    CHECK(k.crowded == (k.crowded != 0) && k.bulk_slots == (k.bulk_slots != 0));
    CHECK(strcmp(k.network, network) == 0 && strcmp(k.device, device) == 0);
    for (int i = 0; i < 4; i++)
        known += strcmp(k.platform, platforms[i]) == 0;
    CHECK(known == 1);
    char json[512], part[64];
    CHECK(vcoll_comm_keys(&world, json, sizeof json) == 0 && json[0] == '{');
    snprintf(part, sizeof part, "\"ranks\": %d, \"nodes\": %d, \"ppn\": %d", k.ranks, k.nodes, k.ppn);
    CHECK(strstr(json, part) != NULL);
    snprintf(part, sizeof part, "\"bulk_slots\": %s", k.bulk_slots ? "true" : "false");
    CHECK(strstr(json, part) != NULL);
    CHECK(vcoll_comm_keys(&world, json, strlen(json)) == -1);
    MPI_Comm_dup(world, &dup);
    CHECK(vcoll_comm_key(&dup, &k) == -1 && vcoll_comm_keys(&dup, json, sizeof json) == -1);
    MPI_Comm_free(&dup);
}

static void check_refused(MPI_Comm comm, const char *coll, const char *choice, const char *says)
{
    char why[512] = "";
    CHECK(vcoll_comm_force(&comm, coll, choice, why, sizeof why) == -1);
    if (!strstr(why, says)) {
        fprintf(stderr, "%s=%s: \"%s\" does not say \"%s\"\n", coll, choice, why, says);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    CHECK(vcoll_comm_force(&comm, coll, choice, NULL, 0) == -1);
}

static void check_forced(MPI_Comm comm, const char *coll, const char *choice, const char *runs)
{
    char why[512] = "";
    int rc = vcoll_comm_force(&comm, coll, choice, why, sizeof why);
    if (rc != 0)
        fprintf(stderr, "%s=%s: %s\n", coll, choice, why);
    CHECK(rc == 0);
    for (int bytes = 8; bytes <= BYTES_MAX; bytes *= 32) {
        CHECK(strcmp(vcoll_comm_algorithm(&comm, coll, (unsigned long long)bytes), runs) == 0);
        allreduce(comm, bytes);
    }
}

static void force(void)
{
    MPI_Comm world = MPI_COMM_WORLD, dup;
    check_refused(world, "allreduce", "ring", "not set up");
    allreduce(world, 8);
    char was[2][64];
    snprintf(was[0], sizeof was[0], "%s", vcoll_comm_algorithm(&world, "allreduce", 8));
    snprintf(was[1], sizeof was[1], "%s", vcoll_comm_algorithm(&world, "allreduce", BYTES_MAX));
    check_forced(world, "allreduce", "native", "native");
    check_forced(world, "allreduce", "recursive_doubling", "recursive_doubling");
    check_forced(world, "allreduce", "ring:wait=event", "ring");
    check_forced(world, "allreduce", "recursive_multiplying:radix=3:channel=mpi", "recursive_multiplying");
    /* Refused: what was forced stays. */
    check_refused(world, "allreduce", "rong", "ring");
    check_refused(world, "allreduce", "recursive_multiplying:radix=many", "radix");
    check_refused(world, "nonsense", "native", "nonsense");
    check_refused(world, "allreduce", "recursive_doubling:channel=verbs", "verbs");
    CHECK(strcmp(vcoll_comm_algorithm(&world, "allreduce", 8), "recursive_multiplying") == 0);
    /* Too few elements for the ring: natively, and not another of ours. */
    check_forced(world, "allreduce", "ring", "ring");
    for (int i = 0; i < 5; i++)
        allreduce(world, 8);
    /* Of this communicator alone. */
    MPI_Comm_dup(world, &dup);
    allreduce(dup, 8);
    CHECK(strcmp(vcoll_comm_algorithm(&dup, "allreduce", 8), was[0]) == 0);
    MPI_Comm_free(&dup);
    CHECK(strcmp(vcoll_comm_algorithm(&world, "barrier", 0), "ring") != 0);
    CHECK(vcoll_comm_force(&world, "allreduce", "auto", NULL, 0) == 0);
    CHECK(strcmp(vcoll_comm_algorithm(&world, "allreduce", 8), was[0]) == 0);
    CHECK(strcmp(vcoll_comm_algorithm(&world, "allreduce", BYTES_MAX), was[1]) == 0);
    allreduce(world, 8);
    char why[128] = "";
    CHECK(vcoll_cq_moderation("1:1", why, sizeof why) == -1 && strstr(why, "verbs"));
    CHECK(vcoll_comm_force(NULL, "allreduce", "auto", why, sizeof why) == -1);
}

static void moderation(const char *setting, const char *says)
{
    char why[512] = "";
    int rc = vcoll_cq_moderation(setting, why, sizeof why);
    CHECK(strcmp(says, "ok") == 0 ? rc == 0 : rc == -1 && strstr(why, says));
    allreduce(MPI_COMM_WORLD, 8);
}

static void run(int n, char **word)
{
    MPI_Comm world = MPI_COMM_WORLD;
    if (strcmp(word[0], "algorithms") == 0)
        algorithms(n - 1, word + 1);
    else if (strcmp(word[0], "calls") == 0)
        calls(n - 1, word + 1);
    else if (strcmp(word[0], "ordered") == 0 && n == 2)
        ordered(atoi(word[1]));
    else if (strcmp(word[0], "key") == 0 && n == 3)
        key(word[1], word[2]);
    else if (strcmp(word[0], "force") == 0)
        force();
    else if (strcmp(word[0], "moderation") == 0 && n == 3)
        moderation(word[1], word[2]);
    else if (strcmp(word[0], "forced") == 0 && n > 2) {
        allreduce(world, atoi(word[2]));
        CHECK(vcoll_comm_force(&world, "allreduce", word[1], NULL, 0) == 0);
        calls(n - 2, word + 2);
    } else {
        fprintf(stderr, "table: unknown words\n");
        MPI_Abort(world, 2);
    }
}

int main(int argc, char **argv)
{
    unsigned long long checksum = 1;
    CHECK(argc > 1);
    CHECK(strcmp(vcoll_table(&checksum), "") == 0 && checksum == 0);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    in = malloc(BYTES_MAX);
    out = malloc(BYTES_MAX);
    CHECK(in && out);
    run(argc - 1, argv + 1);
    const char *name = vcoll_table(&checksum);
    if (rank == 0)
        printf("table in use: %s %016llx\n", name, checksum);
    free(in);
    free(out);
    MPI_Finalize();
    CHECK(strcmp(vcoll_table(NULL), "") == 0);
    return 0;
}
