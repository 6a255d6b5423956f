/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables as documents: rows and JSON of a file, read and written. */
#include "tune/table/table.h"

#include "transport/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- reading ---- */

int vc_table_doc_parse(const char *text, size_t len, const char *origin, struct vc_table_doc *out)
{
    json_error_t why;
    *out = (struct vc_table_doc){.path = origin};
    int err = vc_table_parse(text, len, origin, &out->rows);
    if (err != VC_OK)
        return err;
    out->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (out->json)
        return VC_OK;
    vc_table_doc_close(out);
    return vc_fail(VC_ERR_NOMEM, "%s: %s", origin, why.text);
}

int vc_table_doc_open(const char *path, struct vc_table_doc *out)
{
    char *text = NULL;
    size_t len = 0;
    *out = (struct vc_table_doc){.path = path};
    int err = vc_table_read(path, &text, &len);
    if (err == VC_OK)
        err = vc_table_doc_parse(text, len, path, out);
    free(text);
    return err;
}

void vc_table_doc_close(struct vc_table_doc *d)
{
    vc_table_free(d->rows);
    json_decref(d->json);
    *d = (struct vc_table_doc){.path = NULL};
}

/* ---- as text ---- */

const char *vc_table_date(char buf[32])
{
    time_t now = time(NULL);
    struct tm tm;
    strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    return buf;
}

static bool write_value(FILE *out, const json_t *v)
{
    return json_dumpf(v, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)) == 0;
}

static bool write_list(FILE *out, const json_t *list)
{
    size_t i, n = json_array_size(list);
    const json_t *v;
    bool good = fputs(n ? "[\n" : "[", out) >= 0;
    json_array_foreach(list, i, v)
    {
        good =
            good && fputs("  ", out) >= 0 && write_value(out, v) && fputs(i + 1 < n ? ",\n" : "\n", out) >= 0;
    }
    return good && fputs(n ? " ]" : "]", out) >= 0;
}

/* NULL without memory. */
static char *written(json_t *table, size_t *len)
{
    const char *key;
    json_t *v;
    char *text = NULL;
    size_t left = json_object_size(table);
    FILE *out = open_memstream(&text, len);
    bool good = out && fputs("{\n", out) >= 0;
    json_object_foreach(table, key, v)
    {
        good = good && fprintf(out, " \"%s\": ", key) > 0;
        good = good && (json_is_array(v) ? write_list(out, v) : write_value(out, v));
        good = good && fputs(--left ? ",\n" : "\n", out) >= 0;
    }
    good = good && fputs("}\n", out) >= 0;
    if (out && fclose(out) == 0 && good)
        return text;
    free(text);
    return NULL;
}

char *vc_table_text(json_t *table)
{
    /* The checksum is of what is written, because numbers lose digits on their way there. */
    size_t len = 0;
    char *text = table ? written(table, &len) : NULL,
         *canonical = text ? vc_table_canonical(text, len) : NULL;
    char sum[48] = "";
    if (canonical)
        snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, vc_table_checksum(canonical));
    bool good = canonical && json_object_set_new(table, "checksum", json_string(sum)) == 0;
    free(canonical);
    free(text);
    return good ? written(table, &len) : NULL;
}

/* ---- in place in one step ---- */

static bool put_in_place(const char *from, const char *to, bool force)
{
    if (force)
        return rename(from, to) == 0;
    /* The file may have been made since the caller looked for it. */
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    return (errno == EINVAL || errno == ENOSYS) && rename(from, to) == 0; /* file systems without it */
}

static bool write_all(int fd, const char *text)
{
    size_t len = strlen(text);
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        return false;
    }
    bool good = fwrite(text, 1, len, f) == len && fflush(f) == 0 && fsync(fd) == 0;
    int why = errno;
    if (fclose(f) != 0)
        return false;
    errno = why;
    return good;
}

int vc_table_save(const char *text, const char *path, bool force)
{
    char *temp = NULL;
    int err = VC_OK;
    if (asprintf(&temp, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the name of a table");
    unlink(temp); /* of a process of the same number that was killed */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || !write_all(fd, text) || !put_in_place(temp, path, force)) {
        err = vc_fail(VC_ERR_SYS, "cannot write %s: %s", path, strerror(errno));
        if (fd >= 0)
            unlink(temp);
    }
    free(temp);
    return err;
}
