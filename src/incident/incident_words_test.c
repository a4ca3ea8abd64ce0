#include "incident/incident_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/labels.h"

enum { OPENED_MS = 1000000 };

/* A key with one label, whose value has four letters. */
#define CHECK(v)                                                                                   \
    STR("\n\x0d\n\x05"                                                                             \
        "check\x12\x04" v)

static struct event event_of(const char *kind, int64_t time_ms, struct str labels)
{
    return (struct event){
        .kind = str_c(kind), .title = str_c(kind), .time_ms = time_ms, .labels = labels};
}

static size_t causes(struct event *v, size_t n, struct str labels)
{
    return incident_words_causes(v, n, labels, OPENED_MS);
}

static void a_deployment_comes_before_what_followed_from_it(void **state)
{
    struct event v[] = {event_of("health", OPENED_MS - 1000, STR("")),
                        event_of("deployment", OPENED_MS - 240000, STR(""))};
    assert_int_equal(causes(v, 2, STR("")), 2);
    assert_true(str_eq(v[0].kind, STR("deployment")));
}

static void what_came_later_is_no_cause(void **state)
{
    struct event v[] = {event_of("deployment", OPENED_MS + 6000, STR("")),
                        event_of("restart", OPENED_MS + 2000, STR(""))};
    assert_int_equal(causes(v, 2, STR("")), 1);
    assert_true(str_eq(v[0].kind, STR("restart")));
    struct buf out;
    buf_init(&out, 1000);
    incident_words_cause(&v[0], OPENED_MS, &out);
    assert_true(str_eq(buf_str(&out), STR("restart, at the same time")));
    buf_done(&out);
}

static void alerts_and_incidents_are_what_is_to_be_explained(void **state)
{
    struct event v[] = {event_of("alert", OPENED_MS - 1, STR("")),
                        event_of("incident", OPENED_MS - 1, STR(""))};
    assert_int_equal(causes(v, 2, STR("")), 0);
}

static void a_check_does_not_explain_itself_but_others_may(void **state)
{
    struct event v[] = {event_of("health", OPENED_MS - 1, CHECK("shop")),
                        event_of("health", OPENED_MS - 2, CHECK("disk"))};
    assert_int_equal(causes(v, 2, CHECK("shop")), 1);
    assert_true(str_eq(labels_get(v[0].labels, STR("check")), STR("disk")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_comes_before_what_followed_from_it),
        cmocka_unit_test(what_came_later_is_no_cause),
        cmocka_unit_test(alerts_and_incidents_are_what_is_to_be_explained),
        cmocka_unit_test(a_check_does_not_explain_itself_but_others_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
