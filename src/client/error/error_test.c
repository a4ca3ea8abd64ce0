#include "client/error/error.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/trace/current.h"
#include "client/error/sink_test.h"
#include "sonde/log.h"
#include "sonde/span.h"

__attribute__((noinline)) static sonde_error_ref capture_with_all(void)
{
    assert_int_equal(sonde_set_tag("region", "eu"), 0);
    assert_int_equal(sonde_set_tag("gone", "x"), 0);
    assert_int_equal(sonde_set_tag("gone", NULL), 0);
    assert_int_equal(sonde_set_thread_tag("thread", "main"), 0);
    assert_int_equal(sonde_set_context("order", "{\"id\":17,\"token\":\"abc\"}"), 0);
    sonde_user user = SONDE_USER_INIT;
    user.id = "u1";
    user.email = "jane@example.com";
    user.name = "jane";
    user.ip = "10.0.0.7";
    assert_int_equal(sonde_set_user(&user), 0);
    assert_int_equal(sonde_set_transaction("checkout"), 0);
    sonde_error_cause root = SONDE_ERROR_CAUSE_INIT, cause = SONDE_ERROR_CAUSE_INIT;
    root.type = "SocketError";
    root.message = "connection to 10.1.2.3 refused";
    root.has_code = true;
    root.code = -111;
    cause.type = "PoolError";
    cause.message = "no connection";
    cause.module = "db.pool";
    cause.cause = &root;
    const sonde_label tags[] = {{"kind", "book"}, {"mail", "x@example.com"}, {NULL, NULL}};
    const sonde_attr extra[] = {sonde_attr_string("query", "SELECT 1"), sonde_attr_int("rows", 3),
                                sonde_attr_double("ratio", 0.5), sonde_attr_bool("cached", true),
                                sonde_attr_string("password", "hunter2")};
    const char *fingerprint[] = {"{{ default }}", "shop"};
    sonde_context trace = {.flags = 1};
    memset(trace.trace_id, 0xab, sizeof trace.trace_id);
    memset(trace.span_id, 0xcd, sizeof trace.span_id);
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.type = "CheckoutError";
    info.message = "order of jane@example.com failed";
    info.logger = "shop.checkout";
    info.cause = &cause;
    info.tags = tags;
    info.extra = extra;
    info.extra_n = 5;
    info.fingerprint = fingerprint;
    info.fingerprint_n = 2;
    info.context = "{\"cart\":[1,2]}";
    info.context_of_trace = &trace;
    sonde_error_ref ref = sonde_error_capture_info(&info);
    atomic_signal_fence(memory_order_seq_cst); /* no tail call */
    return ref;
}

static void check_surroundings(json_t *e)
{
    assert_string_equal(sink_string(e, "tags.region"), "eu");
    assert_null(sink_at(e, "tags.gone"));
    assert_string_equal(sink_string(e, "tags.thread"), "main");
    assert_string_equal(sink_string(e, "tags.kind"), "book");
    assert_string_equal(sink_string(e, "tags.mail"), "[email]");
    assert_string_equal(sink_string(e, "extra.query"), "SELECT 1");
    assert_int_equal(json_integer_value(sink_at(e, "extra.rows")), 3);
    assert_true(json_real_value(sink_at(e, "extra.ratio")) == 0.5);
    assert_true(json_is_true(sink_at(e, "extra.cached")));
    assert_string_equal(sink_string(e, "extra.password"), "[filtered]");
    assert_string_equal(sink_string(e, "fingerprint.1"), "shop");
    assert_int_equal(json_integer_value(sink_at(e, "contexts.order.id")), 17);
    assert_string_equal(sink_string(e, "contexts.order.token"), "[filtered]");
    assert_int_equal(json_array_size(sink_at(e, "contexts.context.cart")), 2);
    assert_string_equal(sink_string(e, "contexts.trace.trace_id"),
                        "abababababababababababababababab");
    assert_string_equal(sink_string(e, "contexts.trace.span_id"), "cdcdcdcdcdcdcdcd");
    assert_string_equal(sink_string(e, "user.id"), "u1");
    assert_string_equal(sink_string(e, "user.email"), "[email]");
    assert_null(sink_at(e, "user.ip_address"));
}

static void an_error_becomes_an_event_with_all_that_was_said(void **state)
{
    sink_start("error.dedup_ms=0", NULL);
    sonde_error_ref ref = capture_with_all();
    assert_true(ref != 0);
    char id[33];
    assert_int_equal(sonde_error_event_id(ref, id), 0);
    json_t *e = sink_event(0);
    assert_non_null(e);
    assert_string_equal(sink_string(e, "event_id"), id);
    assert_string_equal(sink_string(sink_get("event", 0)->header, "event_id"), id);
    assert_string_equal(sink_get("event", 0)->category, "error");
    assert_string_equal(sink_string(e, "level"), "error");
    assert_string_equal(sink_string(e, "platform"), "native");
    assert_string_equal(sink_string(e, "release"), "shop@1.4.2");
    assert_string_equal(sink_string(e, "environment"), "test");
    assert_string_equal(sink_string(e, "logger"), "shop.checkout");
    assert_string_equal(sink_string(e, "transaction"), "checkout");
    assert_int_equal(json_array_size(sink_at(e, "exception.values")), 3);
    assert_string_equal(sink_string(e, "exception.values.0.type"), "SocketError");
    assert_string_equal(sink_string(e, "exception.values.0.value"), "connection to [ip] refused");
    assert_int_equal(json_integer_value(sink_at(e, "exception.values.0.mechanism.data.code")),
                     -111);
    assert_string_equal(sink_string(e, "exception.values.1.module"), "db.pool");
    assert_string_equal(sink_string(e, "exception.values.2.type"), "CheckoutError");
    assert_string_equal(sink_string(e, "exception.values.2.value"), "order of [email] failed");
    json_t *frames = sink_at(e, "exception.values.2.stacktrace.frames");
    assert_true(json_array_size(frames) >= 2);
    json_t *inner = json_array_get(frames, json_array_size(frames) - 1);
    assert_string_equal(sink_string(inner, "function"), "capture_with_all");
    assert_true(json_is_true(json_object_get(inner, "in_app")));
    assert_true(json_array_size(sink_at(e, "debug_meta.images")) >= 1);
    check_surroundings(e);
    sink_stop();
}

static void breadcrumbs_and_the_open_span_are_part_of_an_event(void **state)
{
    sink_start(NULL);
    const sonde_attr data[] = {sonde_attr_string("to", "jane@example.com"),
                               sonde_attr_string("password", "hunter2")};
    sonde_breadcrumb(SONDE_LEVEL_INFO, "ui", "opened the cart of bob@example.com", data, 2);
    sonde_breadcrumb(SONDE_LEVEL_INFO, "db", "SELECT 1", NULL, 0);
    sonde_span *span = sonde_span_start("checkout", SONDE_SPAN_INTERNAL);
    sonde_context context = current_context();
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    sonde_span_end(span);
    sonde_breadcrumb(SONDE_LEVEL_INFO, "ui", "later than the error", NULL, 0);
    json_t *e = sink_event(0);
    assert_int_equal(json_array_size(sink_at(e, "breadcrumbs")), 2);
    assert_string_equal(sink_string(e, "breadcrumbs.0.category"), "ui");
    assert_string_equal(sink_string(e, "breadcrumbs.0.message"), "opened the cart of [email]");
    assert_string_equal(sink_string(e, "breadcrumbs.0.data.to"), "[email]");
    assert_string_equal(sink_string(e, "breadcrumbs.0.data.password"), "[filtered]");
    assert_string_equal(sink_string(e, "breadcrumbs.1.message"), "SELECT 1");
    char id[33];
    id_text(id, context.trace_id);
    assert_string_equal(sink_string(e, "contexts.trace.trace_id"), id);
    sink_stop();
}

static void a_bare_message_has_its_stack_on_its_thread(void **state)
{
    sink_start(NULL);
    assert_true(sonde_error_capture_f(SONDE_LEVEL_WARNING, NULL, "disk %s at %d %%", "a", 97) != 0);
    json_t *e = sink_event(0);
    assert_string_equal(sink_string(e, "level"), "warning");
    assert_string_equal(sink_string(e, "message.formatted"), "disk a at 97 %");
    assert_string_equal(sink_string(e, "message.message"), "disk %s at %d %%");
    assert_null(sink_at(e, "exception"));
    assert_true(json_array_size(sink_at(e, "threads.values.0.stacktrace.frames")) >= 2);
    assert_true(json_integer_value(sink_at(e, "threads.values.0.id")) > 0);
    sink_stop();
}

static void an_errno_has_its_number_and_name(void **state)
{
    sink_start(NULL);
    errno = 77;
    assert_true(sonde_error_errno(SONDE_LEVEL_ERROR, EACCES, "open /home/jane/x") != 0);
    assert_int_equal(errno, 77);
    json_t *e = sink_event(0);
    assert_string_equal(sink_string(e, "exception.values.0.type"), "EACCES");
    assert_string_equal(sink_string(e, "exception.values.0.value"),
                        "open /home/[user]/x: Permission denied");
    assert_string_equal(sink_string(e, "exception.values.0.mechanism.type"), "errno");
    assert_int_equal(
        json_integer_value(sink_at(e, "exception.values.0.mechanism.meta.errno.number")), EACCES);
    assert_string_equal(sink_string(e, "exception.values.0.mechanism.meta.errno.name"), "EACCES");
    sink_stop();
}

__attribute__((noinline)) static sonde_error_chain *read_block(void)
{
    sonde_error_chain *c = sonde_error_chain_new("IOError", EIO, "block %d cannot be read", 7);
    atomic_signal_fence(memory_order_seq_cst); /* no tail call: this function stays on the stack */
    return c;
}

static void a_chain_is_captured_with_the_stack_of_its_beginning(void **state)
{
    sink_start(NULL);
    sonde_error_chain *c = read_block();
    c = sonde_error_chain_wrap(c, "StoreError", 3, "the index is not readable");
    c = sonde_error_chain_wrap(c, "StartError", 0, "the shop does not start");
    char text[200];
    size_t n = sonde_error_chain_text(c, text, sizeof text);
    assert_string_equal(
        text, "the shop does not start: the index is not readable: block 7 cannot be read");
    assert_int_equal(n, strlen(text));
    assert_int_equal(sonde_error_chain_text(c, text, 4), n);
    assert_string_equal(text, "the");
    assert_true(sonde_error_chain_capture(c, SONDE_LEVEL_FATAL) != 0);
    json_t *e = sink_event(0);
    assert_string_equal(sink_string(e, "level"), "fatal");
    assert_string_equal(sink_string(e, "exception.values.0.type"), "IOError");
    assert_string_equal(sink_string(e, "exception.values.1.type"), "StoreError");
    assert_string_equal(sink_string(e, "exception.values.2.type"), "StartError");
    json_t *frames = sink_at(e, "exception.values.0.stacktrace.frames");
    size_t last = json_array_size(frames) - 1;
    assert_string_equal(sink_string(json_array_get(frames, last), "function"), "read_block");
    sink_stop();
    assert_int_equal(sonde_error_chain_capture(NULL, SONDE_LEVEL_ERROR), 0);
    sonde_error_chain_free(read_block()); /* works without the library too */
}

static void alike_errors_are_one_event_and_the_next_says_how_many_there_were(void **state)
{
    uint64_t before = lost_count(LOST_ERROR, LOST_DEDUPLICATED);
    sink_start("error.dedup_ms=200", NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++) {
            char message[64];
            snprintf(message, sizeof message, "user %d has no cart", 1000 + i);
            sonde_error_ref ref = sonde_error_capture(SONDE_LEVEL_ERROR, "CartError", message);
            assert_int_equal(ref != 0, i == 0);
        }
        if (!round) {
            usleep(250000);
        }
    }
    assert_int_equal(lost_count(LOST_ERROR, LOST_DEDUPLICATED) - before, 98);
    json_t *e = sink_event(1);
    assert_int_equal(sink_count("event"), 2);
    assert_null(sink_at(sink_get("event", 0)->body, "extra"));
    assert_int_equal(json_integer_value(sink_at(e, "extra")
                                            ? json_object_get(sink_at(e, "extra"), "sonde.left_out")
                                            : NULL),
                     49);
    sonde_error_recent recent[4];
    assert_int_equal(sonde_error_recent_list(recent, 4, sizeof recent[0]), 2);
    assert_int_equal(recent[0].count, 50);
    assert_int_equal(recent[1].count, 50);
    assert_string_equal(recent[0].type, "CartError");
    assert_int_equal(recent[0].outcome, SONDE_OUTCOME_HANDLED);
    sonde_shutdown(5000);
    const struct sink_item *report = sink_get("client_report", 0);
    assert_non_null(report);
    assert_string_equal(sink_string(report->body, "discarded_events.0.reason"), "deduplicated");
    assert_string_equal(sink_string(report->body, "discarded_events.0.category"), "error");
    assert_int_equal(json_integer_value(sink_at(report->body, "discarded_events.0.quantity")), 98);
}

static void other_places_and_other_texts_are_other_errors(void **state)
{
    sink_start(NULL);
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "y");
    sonde_error_capture(SONDE_LEVEL_ERROR, "B", "x");
    sink_event(0);
    assert_int_equal(sink_count("event"), 4);
    sink_stop();
}

static void more_than_the_limits_allow_is_left_out_and_counted(void **state)
{
    uint64_t before = lost_count(LOST_ERROR, LOST_RATE_LIMIT);
    sink_start("error.per_second_max=5", NULL);
    size_t kept = 0;
    for (int i = 0; i < 100; i++) {
        char type[32];
        snprintf(type, sizeof type, "Type%c%c", 'a' + i / 26, 'a' + i % 26);
        kept += sonde_error_capture(SONDE_LEVEL_ERROR, type, "x") != 0;
    }
    assert_in_range(kept, 5, 6);
    assert_int_equal(lost_count(LOST_ERROR, LOST_RATE_LIMIT) - before, 100 - kept);
    sink_event(0);
    assert_int_equal(sink_count("event"), kept);
    sink_stop();
    before = lost_count(LOST_ERROR, LOST_RATE_LIMIT);
    sink_start("error.dedup_ms=0", "error.alike_per_minute_max=3", NULL);
    for (int i = 0; i < 10; i++) {
        sonde_error_capture(SONDE_LEVEL_ERROR, "Same", "x");
        usleep(1000);
    }
    sink_event(0);
    assert_int_equal(sink_count("event"), 3);
    assert_int_equal(lost_count(LOST_ERROR, LOST_RATE_LIMIT) - before, 7);
    sink_stop();
}

static bool change(sonde_error_event *event, void *user)
{
    ++*(int *)user;
    if (strcmp(sonde_error_event_type(event), "Drop") == 0) {
        return false;
    }
    assert_string_equal(sonde_error_event_message(event), "mail to [email]");
    assert_non_null(strstr(sonde_error_event_json(event), "\"mail to [email]\""));
    const char *fingerprint[] = {"own"};
    assert_int_equal(sonde_error_event_set_level(event, SONDE_LEVEL_INFO), 0);
    assert_int_equal(sonde_error_event_set_message(event, "now bob@example.com"), 0);
    assert_int_equal(sonde_error_event_set_tag(event, "seen", "yes"), 0);
    assert_int_equal(sonde_error_event_set_fingerprint(event, fingerprint, 1), 0);
    assert_string_equal(sonde_error_event_tag(event, "seen"), "yes");
    return true;
}

static void before_send_changes_and_drops_and_what_it_writes_is_masked(void **state)
{
    uint64_t before = lost_count(LOST_ERROR, LOST_BEFORE_SEND);
    int called = 0;
    sink_start(NULL);
    sonde_error_before_send(change, &called);
    sonde_error_capture(SONDE_LEVEL_ERROR, "Drop", "x");
    sonde_error_capture(SONDE_LEVEL_ERROR, "Keep", "mail to jane@example.com");
    json_t *e = sink_event(0);
    assert_int_equal(sink_count("event"), 1);
    assert_int_equal(called, 2);
    assert_string_equal(sink_string(e, "level"), "info");
    assert_string_equal(sink_string(e, "exception.values.0.value"), "now [email]");
    assert_string_equal(sink_string(e, "tags.seen"), "yes");
    assert_string_equal(sink_string(e, "fingerprint.0"), "own");
    assert_int_equal(lost_count(LOST_ERROR, LOST_BEFORE_SEND) - before, 1);
    sonde_error_before_send(NULL, NULL);
    sink_stop();
    before = lost_count(LOST_ERROR, LOST_SAMPLED);
    sink_start("error.sample_rate=0", NULL);
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    assert_null(sink_event(0));
    assert_int_equal(lost_count(LOST_ERROR, LOST_SAMPLED) - before, 1);
    sink_stop();
}

static bool sleep_long(sonde_error_event *event, void *user)
{
    usleep(*(useconds_t *)user);
    *(useconds_t *)user = 0;
    return true;
}

static void a_hook_that_blocks_does_not_block_who_captures(void **state)
{
    uint64_t before = lost_count(LOST_ERROR, LOST_QUEUE_FULL);
    useconds_t blocked_us = 500000;
    sink_start("error.per_second_max=0", NULL);
    sonde_error_before_send(sleep_long, &blocked_us);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    size_t kept = 0;
    for (int i = 0; i < 200; i++) {
        char type[32];
        snprintf(type, sizeof type, "Blocked%c%c", 'a' + i / 26, 'a' + i % 26);
        kept += sonde_error_capture(SONDE_LEVEL_ERROR, type, "x") != 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ms =
        (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
    assert_true(ms < 400);
    assert_in_range(kept, 64, 80); /* the records that are set aside, and what went before it */
    assert_int_equal(lost_count(LOST_ERROR, LOST_QUEUE_FULL) - before, 200 - kept);
    (void)sonde_flush(10000);
    assert_int_equal(sink_count("event"), kept);
    sonde_error_before_send(NULL, NULL);
    sink_stop();
}

static void bad_context_is_kept_as_text_and_too_much_is_cut(void **state)
{
    sink_start("error.dedup_ms=0", NULL);
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.type = "A";
    info.context = "{\"mail\": jane@example.com}";
    sonde_error_capture_info(&info);
    char *big = malloc(100001);
    assert_non_null(big);
    memset(big, 'x', 100000);
    big[100000] = 0;
    info.type = "B";
    info.context = NULL;
    info.message = big;
    const sonde_attr extra[] = {sonde_attr_string("big", big), sonde_attr_string("big2", big),
                                sonde_attr_string("big3", big), sonde_attr_string("big4", big)};
    info.extra = extra;
    info.extra_n = 4;
    sonde_error_capture_info(&info);
    free(big);
    json_t *e = sink_event(0);
    assert_string_equal(sink_string(e, "contexts.context.text"), "{\"mail\": [email]}");
    assert_non_null(sink_at(e, "contexts.context.note"));
    e = sink_event(1);
    assert_true(strlen(sink_string(e, "exception.values.0.value")) > 1000);
    assert_non_null(json_object_get(sink_at(e, "extra"), "sonde.note"));
    sink_stop();
}

static void nothing_happens_where_the_library_does_not_run(void **state)
{
    assert_int_equal(sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x"), 0);
    assert_int_equal(sonde_error_capture(SONDE_LEVEL_ERROR, NULL, NULL), 0);
    assert_int_equal(sonde_error_capture_f(9, NULL, "%d", 1), 0);
    assert_int_equal(sonde_error_capture_info(NULL), 0);
    assert_int_equal(sonde_error_errno(0, 99999, NULL), 0);
    assert_int_equal(sonde_set_tag("a", "b"), SONDE_ERROR_STATE);
    assert_int_equal(sonde_set_user(NULL), SONDE_ERROR_STATE);
    assert_int_equal(sonde_set_context("a", "{}"), SONDE_ERROR_STATE);
    assert_int_equal(sonde_session_start(NULL), SONDE_ERROR_STATE);
    assert_int_equal(sonde_session_end(0), SONDE_ERROR_STATE);
    assert_int_equal(sonde_checkin("a", SONDE_CHECKIN_OK, 1), SONDE_ERROR_STATE);
    assert_int_equal(sonde_error_end(17, SONDE_OUTCOME_FATAL), SONDE_ERROR_STATE);
    assert_int_equal(sonde_error_scope_begin("A", NULL), 0);
    sonde_error_scope_leave(NULL);
    sonde_error_scope_retry(17);
    assert_string_equal(sonde_error_event_message(NULL), "");
}

static void values_outside_their_limits_are_refused(void **state)
{
    sink_start(NULL);
    char key[80];
    memset(key, 'k', sizeof key);
    key[79] = 0;
    assert_int_equal(sonde_set_tag(key, "x"), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_set_tag(NULL, "x"), SONDE_ERROR_ARGUMENT);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "tag%d", i);
        assert_int_equal(sonde_set_tag(key, "x"), 0);
    }
    assert_int_equal(sonde_set_tag("more", "x"), SONDE_ERROR_LIMIT);
    assert_int_equal(sonde_set_context("a", "[1]"), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_set_context("a", "{"), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_error_end(17, 99), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_error_end(17, SONDE_OUTCOME_FATAL), SONDE_ERROR_NOT_FOUND);
    assert_int_equal(sonde_checkin("", 0, 1), SONDE_ERROR_ARGUMENT);
    sink_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_where_the_library_does_not_run),
        cmocka_unit_test(an_error_becomes_an_event_with_all_that_was_said),
        cmocka_unit_test(breadcrumbs_and_the_open_span_are_part_of_an_event),
        cmocka_unit_test(a_bare_message_has_its_stack_on_its_thread),
        cmocka_unit_test(an_errno_has_its_number_and_name),
        cmocka_unit_test(a_chain_is_captured_with_the_stack_of_its_beginning),
        cmocka_unit_test(alike_errors_are_one_event_and_the_next_says_how_many_there_were),
        cmocka_unit_test(other_places_and_other_texts_are_other_errors),
        cmocka_unit_test(more_than_the_limits_allow_is_left_out_and_counted),
        cmocka_unit_test(before_send_changes_and_drops_and_what_it_writes_is_masked),
        cmocka_unit_test(a_hook_that_blocks_does_not_block_who_captures),
        cmocka_unit_test(bad_context_is_kept_as_text_and_too_much_is_cut),
        cmocka_unit_test(values_outside_their_limits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
