#include "alert/send/send.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "alert/send/send_inside.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/labels.h"
#include "relabel/relabel.h"
#include "text/json.h"

enum {
    JSON_MAX = 4 << 20,     /* bytes of one alert */
    OWN_TIMEOUT_MS = 10000, /* of those that [alert] names */
    HELPERS = 1,
    HELP_MAX = 64 /* threads of discovery, and calls that wait for them */
};

/* ---- an alert as JSON */

static void put_labels(struct json_writer *w, const char *key, struct str labels)
{
    struct label one;
    json_key(w, str_c(key));
    json_begin_object(w);
    for (const char *at = labels.p; labels.n > 0 && labels_next(labels, &at, &one, NULL);) {
        json_key(w, one.name);
        json_text(w, one.value);
    }
    json_end_object(w);
}

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[48];
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm) == NULL)
        return; /* the receiver takes its own time */
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    json_key(w, str_c(key));
    json_text(w, str_of(text, n));
}

static struct send_note *note_of(const struct alert *a, struct str labels)
{
    struct buf b;
    struct json_writer w;
    struct send_note *note = NULL;
    buf_init(&b, JSON_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    put_labels(&w, "labels", labels);
    put_labels(&w, "annotations", a->annotations);
    put_time(&w, "startsAt", a->starts_ms);
    put_time(&w, "endsAt", a->ends_ms);
    json_key(&w, STR("generatorURL"));
    json_text(&w, a->generator_url);
    json_end_object(&w);
    if (!buf_failed(&b)) {
        note = mem_new(sizeof *note + b.n);
        note->refs = 1;
        note->n = b.n;
        memcpy(note->json, b.p, b.n);
    }
    buf_done(&b);
    return note;
}

/* With the external labels that it does not have itself. */
static struct str with_external(const struct send *s, struct str labels, struct arena *a)
{
    struct label one, all[2 * LABELS_MAX];
    struct buf key;
    size_t n = 0;
    if (s->external_labels.n == 0)
        return labels;
    for (const char *at = labels.p; n < LABELS_MAX && labels_next(labels, &at, &one, NULL);)
        all[n++] = one;
    struct str more = s->external_labels;
    for (const char *at = more.p; n < 2 * LABELS_MAX && labels_next(more, &at, &one, NULL);)
        if (labels_get(labels, one.name).n == 0)
            all[n++] = one;
    buf_init(&key, LABELS_KEY_MAX);
    struct str out = labels;
    /* Too many labels together: it goes without the external ones. */
    if (labels_encode_bare(all, n, &key, NULL) == 0)
        out = arena_str(a, buf_str(&key));
    buf_done(&key);
    return out;
}

/* False where the rules drop it, or leave nothing of it. */
static bool relabeled(const struct relabel *rules, struct str *labels, struct arena *a)
{
    return rules == NULL || (relabel_apply(rules, *labels, a, labels, NULL) == 1 && labels->n > 0);
}

/* ---- the sink */

static void put_early(struct send_set *set, struct send_note *note)
{
    if (set->early.n == SEND_QUEUE_MAX) {
        send_queue_drop(set->early.v[0]);
        memmove(set->early.v, set->early.v + 1, --set->early.n * sizeof *set->early.v);
    }
    note->refs++;
    vec_push(&set->early, note);
}

static void put_note(struct send_set *set, struct send_note *note)
{
    bool any = false;
    for (size_t i = 0; i < set->targets.n; i++) {
        send_queue_put(set->targets.v[i], note);
        any |= !set->targets.v[i]->dropped;
    }
    if (!any)
        put_early(set, note);
}

static void on_wake(void *context)
{
    struct send *s = context;
    thread_lock(&s->lock);
    s->woken = false;
    for (size_t i = 0; i < s->sets.n; i++)
        for (size_t k = 0; k < s->sets.v[i]->targets.n; k++)
            send_queue_go(s->sets.v[i]->targets.v[k]);
    thread_unlock(&s->lock);
}

static void take_alert(struct send *s, const struct alert *alert, struct arena *a)
{
    struct str labels = with_external(s, alert->labels, a);
    if (!relabeled(s->relabel, &labels, a))
        return;
    for (size_t i = 0; i < s->sets.n; i++) {
        struct str own = labels;
        if (!relabeled(s->sets.v[i]->manager.alert_relabel, &own, a))
            continue;
        struct send_note *note = note_of(alert, own);
        if (note == NULL)
            continue; /* larger than any Alertmanager takes */
        put_note(s->sets.v[i], note);
        send_queue_drop(note);
    }
}

static void take(struct alert_sink *sink, const struct alert *alerts, size_t n)
{
    struct send *s = (struct send *)(void *)sink;
    struct arena a;
    arena_init(&a);
    thread_lock(&s->lock);
    for (size_t i = 0; i < n && s->sets.n > 0; i++)
        take_alert(s, &alerts[i], &a);
    if (s->running && !s->woken) {
        s->woken = true;
        loop_post(s->loop, on_wake, s);
    }
    thread_unlock(&s->lock);
    arena_done(&a);
}

/* ---- life */

struct send *send_new(const struct clock *clock)
{
    static const struct alert_sink_ops OPS = {take};
    struct send *s = mem_new(sizeof *s);
    s->sink.ops = &OPS;
    s->clock = clock;
    thread_lock_init(&s->lock);
    arena_init(&s->arena);
    send_queue_open();
    return s;
}

struct alert_sink *send_sink(struct send *s)
{
    return &s->sink;
}

bool send_active(struct send *s)
{
    thread_lock(&s->lock);
    bool active = s->sets.n > 0;
    thread_unlock(&s->lock);
    return active;
}

static void on_start(void *context)
{
    struct send *s = context;
    for (size_t i = 0; i < s->sets.n; i++)
        send_find_start(s->sets.v[i]);
    on_wake(s);
}

static void on_stop(void *context)
{
    struct send *s = context;
    for (size_t i = 0; i < s->sets.n; i++)
        send_find_stop(s->sets.v[i]);
    loop_stop(s->loop);
}

static void run(void *context)
{
    struct send *s = context;
    loop_run(s->loop);
}

/* The sink finds no sets from the first lock on. */
static void close_all(struct send *s)
{
    if (s->running) {
        loop_post(s->loop, on_stop, s);
        thread_join(&s->thread);
    }
    thread_lock(&s->lock);
    size_t n = s->sets.n;
    s->running = s->woken = false;
    s->sets.n = 0;
    s->relabel = NULL;
    s->external_labels = STR("");
    thread_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        send_find_stop(s->sets.v[i]);
        fetch_client_free(s->sets.v[i]->client);
        mem_free(s->sets.v[i]);
    }
    fetcher_free(s->fetcher);
    s->fetcher = NULL;
    pool_free(s->pool);
    s->pool = NULL;
    loop_free(s->loop);
    s->loop = NULL;
    arena_done(&s->arena);
}

void send_free(struct send *s)
{
    if (s == NULL)
        return;
    close_all(s);
    vec_free(&s->sets);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* ---- a plan */

static int add_set(struct send *s, const struct promfile_alertmanager *m, struct send_set **ret,
                   struct why *why)
{
    struct send_set *set = mem_new(sizeof *set);
    set->send = s;
    set->manager = *m;
    vec_push(&s->sets, set);
    *ret = set;
    return fetch_client_new(s->fetcher, &set->manager.http, &set->client, why);
}

/* "http://host:9093/prefix" */
static int add_url(struct send *s, const char *text, struct why *why)
{
    struct str url = str_trim(str_c(text));
    struct send_set *set = NULL;
    struct promfile_alertmanager m = {.timeout_ms = OWN_TIMEOUT_MS, .http = fetch_settings_default};
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return why_set(why, ERR_FORMAT,
                       "alert.alertmanagers: \"%.200s\" is no http:// or https:// "
                       "URL",
                       text);
    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    int err = add_set(s, &m, &set, why);
    if (err == 0)
        (void)send_find_add(set, arena_printf(&s->arena, STR_FMT "/api/v2/alerts", STR_ARG(url)),
                            false);
    return err;
}

static int open_plan(struct send *s, const struct send_plan *plan, struct why *why)
{
    const struct promfile *p = plan->promfile;
    struct send_set *set;
    int err = loop_new(&s->loop);
    if (err == 0)
        err = fetcher_new(s->loop, NULL, &s->fetcher);
    s->pool = pool_new("alert-send", HELPERS, HELP_MAX);
    s->external_labels = arena_str(&s->arena, plan->external_labels);
    s->relabel = p != NULL ? p->alert_relabel : NULL;
    for (size_t i = 0; err == 0 && i < plan->urls.n; i++)
        err = add_url(s, plan->urls.v[i], why);
    for (size_t i = 0; err == 0 && p != NULL && i < p->alertmanagers_n; i++)
        err = add_set(s, &p->alertmanagers[i], &set, why);
    return err;
}

int send_reload(struct send *s, const struct send_plan *plan, struct why *why)
{
    size_t n = plan->urls.n + (plan->promfile != NULL ? plan->promfile->alertmanagers_n : 0);
    close_all(s);
    if (n == 0)
        return 0;
    thread_lock(&s->lock);
    int err = open_plan(s, plan, why);
    s->running = err == 0;
    thread_unlock(&s->lock);
    if (err != 0) {
        close_all(s);
        return err;
    }
    loop_post(s->loop, on_start, s);
    thread_start(&s->thread, "alert-send", run, s);
    return 0;
}

/* ---- looking */

void send_view(struct send *s, struct arena *a, struct send_view **ret, size_t *ret_n)
{
    struct {
        struct send_view *v;
        size_t n, capacity;
    } all = {0};
    thread_lock(&s->lock);
    for (size_t i = 0; i < s->sets.n; i++) {
        for (size_t k = 0; k < s->sets.v[i]->targets.n; k++) {
            const struct send_target *t = s->sets.v[i]->targets.v[k];
            struct send_view v = {.url = arena_str(a, str_c(t->url)),
                                  .dropped = t->dropped,
                                  .waiting = t->n,
                                  .sent = t->sent,
                                  .failed = t->failed,
                                  .lost = t->lost,
                                  .last_error = arena_str(a, str_c(t->error))};
            vec_push(&all, v);
        }
    }
    thread_unlock(&s->lock);
    *ret = arena_array(a, all.n + 1, sizeof **ret);
    for (size_t i = 0; i < all.n; i++)
        (*ret)[i] = all.v[i];
    *ret_n = all.n;
    vec_free(&all);
}
