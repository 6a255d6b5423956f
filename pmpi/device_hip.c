/* SPDX-License-Identifier: BSD-3-Clause */
/* AMD's runtime, libamdhip64, of ROCm 5 and later. Its types are written out here. */
#include "pmpi/device_driver.h"

enum { KIND_DEFAULT = 4 };      /* hipMemcpyDefault: the addresses say which way */
enum { RENUMBERED = 60000000 }; /* memory types got new numbers in version 6 */

/* hipPointerAttribute_t */
struct attributes {
    int type, device;
    void *device_pointer, *host_pointer;
    int managed;
    unsigned flags;
    char later[64];
};

static struct {
    int (*attributes)(struct attributes *out, const void *p);
    int (*peek_error)(void);
    int (*take_error)(void);
    int (*version)(int *version);
    int (*copy)(void *to, const void *from, size_t n, int kind);
    int (*rows)(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                int kind);
    int (*synchronize)(void *stream);
    int device_type;
} hip;

static bool open_hip(void *library)
{
    const struct vc_device_symbol symbols[] = {
        {"hipPointerGetAttributes", &hip.attributes},
        {"hipPeekAtLastError", &hip.peek_error},
        {"hipGetLastError", &hip.take_error},
        {"hipRuntimeGetVersion", &hip.version},
        {"hipMemcpy", &hip.copy},
        {"hipMemcpy2D", &hip.rows},
        {"hipStreamSynchronize", &hip.synchronize},
    };
    int version = 0;
    if (!vc_device_symbols(library, symbols, sizeof symbols / sizeof symbols[0]) ||
        hip.version(&version) != 0)
        return false;
    hip.device_type = version >= RENUMBERED ? 2 : 1;
    return true;
}

static bool owns(const void *p)
{
    struct attributes a = {0};
    int before = hip.peek_error();
    if (hip.attributes(&a, p) == 0)
        return a.device_pointer && (a.type == hip.device_type || a.managed);
    /* For other memory that was an error, which the program must not find as the last one. */
    if (before == 0)
        hip.take_error();
    return false;
}

static int copy(const struct vc_device_copy *c)
{
    void *to = c->up ? c->device : c->host;
    const void *from = c->up ? c->host : c->device;
    int err = c->rows == 1 ? hip.copy(to, from, c->bytes, KIND_DEFAULT)
                           : hip.rows(to, c->pitch, from, c->pitch, c->bytes, c->rows, KIND_DEFAULT);
    return err == 0 && c->up ? hip.synchronize(NULL) : err;
}

const struct vc_device_driver vc_device_hip = {
    .name = "HIP", .library = "libamdhip64", .open = open_hip, .owns = owns, .copy = copy};
