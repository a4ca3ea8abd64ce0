#include "serve/live.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/stat.h"
#include "os/loop.h"
#include "os/thread.h"
#include "serve/job.h"
#include "serve/live_state.h"
#include "text/json.h"

enum { CALM_MIN = 10 /* deliveries without a queue before a client is given more again */ };

static struct stat clients_now = STAT_GAUGE("sonde_live_clients", "Open live WebSockets.");
static struct stat subs_now = STAT_GAUGE("sonde_live_subscriptions", "Subscriptions of them.");
static struct stat frames = STAT_COUNTER("sonde_live_frames_total", "Binary frames sent to them.");
static struct stat frame_bytes =
    STAT_COUNTER("sonde_live_frame_bytes_total", "Bytes of those frames.");
static struct stat slowed =
    STAT_COUNTER("sonde_live_slowed_total", "Times that a slow client was given fewer frames.");
static struct stat dropped =
    STAT_COUNTER("sonde_live_dropped_total", "Clients closed because they did not read.");

static void add_gauge(struct live *l, struct stat *s, double by)
{
    thread_lock(&l->lock);
    stat_set(s, stat_gauge(s) + by);
    thread_unlock(&l->lock);
}

struct live *live_new(struct serve *s)
{
    struct live *l = mem_new(sizeof *l);
    l->serve = s;
    thread_lock_init(&l->lock);
    map_init(&l->by_id, (uint64_t)(uintptr_t)l);
    stat_register(&clients_now);
    stat_register(&subs_now);
    stat_register(&frames);
    stat_register(&frame_bytes);
    stat_register(&slowed);
    stat_register(&dropped);
    live_key_open_stats();
    return l;
}

void live_free(struct live *l)
{
    if (!l)
        return;
    live_key_free_all(l);
    map_done(&l->by_id);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

/* ---- sending */

static void send_text(struct live_client *c, struct str text)
{
    struct ws_frame *f = ws_frame_new(text, false);
    ws_send(c->ws, f);
    ws_frame_free(f);
}

static void send_frame(struct live_client *c, struct ws_frame *f, size_t size)
{
    ws_send(c->ws, f);
    c->sent++;
    stat_add(&frames, 1);
    stat_add(&frame_bytes, size);
}

static void send_error(struct live_client *c, uint32_t id, const char *text)
{
    struct buf b;
    buf_init(&b, LIVE_MESSAGE_MAX);
    buf_printf(&b, "{\"op\":\"error\",\"id\":%u,\"error\":", id);
    json_put_text(&b, str_c(text));
    buf_put_c(&b, '}');
    send_text(c, buf_str(&b));
    buf_done(&b);
}

static void send_blob(struct live_client *c, struct live_blob *labels, struct live_blob *points)
{
    if (labels)
        send_text(c, buf_str(&labels->bytes));
    struct ws_frame *f = ws_frame_new(buf_str(&points->bytes), true);
    send_frame(c, f, points->bytes.n);
    ws_frame_free(f);
}

/* The points [from, to] encoded for one client, with the labels where they have changed. */
static void send_own(struct live_sub *sub, enum live_kind kind, int64_t from, int64_t to)
{
    struct live_key *k = sub->key;
    struct live_blob *points = live_blob_new(), *labels = NULL;
    thread_lock(&k->live->lock);
    live_frame_points(k, kind, from, to, &points->bytes);
    if (kind == LIVE_SNAPSHOT || sub->generation != k->generation) {
        labels = live_blob_new();
        live_frame_labels(k, kind != LIVE_SNAPSHOT, &labels->bytes);
    }
    sub->generation = k->generation;
    thread_unlock(&k->live->lock);
    send_blob(sub->client, labels, points);
    live_blob_drop(points);
    live_blob_drop(labels);
}

static void send_snapshot(struct live_sub *sub, int64_t last)
{
    send_own(sub, LIVE_SNAPSHOT, last - (int64_t)sub->points + 1, last);
    sub->waiting = false;
    sub->last = last;
}

/* Sends the snapshot at once where the ring is there already. */
static void snapshot_if_ready(struct live_sub *sub)
{
    struct live_key *k = sub->key;
    thread_lock(&k->live->lock);
    bool ready = k->filled && k->capacity >= sub->points && k->capacity >= k->wanted;
    int64_t last = k->last;
    thread_unlock(&k->live->lock);
    if (ready)
        send_snapshot(sub, last);
}

/* ---- how fast a client reads */

static void set_pace(struct live_client *c, unsigned every)
{
    char text[64];
    if (every > c->every)
        stat_add(&slowed, 1);
    c->every = every;
    c->calm = 0;
    int n = snprintf(text, sizeof text, "{\"op\":\"slowed\",\"every\":%u}", every);
    send_text(c, str_of(text, (size_t)n));
}

/* False where nothing should be sent to the client now. */
static bool pace(struct live_client *c)
{
    size_t queued = ws_queued(c->ws);
    if (c->closing)
        return false;
    if (queued > LIVE_QUEUE_MAX) {
        stat_add(&dropped, 1);
        c->closing = true;
        ws_close(c->ws, 1013, STR("this client reads too slowly"));
        return false;
    }
    if (queued > LIVE_QUEUE_SLOW || c->sent - c->acked > LIVE_UNACKED_MAX) {
        if (c->every < 15 && c->calm > 0)
            set_pace(c, c->every == 1 ? 5 : 15);
        c->calm = 0;
        return false;
    }
    c->calm++;
    if (queued == 0 && c->every > 1 && c->calm > CALM_MIN * LIVE_SUBS_MAX)
        set_pace(c, c->every == 15 ? 5 : 1);
    return true;
}

/* ---- news */

static void give(struct live_sub *sub, const struct live_news *news, struct ws_frame *labels,
                 struct ws_frame *delta)
{
    struct live_client *c = sub->client;
    /* Who joined while this was on its way has had its snapshot of the same list. */
    if (news->replaced && (sub->generation != news->generation || sub->last < news->to))
        sub->waiting = true;
    if (!pace(c))
        return;
    if (sub->waiting) {
        thread_lock(&news->key->live->lock);
        int64_t last = news->key->last;
        thread_unlock(&news->key->live->lock);
        send_snapshot(sub, last);
        return;
    }
    if (news->to <= sub->last || (c->every > 1 && news->to % c->every != 0))
        return;
    if (sub->last == news->from - 1 && (sub->generation == news->generation ||
                                        (labels && sub->generation + 1 == news->generation))) {
        if (labels && sub->generation != news->generation)
            ws_send(c->ws, labels);
        sub->generation = news->generation;
        send_frame(c, delta, news->delta->bytes.n);
    } else if (news->to - sub->last < (int64_t)sub->points) {
        send_own(sub, LIVE_DELTA, sub->last + 1, news->to);
    } else {
        send_snapshot(sub, news->to);
        return;
    }
    sub->last = news->to;
}

static void give_error(struct live_sub *list, const char *error)
{
    struct live_sub *next;
    for (struct live_sub *sub = list; sub; sub = next) {
        next = sub->next;
        if (!sub->client->closing)
            send_error(sub->client, sub->id, error);
    }
}

void live_deliver(void *context)
{
    struct live_news *news = context;
    struct live_key *k = news->key;
    struct live_sub *list = k->subs[news->lane];
    if (news->error) {
        give_error(list, news->error);
    } else if (list) {
        struct ws_frame *labels =
            news->labels ? ws_frame_new(buf_str(&news->labels->bytes), false) : NULL;
        struct ws_frame *delta =
            news->delta ? ws_frame_new(buf_str(&news->delta->bytes), true) : NULL;
        for (struct live_sub *sub = list, *next; sub; sub = next) {
            next = sub->next;
            give(sub, news, labels, delta);
        }
        if (labels)
            ws_frame_free(labels);
        if (delta)
            ws_frame_free(delta);
    }
    live_key_release(k);
    live_blob_drop(news->labels);
    live_blob_drop(news->delta);
    mem_free(news->error);
    mem_free(news);
}

/* ---- subscriptions */

static void sub_link(struct live_sub *sub)
{
    struct live_client *c = sub->client;
    struct live_sub **list = &sub->key->subs[c->lane];
    sub->next = *list;
    sub->at = list;
    if (*list)
        (*list)->at = &sub->next;
    *list = sub;
    sub->client_next = c->subs;
    sub->client_at = &c->subs;
    if (c->subs)
        c->subs->client_at = &sub->client_next;
    c->subs = sub;
    c->subs_n++;
    add_gauge(c->live, &subs_now, 1);
}

static void sub_free(struct live_sub *sub)
{
    struct live_client *c = sub->client;
    *sub->at = sub->next;
    if (sub->next)
        sub->next->at = sub->at;
    *sub->client_at = sub->client_next;
    if (sub->client_next)
        sub->client_next->client_at = sub->client_at;
    c->subs_n--;
    add_gauge(c->live, &subs_now, -1);
    live_key_close(sub->key, loop_now_ms(c->live->lanes[c->lane].loop));
    mem_free(sub);
}

static struct live_sub *sub_find(struct live_client *c, uint32_t id)
{
    struct live_sub *sub = c->subs;
    while (sub && sub->id != id)
        sub = sub->client_next;
    return sub;
}

/* ---- messages */

struct message {
    struct str op, query;
    double id, step, points, from, acked;
};

static bool take_member(struct message *m, struct str key, const struct json_event *e)
{
    struct {
        const char *name;
        struct str *text;
        double *number;
    } members[] = {{"op", &m->op, NULL},         {"query", &m->query, NULL},
                   {"id", NULL, &m->id},         {"step", NULL, &m->step},
                   {"points", NULL, &m->points}, {"from", NULL, &m->from},
                   {"frames", NULL, &m->acked}};
    for (size_t i = 0; i < COUNTOF(members); i++) {
        if (!str_eq(key, str_c(members[i].name)))
            continue;
        if (members[i].text && e->type == JSON_TEXT)
            *members[i].text = e->text;
        else if (members[i].number && e->type == JSON_NUMBER)
            *members[i].number = e->number;
        else
            return false;
    }
    return true;
}

static bool parse_message(struct str text, struct arena *a, struct message *ret)
{
    struct json_reader r;
    struct json_event e;
    json_reader_init(&r, text, a);
    if (json_next(&r, &e, NULL) != 1 || e.type != JSON_OBJECT)
        return false;
    for (;;) {
        struct str key;
        if (json_next(&r, &e, NULL) != 1)
            return false;
        if (e.type == JSON_OBJECT_END)
            return json_next(&r, &e, NULL) == 0;
        key = e.text;
        if (json_next(&r, &e, NULL) != 1 || !take_member(ret, key, &e) ||
            json_skip(&r, &e, NULL) != 0)
            return false;
    }
}

static bool whole(double v, double low, double high)
{
    return v >= low && v <= high && v == (double)(int64_t)v;
}

static void do_sub(struct live_client *c, const struct message *m)
{
    struct why why = {0};
    char text[96];
    uint32_t id = (uint32_t)m->id;
    struct live_key *k;
    struct live_sub *old = sub_find(c, id);
    if (old)
        sub_free(old);
    if (c->subs_n == LIVE_SUBS_MAX) {
        send_error(c, id, "a client may have 50 subscriptions: drop some first");
        return;
    }
    if (!whole(m->step, 1, 86400) || !whole(m->points, 1, LIVE_POINTS_MAX)) {
        send_error(c, id, "step is 1 to 86400 whole seconds, points 1 to 1000");
        return;
    }
    int err = live_key_open(c->live, c->tenant, m->query, (int64_t)m->step * 1000,
                            (size_t)m->points, &k, &why);
    if (err) {
        send_error(c, id, why.text);
        return;
    }
    struct live_sub *sub = mem_new(sizeof *sub);
    *sub = (struct live_sub){
        .client = c, .key = k, .id = id, .points = (size_t)m->points, .waiting = true};
    sub_link(sub);
    int n = snprintf(text, sizeof text, "{\"op\":\"sub\",\"id\":%u,\"key\":%u,\"step_ms\":%lld}",
                     id, k->number, (long long)k->step_ms);
    send_text(c, str_of(text, (size_t)n));
    snapshot_if_ready(sub);
}

/* Sends once more what a client has missed. */
static void do_resend(struct live_client *c, const struct message *m)
{
    struct live_sub *sub = sub_find(c, (uint32_t)m->id);
    if (!sub || sub->waiting || !pace(c))
        return;
    /* seq counts buckets modulo 2^32; the client means the nearest one. */
    int32_t back = (int32_t)((uint32_t)(uint64_t)sub->last - (uint32_t)m->from);
    if (back >= 0 && back < (int32_t)sub->points)
        send_own(sub, LIVE_GAP, sub->last - back, sub->last);
    else
        send_snapshot(sub, sub->last);
}

static void message(void *context, struct str payload, bool binary)
{
    struct live_client *c = context;
    struct message m = {.id = -1};
    struct arena a;
    if (c->closing)
        return;
    arena_init(&a);
    bool good = !binary && parse_message(payload, &a, &m);
    bool ack = good && str_eq(m.op, STR("ack"));
    if (!good || (!ack && !whole(m.id, 0, UINT32_MAX))) {
        c->closing = true;
        ws_close(c->ws, 1008, STR("a message is a JSON object with op and id"));
    } else if (ack) {
        if (whole(m.acked, 0, (double)c->sent))
            c->acked = MAX(c->acked, (uint64_t)m.acked);
    } else if (str_eq(m.op, STR("sub"))) {
        do_sub(c, &m);
    } else if (str_eq(m.op, STR("unsub"))) {
        struct live_sub *sub = sub_find(c, (uint32_t)m.id);
        if (sub)
            sub_free(sub);
    } else if (str_eq(m.op, STR("resend")) && whole(m.from, 0, UINT32_MAX)) {
        do_resend(c, &m);
    } else {
        send_error(c, (uint32_t)m.id, "op is sub, unsub, resend or ack");
    }
    arena_done(&a);
}

/* ---- clients */

static void tick(void *context)
{
    struct live_lane *lane = context;
    live_key_tick(lane->live, loop_now_ms(lane->loop));
}

/* The first client of a loop starts its timer, the last one ends it. */
static void lane_count(struct live *l, size_t lane, struct loop *loop, int by)
{
    struct live_lane *own = &l->lanes[lane];
    bool was = own->clients > 0;
    own->live = l;
    own->loop = loop;
    own->clients += (size_t)by;
    bool is = own->clients > 0;
    if (was != is) {
        thread_lock(&l->lock);
        l->running[lane] = is;
        thread_unlock(&l->lock);
    }
    if (is && !was) {
        own->timer = timer_new(loop, LIVE_TICK_MS, LIVE_TICK_MS, tick, own);
    } else if (!is && was) {
        timer_free(own->timer);
        own->timer = NULL;
        /* Nobody ticks any more: what is idle would stay for good. */
        live_key_tick(l, INT64_MAX / 2);
    }
}

static void closed(void *context, int code)
{
    struct live_client *c = context;
    (void)code;
    while (c->subs)
        sub_free(c->subs);
    add_gauge(c->live, &clients_now, -1);
    lane_count(c->live, c->lane, c->live->lanes[c->lane].loop, -1);
    mem_free((void *)(uintptr_t)c->tenant.p);
    mem_free(c);
}

static void say_hello(struct live_client *c)
{
    const struct serve_config *config = &c->live->serve->config;
    struct buf b;
    buf_init(&b, LIVE_MESSAGE_MAX);
    buf_put_str(&b,
                STR("{\"op\":\"hello\",\"version\":1,\"server\":\"" SONDE_VERSION "\",\"job\":"));
    json_put_text(&b, str_c(config->job ? config->job : ""));
    buf_put_str(&b, STR(",\"instance\":"));
    json_put_text(&b, str_c(config->instance ? config->instance : ""));
    buf_printf(&b, ",\"ack_every\":%d,\"subs_max\":%d,\"points_max\":%d}", LIVE_ACK_EVERY,
               LIVE_SUBS_MAX, LIVE_POINTS_MAX);
    send_text(c, buf_str(&b));
    buf_done(&b);
}

void live_handle(struct http_request *r, void *serve)
{
    static const struct ws_events EVENTS = {.message = message, .closed = closed};
    struct serve *s = serve;
    struct live *l = s->live;
    struct str tenant = job_tenant(r);
    size_t lane = http_lane(r);
    struct loop *loop = http_loop(r);
    if (lane >= LIVE_LANES_MAX || l->lanes[lane].clients >= LIVE_CLIENTS_MAX) {
        http_reply_error(r, 503, -ERR_BUSY, "too many live clients: try again later");
        return;
    }
    struct live_client *c = mem_new(sizeof *c);
    *c = (struct live_client){.live = l,
                              .lane = lane,
                              .tenant = str_of(mem_text(tenant.p, tenant.n), tenant.n),
                              .every = 1};
    if (ws_accept(r, &EVENTS, c, LIVE_MESSAGE_MAX, &c->ws) != 0) {
        mem_free((void *)(uintptr_t)c->tenant.p); /* the request has been answered */
        mem_free(c);
        return;
    }
    lane_count(l, lane, loop, 1);
    add_gauge(l, &clients_now, 1);
    say_hello(c);
}
