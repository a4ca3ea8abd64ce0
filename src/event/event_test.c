#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "event/event.h"
#include "event/event_json.h"
#include "model/labels.h"

enum { NOW_MS = 1700000000 };

static struct clock_manual now;
static struct state *db;
static struct events *events;
static struct arena arena;
static size_t heard;

static int set_up(void **state)
{
    clock_manual_init(&now, NOW_MS * 1000LL);
    arena_init(&arena);
    heard = 0;
    assert_int_equal(state_open(":memory:", &db, NULL), 0);
    return event_open(db, &now.clock, 30, &events, NULL);
}

static int tear_down(void **state)
{
    event_close(events);
    state_close(db);
    arena_done(&arena);
    return 0;
}

static int64_t add(const char *json)
{
    const struct event like = {.kind = STR("note"), .source = STR("test")};
    struct event *v;
    size_t n;
    int64_t id = 0;
    struct why why = {0};
    int err = event_json_read(str_c(json), &like, &arena, &v, &n, &why);
    if (!err)
        err = event_add_now(events, v, &id, &why);
    return err ? err : id;
}

static size_t list(const struct event_query *q, struct event **ret)
{
    size_t n;
    assert_int_equal(event_list(events, q, &arena, ret, &n, NULL), 0);
    return n;
}

static void the_same_key_changes_the_same_event(void **state)
{
    struct event *v;
    int64_t id = add("{\"kind\":\"deployment\",\"service\":\"api\",\"version\":\"1\","
                     "\"status\":\"started\",\"id_key\":\"k\"}");
    assert_true(id > 0);
    clock_manual_pass(&now, 5000);
    assert_int_equal(add("{\"kind\":\"deployment\",\"id_key\":\"k\",\"status\":\"succeeded\"}"),
                     id);
    assert_int_equal(list(&(struct event_query){0}, &v), 1);
    assert_int_equal(v->end_ms - v->time_ms, 5000);
    assert_true(str_eq(v->title, STR("api 1 was deployed")));
    assert_true(str_eq(labels_get(v->labels, STR("service")), STR("api")));
    /* Another kind with that key is another event, and so is the next start. */
    assert_true(add("{\"kind\":\"note\",\"id_key\":\"k\",\"title\":\"x\"}") > id);
    assert_true(add("{\"kind\":\"deployment\",\"id_key\":\"k\",\"status\":\"started\"}") > id);
    assert_int_equal(list(&(struct event_query){0}, &v), 3);
}

static void what_is_no_event_is_refused(void **state)
{
    static const char *const BAD[] = {
        "{}",
        "[]",
        "5",
        "{\"title\":\"a\",\"kind\":\"a b\"}",
        "{\"title\":\"a\",\"time\":\"yesterday\"}",
        "{\"title\":\"a\",\"time\":-5}",
        "{\"title\":\"a\",\"time_ms\":1700000000000,\"end_ms\":1600000000000}",
        "{\"title\":\"a\",\"time\":1800000000}",
        "{\"title\":\"a\",\"url\":\"javascript:x\"}",
        "{\"title\":\"a\",\"labels\":[1]}",
        "{\"title\":\"a\",\"labels\":{\"b\":{}}}",
        "{\"kind\":\"deployment\",\"id_key\":\"none\",\"status\":\"succeeded\"}",
    };
    struct event *v;
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        assert_int_equal(add(BAD[i]), -ERR_FORMAT);
    assert_int_equal(list(&(struct event_query){0}, &v), 0);
}

static void times_are_read_in_all_their_forms(void **state)
{
    static const char *const SAME[] = {"1699999999.5", "1699999999500",
                                       "\"2023-11-14T22:13:19.5Z\"",
                                       "\"2023-11-15T00:13:19.500+02:00\""};
    struct event *v;
    for (size_t i = 0; i < COUNTOF(SAME); i++) {
        struct str body = arena_printf(&arena, "{\"title\":\"a\",\"time\":%s}", SAME[i]);
        int64_t id = add(body.p);
        assert_true(id > 0);
        assert_int_equal(list(&(struct event_query){.limit = 1}, &v), 1);
        assert_int_equal(v->time_ms, 1699999999500);
        assert_int_equal(event_delete(events, id, NULL), 0);
        assert_int_equal(event_delete(events, id, NULL), -ERR_NOENT);
    }
}

static void filters_and_ranges_pick_what_overlaps(void **state)
{
    struct event *v;
    struct str equal = STR("host=b");
    add("{\"title\":\"long\",\"time\":1699990000,\"end\":1699999000,\"labels\":{\"host\":\"b\"}}");
    add("{\"title\":\"old\",\"time\":1699990000}");
    add("{\"title\":\"new\",\"time\":1699999500,\"kind\":\"restart\"}");
    struct event_query q = {.from_ms = 1699998000000};
    assert_int_equal(list(&q, &v), 2);
    assert_true(str_eq(v[0].title, STR("new")) && str_eq(v[1].title, STR("long")));
    q = (struct event_query){.kind = STR("restart")};
    assert_int_equal(list(&q, &v), 1);
    q = (struct event_query){.equal = &equal, .equal_n = 1};
    assert_int_equal(list(&q, &v), 1);
    assert_true(str_eq(v[0].title, STR("long")));
    q = (struct event_query){.to_ms = 1699995000000};
    assert_int_equal(list(&q, &v), 2);
    q = (struct event_query){.source = STR("nobody")};
    assert_int_equal(list(&q, &v), 0);
}

static void count_heard(void *context, const struct event *v)
{
    heard++;
}

static void what_is_added_in_passing_is_there_when_asked_and_mended(void **state)
{
    struct event *v;
    event_listen(events, count_heard, NULL);
    event_add(events, &(struct event){.kind = STR("note"),
                                      .title = STR("a"),
                                      .time_ms = 5000000000000, /* a clock that is wrong */
                                      .url = STR("javascript:x")});
    event_add(events, &(struct event){.kind = STR("no kind"), .title = STR("a")});
    event_add(NULL, &(struct event){.kind = STR("note"), .title = STR("a")});
    assert_int_equal(list(&(struct event_query){0}, &v), 1);
    assert_int_equal(v->time_ms, NOW_MS * 1000LL);
    assert_int_equal(v->url.n, 0);
    assert_int_equal(heard, 1);
}

static void old_events_go_when_the_daemon_starts(void **state)
{
    struct event *v;
    add("{\"title\":\"a\"}");
    clock_manual_pass(&now, 29LL * 24 * 3600 * 1000);
    add("{\"title\":\"b\"}");
    clock_manual_pass(&now, 2LL * 24 * 3600 * 1000);
    event_close(events);
    assert_int_equal(event_open(db, &now.clock, 30, &events, NULL), 0);
    assert_int_equal(list(&(struct event_query){0}, &v), 1);
    assert_true(str_eq(v->title, STR("b")));
}

static void an_annotation_of_grafana_becomes_an_event_and_back(void **state)
{
    struct event v;
    struct buf out;
    assert_int_equal(event_json_read_annotation(
                         STR("{\"dashboardUID\":\"x\",\"time\":1699999999000,\"tags\":[\"release\","
                             "\"env:prod\"],\"text\":\"version 7\\nby ada\"}"),
                         &arena, &v, NULL),
                     0);
    assert_true(str_eq(v.kind, STR("deployment")) && str_eq(v.title, STR("version 7")));
    assert_true(str_eq(labels_get(v.labels, STR("env")), STR("prod")));
    buf_init(&out, 4096);
    event_json_put_annotation(&v, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, "{\"id\":0,\"time\":1699999999000,\"timeEnd\":1699999999000,"
                               "\"text\":\"version 7\\nby ada\",\"tags\":[\"deployment\","
                               "\"env:prod\",\"release:true\"]}");
    buf_done(&out);
}

static void an_array_with_one_that_is_none_is_refused_even_where_nobody_asks_why(void **state)
{
    static const struct event LIKE = {0};
    struct event *v;
    struct why why;
    size_t n;
    struct str body = STR("[{\"title\":\"a\"},{\"time\":[]}]");
    assert_int_equal(event_json_read(body, &LIKE, &arena, &v, &n, NULL), -ERR_FORMAT);
    assert_int_equal(event_json_read(body, &LIKE, &arena, &v, &n, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "event 1"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_key_changes_the_same_event),
        CASE(what_is_no_event_is_refused),
        CASE(times_are_read_in_all_their_forms),
        CASE(filters_and_ranges_pick_what_overlaps),
        CASE(what_is_added_in_passing_is_there_when_asked_and_mended),
        CASE(old_events_go_when_the_daemon_starts),
        CASE(an_annotation_of_grafana_becomes_an_event_and_back),
        CASE(an_array_with_one_that_is_none_is_refused_even_where_nobody_asks_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
