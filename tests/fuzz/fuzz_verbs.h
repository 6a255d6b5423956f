/* SPDX-License-Identifier: BSD-3-Clause */
/* A verbs device whose network is the fuzzer: what arrives is told to it, what is sent is read and dropped.
 */
#ifndef VC_TESTS_FUZZ_VERBS_H
#define VC_TESTS_FUZZ_VERBS_H

#include "transport/verbs/lib.h"

/** Puts the device in the place of a library and forgets what was. Without `srq`: no shared receive queues.
 * `inlined`: bytes of inline data that queue pairs are granted. */
void fuzz_device_reset(bool srq, uint32_t inlined);
/** A message, or the last piece of a write with this immediate data, for queue pair number `qpn`; cut to the
 * receive buffer. False: there is no receive. */
bool fuzz_device_message(uint32_t qpn, const void *data, size_t len);
bool fuzz_device_write(uint32_t qpn, uint32_t imm);
/** A send completion with an error, or a flushed one, of queue pair `qpn`. */
void fuzz_device_fail(uint32_t qpn, enum ibv_wc_status status);
/** An asynchronous event of the device. */
void fuzz_device_event(enum ibv_event_type type);
/** Objects that were made and not destroyed. */
int fuzz_device_alive(void);

#endif
