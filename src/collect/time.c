/* The clock and its source. */
#include "collect/collector.h"

#include <time.h>

#include "collect/sysdir.h"

static const struct family NOW = {
    "node_time_seconds", METRIC_GAUGE, "Seconds since 1970 by the clock of this machine.", {NULL}};
static const struct family ZONE = {"node_time_zone_offset_seconds",
                                   METRIC_GAUGE,
                                   "How far the local time zone is from UTC.",
                                   {"time_zone"}};
static const struct family AVAILABLE = {"node_time_clocksource_available_info",
                                        METRIC_GAUGE,
                                        "Clock sources that the kernel can use; always 1.",
                                        {"device", "clocksource"}};
static const struct family CURRENT = {"node_time_clocksource_current_info",
                                      METRIC_GAUGE,
                                      "The clock source in use; always 1.",
                                      {"device", "clocksource"}};

static const char PREFIX[] = "clocksource";
static const char *const ATTRS[] = {"available_clocksource", "current_clocksource"};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = sysdir_new(host->sys, "/devices/system/clocksource", PREFIX, ATTRS, COUNTOF(ATTRS));
    return 0;
}

static void close_state(void *state)
{
    sysdir_free(state);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct sysdir *d = state;
    (void)why;
    int64_t now_ms = clock_wall_ms(host->clock);
    time_t now = (time_t)(now_ms / 1000);
    struct tm local;
    emit_plain(e, &NOW, (double)now_ms / 1e3);
    if (localtime_r(&now, &local))
        emit(e, &ZONE, (double)local.tm_gmtoff, str_c(local.tm_zone));
    if (sysdir_scan(d, NULL))
        return 0; /* a kernel without clock sources to choose from */
    for (size_t i = 0; i < d->n; i++) {
        char room[PSEUDO_SMALL];
        struct str text, word, device = str_c(d->v[i].name + sizeof PREFIX - 1);
        if (sysdir_text(&d->v[i], 0, room, &text))
            while (str_word(&text, &word))
                emit(e, &AVAILABLE, 1, device, word);
        if (sysdir_text(&d->v[i], 1, room, &text))
            emit(e, &CURRENT, 1, device, text);
    }
    return 0;
}

const struct collector_ops time_collector = {.open = open_state, .run = run, .close = close_state};
