/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll run`: becomes mpirun, with the library preloaded into the program (and not into mpirun). */
#include "tools/facts/facts.h"
#include "tools/vcoll/elf.h"
#include "tools/vcoll/launch.h"
#include "tools/vcoll/tools.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "Usage: vcoll run [--vcoll-lib FILE] [mpirun's options] PROGRAM [ARGUMENTS...]\n";

static const char help[] = "Runs an unmodified MPI program with vcoll: starts mpirun, which preloads the\n"
                           "library into the program. All VCOLL_ variables of the environment reach every\n"
                           "rank, on other nodes too.\n"
                           "\n"
                           "  --vcoll-lib FILE   preload this library and not the one that belongs to this\n"
                           "                     command; must be the first argument\n"
                           "  --help             print this text; must be the first argument\n"
                           "\n"
                           "All other arguments are mpirun's or the program's. Other libraries can be\n"
                           "preloaded as usual, with LD_PRELOAD in the environment or -x LD_PRELOAD=FILE:\n"
                           "vcoll comes behind them. A program that was built with -fsanitize=address needs\n"
                           "the library of the sanitizer first, and gets it.\n"
                           "\n"
                           "Examples:\n"
                           "  vcoll run -n 8 ./app input.dat\n"
                           "  vcoll run -n 2 ./master : -n 6 ./worker\n"
                           "  VCOLL_WAIT=event vcoll run --hostfile hosts -n 64 ./app\n"
                           "  VCOLL_STATS=text vcoll run -n 4 python3 script.py\n"
                           "\n"
                           "On several nodes the library must lie at the same path on all of them.\n"
                           "Exit status: mpirun's; 2 wrong arguments, 126 mpirun or the library cannot be\n"
                           "used, 127 mpirun is not found.\n";

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0;
}

/* Writes the library's absolute path to `lib` (PATH_MAX bytes). 0, or an exit code after a message. */
static int find_library(const char *given, char *lib)
{
    errno = 0;
    if (given && (!is_file(given) || !realpath(given, lib))) {
        fprintf(stderr, "vcoll run: --vcoll-lib %s: %s\n", given,
                errno ? strerror(errno) : "not a regular file");
        return VC_EXIT_CANNOT_RUN;
    }
    if (!given && !facts_library(VC_LIB_FROM_BIN, lib)) {
        fprintf(stderr, "vcoll run: libvcoll.so is not where this command was installed or built "
                        "(../pmpi, " VC_LIB_FROM_BIN
                        ", ../lib64 and ../lib beside it); name it with --vcoll-lib FILE\n");
        return VC_EXIT_CANNOT_RUN;
    }
    /* The dynamic linker splits LD_PRELOAD at blanks and colons, mpirun its list of variables at semicolons.
     */
    if (strpbrk(lib, " :;\t\n")) {
        fprintf(stderr,
                "vcoll run: \"%s\" has a blank, colon or semicolon in its path: it cannot be preloaded\n",
                lib);
        return VC_EXIT_CANNOT_RUN;
    }
    return 0;
}

/* Whether words i and i + 1 are "-x LD_PRELOAD=..." or "-x LD_PRELOAD"; the libraries in *libs ("" possible).
 */
static bool is_user_preload(int argc, char **argv, int i, const char **libs)
{
    if (i + 1 >= argc || (strcmp(argv[i], "-x") != 0 && strcmp(argv[i], "--x") != 0) ||
        strncmp(argv[i + 1], "LD_PRELOAD", 10) != 0)
        return false;
    const char *rest = argv[i + 1] + 10;
    if (*rest == '=') {
        *libs = rest + 1;
        return true;
    }
    const char *own = *rest == '\0' ? getenv("LD_PRELOAD") : NULL;
    if (own)
        *libs = own;
    return own != NULL;
}

/*
 * The library of the address sanitizer must come before all others, or a program that needs it ends at once.
 * The program may be any of the words: env and debuggers start others.
 */
static bool find_sanitizer(int argc, char **argv, char *name, size_t len)
{
    static const char *const prefix[] = {"libasan.so", "libclang_rt.asan"};
    char path[PATH_MAX];
    for (int i = 0; i < argc; i++)
        for (size_t k = 0; k < sizeof prefix / sizeof prefix[0]; k++)
            if (argv[i][0] != '-' && elf_find_program(argv[i], path, sizeof path) &&
                elf_needs(path, prefix[k], name, len))
                return true;
    return false;
}

/*
 * LD_PRELOAD for one program: what the user preloads keeps its place before vcoll, which is an implementation
 * of the calls that profilers wrap. NULL without memory.
 */
static char *preload(int argc, char **argv, const char *theirs, const char *lib)
{
    char sanitizer[256] = "", *all;
    if (!find_sanitizer(argc, argv, sanitizer, sizeof sanitizer) || (theirs && strstr(theirs, sanitizer)))
        sanitizer[0] = '\0';
    int n = asprintf(&all, "LD_PRELOAD=%s%s%s%s%s", sanitizer, sanitizer[0] ? ":" : "", theirs ? theirs : "",
                     theirs && *theirs ? ":" : "", lib);
    return n < 0 ? NULL : all;
}

/*
 * One program's words, up to a ":" that separates programs (mpirun's -x counts for one of them). mpirun lets
 * the last -x LD_PRELOAD win, so the user's are taken out, and the last of them is joined to ours.
 */
static void add_program(struct words *w, int argc, char **argv, const char *lib)
{
    const char *theirs = getenv("LD_PRELOAD");
    for (int i = 0; i < argc; i++)
        is_user_preload(argc, argv, i, &theirs);
    char *value = preload(argc, argv, theirs, lib);
    if (!value) {
        w->failed = true;
        return;
    }
    words_add(w, "-x");
    words_add(w, value);
    free(value);
    words_add_settings(w);
    for (int i = 0; i < argc; i++) {
        if (is_user_preload(argc, argv, i, &theirs))
            i++;
        else
            words_add(w, argv[i]);
    }
}

int vc_tool_run(int argc, char **argv)
{
    const char *given = NULL;
    int first = 1;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        fputs(usage, stdout);
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 2 && strcmp(argv[1], "--vcoll-lib") == 0) {
        given = argv[2];
        first = 3;
    } else if (argc > 1 && strncmp(argv[1], "--vcoll-lib=", 12) == 0) {
        given = argv[1] + 12;
        first = 2;
    }
    if (first >= argc || strcmp(argv[first], "--vcoll-lib") == 0) {
        fprintf(stderr, "vcoll run: no program given\n%s`vcoll run --help' shows examples.\n", usage);
        return VC_EXIT_USAGE;
    }
    char lib[PATH_MAX];
    int code = find_library(given, lib);
    if (code)
        return code;

    struct words w = {NULL, 0, false};
    words_add(&w, "mpirun");
    for (int from = first; from <= argc;) {
        int to = from;
        while (to < argc && strcmp(argv[to], ":") != 0)
            to++;
        if (from > first)
            words_add(&w, ":");
        add_program(&w, to - from, argv + from, lib);
        from = to + 1;
    }
    if (w.failed) {
        fprintf(stderr, "vcoll run: out of memory\n");
        words_free(&w);
        return EXIT_FAILURE;
    }
    fflush(NULL);
    execvp("mpirun", w.word);
    int why = errno;
    words_free(&w);
    if (why == ENOENT) {
        fprintf(
            stderr,
            "vcoll run: mpirun is not in PATH; install Open MPI (Debian: openmpi-bin), or load its module\n");
        return VC_EXIT_NOT_FOUND;
    }
    fprintf(stderr, "vcoll run: cannot start mpirun: %s\n", strerror(why));
    return VC_EXIT_CANNOT_RUN;
}
