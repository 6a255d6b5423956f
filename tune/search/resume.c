/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking finished points over from the samples of an earlier run. Everything is judged anew from the rounds.
 */
#include "tune/search/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum column {
    COLL,
    BYTES,
    RANKS,
    NODES,
    PPN,
    CROWDED,
    SETTING,
    RACE,
    CHOICE,
    ROUND,
    MEASURE,
    SECONDS,
    CPU,
    DROPPED,
    PREDICTED,
    SEED,
    DATE,
    SAMPLES,
    COLUMNS
};
#define MOST_ROUNDS 64

void vc_search_identity(const struct vc_search_job *j, char *buf, size_t len)
{
    const struct vc_measure_opts *b = &j->o->m;
    int n = snprintf(buf, len, "version=%s ranks=%d hosts=%s objective=%s", vcoll_version(), j->w->size,
                     j->hosts, vc_objective_name(j->objective));
    for (int i = 0; i < b->nset && n < (int)len; i++)
        n += snprintf(buf + n, len - (size_t)n, " setting:%s", b->set[i]);
}

static double number(const char *s)
{
    char *end;
    double v = strtod(s, &end);
    return end == s ? NAN : v;
}

/* The words that differ, in words; "" when none does. */
static void compare_identity(char *was, char *is, char *why, size_t len)
{
    char *save_was = NULL, *save_is = NULL;
    char *a = strtok_r(was, " ", &save_was), *b = strtok_r(is, " ", &save_is);
    why[0] = '\0';
    for (; a || b; a = strtok_r(NULL, " ", &save_was), b = strtok_r(NULL, " ", &save_is))
        if (!a || !b || strcmp(a, b) != 0) {
            snprintf(why, len, "they are of %.200s, this run of %.200s", a ? a : "nothing",
                     b ? b : "nothing");
            return;
        }
}

static int split(char *line, char *field[COLUMNS])
{
    int n = 0;
    char *at;
    line[strcspn(line, "\n")] = '\0';
    while (n < COLUMNS && (at = strsep(&line, ",")))
        field[n++] = at;
    return n;
}

/* The candidate of the line, new if need be; NULL without memory. */
static struct vc_entrant *candidate(struct vc_point *p, char *field[COLUMNS])
{
    int i = vc_point_find(p, field[CHOICE]);
    if (i >= 0)
        return &p->cand[i];
    if (strlen(field[CHOICE]) >= VC_CHOICE_TEXT || !vc_search_add(p, field[CHOICE], number(field[PREDICTED])))
        return NULL;
    struct vc_entrant *k = &p->cand[p->ncand - 1];
    k->race = atoi(field[RACE]);
    k->dropped = atoi(field[DROPPED]) != 0;
    k->wrong = atoi(field[DROPPED]) == 2;
    return vc_entrant_alloc(k, MOST_ROUNDS, VC_STARTS) ? k : NULL;
}

static void read_starts(struct vc_entrant *k, int round, char *text)
{
    int n = round ? k->upto[round - 1] : 0, first = n;
    char *save = NULL;
    double block[VC_STARTS];
    for (char *s = strtok_r(text, " ", &save); s && n - first < VC_STARTS; s = strtok_r(NULL, " ", &save)) {
        block[n - first] = number(s);
        k->sample[n++] = number(s);
    }
    k->upto[round] = n;
    k->tail[round] = vc_measure_quantile(block, n - first, 0.99);
}

/* One line of samples into the point that is being read. False: it is not one. */
static bool read_sample(struct vc_point *p, char *field[COLUMNS])
{
    int round = atoi(field[ROUND]), coll = vc_coll_by_name(field[COLL]);
    struct vc_entrant *k;
    if (coll < 0 || coll >= VC_COLL_COUNT || round < 0 || round >= MOST_ROUNDS)
        return false;
    p->coll = (enum vc_coll)coll;
    p->bytes = strtoull(field[BYTES], NULL, 10);
    if (!(k = candidate(p, field)))
        return false;
    double seconds = number(field[SECONDS]);
    if (strcmp(field[MEASURE], "start") == 0 && round == k->rounds) {
        k->raw[VC_MEASURE_START][round] = seconds;
        read_starts(k, round, field[SAMPLES]);
    } else if (strcmp(field[MEASURE], "b2b") == 0 && round == k->rounds && seconds > 0) {
        k->raw[VC_MEASURE_B2B][round] = seconds;
        k->cpus[round] = number(field[CPU]);
        k->rounds++;
    } else if (strcmp(field[MEASURE], "ratio") == 0) {
        char *high = strchr(field[SAMPLES], ' ');
        k->ratio = (struct vc_measure_series){seconds, number(field[SAMPLES]), high ? number(high) : NAN, NAN,
                                              round};
    } else if (strcmp(field[MEASURE], "none") != 0) {
        return false;
    }
    return true;
}

static int place_of(const struct vc_search_job *j, char *field[COLUMNS])
{
    for (int i = 0; i < j->nplace; i++) {
        const struct vc_topo_key *at = &j->place[i].c.at;
        if (j->place[i].open && at->size == atoi(field[RANKS]) && at->nnodes == atoi(field[NODES]) &&
            at->max_ppn == atoi(field[PPN]) && at->crowded == atoi(field[CROWDED]))
            return i;
    }
    return -1;
}

/* What is being read. */
struct reading {
    struct vc_point p;
    int place;
    char setting[64];
    bool bad;
};

static void forget(struct reading *r)
{
    vc_point_free(&r->p);
    *r = (struct reading){.place = -1};
}

/* "# done": the point is whole. */
static void finish_point(struct vc_search_job *j, struct reading *r, const char *line)
{
    struct vc_point *p = &r->p;
    char choice[VC_CHOICE_TEXT] = "native";
    bool good = sscanf(line, "# done %lf %127s", &p->seconds, choice) >= 1 && !r->bad && r->place >= 0 &&
                p->ncand > 0 && p->cand[0].rounds > 0 && strcmp(p->cand[0].choice, "native") == 0;
    bool again = good && vc_search_find(j, r->place, p->coll, p->bytes);
    int builtin = vc_point_find(p, choice);
    if (builtin >= 0 && p->cand[builtin].race == 0)
        p->builtin = builtin;
    /* Of a point that was measured twice the later one counts, as it did in that run. */
    struct vc_search_result *to = good ? vc_search_keep(j, r->place, p) : NULL;
    if (to) {
        *p = (struct vc_point){.ncand = 0};
        snprintf(to->setting, sizeof to->setting, "%s", r->setting);
        vc_point_judge(&to->p, j->objective, j->place[r->place].c.w.one_host, j->seed);
        j->taken_over += !again;
    }
    forget(r);
}

static void read_line(struct vc_search_job *j, struct reading *r, char *line)
{
    char *field[COLUMNS];
    if (strncmp(line, "# done ", 7) == 0) {
        finish_point(j, r, line);
        return;
    }
    if (line[0] == '#' || strncmp(line, "collective,", 11) == 0)
        return;
    if (split(line, field) != COLUMNS) {
        r->bad = true;
        return;
    }
    r->place = place_of(j, field);
    snprintf(r->setting, sizeof r->setting, "%s", field[SETTING]);
    r->bad = !read_sample(&r->p, field) || r->bad;
}

static int read_all(struct vc_search_job *j, FILE *f, const char *name, long *keep)
{
    struct reading r = {.place = -1};
    char *line = NULL, is[4096], why[512] = "it is no file of samples";
    size_t cap = 0;
    bool known = false;
    vc_search_identity(j, is, sizeof is);
    while (getline(&line, &cap, f) > 0) {
        if (!strchr(line, '\n'))
            break;
        if (strncmp(line, "# identity ", 11) == 0) {
            line[strcspn(line, "\n")] = '\0';
            compare_identity(line + 11, is, why, sizeof why);
            if (!(known = why[0] == '\0'))
                break;
        } else if (known) {
            bool whole = line[0] == '#' || strncmp(line, "collective,", 11) == 0;
            read_line(j, &r, line);
            if (whole)
                *keep = ftell(f);
        }
    }
    free(line);
    forget(&r);
    if (known)
        return 0;
    fprintf(stderr,
            "vcoll tune: --resume: the samples in %s are not of such a run: %s; --force begins anew\n", name,
            why);
    return -1;
}

int vc_search_resume(struct vc_search_job *j, const char *file, long *keep)
{
    FILE *f = fopen(file, "re");
    if (!f) {
        fprintf(stderr, "vcoll tune: --resume: cannot read %s: %s\n", file, strerror(errno));
        return -1;
    }
    int rc = read_all(j, f, file, keep);
    fclose(f);
    return rc;
}
