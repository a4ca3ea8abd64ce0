/* client/trace/capture_test.h - the library without a daemon, for tests: what it would send is
 * kept.
 */
#ifndef CLIENT_TRACE_CAPTURE_TEST_H
#define CLIENT_TRACE_CAPTURE_TEST_H

#include <pthread.h>
#include <stdlib.h>

#include "client/core/outgoing.h"
#include "client/trace/otlp_dump_test.h"
#include "sonde/core.h"

/* A forked child starts the library's thread, which the sanitizer forbids by default. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

static pthread_mutex_t capture_lock = PTHREAD_MUTEX_INITIALIZER;
static char *capture_text[2]; /* dumps: of spans, of logs */
static size_t capture_items[2];

static inline void capture_put(const struct outgoing *what, const struct text *payload)
{
    if (what->kind != FRAME_SPANS && what->kind != FRAME_LOGS) {
        return;
    }
    int of = what->kind == FRAME_LOGS;
    char *more = otlp_dump(of ? otlp_dump_logs : otlp_dump_traces, payload->bytes, payload->len);
    pthread_mutex_lock(&capture_lock);
    size_t before = capture_text[of] ? strlen(capture_text[of]) : 0, n = strlen(more);
    char *all = realloc(capture_text[of], before + n + 1);
    assert_non_null(all);
    memcpy(all + before, more, n + 1);
    capture_text[of] = all;
    capture_items[of] += what->items;
    pthread_mutex_unlock(&capture_lock);
    free(more);
}

static inline bool capture_true(void)
{
    return true;
}

static inline void capture_start(const char *a, const char *b)
{
    static const struct outgoing_ops ops = {capture_put, capture_true, capture_true};
    static char spool[] = "spool.dir=/tmp/sonde-capture-XXXXXX";
    static bool made;
    if (!made) {
        assert_non_null(mkdtemp(spool + strlen("spool.dir=")));
        made = true;
    }
    const char *const settings[] = {
        "socket=none", spool, "export.interval_ms=3600000", "session.auto=false", a, b, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    o.release = "1.2";
    o.instance = "shop-1";
    o.settings = settings;
    if (sonde_init(&o) != 0) {
        fail_msg("sonde_init: %s", sonde_last_problem());
    }
    outgoing_set(&ops);
}

/* What came since the last call: the dump of spans (0) or logs (1); free it. Never NULL. */
static inline char *capture_take(int of, size_t *ret_items)
{
    sonde_flush(10000);
    pthread_mutex_lock(&capture_lock);
    char *text = capture_text[of] ? capture_text[of] : calloc(1, 1);
    *ret_items = capture_items[of];
    capture_text[of] = NULL;
    capture_items[of] = 0;
    pthread_mutex_unlock(&capture_lock);
    return text;
}

/* How often part occurs. */
static inline size_t capture_count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *s = text; (s = strstr(s, part)) != NULL; s += strlen(part)) {
        n++;
    }
    return n;
}

#endif
