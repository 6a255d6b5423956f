/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll doctor`: what is wrong or slow on an allocation. Each rank looks at itself, the first rank of each
 * operating system at its machine, and rank 0 at the job. What they find are findings; those that say the
 * same are merged on their way to rank 0, so that what travels grows with what is wrong and not with the
 * number of ranks.
 *
 * A check is a row of doc_checks (checks.c): the text, the JSON, `vcoll doctor --list` and the table in
 * docs/doctor.md come from it.
 */
#ifndef VC_TOOLS_DOCTOR_DOCTOR_H
#define VC_TOOLS_DOCTOR_DOCTOR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/** In ascending order of trouble. */
enum doc_severity {
    DOC_OK,     /**< passed, or cannot be told; shown with --all */
    DOC_HINT,   /**< worth knowing; does not change the exit code */
    DOC_SLOW,   /**< it works, but costs time */
    DOC_BROKEN, /**< something that was asked for does not work */
    DOC_SEVERITIES
};
/** "ok", "hint", "slow", "broken". Static storage. */
const char *doc_severity_name(enum doc_severity s);
/** The severity of that name, or -1. */
int doc_severity_by_name(const char *name);

/** Exit codes: the severity decides; wrong words and troubles of the doctor itself are other ones. */
enum {
    DOC_EXIT_WELL = 0,
    DOC_EXIT_SLOW = 1,
    DOC_EXIT_BROKEN = 2,
    DOC_EXIT_USAGE = 64,
    DOC_EXIT_TROUBLE = 70
};

/* ---- sets of ranks, or of CPUs ---- */

/** Ascending and without repetition. Zeroed: empty. */
struct doc_set {
    int *v;
    int n, cap;
};
void doc_set_add(struct doc_set *s, int value);
void doc_set_join(struct doc_set *s, const struct doc_set *other);
bool doc_set_has(const struct doc_set *s, int value);
void doc_set_free(struct doc_set *s);
/** "0-3,8", malloc()ed; "" for the empty one. */
char *doc_set_text(const struct doc_set *s);
/** Reads that again and adds it. False when malformed; what stood before the mistake is then added. */
bool doc_set_parse(struct doc_set *s, const char *text);

/* ---- checks and findings ---- */

/** What should be equal on all ranks. */
enum doc_same {
    DOC_SAME_LIBRARY,
    DOC_SAME_MPI,
    DOC_SAME_SETTINGS,
    DOC_SAME_LOCAL, /**< settings in which ranks may differ */
    DOC_SAME_KERNEL,
    DOC_SAME_PLATFORM,
    DOC_SAME_CPU,
    DOC_SAME_DEVICE,
    DOC_SAMES
};

struct doc_rank;
struct doc_node;
struct doc_job;
struct doc_out;

struct doc_check {
    const char *id;          /**< stable, for programs and --only */
    const char *title;       /**< for people */
    enum doc_severity worst; /**< the worst it can say */
    /** One of these looks; all NULL: the finding comes from a probe (the RDMA paths), or from collecting. */
    void (*rank)(const struct doc_rank *r, struct doc_out *out);
    void (*node)(const struct doc_node *n, struct doc_out *out);
    void (*job)(const struct doc_job *j, struct doc_out *out);
    enum doc_same same; /**< with doc_check_same: the fact that should be the same on all ranks */
    const char *about;  /**< what is looked at */
    const char *cost;   /**< what it costs when it is not as it should be */
    const char *fix;    /**< what to do; a finding may know better */
};
extern const struct doc_check doc_checks[];
extern const int doc_nchecks;
/** NULL when there is none of that name. */
const struct doc_check *doc_check_by_id(const char *id);

struct doc_finding {
    const struct doc_check *check;
    enum doc_severity severity;
    char *what; /**< what was found */
    char *fix;  /**< what to do here; NULL: the check's */
    struct doc_set ranks;
};
struct doc_findings {
    struct doc_finding *v;
    int n, cap;
};
/** Adds, or widens the ranks of one that says the same. The texts are copied. */
void doc_findings_add(struct doc_findings *f, const struct doc_check *check, enum doc_severity severity,
                      const struct doc_set *ranks, const char *what, const char *fix);
/** Worst first, then in the order of the checks, then by the first rank. */
void doc_findings_sort(struct doc_findings *f);
void doc_findings_free(struct doc_findings *f);

/** Where a check puts what it finds. */
struct doc_out {
    struct doc_findings *to;
    const struct doc_check *check;
    const struct doc_set *ranks; /**< those the check looks at */
};
/** A finding about all of out->ranks. `fix` NULL: the check's. */
void doc_say(struct doc_out *out, enum doc_severity severity, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/** A finding about some ranks. */
void doc_say_of(struct doc_out *out, enum doc_severity severity, const struct doc_set *ranks, const char *fix,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/** Which checks are wanted. */
bool doc_wanted(const struct doc_check *check);
/** --only and --skip: names separated by commas. False, with the wrong name in `bad`. */
bool doc_want_only(const char *list, char *bad, size_t len);
bool doc_want_skip(const char *list, char *bad, size_t len);

/** Runs all wanted checks of a scope. */
void doc_run_rank(const struct doc_rank *r, struct doc_findings *to);
void doc_run_node(const struct doc_node *n, struct doc_findings *to);
void doc_run_job(const struct doc_job *j, struct doc_findings *to);

/* ---- memory and text ---- */

/** These end the program (DOC_EXIT_TROUBLE) when memory is out. */
void *doc_alloc(size_t n, size_t size);
void *doc_grow(void *p, size_t bytes);
char *doc_copy(const char *s);
char *doc_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *doc_vformat(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
/** "64 KiB", "1.5 GiB". Returns buf. */
char *doc_bytes(unsigned long long bytes, char *buf, size_t len);

#endif
