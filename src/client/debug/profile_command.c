#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/debug/profile.h"
#include "sonde/debug.h"

enum { HZ_STANDARD = 99, SECONDS_STANDARD = 30, SECONDS_MAX = 3600, OUTPUT_MAX = 2 << 20 };

static int status(struct jot *j)
{
    uint64_t samples, lost;
    jot_bool(j, "running", profile_running(&samples, &lost));
    jot_u64(j, "samples", samples);
    jot_u64(j, "lost", lost);
    return 0;
}

static int begin(const struct command_call *c, struct jot *j, char *problem)
{
    unsigned long hz = c->n > 2 ? strtoul(c->words[2], NULL, 10) : HZ_STANDARD;
    unsigned long seconds = c->n > 3 ? strtoul(c->words[3], NULL, 10) : SECONDS_STANDARD;
    if (seconds < 1 || seconds > SECONDS_MAX || hz > PROFILE_HZ_MAX) {
        snprintf(problem, SETTING_PROBLEM_MAX, "profile start [HZ 1..1000] [SECONDS 1..3600]");
        return SONDE_ERROR_ARGUMENT;
    }
    int err = profile_start((unsigned)hz, (unsigned)seconds, problem);
    if (!err) {
        jot_u64(j, "hz", hz);
        jot_u64(j, "seconds", seconds);
    }
    return err;
}

static void base64(struct text *ret, const char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) {
            v = v << 8 | (k < left ? (uint8_t)bytes[i + k] : 0);
        }
        char out[4];
        for (size_t k = 0; k < 4; k++) {
            out[k] = k <= left ? digits[v >> (18 - 6 * k) & 63] : '=';
        }
        text_add(ret, out, sizeof out);
    }
}

static int end(const struct command_call *c, struct jot *j, char *problem)
{
    bool pprof = c->n > 2 && strcmp(c->words[2], "pprof") == 0;
    if (c->n > 2 && !pprof && strcmp(c->words[2], "folded") != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "profile stop [folded|pprof]");
        return SONDE_ERROR_ARGUMENT;
    }
    struct profile_sum s;
    if (profile_stop(&s) != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "no profile is being taken");
        return SONDE_ERROR_STATE;
    }
    struct text t, coded;
    text_init(&t, OUTPUT_MAX);
    text_init(&coded, 2 * OUTPUT_MAX);
    (pprof ? profile_pprof : profile_folded)(&s, &t);
    jot_string(j, "format", pprof ? "pprof" : "folded");
    jot_u64(j, "samples", s.samples);
    jot_u64(j, "lost", s.lost);
    jot_u64(j, "stacks", s.stacks_n);
    jot_number(j, "period_ms", (double)s.period_ns / 1e6);
    jot_number(j, "duration_s", (double)s.duration_ns / 1e9);
    if (pprof) {
        base64(&coded, t.bytes, t.len);
        jot_string_n(j, "base64", coded.bytes, coded.len);
    } else {
        jot_string_n(j, "folded", t.bytes ? t.bytes : "", t.len);
    }
    jot_bool(j, "cut", t.cut);
    text_done(&t);
    text_done(&coded);
    profile_sum_done(&s);
    return 0;
}

static int profile(const struct command_call *c, struct jot *j, char *problem)
{
    if (c->n == 1 || strcmp(c->words[1], "status") == 0) {
        return status(j);
    }
    if (strcmp(c->words[1], "start") == 0) {
        return begin(c, j, problem);
    }
    if (strcmp(c->words[1], "stop") == 0) {
        return end(c, j, problem);
    }
    snprintf(problem, SETTING_PROBLEM_MAX, "profile [status|start|stop]");
    return SONDE_ERROR_ARGUMENT;
}

void profile_commands(void)
{
    static struct command command = {
        "profile",
        "[status | start [HZ] [SECONDS] | stop [folded|pprof]]",
        "Where processor time goes: samples of the stacks of all threads.",
        COMMAND_OPERATOR,
        profile,
        NULL};
    command_add(&command);
}

int sonde_profile_start(unsigned hz, unsigned seconds)
{
    char problem[SETTING_PROBLEM_MAX];
    return sonde_running() ? profile_start(hz, seconds, problem) : SONDE_ERROR_STATE;
}

int sonde_profile_stop(const char *path)
{
    struct profile_sum s;
    if (!path) {
        return SONDE_ERROR_ARGUMENT;
    }
    int err = profile_stop(&s);
    if (err) {
        return err;
    }
    struct text t;
    text_init(&t, OUTPUT_MAX);
    profile_folded(&s, &t);
    profile_sum_done(&s);
    FILE *f = fopen(path, "we");
    bool good = f && fwrite(t.bytes ? t.bytes : "", 1, t.len, f) == t.len;
    good = (!f || fclose(f) == 0) && good;
    text_done(&t);
    return good ? 0 : SONDE_ERROR_SYSTEM;
}
