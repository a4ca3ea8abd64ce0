#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "model/labels.h"
#include "scrape/target.h"

struct bed {
    struct arena a;
    struct promfile_scrape config;
    struct buf own;
    struct target target;
    struct why why;
};

static int setup(void **state)
{
    struct bed *t = mem_new(sizeof *t);
    arena_init(&t->a);
    buf_init(&t->own, LABELS_KEY_MAX);
    t->config = (struct promfile_scrape){.job = STR("j"),
                                         .interval_ms = 15000,
                                         .timeout_ms = 10000,
                                         .metrics_path = STR("/metrics"),
                                         .scheme = STR("http")};
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bed *t = *state;
    arena_done(&t->a);
    buf_done(&t->own);
    relabel_free(t->config.relabel);
    mem_free(t);
    return 0;
}

static int make(struct bed *t, const char *address)
{
    if (*address)
        labels_put(&t->own, STR("__address__"), str_c(address));
    int got =
        target_make(&t->config, STR(""), buf_str(&t->own), STR("host"), &t->a, &t->target, &t->why);
    buf_clear(&t->own);
    return got;
}

static void is(struct str key, const char *want)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    labels_print(key, &text);
    buf_put_c(&text, 0);
    assert_string_equal(text.p, want);
    buf_done(&text);
}

static void a_target_has_the_defaults_of_its_job(void **state)
{
    struct bed *t = *state;
    assert_int_equal(make(t, "127.0.0.1:9100"), 1);
    assert_string_equal(t->target.url.p, "http://127.0.0.1:9100/metrics");
    assert_string_equal(t->target.global_url.p, "http://host:9100/metrics");
    assert_int_equal(t->target.interval_ms, 15000);
    assert_int_equal(t->target.timeout_ms, 10000);
    is(t->target.labels, "{instance=\"127.0.0.1:9100\", job=\"j\"}");
    is(t->target.discovered,
       "{__address__=\"127.0.0.1:9100\", __metrics_path__=\"/metrics\", __scheme__=\"http\", "
       "__scrape_interval__=\"15s\", __scrape_timeout__=\"10s\", job=\"j\"}");
}

static void labels_decide_what_is_asked_how_often(void **state)
{
    static const struct str VALUES[] = {{"x", 1}, {"y z", 3}};
    static const struct promfile_param PARAMS[] = {{{"module", 6}, VALUES, 2},
                                                   {{"b", 1}, VALUES, 1}};
    struct bed *t = *state;
    t->config.params = PARAMS;
    t->config.params_n = 2;
    labels_put(&t->own, STR("__scheme__"), STR("https"));
    labels_put(&t->own, STR("__metrics_path__"), STR("probe it"));
    labels_put(&t->own, STR("__param_module"), STR("q&"));
    labels_put(&t->own, STR("__param_a"), STR("1"));
    labels_put(&t->own, STR("__scrape_interval__"), STR("1s"));
    labels_put(&t->own, STR("__scrape_timeout__"), STR("500ms"));
    labels_put(&t->own, STR("job"), STR("own"));
    labels_put(&t->own, STR("instance"), STR("i"));
    labels_put(&t->own, STR("__meta_x"), STR("m"));
    assert_int_equal(make(t, "a:1"), 1);
    assert_string_equal(t->target.url.p, "https://a:1/probe%20it?a=1&b=x&module=q%26&module=y+z");
    assert_int_equal(t->target.interval_ms, 1000);
    assert_int_equal(t->target.timeout_ms, 500);
    is(t->target.labels, "{instance=\"i\", job=\"own\"}");
}

static void what_cannot_be_scraped_is_told(void **state)
{
    static const struct {
        const char *name, *value, *address, *why;
    } CASES[] = {
        {"x", "y", "", "no address"},
        {"x", "y", "a/b", "\"a/b\" is not a valid hostname"},
        {"__scrape_interval__", "5x", "a", "error parsing scrape interval: "},
        {"__scrape_interval__", "0s", "a", "scrape interval cannot be 0"},
        {"__scrape_timeout__", "0", "a", "scrape timeout cannot be 0"},
        {"__scrape_timeout__", "20s", "a",
         "scrape timeout cannot be greater than scrape interval (\"20s\" > \"15s\")"},
    };
    struct bed *t = *state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        labels_put(&t->own, str_c(CASES[i].name), str_c(CASES[i].value));
        assert_true(make(t, CASES[i].address) < 0);
        assert_true(str_starts(str_c(t->why.text), str_c(CASES[i].why)));
    }
}

static void relabelling_drops_and_changes_targets(void **state)
{
    struct bed *t = *state;
    struct str source[] = {STR("__address__")};
    struct relabel_rule rules[] = {relabel_rule_default, relabel_rule_default};
    rules[0].action = STR("drop");
    rules[0].source_labels = rules[1].source_labels = source;
    rules[0].source_labels_n = rules[1].source_labels_n = 1;
    rules[0].regex = STR("bad.*");
    rules[1].regex = STR("(.*):.*");
    rules[1].target_label = STR("host");
    assert_int_equal(relabel_new(rules, 2, &t->config.relabel, NULL, NULL), 0);
    assert_int_equal(make(t, "bad:1"), 0);
    assert_true(str_eq(labels_get(t->target.discovered, STR("__address__")), STR("bad:1")));
    assert_int_equal(make(t, "good:1"), 1);
    is(t->target.labels, "{host=\"good\", instance=\"good:1\", job=\"j\"}");
}

static void equal_targets_are_one_by_their_hash(void **state)
{
    struct bed *t = *state;
    assert_int_equal(make(t, "a:1"), 1);
    uint64_t first = t->target.hash;
    labels_put(&t->own, STR("__meta_from"), STR("elsewhere"));
    assert_int_equal(make(t, "a:1"), 1);
    assert_true(t->target.hash == first);
    labels_put(&t->own, STR("x"), STR("y"));
    assert_int_equal(make(t, "a:1"), 1);
    assert_true(t->target.hash != first);
    t->config.interval_ms = 1000;
    t->config.timeout_ms = 1000;
    assert_int_equal(make(t, "a:1"), 1);
    assert_true(t->target.hash != first);
}

static void times_are_multiples_of_the_interval_moved_by_an_offset(void **state)
{
    (void)state;
    assert_int_equal(target_next(0, 1000, 0), 1000);
    assert_int_equal(target_next(999, 1000, 0), 1000);
    assert_int_equal(target_next(1000, 1000, 0), 2000);
    assert_int_equal(target_next(1000, 1000, 300), 1300);
    assert_int_equal(target_next(1300, 1000, 300), 2300);
    assert_int_equal(target_next(1299, 1000, 5300), 1300);
    assert_int_equal(target_next(-1500, 1000, 300), -700);
}

#define CASE(a_case_with_its_bed)                                                                  \
    cmocka_unit_test_setup_teardown(a_case_with_its_bed, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_target_has_the_defaults_of_its_job),
        CASE(labels_decide_what_is_asked_how_often),
        CASE(what_cannot_be_scraped_is_told),
        CASE(relabelling_drops_and_changes_targets),
        CASE(equal_targets_are_one_by_their_hash),
        CASE(times_are_multiples_of_the_interval_moved_by_an_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
