/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a GPU, through the driver's own functions: the real one's, or those of device_standin.c. */
#ifndef VC_TEST_DEVICE_API_H
#define VC_TEST_DEVICE_API_H

#include <stdbool.h>
#include <stddef.h>

/** `api` is cuda, hip or ze. False: no such library, or no device. */
bool device_open(const char *api, const char *library);

/** Abort the job when they fail. */
void *device_alloc(size_t n);
void device_free(void *p);
void device_up(void *device, const void *host, size_t n);
void device_down(void *host, const void *device, size_t n);

/** Around a call that is tested: takes the driver's state of this thread (with `bare`, after the thread was
 * left without a context), and says whether it is still the same. */
void device_enter(bool bare);
bool device_unchanged(void);

/** Of the stand-in: from the n-th copy on all fail. False: it is a real driver. */
bool device_fail(int n);

#endif
