#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "ingest/ingest.h"

enum { NOW_MS = 1000000000, WINDOW_MS = 600000, NAME_MAX_BYTES = 32 };

/* A store that keeps what it is given as text, and refuses negative times. */
static struct {
    struct sink sink;
    struct buf text;
    size_t exemplars;
} store;

static char tenant_of_all[8];

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    (void)s, (void)name, (void)why;
    *ret = (struct tenant *)(void *)tenant_of_all;
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    int taken = 0;
    (void)s, (void)lane, (void)t;
    for (size_t i = 0; i < b->n; i++) {
        b->err[i] = b->ts_ms[i] < 0 ? -ERR_OLD : 0;
        if (b->err[i]) {
            why_set(why, ERR_OLD, "before the window");
            continue;
        }
        taken++;
        labels_print(b->key[i], &store.text);
        buf_printf(&store.text, " %g\n", b->value[i]);
    }
    return taken;
}

static int store_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                          struct why *why)
{
    (void)s, (void)lane, (void)t, (void)why;
    store.exemplars++;
    labels_print(e->key, &store.text);
    return 0;
}

static const struct sink_ops STORE = {
    .tenant = store_tenant, .append = store_append, .exemplar = store_exemplar};

struct fixture {
    struct clock_manual clock;
    struct ingest_settings settings;
    struct ingest *in;
    struct sink *sink;
    struct tenant *tenant;
    struct batch b;
    struct arena arena;
    struct why why;
};

static const char *NAME[] = {"__name__"};

/* Sets of __name__ "old_.*": the name without it; drops "secret"; hides the label "token". */
static struct relabel_row RULES[] = {
    {"replace", ";", "old_(.*)", "__name__", "new_$1", {NAME, 1}, 0},
    {"drop", ";", "secret", "", "$1", {NAME, 1}, 0},
    {"labeldrop", ";", "token", "", "$1", {NULL, 0}, 0},
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    store.sink.ops = &STORE;
    store.exemplars = 0;
    buf_init(&store.text, 1 << 20);
    arena_init(&f->arena);
    clock_manual_init(&f->clock, NOW_MS);
    f->settings =
        (struct ingest_settings){8, NAME_MAX_BYTES, 64, WINDOW_MS, {RULES, COUNTOF(RULES)}};
    assert_int_equal(ingest_settings_check(&f->settings, &f->why), 0);
    f->in = ingest_new(&f->settings, &store.sink, &f->clock.clock);
    f->sink = ingest_sink(f->in);
    assert_int_equal(f->sink->ops->tenant(f->sink, STR("a"), &f->tenant, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ingest_free(f->in);
    buf_done(&store.text);
    arena_done(&f->arena);
    mem_free(f);
    return 0;
}

static struct str key_of(struct fixture *f, const char *name, const char *label)
{
    struct buf key;
    buf_init(&key, 1024);
    labels_put(&key, STR("token"), STR("abc"));
    if (label)
        labels_put(&key, str_c(label), STR("x"));
    labels_put(&key, LABEL_METRIC, str_c(name));
    struct str s = arena_str(&f->arena, buf_str(&key));
    buf_done(&key);
    return s;
}

static void row(struct fixture *f, struct str key, int64_t ts_ms, double value)
{
    size_t i = f->b.n++;
    f->b.key[i] = key;
    f->b.ts_ms[i] = ts_ms;
    f->b.value[i] = value;
    f->b.err[i] = 1; /* has to be set */
}

static int append(struct fixture *f)
{
    f->why = (struct why){0};
    buf_clear(&store.text);
    int taken = f->sink->ops->append(f->sink, 0, f->tenant, &f->b, &f->why);
    buf_put_c(&store.text, 0);
    return taken;
}

static void samples_come_in_under_their_new_names(void **state)
{
    struct fixture *f = *state;
    row(f, key_of(f, "old_a", NULL), 1, 1);
    row(f, key_of(f, "secret", NULL), 1, 2);
    row(f, key_of(f, "b", "env"), 1, 3);
    assert_int_equal(append(f), 3); /* who wrote must not send the dropped one again */
    assert_string_equal(store.text.p, "new_a 1\nb{env=\"x\"} 3\n");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f->b.err[i], 0);
}

static void a_batch_that_is_dropped_whole_reaches_no_store(void **state)
{
    struct fixture *f = *state;
    row(f, key_of(f, "secret", NULL), -1, 2);
    assert_int_equal(append(f), 1);
    assert_string_equal(store.text.p, "");
}

static void answers_come_back_to_the_rows_that_they_are_of(void **state)
{
    struct fixture *f = *state;
    row(f, key_of(f, "secret", NULL), 1, 1);
    row(f, key_of(f, "a", NULL), NOW_MS + WINDOW_MS + 1, 2);
    row(f, key_of(f, "secret", NULL), 1, 3);
    row(f, key_of(f, "b", NULL), -1, 4);
    row(f, key_of(f, "c", NULL), 1, 5);
    assert_int_equal(append(f), 3);
    const int want[] = {0, -ERR_FUTURE, 0, -ERR_OLD, 0};
    for (size_t i = 0; i < COUNTOF(want); i++)
        assert_int_equal(f->b.err[i], want[i]);
    assert_int_equal(f->why.err, -ERR_FUTURE);
    assert_string_equal(store.text.p, "c 5\n");
}

static void labels_that_cannot_be_rewritten_cost_their_row_alone(void **state)
{
    struct fixture *f = *state;
    struct ingest_refusal *refusals;
    size_t n;
    row(f, STR("no key"), 1, 1);
    row(f, key_of(f, "a", NULL), 1, 2);
    row(f, key_of(f, "b", NULL), -1, 3);
    assert_int_equal(append(f), 1);
    assert_int_equal(f->b.err[0], -ERR_FORMAT);
    assert_int_equal(f->b.err[2], -ERR_OLD);
    assert_int_equal(f->why.err, -ERR_FORMAT);
    assert_string_equal(store.text.p, "a 2\n");
    ingest_refusals(f->in, &f->arena, &refusals, &n);
    assert_int_equal(n, 2); /* each once */
}

static void limits_are_those_of_the_new_labels(void **state)
{
    struct fixture *f = *state;
    char name[] = "old_0123456789_0123456789_0123456789";
    const struct label too_long = {str_c(name), STR("x")};
    struct buf key;
    buf_init(&key, 1024);
    labels_put(&key, LABEL_METRIC, STR("a"));
    labels_put(&key, too_long.name, too_long.value);
    row(f, buf_str(&key), 1, 1);
    assert_int_equal(append(f), 0);
    assert_int_equal(f->b.err[0], -ERR_LIMIT);
    RULES[2].regex = "token|old_.*";
    ingest_reload(f->in, &f->settings);
    RULES[2].regex = "token";
    assert_int_equal(append(f), 1);
    assert_string_equal(store.text.p, "a 1\n");
    buf_done(&key);
}

static void exemplars_go_with_their_series(void **state)
{
    struct fixture *f = *state;
    struct exemplar e = {.key = key_of(f, "old_a", NULL), .ts_ms = 1, .value = 1};
    assert_int_equal(f->sink->ops->exemplar(f->sink, 0, f->tenant, &e, &f->why), 0);
    buf_put_c(&store.text, 0);
    assert_string_equal(store.text.p, "new_a");
    e.key = key_of(f, "secret", NULL);
    assert_int_equal(f->sink->ops->exemplar(f->sink, 0, f->tenant, &e, &f->why), 0);
    assert_int_equal(store.exemplars, 1);
}

static void without_rules_the_batch_itself_goes_on(void **state)
{
    struct fixture *f = *state;
    f->settings.relabel = (struct option_rows){0};
    ingest_reload(f->in, &f->settings);
    row(f, key_of(f, "secret", NULL), 1, 1);
    assert_int_equal(append(f), 1);
    assert_string_equal(store.text.p, "secret{token=\"abc\"} 1\n");
}

static void wrong_rules_are_named(void **state)
{
    struct fixture *f = *state;
    struct relabel_row wrong = {"replace", ";", "(", "a", "$1", {NULL, 0}, 0};
    f->settings.relabel = (struct option_rows){&wrong, 1};
    assert_int_equal(ingest_settings_check(&f->settings, &f->why), -ERR_FORMAT);
    assert_non_null(strstr(f->why.text, "[[ingest.relabel]]: rule 1: error parsing regexp"));
}

#define OWN(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWN(samples_come_in_under_their_new_names),
        OWN(a_batch_that_is_dropped_whole_reaches_no_store),
        OWN(answers_come_back_to_the_rows_that_they_are_of),
        OWN(labels_that_cannot_be_rewritten_cost_their_row_alone),
        OWN(limits_are_those_of_the_new_labels),
        OWN(exemplars_go_with_their_series),
        OWN(without_rules_the_batch_itself_goes_on),
        OWN(wrong_rules_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
