#include "alert/alert_inside.h"

#include "base/vec.h"

enum { ROWS = 1000 };

struct answer {
    struct alerting *a;
    const struct alert_history_query *q;
    struct arena *arena;
    struct {
        struct alert_history_row *v;
        size_t n, capacity;
    } rows;
};

static int take(void *context, const struct state_value *c, size_t n)
{
    struct answer *w = context;
    (void)n;
    struct alert_history_row row = {.time_ms = c[0].integer,
                                    .fingerprint = (uint64_t)c[1].integer,
                                    .labels = arena_str(w->arena, c[2].bytes),
                                    .what = arena_str(w->arena, c[3].bytes),
                                    .who = arena_str(w->arena, c[4].bytes),
                                    .text = arena_str(w->arena, c[5].bytes)};
    vec_push(&w->rows, row);
    return 0;
}

static int read_rows(void *context, struct state_tx *tx, struct why *why)
{
    static const char *const ALL =
        "SELECT time_ms, fingerprint, labels, what, who, text FROM alert_history"
        " WHERE time_ms >= ?1 AND time_ms <= ?2 ORDER BY time_ms DESC, id DESC LIMIT ?3";
    static const char *const ONE =
        "SELECT time_ms, fingerprint, labels, what, who, text FROM alert_history WHERE time_ms >="
        " ?1 AND time_ms <= ?2 AND fingerprint = ?4 ORDER BY time_ms DESC, id DESC LIMIT ?3";
    struct answer *w = context;
    const struct alert_history_query *q = w->q;
    const struct state_value v[] = {
        state_int(q->from_ms), state_int(q->to_ms ? q->to_ms : INT64_MAX),
        state_int((int64_t)(q->limit ? q->limit : ROWS)), state_int((int64_t)q->fingerprint)};
    return q->fingerprint ? state_run(tx, ONE, v, 4, take, w, why)
                          : state_run(tx, ALL, v, 3, take, w, why);
}

int alert_history(struct alerting *a, const struct alert_history_query *q, struct arena *arena,
                  struct alert_history_row **ret, size_t *ret_n, struct why *why)
{
    struct answer w = {.a = a, .q = q, .arena = arena};
    int err = state_read(a->config.state, read_rows, &w, why);
    if (err == 0) {
        struct alert_history_row *v = arena_array(arena, w.rows.n + 1, sizeof *v);
        if (w.rows.n)
            memcpy(v, w.rows.v, w.rows.n * sizeof *v);
        *ret = v;
        *ret_n = w.rows.n;
    }
    vec_free(&w.rows);
    return err;
}
