/* SPDX-License-Identifier: BSD-3-Clause */
/* Words that vcoll-bench and vcoll-tune understand alike, and starting under mpirun. Wrong words end the
 * program through argp_error(). */
#ifndef VC_TOOLS_BENCH_ARGS_H
#define VC_TOOLS_BENCH_ARGS_H

#include "tune/measure/measure.h"

#include <argp.h>

/** "8,64,1k" and FROM:TO[:FACTOR]; replaces the sizes there are. */
void bench_args_sizes(struct argp_state *st, struct vc_measure_opts *o, const char *list);
double bench_args_number(struct argp_state *st, const char *option, const char *arg, double low, double high);
long bench_args_integer(struct argp_state *st, const char *option, const char *arg, double low, double high);
/** A setting for the environment: name, with its =, and value. */
void bench_args_set(struct argp_state *st, struct vc_measure_opts *o, const char *name, const char *value);
/** --set NAME=VALUE */
void bench_args_setting(struct argp_state *st, struct vc_measure_opts *o, const char *arg);
void bench_args_collective(struct argp_state *st, struct vc_measure_opts *o, const char *name);
/** A further word for mpirun. */
void bench_args_mpirun(struct argp_state *st, struct vc_measure_opts *o, const char *arg);

/** Puts the settings of --alg, --set and the like into the environment, before MPI_Init. */
void bench_setenv(const struct vc_measure_opts *o);
/** True when a launcher started this process. */
bool bench_under_launcher(void);
/** Replaces this process by mpirun of itself; returns only on failure, with the exit code. */
int bench_launch(const struct vc_measure_opts *o);
/** The words that start this program, with o->argv, under mpirun; NULL after a message. The caller frees the
 * array. Sets what mpirun needs in the environment. */
char **bench_launch_words(const struct vc_measure_opts *o);

#endif
