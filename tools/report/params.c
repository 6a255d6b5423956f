/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of the cost model, with words. */
#include "tools/report/report.h"

static const char *const way[VC_WAY_COUNT] = {
    [VC_WAY_SHM] = "shared memory of one operating system",
    [VC_WAY_RESIDENT] = "between virtual machines of one host",
    [VC_WAY_WIRE] = "between hosts",
};

/* Bytes per second of long messages, from the curve's last piece. */
static double rate(const struct vc_model_link *l)
{
    int n = l->npoints;
    if (n < 2 || n > VC_MODEL_POINTS)
        return NAN;
    double bytes = l->point[n - 1].bytes - l->point[n - 2].bytes,
           gap = l->point[n - 1].gap - l->point[n - 2].gap;
    return bytes > 0 && gap > 0 ? bytes / gap : NAN;
}

static void put_link(FILE *f, const char *name, const struct vc_model_link *l)
{
    char text[REP_SHORT], bytes[REP_SHORT];
    fputs("<tr>", f);
    rep_cell(f, "%s", name);
    rep_num(f, "%s", rep_us(l->latency, text));
    rep_num(f, "%s", rep_us(l->overhead, text));
    fputs("<td>", f);
    for (int i = 0; i < l->npoints && i < VC_MODEL_POINTS; i++)
        rep_textf(f, "%s%s: %s", i ? "; " : "", rep_bytes(l->point[i].bytes, bytes),
                  rep_us(l->point[i].gap, text));
    fputs("</td>", f);
    if (isfinite(rate(l)))
        rep_num(f, "%.3g GB/s", rate(l) / 1e9);
    else
        rep_num(f, "–");
    fputs("</tr>\n", f);
}

static void put_links(FILE *f, const struct vc_model *m)
{
    int n = 0;
    rep_table_begin(
        f, "Ways that a message takes; µs",
        "way|latency of 8 bytes|CPU time of sender and receiver, each|a message of so many bytes keeps "
        "the way busy for|long messages");
    for (int w = 0; w < VC_WAY_COUNT; w++)
        if (m->link[w].known) {
            put_link(f, way[w], &m->link[w]);
            n++;
        }
    if (n == 0)
        fputs("<tr><td colspan=\"5\">none was measured</td></tr>", f);
    rep_table_end(f);
}

static void put_time(FILE *f, const char *what, double seconds)
{
    char text[REP_SHORT];
    fputs("<tr>", f);
    rep_cell(f, "%s", what);
    rep_num(f, "%s µs", rep_us(seconds, text));
    fputs("</tr>\n", f);
}

static void put_rate(FILE *f, const char *what, double seconds_per_byte)
{
    fputs("<tr>", f);
    rep_cell(f, "%s", what);
    if (seconds_per_byte > 0)
        rep_num(f, "%.3g GB/s", 1e-9 / seconds_per_byte);
    else
        rep_num(f, "–");
    fputs("</tr>\n", f);
}

static void put_plain(FILE *f, const char *what, double v)
{
    fputs("<tr>", f);
    rep_cell(f, "%s", what);
    rep_num(f, "%.3g", v);
    fputs("</tr>\n", f);
}

void rep_model_params(struct report *r, const struct vc_model *m)
{
    fputs("<h3>Its parameters</h3>\n", r->f);
    put_links(r->f, m);
    rep_table_begin(r->f, "What waking, interrupts and sharing cost", "parameter|value");
    if (m->node.known) {
        put_time(r->f, "phase within a node: fixed cost", m->node.base);
        put_time(r->f, "phase within a node: for each further rank", m->node.flag);
        put_rate(r->f, "copying through shared memory, each rank while all copy", m->node.copy);
        put_rate(r->f, "adding up vectors", m->node.reduce);
    }
    put_time(r->f, "waking a rank that sleeps in shared memory", m->wake);
    put_time(r->f, "waking a rank that sleeps on the network device", m->wake_device);
    put_time(r->f, "CPU time of an interrupt", m->interrupt);
    put_time(r->f, "delay that the device's moderation adds to a message", m->moderation);
    put_time(r->f, "giving the CPU to another rank", m->switch_cost);
    put_plain(r->f, "part of the time that the hypervisor takes away (steal; 0 none, 1 all)", m->steal);
    put_plain(r->f, "CPUs for each rank (below 1: ranks take turns)", m->cpus_per_rank);
    rep_table_end(r->f);
}
