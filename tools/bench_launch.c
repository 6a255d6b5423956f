/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-bench starts itself: without mpirun around it, it becomes mpirun of itself on this machine. */
#include "tools/bench.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool bench_under_launcher(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

static int read_int(const char *format, int cpu)
{
    char path[128];
    int v = -1;
    snprintf(path, sizeof path, format, cpu);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    if (fscanf(f, "%d", &v) != 1)
        v = -1;
    fclose(f);
    return v;
}

/* How many CPUs this process may use, and how many cores they belong to. */
static int count_cpus(int *cores)
{
    cpu_set_t set;
    int seen[CPU_SETSIZE][2], n = 0;
    *cores = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return *cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set))
            continue;
        int core = read_int("/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
        int package = read_int("/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
        int i = 0;
        while (i < *cores && (core < 0 || seen[i][0] != core || seen[i][1] != package))
            i++;
        if (i == *cores) {
            seen[*cores][0] = core;
            seen[*cores][1] = package;
            ++*cores;
        }
        n++;
    }
    return n;
}

/* Whether somebody else decides on which CPUs ranks run: who binds, or who names hosts, of which nothing is
 * known here. Then mpirun is left to its settings. */
static bool has_policy(const struct bench_opts *o)
{
    static const char *const variable[] = {"OMPI_MCA_hwloc_base_binding_policy",
                                           "OMPI_MCA_orte_default_hostfile"};
    static const char *const option[] = {"--bind-to", "-bind-to",      "--hostfile",
                                         "-hostfile", "--machinefile", "-machinefile",
                                         "--host",    "-host",         "-H"};
    for (size_t i = 0; i < sizeof variable / sizeof variable[0]; i++)
        if (getenv(variable[i]))
            return true;
    for (int k = 0; k < o->nmpirun; k++)
        for (size_t i = 0; i < sizeof option / sizeof option[0]; i++)
            if (strcmp(o->mpirun[k], option[i]) == 0)
                return true;
    return false;
}

int bench_launch(const struct bench_opts *o)
{
    char self[4096], ranks[16];
    char *word[BENCH_MAX_SETS + 16];
    int n = 0, cores;
    int cpus = count_cpus(&cores);
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0) {
        fprintf(stderr, "vcoll bench: cannot find its own program: %s\n", strerror(errno));
        return 1;
    }
    self[len] = '\0';
    int want = o->ranks ? o->ranks : cpus > 1 ? cpus : 2;
    if (o->root >= want) {
        fprintf(stderr, "vcoll bench: --root %d: there are ranks 0 to %d\n", o->root, want - 1);
        return 2;
    }
    snprintf(ranks, sizeof ranks, "%d", want);
    word[n++] = "mpirun";
    word[n++] = "-n";
    word[n++] = ranks;
    if (!has_policy(o)) {
        /* A rank that wanders between cores measures the scheduler. With more ranks than cores, binding would
         * decide who shares a core with whom, which is the kernel's business in the situation that is to be
         * measured. */
        if (want <= cores) {
            word[n++] = "--bind-to";
            word[n++] = "core";
        } else if (want <= cpus) {
            word[n++] = "--use-hwthread-cpus";
            word[n++] = "--bind-to";
            word[n++] = "hwthread";
        } else {
            word[n++] = "--oversubscribe";
            word[n++] = "--bind-to";
            word[n++] = "none";
        }
    }
    for (int i = 0; i < o->nmpirun; i++)
        word[n++] = (char *)(uintptr_t)o->mpirun[i];
    char **args = calloc((size_t)n + (size_t)o->argc + 3, sizeof *args);
    if (!args) {
        fprintf(stderr, "vcoll bench: out of memory\n");
        return 1;
    }
    memcpy(args, word, (size_t)n * sizeof *args);
    args[n++] = self;
    /* The ranks' standard error is a pipe: whether a person watches is known here alone. */
    if (isatty(STDERR_FILENO))
        args[n++] = "--progress";
    for (int i = 1; i < o->argc; i++)
        args[n++] = o->argv[i];
    /* mpirun refuses to start things as root without being told twice; what it starts here is this very
     * program. */
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    fflush(NULL);
    execvp("mpirun", args);
    fprintf(stderr, "vcoll bench: cannot start mpirun: %s\n", strerror(errno));
    free(args);
    return 1;
}
