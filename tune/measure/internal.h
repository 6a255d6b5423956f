/* SPDX-License-Identifier: BSD-3-Clause */
/* Common starts, which clock.c gives and block.c takes. */
#ifndef VC_TUNE_MEASURE_INTERNAL_H
#define VC_TUNE_MEASURE_INTERNAL_H

#include "tune/measure/measure.h"

enum vc_measure_begin {
    BEGIN_ON_TIME,
    BEGIN_INTERRUPTED, /**< this rank heard of the start in time and yet began late */
    BEGIN_UNHEARD,     /**< this rank heard of the start when it was over */
    BEGIN_STOP         /**< rank 0 announced, instead of a start, that there is none; on all ranks alike */
};
/** Agrees on a start, in this rank's clock, and waits for it. Rank 0 passes stop to end the block. */
enum vc_measure_begin vc_measure_clock_start(struct vc_measure_world *w, bool stop, double *start);
/** Rank 0, after a batch: adapts the lead to the part of the samples whose announcement came too late. */
void vc_measure_clock_adapt(struct vc_measure_world *w, double unheard);

#endif
