#include "event/event_row.h"

#include "base/vec.h"
#include "model/labels.h"

enum {
    COLUMNS = 12,
    LIST_DEFAULT = 1000,
    EXPIRE_AT_ONCE = 2000,            /* rows of one transaction */
    FUTURE_MAX_MS = 24 * 3600 * 1000, /* of an event's begin */
};

static const int64_t SPAN_MAX_MS = (int64_t)EVENT_DAYS_MAX * 24 * 3600 * 1000;

static const char *const STEPS[] = {
    "CREATE TABLE event_events ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " time_ms INTEGER NOT NULL,"
    " end_ms INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " title TEXT NOT NULL,"
    " text TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " labels BLOB NOT NULL,"
    " status TEXT NOT NULL,"
    " id_key TEXT NOT NULL,"
    " url TEXT NOT NULL);"
    "CREATE INDEX event_events_time ON event_events (time_ms);"
    "CREATE UNIQUE INDEX event_events_key ON event_events (kind, id_key) WHERE id_key <> '';",
};

const struct state_schema event_row_schema = {"event", STEPS, COUNTOF(STEPS)};

/* ---- checks */

static bool is_kind(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return s.n > 0 && s.n <= EVENT_KIND_MAX;
}

/* A link that a page may show: no scheme that a browser would run. */
static bool is_url(struct str s)
{
    return s.n == 0 || (s.n <= EVENT_URL_MAX && (str_starts(s, STR("http://")) ||
                                                 str_starts(s, STR("https://")) || s.p[0] == '/'));
}

static int check_text(struct str s, const char *name, size_t max, struct why *why)
{
    if (s.n > max)
        return why_set(why, ERR_FORMAT, "%s is longer than %zu bytes", name, max);
    if (!str_utf8(s))
        return why_set(why, ERR_FORMAT, "%s is not UTF-8", name);
    return 0;
}

int event_row_check(const struct event *v, int64_t now_ms, struct why *why)
{
    if (!is_kind(v->kind))
        return why_set(why, ERR_FORMAT,
                       "kind must be one to %d letters, digits, '-', '_' or '.', such as "
                       "deployment, configuration or note",
                       EVENT_KIND_MAX);
    if (v->title.n == 0 && v->id_key.n == 0)
        return why_set(why, ERR_FORMAT, "title is missing");
    if (v->time_ms <= 0 || v->time_ms > now_ms + FUTURE_MAX_MS)
        return why_set(why, ERR_FORMAT, "time is before 1970 or more than a day ahead");
    if (v->end_ms != 0 && v->end_ms < v->time_ms)
        return why_set(why, ERR_FORMAT, "the end is before the begin");
    if (v->end_ms != 0 && v->end_ms - v->time_ms > SPAN_MAX_MS)
        return why_set(why, ERR_FORMAT, "it would last longer than %d days", EVENT_DAYS_MAX);
    if (!is_url(v->url))
        return why_set(why, ERR_FORMAT, "url must begin with http://, https:// or /");
    if (v->labels.n > EVENT_LABELS_MAX)
        return why_set(why, ERR_FORMAT, "the labels are longer than %d bytes", EVENT_LABELS_MAX);
    int err = check_text(v->title, "title", EVENT_TITLE_MAX, why);
    if (!err)
        err = check_text(v->text, "text", EVENT_TEXT_MAX, why);
    if (!err)
        err = check_text(v->source, "source", EVENT_SOURCE_MAX, why);
    if (!err)
        err = check_text(v->status, "status", EVENT_STATUS_MAX, why);
    return err ? err : check_text(v->id_key, "id_key", EVENT_ID_KEY_MAX, why);
}

/* s cut at a character's begin; "" where it is no text. */
static struct str cut(struct str s, size_t max)
{
    size_t n = MIN(s.n, max);
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    s.n = n;
    return str_utf8(s) ? s : STR("");
}

bool event_row_mend(struct event *v, int64_t now_ms)
{
    v->title = cut(v->title, EVENT_TITLE_MAX);
    v->text = cut(v->text, EVENT_TEXT_MAX);
    v->source = cut(v->source, EVENT_SOURCE_MAX);
    v->status = cut(v->status, EVENT_STATUS_MAX);
    v->id_key = cut(v->id_key, EVENT_ID_KEY_MAX);
    if (!is_url(v->url))
        v->url = STR("");
    if (v->labels.n > EVENT_LABELS_MAX)
        v->labels = STR("");
    if (v->time_ms <= 0 || v->time_ms > now_ms + FUTURE_MAX_MS)
        v->time_ms = now_ms;
    if (v->end_ms < v->time_ms || v->end_ms - v->time_ms > SPAN_MAX_MS)
        v->end_ms = 0;
    return is_kind(v->kind) && v->title.n > 0;
}

/* ---- reading */

static int64_t whole(const struct state_value *v)
{
    return v->type == STATE_INT ? v->integer : 0;
}

static struct str text_of(const struct state_value *v, struct arena *a)
{
    return v->type == STATE_TEXT || v->type == STATE_BLOB ? arena_str(a, v->bytes) : STR("");
}

#define ROW_COLUMNS "id, time_ms, end_ms, kind, title, text, source, labels, status, id_key, url"

static void read_row(const struct state_value *c, struct arena *a, struct event *ret)
{
    *ret = (struct event){.id = whole(&c[0]),
                          .time_ms = whole(&c[1]),
                          .end_ms = whole(&c[2]),
                          .kind = text_of(&c[3], a),
                          .title = text_of(&c[4], a),
                          .text = text_of(&c[5], a),
                          .source = text_of(&c[6], a),
                          .labels = text_of(&c[7], a),
                          .status = text_of(&c[8], a),
                          .id_key = text_of(&c[9], a),
                          .url = text_of(&c[10], a)};
}

struct list {
    const struct event_query *q;
    struct arena *arena;
    struct event *v; /* [n], the arena's */
    size_t n, capacity, max;
};

static bool label_holds(struct str labels, struct str equal)
{
    size_t at = str_find(equal, '=');
    return at < equal.n &&
           str_eq(labels_get(labels, str_sub(equal, 0, at)), str_sub(equal, at + 1, equal.n));
}

static int take_row(void *context, const struct state_value *c, size_t n)
{
    struct list *l = context;
    for (size_t i = 0; i < l->q->equal_n; i++)
        if (!label_holds(c[7].bytes, l->q->equal[i]))
            return 0;
    if (l->n == l->capacity) {
        size_t capacity = MAX(l->capacity * 2, (size_t)64);
        struct event *v = arena_array(l->arena, capacity, sizeof *v);
        for (size_t i = 0; i < l->n; i++)
            v[i] = l->v[i];
        l->v = v;
        l->capacity = capacity;
    }
    read_row(c, l->arena, &l->v[l->n++]);
    return l->n >= l->max ? 1 : 0;
}

int event_row_list(struct state_tx *tx, const struct event_query *q, struct arena *a,
                   struct event **ret, size_t *ret_n, struct why *why)
{
    struct list l = {.q = q, .arena = a};
    l.max = q->limit == 0 ? LIST_DEFAULT : MIN(q->limit, (size_t)EVENT_LIST_MAX);
    const struct state_value values[] = {state_int(q->from_ms - SPAN_MAX_MS),
                                         state_int(q->from_ms),
                                         state_int(q->to_ms),
                                         state_text(q->kind),
                                         state_text(q->source),
                                         state_int(q->before_id ? q->before_id : INT64_MAX)};
    int err = state_run(tx,
                        "SELECT " ROW_COLUMNS " FROM event_events WHERE time_ms >= ?1"
                        " AND time_ms <= ?3 AND max(time_ms, end_ms) >= ?2"
                        " AND (?4 = '' OR kind = ?4) AND (?5 = '' OR source = ?5)"
                        " AND id < ?6 ORDER BY time_ms DESC, id DESC",
                        values, COUNTOF(values), take_row, &l, why);
    if (err < 0)
        return err;
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

/* ---- writing */

static bool has_ended(struct str status)
{
    return str_eq(status, STR("succeeded")) || str_eq(status, STR("failed"));
}

static struct str either(struct str next, struct str before)
{
    return next.n ? next : before;
}

struct found {
    struct arena *arena;
    struct event v;
    bool there;
};

static int take_found(void *context, const struct state_value *c, size_t n)
{
    struct found *f = context;
    read_row(c, f->arena, &f->v);
    f->there = true;
    return 0;
}

static int find(struct state_tx *tx, const struct event *v, struct found *ret, struct why *why)
{
    const struct state_value values[] = {state_text(v->kind), state_text(v->id_key)};
    if (v->id_key.n == 0)
        return 0;
    return state_run(tx,
                     "SELECT " ROW_COLUMNS " FROM event_events"
                     " WHERE kind = ?1 AND id_key = ?2 AND id_key <> ''",
                     values, COUNTOF(values), take_found, ret, why);
}

static int insert(struct state_tx *tx, const struct event *v, int64_t *ret_id, struct why *why)
{
    const struct state_value values[] = {
        state_int(v->time_ms), state_int(v->end_ms),  state_text(v->kind),   state_text(v->title),
        state_text(v->text),   state_text(v->source), state_blob(v->labels), state_text(v->status),
        state_text(v->id_key), state_text(v->url)};
    int err = state_run(tx,
                        "INSERT INTO event_events (time_ms, end_ms, kind, title, text, source,"
                        " labels, status, id_key, url) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
                        values, COUNTOF(values), NULL, NULL, why);
    if (!err)
        *ret_id = state_inserted(tx);
    return err;
}

static int update(struct state_tx *tx, const struct event *v, struct why *why)
{
    const struct state_value values[] = {
        state_int(v->id),      state_int(v->time_ms), state_int(v->end_ms),
        state_text(v->title),  state_text(v->text),   state_text(v->source),
        state_blob(v->labels), state_text(v->status), state_text(v->url)};
    return state_run(tx,
                     "UPDATE event_events SET time_ms = ?2, end_ms = ?3, title = ?4, text = ?5,"
                     " source = ?6, labels = ?7, status = ?8, url = ?9 WHERE id = ?1",
                     values, COUNTOF(values), NULL, NULL, why);
}

/* before, changed by what next says. */
static struct event joined(const struct event *before, const struct event *next, struct arena *a)
{
    static const struct str BEING = {" is being deployed", 18};
    struct event v = *before;
    v.title = either(next->title, v.title);
    v.text = either(next->text, v.text);
    v.source = either(next->source, v.source);
    v.labels = either(next->labels, v.labels);
    v.status = either(next->status, v.status);
    v.url = either(next->url, v.url);
    if (next->title.n == 0 && has_ended(v.status) && str_ends(v.title, BEING))
        v.title = arena_printf(a, STR_FMT "%s", STR_ARG(str_sub(v.title, 0, v.title.n - BEING.n)),
                               str_eq(v.status, STR("failed")) ? " could not be deployed"
                                                               : " was deployed");
    if (next->end_ms >= v.time_ms)
        v.end_ms = next->end_ms;
    else if (has_ended(v.status) && v.end_ms == 0)
        v.end_ms = MAX(next->time_ms, v.time_ms);
    if (v.end_ms - v.time_ms > SPAN_MAX_MS)
        v.end_ms = v.time_ms + SPAN_MAX_MS;
    return v;
}

/* Takes the key off an event that is over. */
static int let_go(struct state_tx *tx, int64_t id, struct why *why)
{
    struct state_value v = state_int(id);
    return state_run(tx, "UPDATE event_events SET id_key = '' WHERE id = ?1", &v, 1, NULL, NULL,
                     why);
}

int event_row_put(struct state_tx *tx, const struct event *v, struct arena *a,
                  struct event_row_put *ret, struct why *why)
{
    struct found f = {.arena = a};
    int err = find(tx, v, &f, why);
    if (err)
        return err;
    if (!f.there && v->title.n == 0)
        return why_set(why, ERR_FORMAT,
                       "title is missing: there is no event of id_key \"" STR_FMT "\" yet",
                       STR_ARG(v->id_key));
    if (f.there && has_ended(f.v.status) && str_eq(v->status, STR("started"))) {
        err = let_go(tx, f.v.id, why); /* the same once more: a new one of that key */
        f.there = false;
        if (err)
            return err;
    }
    struct event now = f.there ? joined(&f.v, v, a) : *v;
    now.title = either(now.title, f.v.title);
    struct event_row_put out = {.id = f.v.id, .is_new = !f.there, .duration_ms = -1};
    err = f.there ? update(tx, &now, why) : insert(tx, &now, &out.id, why);
    if (err)
        return err;
    out.has_ended = has_ended(now.status) && !(f.there && has_ended(f.v.status));
    if (out.has_ended && now.end_ms > now.time_ms)
        out.duration_ms = now.end_ms - now.time_ms;
    struct str service = labels_get(now.labels, STR("service"));
    out.service = arena_str(a, service.n ? service : now.title);
    out.status = arena_str(a, now.status);
    *ret = out;
    return 0;
}

int event_row_delete(struct state_tx *tx, int64_t id, struct why *why)
{
    struct state_value v = state_int(id);
    int err = state_run(tx, "DELETE FROM event_events WHERE id = ?1", &v, 1, NULL, NULL, why);
    if (!err && state_changed(tx) == 0)
        err = why_set(why, ERR_NOENT, "there is no event %lld", (long long)id);
    return err;
}

int event_row_expire(struct state_tx *tx, int64_t before_ms, int64_t *ret_n, struct why *why)
{
    const struct state_value values[] = {state_int(before_ms), state_int(EXPIRE_AT_ONCE)};
    int err = state_run(tx,
                        "DELETE FROM event_events WHERE id IN (SELECT id FROM event_events"
                        " WHERE time_ms < ?1 AND max(time_ms, end_ms) < ?1 LIMIT ?2)",
                        values, COUNTOF(values), NULL, NULL, why);
    if (!err)
        *ret_n = state_changed(tx);
    return err;
}
