#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "notify/outbox_inside.h"

enum { LABELS_BYTES = 1024 };

static struct {
    pthread_mutex_t lock;
    struct map map;
    bool open;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Quotes, backslashes and line ends as the exposition format has them. */
static void put_quoted(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            buf_put_str(out, STR("\\n"));
            continue;
        }
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_put_c(out, '\\');
        buf_put_c(out, s.p[i]);
    }
}

static char *labels_of(struct str kind, struct str receiver, const char *reason)
{
    struct buf b;
    buf_init(&b, LABELS_BYTES);
    buf_put_str(&b, STR("integration=\""));
    put_quoted(kind, &b);
    buf_put_str(&b, STR("\",receiver=\""));
    put_quoted(str_sub(receiver, 0, LABELS_BYTES / 4), &b);
    buf_put_c(&b, '"');
    if (reason)
        buf_printf(&b, ",reason=\"%s\"", reason);
    char *ret = mem_text(b.p, b.n);
    buf_done(&b);
    return ret;
}

static struct outbox_stats *stats_new(struct str kind, struct str receiver)
{
    struct outbox_stats *s = mem_new(sizeof *s);
    const char *plain = labels_of(kind, receiver, NULL);
    s->sent = (struct stat)STAT_COUNTER_OF("sonde_notifications_total", plain,
                                           "Attempts to notify a receiver.");
    s->failed = (struct stat)STAT_COUNTER_OF("sonde_notifications_failed_total", plain,
                                             "Attempts that failed.");
    s->dropped = (struct stat)STAT_COUNTER_OF(
        "sonde_notifications_dropped_total", labels_of(kind, receiver, "refused"),
        "Messages that were given up: refused by the receiver, or too old.");
    s->expired = (struct stat)STAT_COUNTER_OF(
        "sonde_notifications_dropped_total", labels_of(kind, receiver, "expired"),
        "Messages that were given up: refused by the receiver, or too old.");
    s->waiting = (struct stat)STAT_GAUGE_OF("sonde_notifications_waiting", plain,
                                            "Messages that wait to be sent.");
    s->latency = (struct stat)STAT_HISTOGRAM_OF("sonde_notification_latency_seconds", plain,
                                                "How long an attempt took.");
    stat_register(&s->sent);
    stat_register(&s->failed);
    stat_register(&s->dropped);
    stat_register(&s->expired);
    stat_register(&s->waiting);
    stat_register(&s->latency);
    return s;
}

struct outbox_stats *outbox_stats_get(struct str kind, struct str receiver)
{
    char key[LABELS_BYTES];
    bool fresh;
    int n = snprintf(key, sizeof key, STR_FMT "/%.*s", STR_ARG(kind),
                     (int)MIN(receiver.n, (size_t)LABELS_BYTES / 4), receiver.n ? receiver.p : "");
    thread_lock(&all.lock);
    if (!all.open)
        map_init(&all.map, 0);
    all.open = true;
    union map_value *v = map_put(&all.map, str_of(key, MIN((size_t)n, sizeof key - 1)), &fresh);
    if (fresh)
        v->p = stats_new(kind, receiver);
    struct outbox_stats *ret = v->p;
    thread_unlock(&all.lock);
    return ret;
}
