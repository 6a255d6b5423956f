/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-bench and vcoll-tune start themselves: without mpirun around, they become mpirun of themselves on
 * this machine. */
#include "tools/bench/args.h"
#include "tools/vcoll/launch.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Whether somebody else decides on which CPUs ranks run: who binds or places, or who names hosts, of which
 * nothing is known here. Then mpirun is left to its settings. Its launcher is called ORTE up to Open MPI 4,
 * and PRRTE since, with variables of its own. */
static bool has_policy(const struct vc_measure_opts *o)
{
    static const char *const variable[] = {
        "OMPI_MCA_hwloc_base_binding_policy",    "OMPI_MCA_orte_default_hostfile",
        "OMPI_MCA_rmaps_base_mapping_policy",    "PRTE_MCA_hwloc_default_binding_policy",
        "PRTE_MCA_rmaps_default_mapping_policy", "PRTE_MCA_prte_default_hostfile"};
    static const char *const option[] = {"--bind-to", "-bind-to",      "--hostfile",
                                         "-hostfile", "--machinefile", "-machinefile",
                                         "--host",    "-host",         "-H"};
    for (size_t i = 0; i < sizeof variable / sizeof variable[0]; i++) {
        const char *value = getenv(variable[i]);
        /* ":oversubscribe" and the like modify the default policy, and are none. */
        if (value && value[0] != ':')
            return true;
    }
    for (int k = 0; k < o->nmpirun; k++)
        for (size_t i = 0; i < sizeof option / sizeof option[0]; i++)
            if (strcmp(o->mpirun[k], option[i]) == 0)
                return true;
    return false;
}

/* Words that bind, after what there is room for. */
static void add_binding(int want, struct words *w)
{
    int cores, cpus = count_cpus(&cores);
    /* A rank that wanders between cores measures the scheduler. With more ranks than cores, binding would
     * decide who shares a core with whom, which is the kernel's business in the situation that is to be
     * measured. */
    bool core = want <= cores, thread = !core && want <= cpus;
    if (!core)
        words_add(w, thread ? "--use-hwthread-cpus" : "--oversubscribe");
    words_add(w, "--bind-to");
    words_add(w, core ? "core" : thread ? "hwthread" : "none");
}

/* How many ranks are started. */
static int wanted(const struct vc_measure_opts *o)
{
    int cores, cpus = count_cpus(&cores);
    return o->ranks ? o->ranks : cpus > 1 ? cpus : 2;
}

char **bench_launch_words(const struct vc_measure_opts *o)
{
    static struct words w;
    char self[4096], ranks[16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0) {
        fprintf(stderr, "%s: cannot find its own program: %s\n", o->program, strerror(errno));
        return NULL;
    }
    self[len] = '\0';
    snprintf(ranks, sizeof ranks, "%d", wanted(o));
    words_free(&w);
    words_add(&w, "mpirun");
    words_add(&w, "-n");
    words_add(&w, ranks);
    if (!has_policy(o))
        add_binding(wanted(o), &w);
    for (int i = 0; i < o->nmpirun; i++)
        words_add(&w, o->mpirun[i]);
    words_add_settings(&w);
    words_add(&w, self);
    for (int i = 1; i < o->argc; i++)
        words_add(&w, o->argv[i]);
    /* The ranks' standard error is a pipe: whether a person watches is known here alone. It comes last,
     * because the first words may be a command. */
    if (isatty(STDERR_FILENO))
        words_add(&w, "--progress");
    if (w.failed) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return NULL;
    }
    launch_allow_root();
    return w.word;
}

int bench_launch(const struct vc_measure_opts *o)
{
    if (o->root >= wanted(o)) {
        fprintf(stderr, "%s: --root %d: there are ranks 0 to %d\n", o->program, o->root, wanted(o) - 1);
        return 2;
    }
    char **word = bench_launch_words(o);
    if (!word)
        return 1;
    fflush(NULL);
    execvp("mpirun", word);
    fprintf(stderr, "%s: cannot start mpirun: %s\n", o->program, strerror(errno));
    return 1;
}
