/* rules/rules_testbed.h - for tests: groups over a store in memory, with the sink of alerts written
 * down.
 *
 * Threads: one.
 */
#ifndef RULES_RULES_TESTBED_H
#define RULES_RULES_TESTBED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/vec.h"
#include "model/labels.h"
#include "model/sample.h"
#include "rules/group.h"
#include "rules/memory_sink.h"

enum { BED_TEXT_MAX = 1 << 20 };

struct bed {
    struct arena arena;
    struct promqltest_store *store;
    struct memory_sink sink;
    struct promql_options options;
    struct clock_manual clock;
    struct alert_sink alerts;
    struct buf sent; /* a line for each alert that the sink was told of */
    struct group_world world;
    struct {
        struct rule_file **v;
        size_t n, capacity;
    } files;
};

static inline struct bed *bed_of(struct alert_sink *s)
{
    return (struct bed *)(void *)((char *)s - offsetof(struct bed, alerts));
}

static inline void bed_sent(struct alert_sink *s, const struct alert *alerts, size_t n)
{
    struct bed *b = bed_of(s);
    for (size_t i = 0; i < n; i++) {
        labels_print(alerts[i].labels, &b->sent);
        buf_printf(&b->sent, " %s%s %lld-%lld\n", alerts[i].first ? "first " : "",
                   alerts[i].resolved ? "resolved" : "firing",
                   (long long)alerts[i].starts_ms / 1000, (long long)alerts[i].ends_ms / 1000);
    }
}

static inline void bed_open(struct bed *b)
{
    static const struct alert_sink_ops OPS = {bed_sent};
    *b = (struct bed){.alerts = {&OPS}};
    arena_init(&b->arena);
    buf_init(&b->sent, BED_TEXT_MAX);
    clock_manual_init(&b->clock, 0);
    b->store = promqltest_store_new();
    memory_sink_init(&b->sink, b->store);
    b->world = (struct group_world){.store = promqltest_store_face(b->store),
                                    .sink = &b->sink.sink,
                                    .tenant = promqltest_store_tenant(b->store),
                                    .clock = &b->clock.clock,
                                    .options = &b->options,
                                    .external_labels = STR(""),
                                    .external_url = STR("http://sonde.example"),
                                    .interval_ms = 60000,
                                    .resend_delay_ms = 60000,
                                    .for_grace_period_ms = 600000,
                                    .for_outage_tolerance_ms = 3600000,
                                    .alerts = &b->alerts};
}

static inline void bed_close(struct bed *b)
{
    for (size_t i = 0; i < b->files.n; i++)
        rule_file_free(b->files.v[i]);
    vec_free(&b->files);
    promqltest_store_free(b->store);
    buf_done(&b->sent);
    arena_done(&b->arena);
}

/* The first group of a rule file. */
static inline struct group *bed_group(struct bed *b, const char *text, bool restore)
{
    struct rule_file *f;
    struct buf problems;
    buf_init(&problems, BED_TEXT_MAX);
    int err = rule_file_read(str_c(text), STR("bed.yml"), &b->options, &f, &problems);
    if (err != 0)
        print_error(STR_FMT "\n", STR_ARG(buf_str(&problems)));
    assert_int_equal(err, 0);
    buf_done(&problems);
    vec_push(&b->files, f);
    return group_new(&f->groups[0], f->name, 60000, restore);
}

/* Loads `up{job="a"} 1 2 3` at 0, 1 m, 2 m, .. after from_ms. */
static inline void bed_load(struct bed *b, int64_t from_ms, const char *line)
{
    struct promqltest_series s = {0};
    struct why why = {0};
    assert_int_equal(promqltest_series_read(str_c(line), &b->arena, &s, &why), 0);
    for (size_t i = 0; i < s.n; i++)
        if (s.v[i].present)
            promqltest_store_put(b->store, s.key, from_ms + (int64_t)i * 60000, s.v[i].value,
                                 s.v[i].histogram);
    mem_free(s.v);
}

/* Runs g at each minute from..to. */
static inline void bed_minutes(struct bed *b, struct group *g, int from, int to)
{
    struct group_outcome outcome;
    for (int m = from; m <= to; m++)
        group_evaluate(g, &b->world, (int64_t)m * 60000, &outcome);
}

static inline void bed_put_column(const struct column *c, struct buf *out)
{
    for (size_t i = 0; i < c->n; i++) {
        buf_printf(out, " %lld=", (long long)c->ts_ms[i] / 1000);
        if (c->histogram && c->histogram[i])
            buf_printf(out, "h%g", c->histogram[i]->count);
        else if (sample_is_stale(c->value[i]))
            buf_printf(out, "stale");
        else
            buf_printf(out, "%.10g", c->value[i]);
    }
    buf_put_c(out, '\n');
}

/* All samples of the series that match: `up{job="a"} 0=1 60=stale`, a line each; times in
 * seconds. Lives until bed_close(). */
static inline const char *bed_history(struct bed *b, const char *selector)
{
    struct matcher *m;
    struct promql_failure failure = {0};
    struct select how = {.from_ms = INT64_MIN / 4, .to_ms = INT64_MAX / 4, .want = SELECT_SAMPLES};
    struct series_cursor *c;
    struct series_view view;
    struct why why = {0};
    struct buf out;
    assert_int_equal(
        promql_parse_selector(str_c(selector), &b->arena, &m, &how.matchers_n, &failure), 0);
    how.matchers = m;
    buf_init(&out, BED_TEXT_MAX);
    assert_int_equal(b->world.store->ops->select(b->world.store, b->world.tenant, &how, &c, &why),
                     0);
    while (b->world.store->ops->next(c, &view, &why) == 1) {
        labels_print(view.key, &out);
        bed_put_column(&view.column, &out);
    }
    b->world.store->ops->close(c);
    const char *text = arena_str(&b->arena, buf_str(&out)).p;
    buf_done(&out);
    return text;
}

/* The state of rule i as one text: `firing ok 2: {a="b"} firing since 60; ..`. */
static inline const char *bed_rule(struct bed *b, struct group *g, size_t i)
{
    struct group_view view;
    struct buf out;
    group_view(g, &b->arena, &view);
    const struct rule_view *r = &view.rules[i];
    buf_init(&out, BED_TEXT_MAX);
    buf_printf(&out, "%s %s%s%s", alert_state_text(r->state), rule_health_text(r->health),
               r->last_error.n ? ": " : "", r->last_error.p);
    for (size_t k = 0; k < r->alerts_n; k++) {
        const struct alert_view *a = &r->alerts[k];
        buf_printf(&out, " | ");
        labels_print(a->labels, &out);
        buf_printf(&out, " %s since %lld value %g", alert_state_text(a->state),
                   (long long)a->active_ms / 1000, a->value);
        if (a->keep_firing_since_ms != 0)
            buf_printf(&out, " kept since %lld", (long long)a->keep_firing_since_ms / 1000);
    }
    const char *text = arena_str(&b->arena, buf_str(&out)).p;
    buf_done(&out);
    return text;
}

#endif
