/* discover/testbed_test.h - one discovery on a loop of the test's own, and what it has told so far.
 * Included by tests only.
 *
 * Threads: the test's.
 */
#ifndef DISCOVER_TESTBED_TEST_H
#define DISCOVER_TESTBED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "discover/discover.h"
#include "model/labels.h"

enum { TESTBED_PATIENCE_MS = 10000, TESTBED_ROUND_MS = 20, TESTBED_TEXT_MAX = 1 << 20 };

struct testbed {
    struct arena arena;
    struct loop *loop;
    struct fetcher *fetcher; /* made by who needs one */
    struct pool *pool;       /* likewise */
    struct discovery_read read;
    struct discovery_config *configs;
    size_t configs_n;
    struct discovery *running;
    const struct discovery_config *config; /* of what runs */
    struct map groups;                     /* source -> char *, a picture of it */
    struct buf picture;                    /* of all, sorted by source */
    char why[WHY_MAX];                     /* of the last state */
    size_t updates, states;
    const char *wanted; /* that the picture has to hold; NULL: any update */
    bool absent;        /* it must not hold it instead */
    bool arrived;
    int64_t begun_ms;
};

static inline void testbed_open(struct testbed *t)
{
    *t = (struct testbed){.read.folder = STR(".")};
    arena_init(&t->arena);
    map_init(&t->groups, 0);
    buf_init(&t->picture, TESTBED_TEXT_MAX);
    t->read.a = &t->arena;
    assert_int_equal(loop_new(&t->loop), 0);
}

static inline int testbed_parse(struct testbed *t, const char *key, const char *text,
                                struct why *why)
{
    const struct yaml_node *root;
    const struct discovery_ops *ops = discovery_find(str_c(key));
    assert_non_null(ops);
    assert_int_equal(yaml_parse(arena_str(&t->arena, str_c(text)), &t->arena, &root, NULL, why), 0);
    return discovery_read(ops, root, &t->read, &t->configs, &t->configs_n, why);
}

static inline void testbed_read(struct testbed *t, const char *key, const char *text)
{
    struct why why = {0};
    if (testbed_parse(t, key, text, &why) != 0)
        fail_msg("%s: %s", key, why.text);
}

static inline void testbed_refuse(struct testbed *t, const char *key, const char *text,
                                  const char *wanted)
{
    struct why why = {0};
    assert_int_not_equal(testbed_parse(t, key, text, &why), 0);
    assert_string_equal(why.text, wanted);
}

static inline int testbed_by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* A key as {a="1", b="2"}, by name; a later label of one name wins. */
static inline void testbed_put_key(struct buf *out, struct str key)
{
    struct label labels[512];
    size_t n = 0;
    const char *at = key.p;
    struct label l;
    bool bad = false;
    while (labels_next(key, &at, &l, &bad)) {
        size_t i = 0;
        while (i < n && !str_eq(labels[i].name, l.name))
            i++;
        assert_true(i < COUNTOF(labels));
        labels[i] = l;
        n = MAX(n, i + 1);
    }
    assert_false(bad);
    qsort(labels, n, sizeof *labels, testbed_by_name);
    buf_put_c(out, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s" STR_FMT "=\"" STR_FMT "\"", i ? ", " : "", STR_ARG(labels[i].name),
                   STR_ARG(labels[i].value));
    buf_put_c(out, '}');
}

static inline int testbed_by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline const char *testbed_targets(struct testbed *t)
{
    char **texts = mem_array(t->groups.n + 1, sizeof *texts);
    size_t at = 0, n = 0;
    struct map_slot *slot;
    while ((slot = map_next(&t->groups, &at)))
        texts[n++] = slot->value.p;
    if (n)
        qsort(texts, n, sizeof *texts, testbed_by_text);
    buf_clear(&t->picture);
    for (size_t i = 0; i < n; i++)
        buf_put_str(&t->picture, str_c(texts[i]));
    buf_put_c(&t->picture, '\0');
    mem_free(texts);
    return t->picture.p;
}

static inline void testbed_look(struct testbed *t)
{
    if (t->wanted && (strstr(testbed_targets(t), t->wanted) == NULL) != t->absent)
        return;
    t->arrived = true;
    loop_stop(t->loop);
}

static inline void testbed_update(void *context, const struct target_group *groups, size_t n)
{
    struct testbed *t = context;
    for (size_t i = 0; i < n; i++) {
        union map_value *slot = map_get(&t->groups, groups[i].source);
        if (slot)
            mem_free(slot->p);
        map_drop(&t->groups, groups[i].source);
        if (groups[i].n == 0)
            continue;
        struct buf out;
        buf_init(&out, TESTBED_TEXT_MAX);
        buf_printf(&out, STR_FMT " ", STR_ARG(groups[i].source));
        testbed_put_key(&out, groups[i].labels);
        buf_put_c(&out, '\n');
        for (size_t j = 0; j < groups[i].n; j++) {
            buf_put_str(&out, STR("  "));
            testbed_put_key(&out, groups[i].targets[j]);
            buf_put_c(&out, '\n');
        }
        map_put(&t->groups, groups[i].source, NULL)->p = mem_text(out.p, out.n);
        buf_done(&out);
    }
    t->updates++;
    testbed_look(t);
}

static inline void testbed_state(void *context, const char *why)
{
    struct testbed *t = context;
    t->states++;
    snprintf(t->why, sizeof t->why, "%s", why);
    if (!t->wanted)
        loop_stop(t->loop);
}

static inline void testbed_start(struct testbed *t, size_t i)
{
    struct why why = {0};
    struct discovery_host host = {.loop = t->loop,
                                  .fetcher = t->fetcher,
                                  .pool = t->pool,
                                  .clock = &clock_real,
                                  .job = STR("test"),
                                  .update = testbed_update,
                                  .state = testbed_state,
                                  .context = t};
    t->config = &t->configs[i];
    if (discovery_start(t->config, &host, &t->running, &why) != 0)
        fail_msg("%s", why.text);
}

static inline void testbed_tick(void *context)
{
    loop_stop(((struct testbed *)context)->loop);
}

/* Runs the loop until the picture of all groups holds text (or, absent, no more). */
static inline void testbed_await(struct testbed *t, const char *text, bool absent)
{
    int64_t begun = clock_monotonic_ns(&clock_real);
    struct timer *timer = timer_new(t->loop, TESTBED_ROUND_MS, TESTBED_ROUND_MS, testbed_tick, t);
    t->wanted = text;
    t->absent = absent;
    t->arrived = (strstr(testbed_targets(t), text) == NULL) == absent;
    while (!t->arrived) {
        loop_run(t->loop);
        if (clock_monotonic_ns(&clock_real) - begun > TESTBED_PATIENCE_MS * 1000000LL)
            fail_msg("not %s: %s; there is (%s)\n%s", absent ? "gone" : "there", text, t->why,
                     testbed_targets(t));
    }
    timer_free(timer);
    t->wanted = NULL;
}

static inline void testbed_wait(struct testbed *t, const char *text)
{
    testbed_await(t, text, false);
}

static inline void testbed_wait_gone(struct testbed *t, const char *text)
{
    testbed_await(t, text, true);
}

/* Runs the loop until the last state() has that reason in it (or, "", none). */
static inline void testbed_wait_state(struct testbed *t, const char *why)
{
    int64_t begun = clock_monotonic_ns(&clock_real);
    struct timer *timer = timer_new(t->loop, TESTBED_ROUND_MS, TESTBED_ROUND_MS, testbed_tick, t);
    t->wanted = NULL;
    while (t->states == 0 || (why[0] ? !strstr(t->why, why) : t->why[0] != '\0')) {
        loop_run(t->loop);
        if (clock_monotonic_ns(&clock_real) - begun > TESTBED_PATIENCE_MS * 1000000LL)
            fail_msg("no state with \"%s\", but \"%s\"", why, t->why);
    }
    timer_free(timer);
}

static inline void testbed_end(struct testbed *t)
{
    if (t->running)
        discovery_stop(t->config, t->running);
    t->running = NULL;
}

static inline void testbed_close(struct testbed *t)
{
    size_t at = 0;
    struct map_slot *slot;
    testbed_end(t);
    loop_free(t->loop);
    while ((slot = map_next(&t->groups, &at)))
        mem_free(slot->value.p);
    map_done(&t->groups);
    buf_done(&t->picture);
    arena_done(&t->arena);
}

#endif
