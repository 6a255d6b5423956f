/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of tables, replaced in one step. */
#include "tools/table/tool.h"

#include "transport/base.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool put_in_place(const char *from, const char *to, bool force)
{
    if (force)
        return rename(from, to) == 0;
    /* Somebody may have made it since it was looked for. */
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    return (errno == EINVAL || errno == ENOSYS) && rename(from, to) == 0; /* file systems without it */
}

static bool write_checked(const char *who, FILE *f, const json_t *table, const char *temp)
{
    struct table_file back;
    mode_t mask = umask(0);
    umask(mask);
    bool good = table_write(f, table) && fflush(f) == 0 && fchmod(fileno(f), 0666 & ~mask) == 0 &&
                fsync(fileno(f)) == 0;
    int why = errno;
    if (fclose(f) != 0 || !good) {
        fprintf(stderr, "%s: cannot write %s: %s\n", who, temp, strerror(good ? errno : why));
        return false;
    }
    if (table_open(temp, &back) != VC_OK) {
        fprintf(stderr, "%s: what would be written is not a valid table, so nothing was replaced: %s\n", who,
                vc_error_text());
        return false;
    }
    table_close(&back);
    return true;
}

bool table_store(const char *who, const json_t *table, const char *to, bool force)
{
    char temp[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.XXXXXX", to) >= (int)sizeof temp) {
        fprintf(stderr, "%s: %s: the name is too long\n", who, to);
        return false;
    }
    int fd = mkostemp(temp, O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) {
        fprintf(stderr, "%s: cannot write %s: %s\n", who, temp, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool good = write_checked(who, f, table, temp);
    if (good && !put_in_place(temp, to, force)) {
        fprintf(stderr, "%s: cannot write %s: %s\n", who, to, strerror(errno));
        good = false;
    }
    if (!good)
        unlink(temp);
    return good;
}
