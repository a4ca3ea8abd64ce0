#include "client/error/report.h"

#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/core/lost.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/error/envelope.h"

enum { JSON_MAX = 8192 };

/* Those that Sentry knows; the library's others are metrics alone. */
static const enum lost_category told[] = {LOST_ERROR, LOST_SPAN, LOST_LOG, LOST_SESSION};
enum { TOLD_N = sizeof told / sizeof *told };

static uint64_t before[TOLD_N][LOST_REASONS];
static uint64_t last_ns;

void report_start(void)
{
    for (size_t i = 0; i < TOLD_N; i++) {
        for (int reason = 0; reason < LOST_REASONS; reason++) {
            before[i][reason] = lost_count(told[i], (enum lost_reason)reason);
        }
    }
    last_ns = ticks_monotonic_ns();
}

static bool write_all(struct text *ret)
{
    struct jot j;
    bool any = false;
    jot_init(&j, ret);
    jot_object(&j, NULL);
    jot_number(&j, "timestamp", (double)(ticks_unix_now_ns() / 1000000) / 1e3);
    jot_array(&j, "discarded_events");
    for (size_t i = 0; i < TOLD_N; i++) {
        for (int reason = 0; reason < LOST_REASONS; reason++) {
            uint64_t n = lost_count(told[i], (enum lost_reason)reason);
            if (n > before[i][reason]) {
                jot_object(&j, NULL);
                jot_string(&j, "reason", lost_reason_name((enum lost_reason)reason));
                jot_string(&j, "category", lost_category_name(told[i]));
                jot_u64(&j, "quantity", n - before[i][reason]);
                jot_end(&j);
                any = true;
            }
            before[i][reason] = n;
        }
    }
    jot_end(&j);
    jot_end(&j);
    return any;
}

void report_flush(bool now)
{
    uint64_t time_ns = ticks_monotonic_ns();
    if (!setting.report_interval_ms ||
        (!now && time_ns - last_ns < setting.report_interval_ms * 1000000)) {
        return;
    }
    last_ns = time_ns;
    struct text json, t;
    text_init(&json, JSON_MAX);
    text_init(&t, (size_t)2 * JSON_MAX);
    if (write_all(&json) && !json.cut) {
        envelope_begin(&t, NULL);
        envelope_item(&t, "client_report", json.bytes, json.len);
        struct outgoing what = {FRAME_ENVELOPE, 1, "internal"};
        if (!t.cut) {
            outgoing_put(&what, &t);
        }
    }
    text_done(&json);
    text_done(&t);
}
