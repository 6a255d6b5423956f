/* SPDX-License-Identifier: BSD-3-Clause */
/* Words that vcoll-bench and vcoll-tune understand alike, and starting under mpirun. Wrong words end the
 * program through argp_error(). */
#ifndef VC_TOOLS_BENCH_ARGS_H
#define VC_TOOLS_BENCH_ARGS_H

#include "tools/bench/bench.h"

#include <argp.h>

/** "8,64,1k" and FROM:TO[:FACTOR]; replaces the sizes there are. */
void bench_args_sizes(struct argp_state *st, struct bench_opts *o, const char *list);
double bench_args_number(struct argp_state *st, const char *option, const char *arg, double low, double high);
long bench_args_integer(struct argp_state *st, const char *option, const char *arg, double low, double high);
/** A setting for the environment: name, with its =, and value. */
void bench_args_set(struct argp_state *st, struct bench_opts *o, const char *name, const char *value);
/** --set NAME=VALUE */
void bench_args_setting(struct argp_state *st, struct bench_opts *o, const char *arg);
void bench_args_collective(struct argp_state *st, struct bench_opts *o, const char *name);
/** A further word for mpirun. */
void bench_args_mpirun(struct argp_state *st, struct bench_opts *o, const char *arg);

/** The words that start this program, with o->argv, under mpirun; NULL after a message. They last to the
 * next call. Sets what mpirun needs in the environment. */
char **bench_launch_words(const struct bench_opts *o);

#endif
