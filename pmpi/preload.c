/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/preload.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether this entry, by whatever name and path, is the object that is loaded at `base`. */
static bool is_object(const char *entry, const void *base)
{
    struct link_map *map = NULL;
    void *lib = dlopen(entry, RTLD_LAZY | RTLD_NOLOAD);
    if (!lib)
        return false;
    bool same = dlinfo(lib, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_addr == (ElfW(Addr))base;
    dlclose(lib);
    return same;
}

void vc_preload_forget(void)
{
    static const char separators[] = ": ";
    Dl_info own;
    const char *old = getenv("LD_PRELOAD");
    if (!old || !old[0] || dladdr(&separators, &own) == 0)
        return;
    char *left = malloc(strlen(old) + 1), *entry = malloc(strlen(old) + 1);
    size_t used = 0;
    bool found = false;
    for (const char *from = old; left && entry;) {
        size_t len = strcspn(from, separators);
        memcpy(entry, from, len);
        entry[len] = '\0';
        if (len > 0 && is_object(entry, own.dli_fbase)) {
            found = true;
        } else if (len > 0) {
            if (used > 0)
                left[used++] = ':';
            memcpy(left + used, entry, len);
            used += len;
        }
        if (from[len] == '\0')
            break;
        from += len + 1;
    }
    if (found) {
        left[used] = '\0';
        if (used > 0)
            setenv("LD_PRELOAD", left, 1);
        else
            unsetenv("LD_PRELOAD");
    }
    free(left);
    free(entry);
}
