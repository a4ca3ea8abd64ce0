#include "daemon/alert_log.h"

#include "base/log.h"
#include "base/stat.h"
#include "model/labels.h"
#include "text/number.h"

enum { LINE_MAX_BYTES = 8192 };

static const char *const MODULE = "alert";

static struct stat fired = STAT_COUNTER_OF("sonde_alerts_total", "state=\"firing\"",
                                           "Alerts that began to fire or were resolved.");
static struct stat resolved = STAT_COUNTER_OF("sonde_alerts_total", "state=\"resolved\"",
                                              "Alerts that began to fire or were resolved.");

static void log_one(const struct alert *a)
{
    char value[NUMBER_MAX];
    struct buf labels;
    buf_init(&labels, LINE_MAX_BYTES);
    labels_print(a->labels, &labels);
    (void)number_format_exposition(a->value, value);
    struct str text = buf_str(&labels);
    if (a->resolved) {
        log_info(MODULE, "resolved: " STR_FMT, STR_ARG(text));
        stat_add(&resolved, 1);
    } else {
        log_warn(MODULE, "firing: " STR_FMT ", value %s", STR_ARG(text), value);
        stat_add(&fired, 1);
    }
    buf_done(&labels);
}

static void take(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (alerts[i].first)
            log_one(&alerts[i]);
}

struct alert_sink *alert_log(void)
{
    static const struct alert_sink_ops OPS = {take};
    static struct alert_sink sink = {&OPS};
    stat_register(&fired);
    stat_register(&resolved);
    return &sink;
}
