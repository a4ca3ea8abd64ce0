/* What the engine costs: 100,000 alerts in 10,000 groups over a database in a file. How many a
 * second are taken (by the sink, durable when they are decided; by posts, durable when they
 * return), how long 10,000 at once take, how long the decision about all of them does. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "alert/alert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "model/labels.h"

enum { GROUPS = 10000, IN_GROUP = 10, ALL = GROUPS * IN_GROUP, BURST = 10000, SILENCES = 1000 };

static const int64_t START_MS = 1700000000000LL;

struct room {
    struct clock_manual clock;
    struct plan plan;
    struct plan_route root;
    struct plan_inhibit inhibit;
    struct plan_receiver receiver;
    struct notify_integration integration;
    struct str by[1], equal[1];
    struct state *state;
    struct alerting *engine;
    size_t messages, told;
};

static int count(void *context, struct state_tx *tx, const struct message *m, struct why *why)
{
    struct room *r = context;
    (void)tx;
    (void)why;
    r->messages++;
    r->told += m->n;
    return 0;
}

static void labels_of(struct buf *b, int k)
{
    struct buf value;
    buf_init(&value, 1000);
    buf_clear(b);
    buf_printf(&value, "HighLatency%d", k / IN_GROUP);
    labels_put(b, STR("alertname"), buf_str(&value));
    buf_clear(&value);
    buf_printf(&value, "cluster-%d", k % 7);
    labels_put(b, STR("cluster"), buf_str(&value));
    buf_clear(&value);
    buf_printf(&value, "host-%05d:9100", k);
    labels_put(b, STR("instance"), buf_str(&value));
    labels_put(b, STR("job"), STR("node"));
    labels_put(b, STR("severity"), k % 10 ? STR("warning") : STR("critical"));
    buf_done(&value);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct alert *make(int from, int n, struct arena *a)
{
    struct alert *v = arena_array(a, (size_t)n, sizeof *v);
    struct buf labels, annotations;
    buf_init(&labels, 1 << 16);
    buf_init(&annotations, 1 << 16);
    labels_put(&annotations, STR("summary"), STR("latency of 250 ms is above its limit"));
    for (int k = 0; k < n; k++) {
        labels_of(&labels, from + k);
        v[k] = (struct alert){.labels = arena_str(a, buf_str(&labels)),
                              .annotations = arena_str(a, buf_str(&annotations)),
                              .starts_ms = START_MS,
                              .ends_ms = START_MS + 10 * 3600000LL,
                              .value = 250,
                              .generator_url = STR("http://127.0.0.1:7663/graph?g0.expr=up")};
    }
    buf_done(&annotations);
    buf_done(&labels);
    return v;
}

static void open_room(struct room *r, const char *path)
{
    static const struct notifier KIND = {.kind = "bench", .send_resolved = true};
    struct why why = {0};
    clock_manual_init(&r->clock, START_MS);
    r->by[0] = STR("alertname");
    r->equal[0] = STR("cluster");
    r->root = (struct plan_route){.receiver = STR("team"),
                                  .group_by = r->by,
                                  .group_by_n = 1,
                                  .group_wait_ms = 30000,
                                  .group_interval_ms = 300000,
                                  .repeat_interval_ms = 4 * 3600000,
                                  .key = STR("{}"),
                                  .id = STR("{}")};
    r->integration = (struct notify_integration){.notifier = &KIND, .send_resolved = true};
    r->receiver = (struct plan_receiver){STR("team"), &r->integration, 1};
    /* Every alert is a target; no source fires. */
    must(matcher_parse(STR("severity=\"page\""), &r->plan.arena, &r->inhibit.source, NULL) == 0);
    must(matcher_parse(STR("severity=~\"warning|critical\""), &r->plan.arena, &r->inhibit.target,
                       NULL) == 0);
    r->inhibit.equal = r->equal;
    r->inhibit.equal_n = 1;
    r->plan.root = &r->root;
    r->plan.receivers = &r->receiver;
    r->plan.receivers_n = 1;
    r->plan.inhibits = &r->inhibit;
    r->plan.inhibits_n = 1;
    r->plan.resolve_timeout_ms = 300000;
    must(state_open(path, &r->state, &why) == 0);
    const struct alert_config config = {
        .state = r->state, .clock = &r->clock.clock, .plan = &r->plan, .add = count, .context = r};
    must(alert_new(&config, &r->engine, &why) == 0);
}

/* Silences that hold none of them, each with an equality. */
static void silence(struct room *r)
{
    struct buf text;
    buf_init(&text, 1000);
    for (int k = 0; k < SILENCES; k++) {
        struct arena a;
        struct str id;
        struct alert_silence s = {.ends_ms = START_MS + 9 * 3600000LL};
        arena_init(&a);
        buf_clear(&text);
        buf_printf(&text, "instance=\"other-%d\",severity=~\"warn.*\"", k);
        must(matcher_parse(buf_str(&text), &a, &s.matchers, NULL) == 0);
        must(alert_silence_set(r->engine, &s, &a, &id, NULL) == 0);
        matcher_list_done(&s.matchers);
        arena_done(&a);
    }
    buf_done(&text);
}

static void send_all(struct room *r, const struct alert *v, size_t n)
{
    struct alert_sink *sink = alert_engine_sink(r->engine);
    double from = seconds();
    sink->ops->send(sink, v, n);
    double sent = seconds();
    (void)alert_run(r->engine);
    double kept = seconds();
    printf("alert: %zu by the sink: send() returns after %.1f ms, durable after %.0f ms: %.0f"
           " alerts/s\n",
           n, (sent - from) * 1e3, (kept - from) * 1e3, (double)n / (kept - from));
}

static void post_all(struct room *r, const struct alert *v, size_t n, size_t in_one)
{
    struct alert_posted *p = mem_array(in_one, sizeof *p);
    double from = seconds();
    for (size_t k = 0; k < n; k += in_one) {
        for (size_t j = 0; j < in_one; j++)
            p[j] = (struct alert_posted){.labels = v[k + j].labels,
                                         .annotations = v[k + j].annotations,
                                         .starts_ms = v[k + j].starts_ms,
                                         .ends_ms = v[k + j].ends_ms + 1000};
        must(alert_post(r->engine, p, in_one, NULL) == 0);
    }
    double s = seconds() - from;
    printf("alert: %zu posted, %zu a request, durable when it returns: %.0f alerts/s\n", n, in_one,
           (double)n / s);
    mem_free(p);
}

static void decide(struct room *r, int64_t pass_ms, const char *what)
{
    size_t messages = r->messages, told = r->told;
    clock_manual_pass(&r->clock, pass_ms);
    double from = seconds();
    (void)alert_run(r->engine);
    double s = seconds() - from;
    printf("alert: %s: %.0f ms, %zu messages about %zu alerts\n", what, s * 1e3,
           r->messages - messages, r->told - told);
}

static void list(struct room *r)
{
    struct arena a;
    struct alert_row *v;
    struct alert_filter all = {0};
    size_t n;
    arena_init(&a);
    double from = seconds();
    must(alert_list(r->engine, &all, &a, &v, &n, NULL) == 0);
    printf("alert: listing %zu: %.0f ms\n", n, (seconds() - from) * 1e3);
    arena_done(&a);
}

static void restart(struct room *r)
{
    struct why why;
    alert_free(r->engine);
    const struct alert_config config = {
        .state = r->state, .clock = &r->clock.clock, .plan = &r->plan, .add = count, .context = r};
    double from = seconds();
    must(alert_new(&config, &r->engine, &why) == 0);
    printf("alert: starting with them: %.0f ms\n", (seconds() - from) * 1e3);
}

int main(void)
{
    static const char *const MORE[] = {"", "-wal", "-shm", "-lock"};
    char folder[] = "/tmp/sonde-alert-bench-XXXXXX", path[64], file[80];
    struct room r = {0};
    struct arena a;
    arena_init(&a);
    must(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/state.db", folder);
    open_room(&r, path);
    silence(&r);
    send_all(&r, make(0, BURST, &a), BURST);
    send_all(&r, make(BURST, ALL - BURST, &a), ALL - BURST);
    post_all(&r, make(0, BURST, &a), BURST, 100);
    decide(&r, 30000, "the first look at 10,000 groups of 10");
    decide(&r, 300000, "a look at which nothing is new");
    decide(&r, 4 * 3600000LL, "all of it told again");
    list(&r);
    restart(&r);
    decide(&r, 300000, "the first look after that");
    alert_free(r.engine);
    state_close(r.state);
    for (size_t k = 0; k < COUNTOF(MORE); k++) {
        snprintf(file, sizeof file, "%s%s", path, MORE[k]);
        (void)unlink(file);
    }
    must(rmdir(folder) == 0);
    matcher_list_done(&r.inhibit.target);
    arena_done(&r.plan.arena);
    arena_done(&a);
    return r.messages > 0 ? 0 : 1;
}
