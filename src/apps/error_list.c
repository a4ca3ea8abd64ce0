#include "apps/error_list.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "os/thread.h"
#include "text/json.h"

enum { ID_BYTES = 32, SERVICE_MAX = 200, DATE_BYTES = 40 };

struct error_list {
    pthread_mutex_t lock;
    struct {
        char *json;
        char service[SERVICE_MAX + 1];
    } rows[ERROR_LIST_MAX]; /* a ring */
    size_t n, at;
    struct map ids;
    char (*order)[ID_BYTES]; /* [ERROR_LIST_IDS], a ring: the oldest is forgotten first */
    size_t ids_n, ids_at;
};

struct error_list *error_list_new(void)
{
    struct error_list *l = mem_new(sizeof *l);
    l->order = mem_array(ERROR_LIST_IDS, sizeof *l->order);
    thread_lock_init(&l->lock);
    map_init(&l->ids, rand_seed());
    return l;
}

void error_list_free(struct error_list *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->rows[i].json);
    map_done(&l->ids);
    mem_free(l->order);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

bool error_list_knows(struct error_list *l, struct str event_id)
{
    if (event_id.n != ID_BYTES)
        return false;
    thread_lock(&l->lock);
    bool known = map_get(&l->ids, event_id) != NULL;
    thread_unlock(&l->lock);
    return known;
}

static void put(struct json_writer *w, const char *key, struct str value)
{
    if (value.n == 0)
        return;
    json_key(w, str_c(key));
    json_text(w, value);
}

static void put_frames(struct json_writer *w, const struct envelope *e)
{
    json_key(w, STR("frames"));
    json_begin_array(w);
    for (size_t i = 0; i < e->frames_n; i++) {
        const struct envelope_frame *f = &e->frames[i];
        if (w->out->n > ERROR_LIST_TEXT / 2)
            break;
        json_begin_object(w);
        put(w, "function", f->function);
        put(w, "file", f->file);
        if (f->line > 0) {
            json_key(w, STR("line"));
            json_i64(w, f->line);
        }
        put(w, "module", f->module);
        json_end_object(w);
    }
    json_end_array(w);
}

/* 2026-01-02T13:36:40.200Z; "" where there is no such date. */
static struct str date_of(int64_t ms, char ret[DATE_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms < 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 9999 - 1900)
        return STR("");
    size_t n = strftime(ret, DATE_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(ret + n, DATE_BYTES - n, ".%03dZ", (int)(ms % 1000));
    return str_of(ret, n);
}

static void draw(const struct signal *s, const struct envelope *e, struct buf *out)
{
    struct json_writer w;
    char date[DATE_BYTES];
    json_writer_init(&w, out);
    json_begin_object(&w);
    int64_t time_ms = e->time_ms ? e->time_ms : s->time_ms;
    put(&w, "time", date_of(time_ms, date));
    json_key(&w, STR("time_ms"));
    json_i64(&w, time_ms);
    json_key(&w, STR("received_ms"));
    json_i64(&w, s->time_ms);
    put(&w, "event_id", e->event_id);
    put(&w, "level", e->level);
    put(&w, "title", e->title);
    put(&w, "service", s->service.n > 0 ? s->service : e->service);
    put(&w, "instance", s->instance);
    put(&w, "release", e->release);
    put(&w, "environment", e->environment);
    put(&w, "platform", e->platform);
    put(&w, "transaction", e->transaction);
    put(&w, "trace_id", e->trace_id);
    put(&w, "signal", e->signal);
    put(&w, "outcome", e->outcome);
    json_key(&w, STR("handled"));
    json_bool(&w, !e->unhandled);
    if (s->pid > 0) {
        json_key(&w, STR("pid"));
        json_i64(&w, s->pid);
    }
    put_frames(&w, e);
    json_end_object(&w);
}

static void add_id(struct error_list *l, struct str id)
{
    bool fresh;
    map_put(&l->ids, id, &fresh);
    if (!fresh)
        return;
    if (l->ids_n == ERROR_LIST_IDS)
        map_drop(&l->ids, str_of(l->order[l->ids_at], ID_BYTES));
    else
        l->ids_n++;
    memcpy(l->order[l->ids_at], id.p, ID_BYTES);
    l->ids_at = (l->ids_at + 1) % ERROR_LIST_IDS;
}

void error_list_add(struct error_list *l, const struct signal *s, const struct envelope *e)
{
    struct buf json;
    struct str service = s->service.n > 0 ? s->service : e->service;
    buf_init(&json, 2 * ERROR_LIST_TEXT);
    if (e->event)
        draw(s, e, &json);
    thread_lock(&l->lock);
    if (e->event_id.n == ID_BYTES)
        add_id(l, e->event_id);
    if (e->event && !buf_failed(&json)) {
        mem_free(l->rows[l->at].json);
        l->rows[l->at].json = mem_text(json.p, json.n);
        size_t n = MIN(service.n, (size_t)SERVICE_MAX);
        memcpy(l->rows[l->at].service, service.p ? service.p : "", n);
        l->rows[l->at].service[n] = '\0';
        l->at = (l->at + 1) % ERROR_LIST_MAX;
        l->n = MIN(l->n + 1, (size_t)ERROR_LIST_MAX);
    }
    thread_unlock(&l->lock);
    buf_done(&json);
}

void error_list_recent(struct error_list *l, size_t limit, struct str service, struct buf *out)
{
    size_t put_n = 0;
    buf_put_c(out, '[');
    thread_lock(&l->lock);
    for (size_t i = 0; i < l->n && put_n < limit; i++) {
        size_t at = (l->at + ERROR_LIST_MAX - 1 - i) % ERROR_LIST_MAX;
        if (service.n > 0 && !str_eq(service, str_c(l->rows[at].service)))
            continue;
        buf_put_str(out, put_n++ > 0 ? STR(",") : STR(""));
        buf_put_str(out, str_c(l->rows[at].json));
    }
    thread_unlock(&l->lock);
    buf_put_c(out, ']');
}
