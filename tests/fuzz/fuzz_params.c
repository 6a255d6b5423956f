/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What users can write, as input: sizes, the value of each setting, a whole config file. The first byte says
 * which. Beyond not crashing: a value that is refused leaves the settings alone and says why; one that is
 * taken comes back the same from its canonical spelling.
 */
#include "tune/params/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "not true: %s\n", #cond);                                                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static void defaults(struct vc_params *p)
{
    int n;
    const struct vc_param_def *defs = vc_param_defs(&n);

    memset(p, 0, sizeof *p);
    for (int i = 0; i < n; i++)
        MUST(defs[i].deflt[0] == '\0' || defs[i].parse(p, defs[i].deflt) == VC_OK);
}

static void sizes(const char *text)
{
    size_t v, again;
    char buf[24];

    if (!vc_parse_bytes(text, &v))
        return;
    vc_format_bytes(v, buf, sizeof buf);
    MUST(vc_parse_bytes(buf, &again) && again == v);
}

static void value(const struct vc_param_def *def, const char *text)
{
    struct vc_params p, before, again;
    char spelt[VC_PARAM_TEXT_MAX], spelt_again[VC_PARAM_TEXT_MAX];

    defaults(&p);
    memcpy(&before, &p, sizeof p);
    if (def->parse(&p, text) != VC_OK) {
        /* Nothing was written: the padding was copied with the rest, so it is the same, too. */
        MUST(memcmp(&before, &p, sizeof p) == 0); // NOLINT(bugprone-suspicious-memory-comparison)
        MUST(vc_error_text()[0] != '\0');
        return;
    }
    def->format(&p, spelt, sizeof spelt);
    MUST(strlen(spelt) < sizeof spelt);
    defaults(&again);
    if (spelt[0] != '\0')
        MUST(def->parse(&again, spelt) == VC_OK);
    def->format(&again, spelt_again, sizeof spelt_again);
    MUST(strcmp(spelt, spelt_again) == 0);
    MUST(vc_params_fingerprint(&p) == vc_params_fingerprint(&again));
}

static void file(const uint8_t *data, size_t size)
{
    static struct vc_param_value values[64];
    struct vc_param_report report;
    struct vc_params p;
    char path[32];
    int n, fd = memfd_create("config", 0);

    vc_param_defs(&n);
    MUST(n <= 64 && fd >= 0);
    if (write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memset(&report, 0xff, sizeof report);
    int err = vc_params_load_files(path, NULL, &p, values, &report);
    close(fd);
    MUST(memchr(report.error, 0, sizeof report.error) && memchr(report.warnings, 0, sizeof report.warnings));
    MUST((err == VC_OK) == (report.error[0] == '\0'));
    size_t len = strlen(report.warnings);
    MUST(len == 0 || report.warnings[len - 1] == '\n');
    vc_params_fingerprint(&p);
    for (int i = 0; i < n; i++)
        MUST(memchr(values[i].text, 0, sizeof values[i].text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int n;
    const struct vc_param_def *defs = vc_param_defs(&n);

    if (size < 1 || size > 4096)
        return 0;
    int which = data[0] % (n + 2);
    if (which == n + 1) {
        file(data + 1, size - 1);
        return 0;
    }
    char *text = malloc(size); /* exactly as long as the text, so that a step too far is seen */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (which == n)
        sizes(text);
    else
        value(&defs[which], text);
    free(text);
    return 0;
}
