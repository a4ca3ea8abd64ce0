#include "daemon/alert_log.h"

#include "base/log.h"
#include "base/stat.h"
#include "model/labels.h"
#include "text/number.h"

enum { LINE_MAX_BYTES = 8192, LINES_MAX = 20 /* of one rule's run */ };

static const char *const MODULE = "alert";

static struct stat fired = STAT_COUNTER_OF("sonde_alerts_total", "state=\"firing\"",
                                           "Alerts that began to fire or were resolved.");
static struct stat resolved = STAT_COUNTER_OF("sonde_alerts_total", "state=\"resolved\"",
                                              "Alerts that began to fire or were resolved.");

static void count(const struct alert *a)
{
    stat_add(a->resolved ? &resolved : &fired, 1);
}

static void log_one(const struct alert *a)
{
    char value[NUMBER_MAX];
    struct buf labels;
    buf_init(&labels, LINE_MAX_BYTES);
    labels_print(a->labels, &labels);
    (void)number_format_exposition(a->value, value);
    struct str text = buf_str(&labels);
    if (a->resolved)
        log_info(MODULE, "resolved: " STR_FMT, STR_ARG(text));
    else
        log_warn(MODULE, "firing: " STR_FMT ", value %s", STR_ARG(text), value);
    buf_done(&labels);
}

static void take(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    size_t changed = 0;
    for (size_t i = 0; i < n; i++) {
        if (!alerts[i].first)
            continue;
        count(&alerts[i]);
        if (changed++ < LINES_MAX)
            log_one(&alerts[i]);
    }
    if (changed > LINES_MAX)
        log_warn(MODULE, "%zu more alerts of the same rule changed; /api/v1/alerts has them all",
                 changed - LINES_MAX);
}

struct alert_sink *alert_log(void)
{
    static const struct alert_sink_ops OPS = {take};
    static struct alert_sink sink = {&OPS};
    stat_register(&fired);
    stat_register(&resolved);
    return &sink;
}
