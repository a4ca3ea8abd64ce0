/* alert/alert_testbed.h - for tests: the engine over a clock of its own and a database in a file,
 * with what it tells written down, a line for each message.
 *
 * A bed may start the engine anew after each run, as after kill -9: what is told must be the same.
 *
 * Threads: one.
 */
#ifndef ALERT_ALERT_TESTBED_H
#define ALERT_ALERT_TESTBED_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alert/alert.h"
#include "base/buf.h"
#include "base/rand.h"
#include "base/vec.h"
#include "model/labels.h"
#include "text/yaml.h"

enum { BED_START_S = 1700000000, BED_TEXT_MAX = 64 << 20 };

static const struct notifier bed_kind = {.kind = "test", .send_resolved = true};
static const struct notifier bed_other_kind = {.kind = "other", .send_resolved = true};

struct bed {
    struct clock_manual clock;
    char folder[64], path[96];
    struct state *state;
    struct plan plan;
    struct alerting *alerting;
    struct buf lines; /* "SECONDS RECEIVER[/KIND#INDEX] REASON: ALERT ALERT(r)\n" */
    struct buf ids;   /* an id and a line for each */
    struct buf changes;
    bool fail;     /* the queue takes nothing */
    bool restarts; /* after each run */
    size_t wakes, n;
};

static inline int64_t bed_s(const struct bed *b)
{
    return b->clock.wall_ms / 1000 - BED_START_S;
}

/* alertname/instance, the group's for who is told. */
static inline void bed_put_name(struct buf *out, struct str labels)
{
    buf_put_str(out, labels_get(labels, STR("alertname")));
    struct str instance = labels_get(labels, STR("instance"));
    if (instance.n)
        buf_printf(out, "/" STR_FMT, STR_ARG(instance));
}

static inline int bed_add(void *context, struct state_tx *tx, const struct message *m,
                          struct why *why)
{
    struct bed *b = context;
    struct buf line;
    (void)tx;
    if (b->fail)
        return why_set(why, ERR_FULL, "the test says so");
    buf_init(&line, BED_TEXT_MAX);
    buf_printf(&line, "%lld " STR_FMT, (long long)(m->time_ms / 1000 - BED_START_S),
               STR_ARG(m->receiver));
    if (m->index || !str_eq(m->kind, STR("test")))
        buf_printf(&line, "/" STR_FMT "#%u", STR_ARG(m->kind), m->index);
    buf_printf(&line, " %s:", message_reason_text(m->reason));
    for (size_t k = 0; k < m->n; k++) {
        buf_put_c(&line, ' ');
        bed_put_name(&line, m->alerts[k].labels);
        if (m->alerts[k].resolved)
            buf_put_str(&line, STR("(r)"));
    }
    buf_put_c(&line, '\n');
    buf_put_str(&b->lines, buf_str(&line));
    buf_printf(&b->ids, STR_FMT " " STR_FMT, STR_ARG(m->id), STR_ARG(buf_str(&line)));
    buf_done(&line);
    b->n++;
    return 0;
}

static inline void bed_wake(void *context)
{
    ((struct bed *)context)->wakes++;
}

static inline void bed_changed(void *context, const struct alert *v)
{
    struct bed *b = context;
    bed_put_name(&b->changes, v->labels);
    buf_put_str(&b->changes, v->resolved ? STR("(r) ") : STR(" "));
}

static inline void bed_up(struct bed *b)
{
    struct why why = {0};
    const struct alert_config config = {.state = b->state,
                                        .clock = &b->clock.clock,
                                        .plan = &b->plan,
                                        .add = bed_add,
                                        .wake = bed_wake,
                                        .context = b,
                                        .changed = bed_changed,
                                        .changed_context = b};
    if (alert_new(&config, &b->alerting, &why) != 0)
        fail_msg("%s", why.text);
}

/* As after kill -9: nothing is written that was not. */
static inline void bed_restart(struct bed *b)
{
    struct why why = {0};
    alert_free(b->alerting);
    state_close(b->state);
    if (state_open(b->path, &b->state, &why) != 0)
        fail_msg("%s", why.text);
    bed_up(b);
}

static inline void bed_open_at(struct bed *b)
{
    struct why why = {0};
    clock_manual_init(&b->clock, BED_START_S * 1000LL);
    /* In memory where it can be: what is killed here is no machine. */
    snprintf(b->folder, sizeof b->folder, "%s/sonde-alert-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/state.db", b->folder);
    if (state_open(b->path, &b->state, &why) != 0)
        fail_msg("%s", why.text);
    buf_init(&b->lines, BED_TEXT_MAX);
    buf_init(&b->ids, BED_TEXT_MAX);
    buf_init(&b->changes, BED_TEXT_MAX);
}

/* Without a file: fast, and gone with a restart. */
static inline void bed_open_memory(struct bed *b)
{
    struct why why = {0};
    clock_manual_init(&b->clock, BED_START_S * 1000LL);
    if (state_open(":memory:", &b->state, &why) != 0)
        fail_msg("%s", why.text);
    buf_init(&b->lines, BED_TEXT_MAX);
    buf_init(&b->ids, BED_TEXT_MAX);
    buf_init(&b->changes, BED_TEXT_MAX);
}

static inline void bed_close(struct bed *b)
{
    static const char *const MORE[] = {"", "-wal", "-shm", "-lock"};
    char path[128];
    alert_free(b->alerting);
    state_close(b->state);
    for (size_t k = 0; b->path[0] && k < COUNTOF(MORE); k++) {
        snprintf(path, sizeof path, "%s%s", b->path, MORE[k]);
        (void)unlink(path);
    }
    if (b->folder[0])
        assert_int_equal(rmdir(b->folder), 0);
    arena_done(&b->plan.arena);
    buf_done(&b->lines);
    buf_done(&b->ids);
    buf_done(&b->changes);
}

/* ---- what a plan is made of */

static inline struct matcher_list bed_match(struct bed *b, const char *text)
{
    struct matcher_list list = {0};
    struct why why = {0};
    if (text[0] && matcher_parse(str_c(text), &b->plan.arena, &list, &why) != 0)
        fail_msg("%s", why.text);
    return list;
}

static inline const struct plan_receiver *bed_receivers(struct bed *b, const char *const *names,
                                                        size_t n)
{
    struct plan_receiver *v = arena_array(&b->plan.arena, n + 1, sizeof *v);
    for (size_t k = 0; k < n; k++) {
        struct notify_integration *i = arena_new(&b->plan.arena, sizeof *i);
        i->notifier = &bed_kind;
        i->send_resolved = names[k][0] != '!';
        v[k] = (struct plan_receiver){str_c(names[k] + !i->send_resolved), i, 1};
        for (size_t j = k; j > 0 && str_cmp(v[j].name, v[j - 1].name) < 0; j--) {
            struct plan_receiver last = v[j];
            v[j] = v[j - 1];
            v[j - 1] = last;
        }
    }
    return v;
}

static inline struct plan_route bed_route(const char *receiver, const char *const *by)
{
    struct plan_route r = {.receiver = str_c(receiver),
                           .group_wait_ms = 30000,
                           .group_interval_ms = 300000,
                           .repeat_interval_ms = 4 * 3600000,
                           .key = STR("{}"),
                           .id = str_c(receiver)};
    while (by[r.group_by_n])
        r.group_by_n++;
    static struct str names[64];
    static size_t used;
    struct str *v = &names[used = used + r.group_by_n < COUNTOF(names) ? used : 0];
    for (size_t k = 0; k < r.group_by_n; k++)
        v[k] = str_c(by[k]);
    used += r.group_by_n;
    r.group_by = v;
    return r;
}

/* ---- what happens */

/* "alertname=A,instance=1" as a key. */
static inline void bed_key(const char *text, struct buf *key)
{
    struct str rest = str_c(text), one;
    while (str_split(&rest, ',', &one)) {
        size_t at = str_find(one, '=');
        labels_put(key, str_sub(one, 0, at), str_sub(one, at + 1, one.n));
    }
}

/* starts and ends in seconds of the bed; ends 0: not given, starts negative: not given. */
static inline void bed_post(struct bed *b, const char *labels, int64_t starts_s, int64_t ends_s)
{
    struct buf key;
    struct why why = {0};
    buf_init(&key, LABELS_KEY_MAX);
    bed_key(labels, &key);
    const struct alert_posted v = {.labels = buf_str(&key),
                                   .starts_ms = starts_s < 0 ? 0 : (starts_s + BED_START_S) * 1000,
                                   .ends_ms = ends_s == 0 ? 0 : (ends_s + BED_START_S) * 1000};
    if (alert_post(b->alerting, &v, 1, &why) != 0 && !b->fail)
        fail_msg("%s", why.text);
    buf_done(&key);
}

/* Fires for long from now on. */
static inline void bed_fire(struct bed *b, const char *labels)
{
    bed_post(b, labels, bed_s(b), bed_s(b) + 100 * 24 * 3600);
}

/* Is over now. */
static inline void bed_resolve(struct bed *b, const char *labels)
{
    bed_post(b, labels, bed_s(b) - 1, bed_s(b));
}

static inline uint64_t bed_fingerprint(const char *labels)
{
    struct buf key, canonical;
    buf_init(&key, LABELS_KEY_MAX);
    buf_init(&canonical, LABELS_KEY_MAX);
    bed_key(labels, &key);
    assert_int_equal(labels_canonical_bare(buf_str(&key), &canonical, NULL), 0);
    uint64_t fingerprint = message_fingerprint(buf_str(&canonical));
    buf_done(&key);
    buf_done(&canonical);
    return fingerprint;
}

static inline void bed_act(struct bed *b, const char *labels, enum alert_action action,
                           const char *who, const char *text)
{
    struct why why = {0};
    if (alert_act(b->alerting, bed_fingerprint(labels), action, str_c(who), str_c(text), &why) != 0)
        fail_msg("%s", why.text);
}

/* For so many seconds from now; the id is good until the next call. */
static inline struct str bed_silence(struct bed *b, const char *matchers, int64_t s,
                                     bool until_resolved)
{
    static char id[64];
    struct arena arena;
    struct str text;
    struct why why = {0};
    struct alert_silence v = {.matchers = bed_match(b, matchers),
                              .ends_ms = b->clock.wall_ms + s * 1000,
                              .created_by = STR("anna"),
                              .comment = STR("work"),
                              .until_resolved = until_resolved};
    arena_init(&arena);
    if (alert_silence_set(b->alerting, &v, &arena, &text, &why) != 0)
        fail_msg("%s", why.text);
    snprintf(id, sizeof id, STR_FMT, STR_ARG(text));
    arena_done(&arena);
    matcher_list_done(&v.matchers);
    return str_c(id);
}

static inline int64_t bed_run(struct bed *b)
{
    int64_t next = alert_run(b->alerting);
    if (b->restarts && !b->fail)
        bed_restart(b);
    return next;
}

/* Does what is due until then. */
static inline void bed_until(struct bed *b, int64_t s)
{
    int64_t target = (s + BED_START_S) * 1000;
    for (;;) {
        int64_t next = bed_run(b);
        if (next > target)
            break;
        int64_t step = next - b->clock.wall_ms;
        clock_manual_pass(&b->clock, step > 0 ? step : 0);
    }
    clock_manual_pass(&b->clock, target - b->clock.wall_ms);
    (void)bed_run(b);
}

static inline void bed_told(struct bed *b, const char *expected)
{
    buf_put_c(&b->lines, '\0');
    assert_string_equal(b->lines.p, expected);
    buf_clear(&b->lines);
}

#endif
