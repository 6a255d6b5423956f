/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw samples, CSV: what the table is made of, and what an interrupted run goes on from. '#' lines at the
 * head tell where it is from; "# identity" is what must be equal for going on. A point is appended as a
 * whole, its last line being
 * "# done": what stands behind the last of these was cut off.
 *
 * Lines of measure "start" hold a block's median and all of its single times; "b2b" a block's time per call
 * and the CPU-seconds of all ranks per call; "ratio" (race 1) native over the candidate; "none": not
 * measured.
 */
#include "tune/search/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char columns[] =
    "collective,bytes,ranks,nodes,ppn,crowded,setting,race,choice,round,measure,seconds,cpu,"
    "dropped,predicted,seed,date,samples\n";

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

bool vc_search_refuses(const struct vc_search_opts *o)
{
    if (o->force)
        return false;
    if (o->resume) {
        if (exists(o->samples))
            return false;
        fprintf(stderr, "vcoll tune: --resume: there are no samples in %s to go on from\n", o->samples);
        return true;
    }
    const char *there = exists(o->table) ? o->table : exists(o->samples) ? o->samples : NULL;
    if (there)
        fprintf(stderr,
                "vcoll tune: %s exists; --force overwrites it, --resume goes on from its samples, -o names "
                "another\n",
                there);
    return there != NULL;
}

static void head(const struct vc_search_job *j, FILE *f)
{
    char identity[4096], date[32];
    vc_search_identity(j, identity, sizeof identity);
    fprintf(f, "# vcoll tune samples 1\n# identity %s\n# mpi %s\n# begun %s\n# command vcoll tune", identity,
            vc_measure_mpi_name(), vc_table_date(date));
    for (int i = 1; i < j->o->m.argc; i++)
        fprintf(f, " %s", j->o->m.argv[i]);
    fprintf(f, "\n%s", columns);
}

int vc_search_state_open(struct vc_search_job *j)
{
    const char *name = j->o->samples;
    long keep = 0;
    if (vc_search_refuses(j->o))
        return -1;
    if (j->o->resume && vc_search_resume(j, name, &keep) != 0)
        return -1;
    if (keep > 0 && truncate(name, keep) != 0) {
        fprintf(stderr, "vcoll tune: cannot write %s: %s\n", name, strerror(errno));
        return -1;
    }
    j->csv = fopen(name, keep > 0 ? "ae" : "we");
    if (j->csv && keep == 0)
        head(j, j->csv);
    if (j->csv && fflush(j->csv) == 0)
        return 0;
    fprintf(stderr, "vcoll tune: cannot write %s: %s\n", name, strerror(errno));
    return -1;
}

/* What all lines of a point, and of a candidate, have in common. */
struct line {
    char point[192], tail[96];
    const struct vc_entrant *k;
};

static void write_line(FILE *f, const struct line *l, int round, const char *measure, double seconds,
                       double cpu)
{
    fprintf(f, "%s,%d,%s,%d,%s,%.6g,", l->point, l->k->race, l->k->choice, round, measure, seconds);
    if (isfinite(cpu))
        fprintf(f, "%.6g", cpu);
    fprintf(f, ",%d,", l->k->wrong ? 2 : l->k->dropped || l->k->skip);
    if (isfinite(l->k->predicted))
        fprintf(f, "%.6g", l->k->predicted);
    fprintf(f, ",%s,", l->tail);
}

static void write_candidate(FILE *f, const struct line *l)
{
    const struct vc_entrant *k = l->k;
    for (int r = 0; r < k->rounds; r++) {
        write_line(f, l, r, "start", k->raw[VC_MEASURE_START][r], NAN);
        for (int i = r ? k->upto[r - 1] : 0; i < k->upto[r]; i++)
            fprintf(f, "%s%.5g", i > (r ? k->upto[r - 1] : 0) ? " " : "", k->sample[i]);
        fputc('\n', f);
        write_line(f, l, r, "b2b", k->raw[VC_MEASURE_B2B][r], k->cpus[r]);
        fputc('\n', f);
    }
    if (k->rounds == 0) {
        write_line(f, l, 0, "none", NAN, NAN);
        fputc('\n', f);
    }
    if (k->race == 1 && k->ratio.n > 0) {
        write_line(f, l, k->ratio.n, "ratio", k->ratio.median, NAN);
        fprintf(f, "%.6g %.6g\n", k->ratio.low, k->ratio.high);
    }
}

void vc_search_state_add(struct vc_search_job *j, const struct vc_search_result *r)
{
    const struct vc_topo_key *at = &j->place[r->place].c.at;
    const struct vc_point *p = &r->p;
    char *text = NULL, date[32];
    size_t len = 0;
    struct line l;
    FILE *f = open_memstream(&text, &len);
    if (!f) {
        j->failed = true;
        return;
    }
    snprintf(l.point, sizeof l.point, "%s,%zu,%d,%d,%d,%d,%s", vc_coll_name(p->coll), p->bytes, at->size,
             at->nnodes, at->max_ppn, at->crowded, r->setting);
    snprintf(l.tail, sizeof l.tail, "%llu,%s", (unsigned long long)j->o->m.seed, vc_table_date(date));
    for (int i = 0; i < p->ncand; i++) {
        l.k = &p->cand[i];
        write_candidate(f, &l);
    }
    fprintf(f, "# done %.3f %s %s\n", p->seconds, p->cand[p->builtin].choice, l.point);
    /* In one piece and at once: mpirun may kill this process at any time. */
    if (fclose(f) != 0 || fwrite(text, 1, len, j->csv) != len || fflush(j->csv) != 0) {
        fprintf(stderr, "vcoll tune: cannot write %s: %s\n", j->o->samples, strerror(errno));
        j->failed = true;
    }
    free(text);
}

void vc_search_state_close(struct vc_search_job *j)
{
    if (j->csv && fclose(j->csv) != 0)
        j->failed = true;
    j->csv = NULL;
}
