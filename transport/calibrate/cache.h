/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file that keeps figures for later starts: valid for one boot of the system, for the CPUs that the two
 * processes might use, and for this version of vcoll. Where it lies, everybody may be able to write, and what
 * it says is only believed if nobody but this user could have written it; it can be wrong all the same, so
 * figures that cannot be are dropped. A file that is not right is no file.
 */
#ifndef VC_TRANSPORT_CALIBRATE_CACHE_H
#define VC_TRANSPORT_CALIBRATE_CACHE_H

#include "transport/calibrate/costs.h"

#include <stdbool.h>

/** What figures are valid for. */
struct vc_costs_key {
    unsigned char boot_id[16];
    uint64_t cpus; /**< hash of the masks of both processes, and of whether single copy is wanted, and is by
                      maps */
};

/** So many starts measure, a while apart, because any of them may come at a bad moment. */
#define VC_COSTS_STARTS 5

struct vc_costs_file {
    char path[320];
    char measured[32]; /**< when, last: ISO 8601, UTC */
    struct vc_costs_key key;
    struct vc_costs costs; /**< of each figure the median of the starts that know it; of two the lower one */
    struct vc_costs start[VC_COSTS_STARTS];
    int starts;
    uint64_t budget_ns; /**< what was too little for all figures at the last of them; 0: all were measured */
};

/** The directory: $XDG_RUNTIME_DIR/vcoll, else $XDG_CACHE_HOME/vcoll, else /tmp/vcoll-UID. "" where a program
 * with other rights than its user's runs, which neither reads nor writes such files. */
void vc_costs_dir(char *dir, size_t len);

/** True, and *out is filled: there is a file for the key. Else `why` is "" (there is none) or says what is
 * wrong with it. */
bool vc_costs_load(const char *dir, const struct vc_costs_key *key, struct vc_costs_file *out, char *why,
                   size_t len);
/** The newest file of this boot, whatever its CPUs. */
bool vc_costs_newest(const char *dir, const unsigned char boot_id[16], struct vc_costs_file *out);
/** Whether one more start is to measure: at once where the last one had too little time for all figures,
 * otherwise after a minute. True for a file without any. */
bool vc_costs_wanted(const struct vc_costs_file *f);
/** How long it may take, which is `usual`, or twice what was too little. */
uint64_t vc_costs_budget(const struct vc_costs_file *f, uint64_t usual);
/** One more start, if there is room, and what follows for `costs`; budget_ns as there. */
void vc_costs_add(struct vc_costs_file *f, const struct vc_costs *start, uint64_t budget_ns);
/** Makes the directory if need be, and puts the file there in one step. VC_OK or a recorded error, after
 * which there is what there was. */
int vc_costs_save(const char *dir, const struct vc_costs_key *key, const struct vc_costs_file *file);

#endif
