/* SPDX-License-Identifier: BSD-3-Clause */
/* Words that vcoll-bench and vcoll-tune understand alike, and starting under mpirun. Wrong words end the
 * program through argp_error(). */
#ifndef VC_TOOLS_BENCH_ARGS_H
#define VC_TOOLS_BENCH_ARGS_H

#include "tune/measure/measure.h"

#include <argp.h>

/** What both understand, as a child of their own argp: its input is their struct vc_measure_opts. */
extern const struct argp bench_args_common;
/** Sets the defaults of what both understand, and parses; on wrong words prints usage and exits with 2.
 * `input` is that of argp. */
void bench_args_parse(const struct argp *argp, struct vc_measure_opts *o, const char *program, int argc,
                      char **argv, void *input);

double bench_args_number(struct argp_state *st, const char *option, const char *arg, double low, double high);
long bench_args_integer(struct argp_state *st, const char *option, const char *arg, double low, double high);
/** A setting for the environment: name, with its =, and value. */
void bench_args_set(struct argp_state *st, struct vc_measure_opts *o, const char *name, const char *value);
void bench_args_collective(struct argp_state *st, struct vc_measure_opts *o, const char *name);
/** All collectives, when none was named. */
void bench_args_all(struct vc_measure_opts *o);

/** Puts the settings of --alg, --set and the like into the environment, before MPI_Init. */
void bench_setenv(const struct vc_measure_opts *o);
/** Replaces this process by mpirun of itself; returns only on failure, with the exit code. */
int bench_launch(const struct vc_measure_opts *o);
/** The words that start this program, with o->argv, under mpirun; NULL after a message. They last to the
 * next call. Sets what mpirun needs in the environment. */
char **bench_launch_words(const struct vc_measure_opts *o);

#endif
