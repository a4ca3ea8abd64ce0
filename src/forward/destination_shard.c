#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/must.h"
#include "forward/destination_state.h"
#include "pack/pack.h"

enum {
    ANSWER_MAX = 64 * 1024, /* bytes of an answer that are read */
    SHOWN_MAX = 200,        /* bytes of it in a warning */
    NEVER_MS = 86400000,

    OWN_HEADERS = 3,
};

static const int64_t WARN_NS = 60 * 1000000000LL; /* between warnings */

static const char *const HEADERS_1[OWN_HEADERS] = {
    "Content-Type: application/x-protobuf",
    "Content-Encoding: snappy",
    "X-Prometheus-Remote-Write-Version: 0.1.0",
};
static const char *const HEADERS_2[OWN_HEADERS] = {
    "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding: snappy",
    "X-Prometheus-Remote-Write-Version: 2.0.0",
};

static void on_timer(void *shard);
static void on_answer(void *shard, const struct fetch_answer *a);

void destination_shard_open(struct destination *d)
{
    int64_t most = MIN(MAX(d->write->max_shards, 1), (int64_t)DESTINATION_SHARDS_MAX);
    d->shards_max = (size_t)most;
    d->shards_n = (size_t)MIN(MAX(d->write->min_shards, 1), most);
    d->shards = mem_array(d->shards_max, sizeof *d->shards);
    for (size_t i = 0; i < d->shards_max; i++) {
        struct destination_shard *s = &d->shards[i];
        s->all = d;
        s->limit = SIZE_MAX;
        s->timer = timer_new(d->plan.loop, NEVER_MS, 0, on_timer, s);
        buf_init(&s->body, SIZE_MAX / 4);
    }
}

void destination_shard_close(struct destination *d)
{
    for (size_t i = 0; d->shards && i < d->shards_max; i++) {
        struct destination_shard *s = &d->shards[i];
        timer_free(s->timer);
        buf_done(&s->body);
        vec_free(&s->rows);
    }
    mem_free(d->shards);
    d->shards = NULL;
}

/* ---- making a request */

/* What is known of the family of a series: by its name, or without the suffix of its parts. */
static const struct metadata *metadata_of(struct destination *d, struct str key)
{
    static const struct str SUFFIXES[] = {{"_bucket", 7}, {"_count", 6}, {"_sum", 4},
                                          {"_total", 6},  {"_info", 5},  {"_created", 8}};
    struct str name = labels_get(key, LABEL_METRIC);
    union map_value *v = map_get(&d->families, name);
    for (size_t i = 0; v == NULL && i < COUNTOF(SUFFIXES); i++)
        if (str_ends(name, SUFFIXES[i]))
            v = map_get(&d->families, str_sub(name, 0, name.n - SUFFIXES[i].n));
    return v ? &((struct destination_family *)v->p)->metadata : NULL;
}

/* POSTs a body that lives until done(). */
static void post(struct destination *d, bool version2, struct str body,
                 void (*done)(void *context, const struct fetch_answer *a), void *context,
                 struct fetch **ret)
{
    const char *headers[DESTINATION_HEADERS_MAX + OWN_HEADERS];
    memcpy(headers, version2 ? HEADERS_2 : HEADERS_1, sizeof HEADERS_1);
    memcpy(headers + OWN_HEADERS, d->headers, d->headers_n * sizeof *headers);
    const struct fetch_request request = {.method = "POST",
                                          .url = d->url,
                                          .headers = headers,
                                          .headers_n = OWN_HEADERS + d->headers_n,
                                          .body = body,
                                          .timeout_ms = d->write->timeout_ms,
                                          .body_max = ANSWER_MAX,
                                          .done = done,
                                          .context = context};
    fetch_start(d->client, &request, ret);
}

static void send(struct destination_shard *s)
{
    post(s->all, s->version2, buf_str(&s->body), on_answer, s, &s->fetch);
}

/* The first n rows as a request. */
static void make_body(struct destination_shard *s, size_t n)
{
    struct destination *d = s->all;
    struct rw_write_row *rows = mem_array(n, sizeof *rows);
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        rows[i] = s->rows.v[i].write;
        if (d->version2)
            rows[i].metadata = metadata_of(d, rows[i].key);
        last = MAX(last, s->rows.v[i].number + 1);
    }
    buf_clear(&d->plain);
    if (d->version2)
        rw_write_v2(&d->writer, rows, n, &d->plain);
    else
        rw_write_v1(&d->writer, rows, n, &d->plain);
    mem_free(rows);
    buf_clear(&s->body);
    int err = buf_failed(&d->plain) ? -ERR_LIMIT
                                    : pack_pack(PACK_SNAPPY, 0, buf_str(&d->plain), &s->body);
    must(err == 0 || n > 1); /* one row of a block always fits */
    if (err) {               /* rows of enormous labels: fewer of them */
        make_body(s, n / 2);
        return;
    }
    s->sending = n;
    s->version2 = d->version2;
    destination_begin(d, last);
}

static int64_t age_ns(const struct destination_shard *s)
{
    return clock_monotonic_ns(s->all->plan.clock) - s->oldest_ns;
}

void destination_shard_kick(struct destination_shard *s)
{
    struct destination *d = s->all;
    if (s->fetch || s->waits || s->rows.n == 0)
        return;
    size_t most = MIN((size_t)MAX(d->write->max_samples_per_send, 1), s->limit);
    int64_t left_ns = d->write->batch_deadline_ms * 1000000 - age_ns(s);
    if (s->rows.n < most && left_ns > 0 && !d->draining && !d->resharding) {
        timer_again(s->timer, left_ns / 1000000 + 1, 0);
        return;
    }
    make_body(s, MIN(s->rows.n, most));
    send(s);
}

static void on_timer(void *shard)
{
    struct destination_shard *s = shard;
    if (s->waits) {
        s->waits = false;
        if (s->version2 != s->all->version2) /* another shard has learnt it meanwhile */
            make_body(s, s->sending);
        send(s);
        return;
    }
    destination_shard_kick(s);
}

/* ---- what comes back */
static void warn(struct destination *d, const struct fetch_answer *a, const char *what, size_t n)
{
    int64_t now = clock_monotonic_ns(d->plan.clock);
    char text[1024];
    if (d->warned_ns != 0 && now - d->warned_ns < WARN_NS)
        return;
    d->warned_ns = now;
    int shown = (int)MIN(a->body.n, (size_t)SHOWN_MAX);
    if (a->err)
        snprintf(text, sizeof text, "remote write to " STR_FMT ": %s; %s", STR_ARG(d->write->name),
                 a->why, what);
    else
        snprintf(text, sizeof text,
                 "remote write to " STR_FMT " was answered with status %d: %.*s; %s (%zu rows)",
                 STR_ARG(d->write->name), a->status, shown, shown ? a->body.p : "", what, n);
    d->plan.warn(d->plan.context, text);
}

static void count_row(struct destination *d, const struct rw_write_row *row, bool version2)
{
    if (row->bare && version2) {
        stat_add(&d->stats->dropped[DROP_KIND], 1);
        return;
    }
    if (row->histogram)
        stat_add(&d->stats->histograms, 1);
    else if (!row->bare)
        stat_add(&d->stats->samples, 1);
    for (const struct rw_write_exemplar *e = row->exemplars; e; e = e->next)
        stat_add(&d->stats->exemplars, 1);
    if (!row->bare && (double)row->ts_ms / 1e3 > stat_gauge(&d->stats->sent_seconds))
        stat_set(&d->stats->sent_seconds, (double)row->ts_ms / 1e3);
}

/* The rows of the request are done with. */
static void finish(struct destination_shard *s, bool accepted)
{
    struct destination *d = s->all;
    size_t n = s->sending;
    for (size_t i = 0; i < n; i++) {
        if (accepted)
            count_row(d, &s->rows.v[i].write, s->version2);
        destination_settle(d, s->rows.v[i].block);
    }
    s->rows.n -= n;
    memmove(s->rows.v, s->rows.v + n, s->rows.n * sizeof *s->rows.v);
    d->buffered -= n;
    s->sending = 0;
    s->backoff_ms = 0;
    s->oldest_ns = clock_monotonic_ns(d->plan.clock);
    d->answered++;
    if (accepted) {
        stat_add(&d->stats->requests, 1);
        stat_add(&d->stats->bytes, s->body.n);
    }
    destination_shard_kick(s);
    destination_pump(d);
}

static void try_again(struct destination_shard *s, const struct fetch_answer *a)
{
    struct destination *d = s->all;
    int64_t least = MAX(d->write->min_backoff_ms, 1);
    s->backoff_ms = s->backoff_ms == 0 ? least : s->backoff_ms * 2;
    s->backoff_ms = MIN(s->backoff_ms, MAX(d->write->max_backoff_ms, least));
    int64_t asked = fetch_retry_after_ms(a, clock_wall_ms(d->plan.clock));
    stat_add(&d->stats->retries, 1);
    warn(d, a, "it is tried again", s->sending);
    s->waits = true;
    timer_again(s->timer, asked >= 0 ? MIN(asked, (int64_t)NEVER_MS) : s->backoff_ms, 0);
    destination_rest(d);
}

static void refused(struct destination_shard *s, const struct fetch_answer *a)
{
    struct destination *d = s->all;
    size_t n = s->sending;
    bool unsure = false;
    for (size_t i = 0; i < n; i++)
        unsure = unsure || s->rows.v[i].number < d->unsure;
    if (unsure && n > 1) { /* it may have a part of it already */
        s->limit = n / 2;
        s->sending = 0;
        destination_shard_kick(s);
        return;
    }
    uint64_t written = 0;
    (void)str_u64(fetch_header_of(a, STR("X-Prometheus-Remote-Write-Samples-Written")), &written);
    stat_add(&d->stats->failed, 1);
    stat_add(&d->stats->dropped[DROP_REFUSED], n - MIN(written, (uint64_t)n));
    if (!unsure)
        warn(d, a, "they are dropped", n);
    finish(s, false);
}

/* A 2xx answer to 2.0 that counts nothing comes from who knows 1.0 alone. */
static bool counts(const struct fetch_answer *a)
{
    return fetch_header_of(a, STR("X-Prometheus-Remote-Write-Samples-Written")).n > 0 ||
           fetch_header_of(a, STR("X-Prometheus-Remote-Write-Histograms-Written")).n > 0;
}

static void fall_back(struct destination_shard *s, const struct fetch_answer *a)
{
    struct destination *d = s->all;
    if (d->version2)
        warn(d, a, "from now on it gets remote write 1.0", s->sending);
    d->version2 = false;
    make_body(s, s->sending);
    send(s);
}

static void on_answer(void *shard, const struct fetch_answer *a)
{
    struct destination_shard *s = shard;
    struct destination *d = s->all;
    bool good = a->err == 0 && a->status >= 200 && a->status < 300;
    s->fetch = NULL;
    if (good && s->version2 && !counts(a)) {
        fall_back(s, a);
    } else if (good) {
        if (s->limit < SIZE_MAX / 2)
            s->limit *= 2;
        finish(s, true);
    } else if (a->err == 0 && a->status == 415 && s->version2) {
        fall_back(s, a);
    } else if (a->err || a->status >= 500 || (a->status == 429 && d->write->retry_on_rate_limit)) {
        try_again(s, a);
    } else {
        refused(s, a);
    }
}

/* ---- metadata */
static void on_metadata(void *context, const struct fetch_answer *a)
{
    struct destination *d = context;
    d->metadata_fetch = NULL;
    if (a->err == 0 && a->status >= 200 && a->status < 300) {
        stat_add(&d->stats->requests, 1);
        stat_add(&d->stats->metadata, d->metadata_sending);
        d->metadata.at += d->metadata_sending;
        destination_shard_metadata(d);
        return;
    }
    d->metadata.at = d->metadata.n; /* the next round will tell it all again */
    warn(d, a, "metadata is sent again later", 0);
}

static void send_metadata(struct destination *d)
{
    size_t most = (size_t)MAX(d->write->metadata_max_samples_per_send, 1);
    size_t n = MIN(d->metadata.n - d->metadata.at, most);
    buf_clear(&d->plain);
    buf_clear(&d->metadata_body);
    rw_write_v1_metadata(&d->writer, d->metadata.v + d->metadata.at, n, &d->plain);
    d->metadata_sending = n;
    if (buf_failed(&d->plain) ||
        pack_pack(PACK_SNAPPY, 0, buf_str(&d->plain), &d->metadata_body) != 0)
        return; /* texts beyond all limits */
    post(d, false, buf_str(&d->metadata_body), on_metadata, d, &d->metadata_fetch);
}

void destination_shard_metadata(struct destination *d)
{
    int64_t now = clock_monotonic_ns(d->plan.clock);
    if (!d->write->metadata_send || d->version2 || d->metadata_fetch || d->draining)
        return;
    if (d->metadata.at < d->metadata.n) {
        send_metadata(d);
        return;
    }
    if (d->families.n == 0 || now < d->metadata_due_ns)
        return;
    d->metadata_due_ns = now + d->write->metadata_interval_ms * 1000000;
    d->metadata.n = d->metadata.at = 0;
    for (size_t at = 0; map_next(&d->families, &at) != NULL;) {
        const struct destination_family *f = d->families.slots[at - 1].value.p;
        vec_push(&d->metadata, f->metadata);
    }
    send_metadata(d);
}
