/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char error_text[512];
static enum vc_log_level log_level = VC_LOG_WARN;
static int log_rank = -1;

int vc_fail(int err, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    errno = saved;
    return err;
}

const char *vc_error_text(void)
{
    return error_text;
}

void vc_log_setup(enum vc_log_level level, int rank)
{
    log_level = level;
    log_rank = rank;
}

void vc_log(enum vc_log_level level, const char *fmt, ...)
{
    if (level > log_level)
        return;
    int saved = errno;
    char line[1024];
    int n = log_rank >= 0 ? snprintf(line, sizeof line, "vcoll[%d]: ", log_rank)
                          : snprintf(line, sizeof line, "vcoll: ");
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (m < 0)
        m = 0;
    size_t len = vc_min_size((size_t)n + (size_t)m, sizeof line - 2);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere to report that */
    errno = saved;
}

void vc_append(char *buf, size_t len, const char *fmt, ...)
{
    size_t used = strlen(buf);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf + used, len - used, fmt, ap);
    va_end(ap);
}

uint64_t vc_hash(uint64_t h, const void *bytes, size_t len)
{
    for (const unsigned char *b = bytes; len > 0; len--)
        h = (h ^ *b++) * 0x100000001b3u;
    return h;
}
