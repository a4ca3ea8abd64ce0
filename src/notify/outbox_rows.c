#include "base/hash.h"
#include "base/log.h"
#include "notify/outbox_inside.h"

static const char *const MODULE = "notify";

enum { MESSAGE_BYTES_MAX = 64 << 20, BATCH = 1000 /* rows at once */ };

static const char *const STEPS[] = {
    "CREATE TABLE outbox_messages("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " receiver TEXT NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL,"
    " group_key TEXT NOT NULL, time_ms INTEGER NOT NULL, body BLOB NOT NULL);",
};

const struct state_schema outbox_rows_schema = {"outbox", STEPS, COUNTOF(STEPS)};

int outbox_add(struct state_tx *tx, const struct message *m, struct why *why)
{
    struct buf body;
    buf_init(&body, MESSAGE_BYTES_MAX);
    message_encode(m, &body);
    if (buf_failed(&body)) {
        buf_done(&body);
        return why_set(why, ERR_LIMIT, "a message of more than %d bytes", MESSAGE_BYTES_MAX);
    }
    const struct state_value values[] = {
        state_text(m->receiver),  state_text(m->kind),   state_int(m->index),
        state_text(m->group_key), state_int(m->time_ms), state_blob(buf_str(&body)),
    };
    int err = state_run(tx,
                        "INSERT INTO outbox_messages(receiver, kind, position, group_key, time_ms,"
                        " body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                        values, COUNTOF(values), NULL, NULL, why);
    buf_done(&body);
    return err;
}

/* ---- loading */

struct loading {
    struct outbox *outbox;
    size_t n;
};

static int load_row(void *context, const struct state_value *c, size_t n)
{
    struct loading *l = context;
    struct outbox *o = l->outbox;
    (void)n;
    struct outbox_line *line = outbox_line_get(o, c[1].bytes, c[2].bytes, (uint32_t)c[3].integer);
    uint64_t group = hash_xxh3(c[4].bytes.p, c[4].bytes.n, 0);
    o->seen = c[0].integer;
    l->n++;
    outbox_line_add(line, c[0].integer, group, c[5].integer);
    return 0;
}

static int load(void *context, struct state_tx *tx, struct why *why)
{
    struct loading *l = context;
    const struct state_value values[] = {state_int(l->outbox->seen), state_int(BATCH)};
    return state_run(tx,
                     "SELECT id, receiver, kind, position, group_key, time_ms FROM outbox_messages"
                     " WHERE id > ?1 ORDER BY id LIMIT ?2",
                     values, COUNTOF(values), load_row, l, why);
}

void outbox_rows_load(struct outbox *o)
{
    struct loading l;
    struct why why;
    do {
        l = (struct loading){.outbox = o};
        if (state_read(o->config.state, load, &l, &why) != 0) {
            log_warn(MODULE, "the queue of notifications cannot be read: %s", why.text);
            atomic_store(&o->woken, true); /* the next round tries again */
            return;
        }
    } while (l.n == BATCH);
}

/* ---- one body */

struct body {
    int64_t id;
    struct arena *arena;
    struct str text;
    bool found;
};

static int body_row(void *context, const struct state_value *c, size_t n)
{
    struct body *b = context;
    (void)n;
    b->text = arena_str(b->arena, c[0].bytes);
    b->found = true;
    return 0;
}

static int read_body(void *context, struct state_tx *tx, struct why *why)
{
    struct body *b = context;
    const struct state_value values[] = {state_int(b->id)};
    return state_run(tx, "SELECT body FROM outbox_messages WHERE id = ?1", values, COUNTOF(values),
                     body_row, b, why);
}

int outbox_rows_body(struct outbox *o, int64_t id, struct arena *a, struct str *ret,
                     struct why *why)
{
    struct body b = {.id = id, .arena = a};
    int err = state_read(o->config.state, read_body, &b, why);
    if (err)
        return err;
    if (!b.found)
        return why_set(why, ERR_NOENT, "the message is not in the queue any more");
    *ret = b.text;
    return 0;
}

/* ---- removing */

static int remove_all(void *context, struct state_tx *tx, struct why *why)
{
    struct outbox *o = context;
    int err = 0;
    for (size_t i = 0; i < o->gone.n && !err; i++) {
        const struct state_value values[] = {state_int(o->gone.v[i])};
        err = state_run(tx, "DELETE FROM outbox_messages WHERE id = ?1", values, COUNTOF(values),
                        NULL, NULL, why);
    }
    return err;
}

void outbox_rows_flush(struct outbox *o)
{
    struct why why;
    if (o->gone.n == 0)
        return;
    if (state_write(o->config.state, remove_all, o, &why) == 0)
        o->gone.n = 0;
    else /* they stay listed: the next round tries again, a restart would send them again */
        log_warn(MODULE, "what was sent cannot be taken out of the queue: %s", why.text);
}

static void flush(void *outbox)
{
    struct outbox *o = outbox;
    o->gone_posted = false;
    outbox_rows_flush(o);
}

void outbox_rows_drop(struct outbox *o, int64_t id)
{
    vec_push(&o->gone, id);
    if (o->gone_posted)
        return;
    o->gone_posted = true;
    loop_post(o->loop, flush, o);
}

/* ---- what a later message makes needless */

static bool tells(const struct message *m, const struct message_alert *wanted)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct message_alert *a = &m->alerts[i];
        if (a->fingerprint == wanted->fingerprint && a->resolved == wanted->resolved &&
            a->starts_ms == wanted->starts_ms)
            return true;
    }
    return false;
}

bool outbox_rows_covers(const struct message *newer, const struct message *older)
{
    if (older->reason == MESSAGE_ESCALATION || older->reason == MESSAGE_TEST ||
        newer->reason == MESSAGE_TEST || older->truncated > 0 ||
        !str_eq(newer->group_key, older->group_key))
        return false;
    for (size_t i = 0; i < older->n; i++)
        if (!tells(newer, &older->alerts[i]))
            return false;
    return true;
}
