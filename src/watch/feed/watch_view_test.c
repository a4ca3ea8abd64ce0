#include "watch/feed/watch_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/stat.h"
#include "watch/feed/watch_stats.h"

#define UNIT(name, state, wanted, ready, more)                                                     \
    "{\"name\":\"" name "\",\"program\":\"" name "\",\"group\":\"g\",\"instance\":0,"              \
    "\"state\":\"" state "\",\"wanted\":\"" wanted "\",\"ready\":" ready ",\"pid\":7" more "}"
#define ANSWER(units)                                                                              \
    "{\"ok\":true,\"version\":\"1\",\"pid\":3,\"state\":\"running\",\"summary\":{\"restarts\":4}," \
    "\"programs\":[" units "]}"

static enum watch_view_worst worst_of(const char *text)
{
    struct arena a;
    struct watch_view v;
    arena_init(&a);
    assert_int_equal(watch_view_read(str_c(text), &a, &v, NULL), 0);
    enum watch_view_worst worst = watch_view_worst(&v);
    arena_done(&a);
    return worst;
}

static void an_answer_is_read_with_what_it_lacks(void **state)
{
    (void)state;
    struct arena a;
    struct watch_view v;
    arena_init(&a);
    const char *text =
        ANSWER(UNIT("a", "running", "up", "true",
                    ",\"restarts\":4,\"cpu_percent\":12.5,\"liveness\":{\"ok\":true,\"checks\":2},"
                    "\"readiness\":null,\"last_death\":{\"signal\":9,\"sentence\":\"killed\"},"
                    "\"connections\":5") "," UNIT("b", "stopped", "down", "false", ""));
    assert_int_equal(watch_view_read(str_c(text), &a, &v, NULL), 0);
    assert_int_equal(v.n, 2);
    assert_int_equal(v.restarts, 4);
    assert_int_equal(v.v[0].restarts, 4);
    assert_true(v.v[0].cpu_percent == 12.5);
    assert_true(v.v[0].liveness.configured && v.v[0].liveness.ok && v.v[0].liveness.ran);
    assert_false(v.v[0].readiness.configured);
    assert_true(v.v[0].last_death.any && v.v[0].last_death.signal == 9);
    assert_true(v.v[0].proxied && v.v[0].connections == 5);
    assert_false(v.v[1].proxied || v.v[1].last_death.any || v.v[1].liveness.configured);
    arena_done(&a);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"", "{}", "[]", "{\"programs\":{}}", "{\"programs\":["};
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        struct arena a;
        struct watch_view v;
        arena_init(&a);
        assert_int_not_equal(watch_view_read(str_c(TEXTS[i]), &a, &v, NULL), 0);
        arena_done(&a);
    }
}

static void the_worst_unit_says_how_all_are(void **state)
{
    (void)state;
    assert_int_equal(worst_of(ANSWER("")), WATCH_VIEW_WELL);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "running", "up", "true",
                                          "") "," UNIT("b", "stopped", "down", "false", ""))),
                     WATCH_VIEW_WELL);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "finished", "up", "false", ""))), WATCH_VIEW_WELL);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "running", "up", "false", ""))),
                     WATCH_VIEW_UNSETTLED);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "pausing", "up", "false", ""))),
                     WATCH_VIEW_UNSETTLED);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "stopping", "down", "false", ""))),
                     WATCH_VIEW_UNSETTLED);
    assert_int_equal(worst_of(ANSWER(UNIT("a", "running", "up", "true",
                                          "") "," UNIT("b", "critical", "up", "false", ""))),
                     WATCH_VIEW_CRITICAL);
}

struct look {
    const char *name, *labels;
    double value;
    bool found;
};

static void on_sample(void *context, const struct stat_sample *s)
{
    struct look *l = context;
    if (strcmp(s->family, l->name) == 0 && strstr(s->labels, l->labels) != NULL) {
        l->value = s->value;
        l->found = true;
    }
}

static bool shown(const char *name, const char *labels, double *ret)
{
    struct look l = {.name = name, .labels = labels};
    stat_each(on_sample, &l);
    *ret = l.value;
    return l.found;
}

static void take(struct watch_stats *s, const char *text)
{
    struct arena a;
    struct watch_view v;
    arena_init(&a);
    assert_int_equal(watch_view_read(str_c(text), &a, &v, NULL), 0);
    watch_stats_set(s, &v);
    arena_done(&a);
}

static void units_become_metrics_that_go_and_come_with_them(void **state)
{
    (void)state;
    struct watch_stats *s = watch_stats_new();
    double v;
    take(s,
         ANSWER(UNIT("a", "running", "up", "true", ",\"starts\":3,\"restarts_by\":{\"exit\":2}")));
    assert_true(shown("sonde_watch_up", "", &v) && v == 1);
    assert_true(shown("sonde_watch_program_ready", "program=\"a\"", &v) && v == 1);
    assert_true(shown("sonde_watch_program_starts_total", "program=\"a\"", &v) && v == 3);
    assert_true(shown("sonde_watch_program_restarts_total", "reason=\"exit\"", &v) && v == 2);
    assert_true(shown("sonde_watch_program_state", "state=\"running\"", &v) && v == 1);
    take(s, ANSWER(UNIT("a", "critical", "up", "false",
                        ",\"starts\":1,\"restarts_by\":{\"exit\":1}")));
    /* sonde-watch has begun anew: counters go on. */
    assert_true(shown("sonde_watch_program_starts_total", "program=\"a\"", &v) && v == 4);
    assert_true(shown("sonde_watch_program_restarts_total", "reason=\"exit\"", &v) && v == 3);
    assert_true(shown("sonde_watch_program_state", "state=\"running\"", &v) && v == 0);
    assert_true(shown("sonde_watch_program_state", "state=\"critical\"", &v) && v == 1);
    take(s, ANSWER(UNIT("b", "running", "up", "true", "")));
    assert_false(shown("sonde_watch_program_ready", "program=\"a\"", &v));
    watch_stats_set(s, NULL);
    assert_true(shown("sonde_watch_up", "", &v) && v == 0);
    assert_false(shown("sonde_watch_program_ready", "program=\"b\"", &v));
    watch_stats_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_with_what_it_lacks),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(the_worst_unit_says_how_all_are),
        cmocka_unit_test(units_become_metrics_that_go_and_come_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
