#include <stdio.h>

#include "base/mem.h"
#include "forward/destination_state.h"

static const char *const REASONS[DROPS_N] = {
    [DROP_LOST] = "queue",      /* the queue was full, or damaged */
    [DROP_REFUSED] = "refused", /* by the server */
    [DROP_OLD] = "too_old",
    [DROP_KIND] = "kind", /* histograms or exemplars that are not sent */
};

/* destination="NAME", with more behind it; never freed, as the metrics are not. */
static const char *labels_of(struct str name, const char *more)
{
    struct buf b;
    buf_init(&b, 10000);
    buf_put_str(&b, STR("destination=\""));
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\')
            buf_put_c(&b, '\\');
        buf_put_c(&b, name.p[i] == '\n' ? ' ' : name.p[i]);
    }
    buf_printf(&b, "\"%s", more);
    buf_put_c(&b, '\0');
    return b.p;
}

struct destination_stats *destination_stat_new(struct str name)
{
    struct destination_stats *s = mem_new(sizeof *s);
    const char *labels = labels_of(name, "");
    const struct {
        struct stat *to;
        const char *name, *help;
        enum stat_type type;
    } all[] = {
        {&s->samples, "sonde_forward_samples_total", "Float samples sent and accepted.",
         STAT_TYPE_COUNTER},
        {&s->histograms, "sonde_forward_histograms_total", "Histograms sent and accepted.",
         STAT_TYPE_COUNTER},
        {&s->exemplars, "sonde_forward_exemplars_total", "Exemplars sent and accepted.",
         STAT_TYPE_COUNTER},
        {&s->metadata, "sonde_forward_metadata_total", "Entries of metadata sent and accepted.",
         STAT_TYPE_COUNTER},
        {&s->bytes, "sonde_forward_bytes_total", "Bytes of requests sent and accepted, packed.",
         STAT_TYPE_COUNTER},
        {&s->requests, "sonde_forward_requests_total", "Requests that were accepted.",
         STAT_TYPE_COUNTER},
        {&s->failed, "sonde_forward_requests_refused_total",
         "Requests that the server refused for good.", STAT_TYPE_COUNTER},
        {&s->retries, "sonde_forward_retries_total", "Requests that were to be tried again.",
         STAT_TYPE_COUNTER},
        {&s->pending, "sonde_forward_pending_rows", "Rows in the queue that are not sent yet.",
         STAT_TYPE_GAUGE},
        {&s->shards, "sonde_forward_shards", "Requests that may be in progress at once.",
         STAT_TYPE_GAUGE},
        {&s->sent_seconds, "sonde_forward_sent_timestamp_seconds",
         "Time of the newest sample that was accepted.", STAT_TYPE_GAUGE},
    };
    for (size_t i = 0; i < COUNTOF(all); i++) {
        all[i].to->name = all[i].name;
        all[i].to->help = all[i].help;
        all[i].to->labels = labels;
        all[i].to->type = all[i].type;
        stat_register(all[i].to);
    }
    for (size_t i = 0; i < DROPS_N; i++) {
        char reason[40];
        snprintf(reason, sizeof reason, ",reason=\"%s\"", REASONS[i]);
        s->dropped[i].name = "sonde_forward_dropped_total";
        s->dropped[i].help = "Rows that were not sent, by reason.";
        s->dropped[i].labels = labels_of(name, reason);
        s->dropped[i].type = STAT_TYPE_COUNTER;
        stat_register(&s->dropped[i]);
    }
    return s;
}

void destination_stat_hide(struct destination_stats *s, bool hidden)
{
    struct stat *all[] = {&s->samples, &s->histograms, &s->exemplars,   &s->metadata,
                          &s->bytes,   &s->requests,   &s->failed,      &s->retries,
                          &s->pending, &s->shards,     &s->sent_seconds};
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_hide(all[i], hidden);
    for (size_t i = 0; i < DROPS_N; i++)
        stat_hide(&s->dropped[i], hidden);
}
