/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/table.h"
#include "pmpi/gather.h"

#include "pmpi/world.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct vc_table *vc_world_table;
static struct vc_table *loaded;
static uint64_t file_checksum; /* the ranks exchange less than the file, whose checksum differs */

enum status { NO_TABLE, HAVE_TABLE, BAD_TABLE, BAD_TABLE_STRICT };

/* What rank 0 sends before the text of the table. */
struct notice {
    int32_t status, nrows, ndevices;
    uint64_t length;         /* of the text, without a NUL */
    uint64_t checksum, sent; /* of the file, and of what is sent */
    char origin[256];
    char why[512]; /* why the table is bad */
};

/* ---- rank 0 ---- */

/* Parses the text as all ranks will, and notes what they must find. */
static int count_rows(const char *text, struct notice *n)
{
    struct vc_table *t = NULL;
    int err = vc_table_parse(text, n->length, n->origin, &t);
    if (err != VC_OK)
        return err;
    n->nrows = t->nrows;
    n->ndevices = t->ndevices;
    n->sent = t->checksum;
    vc_table_free(t);
    return VC_OK;
}

/* VC_OK with *text NULL: there is no table. */
static int load_text(struct notice *n, char **text)
{
    char *file = NULL;
    size_t len = 0;
    struct vc_table *t = NULL;
    *text = NULL;
    int err = vc_table_locate(vc_params.table, n->origin, sizeof n->origin);
    if (err != VC_OK || !n->origin[0])
        return err;
    if ((err = vc_table_read(n->origin, &file, &len)) == VC_OK &&
        (err = vc_table_parse(file, len, n->origin, &t)) == VC_OK) {
        n->checksum = t->checksum;
        if (!(*text = vc_table_strip(file, len)))
            err = vc_fail(VC_ERR_NOMEM, "out of memory for the tuning table %s", n->origin);
    }
    vc_table_free(t);
    free(file);
    if (err == VC_OK) {
        n->length = strlen(*text);
        err = count_rows(*text, n);
    }
    if (err != VC_OK) {
        free(*text);
        *text = NULL;
    }
    return err;
}

static void fill_notice(struct notice *n, char **text)
{
    if (load_text(n, text) != VC_OK) {
        n->status = vc_params.strict ? BAD_TABLE_STRICT : BAD_TABLE;
        snprintf(n->why, sizeof n->why, "%s", vc_error_text());
    } else {
        n->status = *text ? HAVE_TABLE : NO_TABLE;
    }
}

/* ---- all ranks ---- */

static int broadcast(void *buf, size_t bytes)
{
    vc_told_collective(bytes);
    if (vc_world.size > 1 && vc_next.Bcast(buf, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Bcast failed right after MPI_Init");
    return VC_OK;
}

/* *odd: the first rank that has not read the same, or INT_MAX. */
static int find_odd(bool same, int *odd)
{
    int mine = same ? INT_MAX : vc_world.rank;
    *odd = mine;
    vc_told_collective(sizeof mine);
    if (vc_world.size > 1 &&
        vc_next.Allreduce(&mine, odd, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed right after MPI_Init");
    return VC_OK;
}

/* text NULL: this rank has no memory, and takes part all the same, so that the others learn of it. */
static int receive_text(const struct notice *n, char *text)
{
    static char sink[1 << 16];
    struct vc_table *t = NULL;
    int err = VC_OK, odd = INT_MAX;
    bool keeps = text != NULL;
    for (uint64_t at = 0; err == VC_OK && at < n->length; at += sizeof sink) {
        uint64_t left = n->length - at, piece = left < sizeof sink ? left : sizeof sink;
        err = broadcast(keeps ? text + at : sink, (size_t)piece);
    }
    if (err != VC_OK)
        return err;
    bool same = keeps && vc_table_parse(text, n->length, n->origin, &t) == VC_OK && t->checksum == n->sent &&
                t->nrows == n->nrows && t->ndevices == n->ndevices;
    err = find_odd(same, &odd);
    if (err == VC_OK && odd == INT_MAX) {
        loaded = t;
        vc_world_table = t;
        file_checksum = n->checksum;
        return VC_OK;
    }
    vc_table_free(t);
    if (err == VC_OK && vc_world.rank == 0)
        vc_log(VC_LOG_WARN,
               "the tuning table %s is not used, the built-in rules are: rank %d could not take it over",
               n->origin, odd);
    return err;
}

int vc_table_init(void)
{
#ifdef VC_BUILTIN_ROWS
    vc_table_builtin_rows(&vc_builtin_rows);
#endif
    /* Ranks that differ in their settings, or have vcoll disabled, would not take part. */
    if (vc_world.prints) {
        if (vc_world.rank == 0 && strcmp(vc_params.table, "auto") != 0 &&
            strcmp(vc_params.table, "none") != 0)
            vc_log(VC_LOG_WARN, "VCOLL_TABLE is not used, because settings differ between ranks");
        return VC_OK;
    }
    struct notice n;
    char *text = NULL;
    memset(&n, 0, sizeof n);
    if (vc_world.rank == 0)
        fill_notice(&n, &text);
    int err = broadcast(&n, sizeof n);
    if (err == VC_OK && n.status == HAVE_TABLE) {
        if (vc_world.rank != 0 && (text = malloc(n.length + 1)) != NULL)
            text[n.length] = '\0';
        err = receive_text(&n, text);
    } else if (err == VC_OK && n.status == BAD_TABLE_STRICT) {
        err = vc_fail(VC_ERR_INVAL, "%s", n.why);
    } else if (err == VC_OK && n.status == BAD_TABLE && vc_world.rank == 0) {
        vc_log(VC_LOG_WARN, "no tuning table is used, but the built-in rules: %s", n.why);
    }
    free(text);
    if (err == VC_OK && loaded && vc_world.rank == 0)
        vc_log(VC_LOG_INFO, "the tuning table is %s, checksum fnv1a64:%016llx", loaded->origin,
               (unsigned long long)file_checksum);
    return err;
}

void vc_table_fini(void)
{
    vc_table_free(loaded);
    loaded = NULL;
    vc_world_table = NULL;
}

const char *vc_table_in_use(uint64_t *checksum)
{
    static char name[sizeof((struct vc_table *)0)->origin];
    const struct vc_table *t = loaded ? loaded : vc_table_builtin();
    if (checksum)
        *checksum = loaded ? file_checksum : t->checksum;
    snprintf(name, sizeof name, "%s", t->origin);
    return name;
}
