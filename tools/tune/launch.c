/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts itself under mpirun, and stays as its parent: an interrupted mpirun kills its ranks after a second,
 * which is too little for the round under way, the table and the devices. So the signals end here; mpirun is
 * asked to pass on SIGUSR1, on which the ranks come to an end in order. A second signal ends mpirun at once.
 */
#include "tools/bench/args.h"
#include "tools/tune/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_MPIRUN 127

static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
enum { NSIGS = sizeof sigs / sizeof sigs[0] };

static void become_mpirun(char **word, pid_t parent, const sigset_t *before)
{
    /* The terminal's ^C is for the parent alone; and without a parent nobody would end this. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    sigprocmask(SIG_SETMASK, before, NULL);
    /* What ranks have to say about how they ended, they have said themselves. Variables, because the word for
     * it
     * (-q) is one that Open MPI 5 refuses: the first is for launchers before that, the second for those
     * since. */
    setenv("OMPI_MCA_orte_execute_quiet", "1", 0);
    setenv("PRTE_MCA_prte_execute_quiet", "1", 0);
    /* Outside the terminal's group, reading from it would stop mpirun. */
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    execvp("mpirun", word);
    fprintf(stderr, "vcoll tune: cannot start mpirun: %s\n", strerror(errno));
    _exit(NO_MPIRUN);
}

/* Until mpirun ends: its exit code, or 128 + the signal that was meant for it. */
static int wait_for(pid_t child, const sigset_t *set)
{
    int first = 0, status = 0;
    for (;;) {
        int sig = sigwaitinfo(set, NULL);
        if (sig == SIGCHLD && waitpid(child, &status, WNOHANG) == child)
            break;
        if (sig <= 0 || sig == SIGCHLD)
            continue;
        kill(child, first ? SIGTERM : SIGUSR1);
        if (!first)
            fprintf(stderr, "\nvcoll tune: ending in order; once more to end at once\n");
        first = sig;
    }
    if (first)
        return 128 + first;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tune_launch(const struct vc_search_opts *o)
{
    sigset_t set, before;
    char **word = bench_launch_words(&o->m);
    pid_t self = getpid();
    if (!word)
        return 1;
    sigemptyset(&set);
    for (int i = 0; i < NSIGS; i++)
        sigaddset(&set, sigs[i]);
    /* Blocked from here on, so that none is lost between the fork and the wait. */
    sigprocmask(SIG_BLOCK, &set, &before);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_mpirun(word, self, &before);
    if (child < 0) {
        fprintf(stderr, "vcoll tune: cannot start mpirun: %s\n", strerror(errno));
        return 1;
    }
    return wait_for(child, &set);
}
