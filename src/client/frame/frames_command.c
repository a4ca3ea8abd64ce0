/* The commands about frames; their fields are documented in docs/manual/libsonde-frames.md and must
 * stay. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/frame/frames.h"

enum { WORST_DEFAULT = 10, WORST_MAX = 1000 };

/* Milliseconds to the nanosecond. */
static void put_ms(struct jot *j, const char *key, double seconds)
{
    if (isfinite(seconds)) {
        jot_number(j, key, nearbyint(seconds * 1e9) / 1e6);
    } else {
        jot_null(j, key);
    }
}

static void visit_info(const sonde_frames_info *i, void *user)
{
    struct jot *j = user;
    jot_object(j, NULL);
    jot_string(j, "name", i->name);
    jot_number(j, "target_hz", i->target_hz);
    jot_u64(j, "count", i->count);
    jot_u64(j, "slow", i->slow);
    jot_u64(j, "frozen", i->frozen);
    jot_u64(j, "janky", i->janky);
    jot_u64(j, "dropped", i->dropped);
    put_ms(j, "delay_ms", i->delay);
    if (i->last_ms) {
        jot_i64(j, "last_time_ms", i->last_ms);
    } else {
        jot_null(j, "last_time_ms");
    }
    jot_object(j, "window");
    jot_u64(j, "count", i->window_count);
    jot_u64(j, "slow", i->window_slow);
    jot_u64(j, "frozen", i->window_frozen);
    jot_number(j, "rate", i->rate);
    put_ms(j, "min_ms", i->minimum);
    put_ms(j, "mean_ms", i->mean);
    put_ms(j, "max_ms", i->maximum);
    put_ms(j, "p50_ms", i->p50);
    put_ms(j, "p95_ms", i->p95);
    put_ms(j, "p99_ms", i->p99);
    jot_end(j);
    jot_end(j);
}

static void visit_worst(const sonde_frame_worst *w, void *user)
{
    struct jot *j = user;
    jot_object(j, NULL);
    jot_string(j, "name", w->name);
    jot_i64(j, "time_ms", w->start_ms);
    put_ms(j, "duration_ms", w->seconds);
    jot_bool(j, "frozen", w->frozen);
    jot_i64(j, "thread", w->thread);
    jot_array(j, "running");
    for (size_t i = 0; i < w->running_n; i++) {
        const sonde_frame_running *r = &w->running[i];
        jot_object(j, NULL);
        jot_string(j, "kind", r->service ? "operation" : "span");
        if (r->service) {
            jot_string(j, "service", r->service);
        }
        jot_string(j, "name", r->name);
        put_ms(j, "duration_ms", r->seconds);
        jot_bool(j, "ended", r->ended);
        jot_end(j);
    }
    jot_end(j);
    jot_end(j);
}

static int no_frames(const char *name, char *problem)
{
    snprintf(problem, SETTING_PROBLEM_MAX, "no frames are called \"%.80s\"", name);
    return SONDE_ERROR_NOT_FOUND;
}

/* frames worst [N] */
static int run_worst(const struct command_call *call, struct jot *j, char *problem)
{
    unsigned long n = WORST_DEFAULT;
    if (call->n > 2) {
        char *end;
        n = strtoul(call->words[2], &end, 10);
        if (*end || n < 1 || n > WORST_MAX || call->words[2][0] == '-') {
            snprintf(problem, SETTING_PROBLEM_MAX, "\"%.40s\": a number from 1 to %d is expected",
                     call->words[2], WORST_MAX);
            return SONDE_ERROR_ARGUMENT;
        }
    }
    jot_array(j, "worst");
    sonde_frames_worst(NULL, n, visit_worst, j);
    jot_end(j);
    return 0;
}

static int run_frames(const struct command_call *call, struct jot *j, char *problem)
{
    const char *name = call->n > 1 ? call->words[1] : NULL;
    if (name && strcmp(name, "worst") == 0) {
        return run_worst(call, j, problem);
    }
    sonde_frames *f = name ? frames_find(name) : NULL;
    if (name && !f) {
        return no_frames(name, problem);
    }
    jot_array(j, "frames");
    sonde_frames_info info = {.struct_size = sizeof info};
    if (!f) {
        sonde_frames_each(visit_info, j);
    } else if (sonde_frames_read(f, &info) == 0) {
        visit_info(&info, j);
    }
    jot_end(j);
    if (f) {
        jot_array(j, "worst");
        sonde_frames_worst(f, SONDE_FRAMES_WORST_MAX, visit_worst, j);
        jot_end(j);
    }
    return 0;
}

static int run_reset(const struct command_call *call, struct jot *j, char *problem)
{
    const char *name = call->n > 1 ? call->words[1] : NULL;
    sonde_frames *f = name ? frames_find(name) : NULL;
    if (name && !f) {
        return no_frames(name, problem);
    }
    sonde_frames_reset(f);
    jot_u64(j, "frames", f ? 1 : frames_count());
    return 0;
}

void frames_command_start(void)
{
    static struct command commands[] = {
        {"frames", "[NAME] | worst [N]",
         "Frame times of all loops, of one with its worst frames, or the worst of all.",
         COMMAND_VIEWER, run_frames, NULL},
        {"frames_reset", "[NAME]", "Begins to count frames at nothing.", COMMAND_OPERATOR,
         run_reset, NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
}
