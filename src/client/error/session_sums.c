#include "client/error/session_sums.h"

#include <stdatomic.h>
#include <stddef.h>

#include "client/core/identity.h"
#include "client/core/jot.h"
#include "client/core/lost.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/error/envelope.h"
#include "sonde/error.h"

enum { ENDED_EXITED, ENDED_ERRORED, ENDED_CRASHED, ENDED_ABNORMAL, ENDINGS, JSON_MAX = 32768 };
static const int64_t minute_ns = 60000000000;

static _Atomic uint32_t sums[SESSION_SUMS_MINUTES][ENDINGS];
static _Atomic bool any;
static uint64_t flushed_ns; /* of the worker */

void session_sums_add(int64_t started_unix_ns, int status, bool errored)
{
    int64_t minute = started_unix_ns / minute_ns, now = ticks_unix_now_ns() / minute_ns;
    if (minute > now || minute <= now - SESSION_SUMS_MINUTES) {
        minute = minute > now ? now : now - SESSION_SUMS_MINUTES + 1;
    }
    int ending = status == SONDE_SESSION_CRASHED    ? ENDED_CRASHED
                 : status == SONDE_SESSION_ABNORMAL ? ENDED_ABNORMAL
                 : errored                          ? ENDED_ERRORED
                                                    : ENDED_EXITED;
    atomic_fetch_add_explicit(&sums[minute % SESSION_SUMS_MINUTES][ending], 1,
                              memory_order_relaxed);
    atomic_store_explicit(&any, true, memory_order_release);
}

static void minute_out(struct jot *j, int64_t minute)
{
    static const char *const names[ENDINGS] = {"exited", "errored", "crashed", "abnormal"};
    uint32_t n[ENDINGS], all = 0;
    for (int i = 0; i < ENDINGS; i++) {
        n[i] = atomic_exchange_explicit(&sums[minute % SESSION_SUMS_MINUTES][i], 0,
                                        memory_order_relaxed);
        all += n[i];
    }
    if (!all) {
        return;
    }
    jot_object(j, NULL);
    jot_time(j, "started", minute * minute_ns);
    for (int i = 0; i < ENDINGS; i++) {
        if (n[i]) {
            jot_u64(j, names[i], n[i]);
        }
    }
    jot_end(j);
}

static void send(const struct text *json)
{
    struct text t;
    text_init(&t, (size_t)2 * JSON_MAX);
    envelope_begin(&t, NULL);
    envelope_item(&t, "sessions", json->bytes, json->len);
    if (t.cut || json->cut) {
        lost_add(LOST_SESSION, LOST_MEMORY, 1);
    } else {
        struct outgoing what = {FRAME_ENVELOPE, 1, "session"};
        outgoing_put(&what, &t);
    }
    text_done(&t);
}

void session_sums_flush(bool everything)
{
    uint64_t now_ns = ticks_monotonic_ns();
    if (!everything && flushed_ns && now_ns - flushed_ns < (uint64_t)minute_ns) {
        return;
    }
    flushed_ns = now_ns;
    if (!atomic_exchange_explicit(&any, false, memory_order_acquire)) {
        return;
    }
    struct text t;
    struct jot j;
    text_init(&t, JSON_MAX);
    jot_init(&j, &t);
    jot_object(&j, NULL);
    jot_array(&j, "aggregates");
    int64_t now = ticks_unix_now_ns() / minute_ns;
    for (int64_t minute = now - SESSION_SUMS_MINUTES + 1; minute <= now; minute++) {
        minute_out(&j, minute);
    }
    jot_end(&j);
    jot_object(&j, "attrs");
    jot_string(&j, "release",
               setting.release && *setting.release ? setting.release : identity.service);
    jot_string(&j, "environment", setting.environment);
    jot_end(&j);
    jot_end(&j);
    send(&t);
    text_done(&t);
}

void session_sums_clear(void)
{
    for (int m = 0; m < SESSION_SUMS_MINUTES; m++) {
        for (int i = 0; i < ENDINGS; i++) {
            atomic_store_explicit(&sums[m][i], 0, memory_order_relaxed);
        }
    }
}
