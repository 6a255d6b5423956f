/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of reductions by single copy. They serve for one call of vc_cma_reduce(), so that communicators, of
 * which there may be many, share them. */
#include "coll/node/impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

union block {
    union block *next;
    char bytes[VC_CMA_PAIR_BLOCK];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static union block *idle;
static int holders, made;

static union block *new_block(void)
{
    union block *b = aligned_alloc(4096, sizeof *b);
    made += b != NULL;
    return b;
}

int vc_scratch_hold(void)
{
    pthread_mutex_lock(&lock);
    if (made == 0 && (idle = new_block()) != NULL)
        idle->next = NULL;
    bool ok = made > 0;
    holders += ok;
    pthread_mutex_unlock(&lock);
    return ok ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for reductions by single copy");
}

void vc_scratch_drop(void)
{
    pthread_mutex_lock(&lock);
    /* Nobody reduces without a node, so all are idle. */
    for (union block *b = --holders == 0 ? idle : NULL; b; b = idle) {
        idle = b->next;
        free(b);
        made--;
    }
    pthread_mutex_unlock(&lock);
}

char *vc_scratch_take(void)
{
    const struct timespec moment = {.tv_nsec = 20000};
    for (;;) {
        pthread_mutex_lock(&lock);
        union block *b = idle;
        if (b)
            idle = b->next;
        else
            b = new_block();
        pthread_mutex_unlock(&lock);
        if (b)
            return b->bytes;
        nanosleep(&moment, NULL); /* another thread has the one that there is, and waits for nobody */
    }
}

void vc_scratch_give(char *block)
{
    union block *b = (union block *)(void *)block;
    pthread_mutex_lock(&lock);
    b->next = idle;
    idle = b;
    pthread_mutex_unlock(&lock);
}
