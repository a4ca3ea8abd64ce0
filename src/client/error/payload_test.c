/* client/error/payload_test.c - our envelopes have the form of those that the official SDKs send:
 * what all of theirs have, ours has, with values of the same types. */
#include "client/error/sink_test.h"
#include "sonde/log.h"

/* A recorded body; NULL where the test data is absent. */
static char *recorded(const char *name, size_t *ret_n)
{
    const char *cases = getenv("SONDE_CASES");
    char path[512];
    snprintf(path, sizeof path, "%s/payloads/%s", cases ? cases : "../shared", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    enum { MOST = 1 << 20 };
    char *s = malloc(MOST);
    assert_non_null(s);
    *ret_n = fread(s, 1, MOST, f);
    fclose(f);
    return s;
}

/* The payload of the first item of that type: items have a length, or end with their line. */
static json_t *item_of(const char *name, const char *type)
{
    size_t n;
    char *s = recorded(name, &n);
    if (!s) {
        return NULL;
    }
    const char *at = memchr(s, '\n', n);
    json_t *found = NULL;
    while (at && ++at < s + n && !found) {
        const char *end = memchr(at, '\n', (size_t)(s + n - at));
        assert_non_null(end);
        json_t *head = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_non_null(head);
        json_t *length = json_object_get(head, "length");
        const char *body = end + 1;
        end =
            length ? body + json_integer_value(length) : memchr(body, '\n', (size_t)(s + n - body));
        end = end ? end : s + n;
        if (strcmp(sink_string(head, "type"), type) == 0) {
            found = json_loadb(body, (size_t)(end - body), 0, NULL);
            assert_non_null(found);
        }
        json_decref(head);
        at = end;
    }
    free(s);
    return found;
}

static bool same_type(json_t *a, json_t *b)
{
    return a && b &&
           (json_typeof(a) == json_typeof(b) || (json_is_number(a) && json_is_number(b)) ||
            (json_is_boolean(a) && json_is_boolean(b)));
}

/* Each of these paths is in theirs, and in ours with the same type. */
static void compare(json_t *theirs, json_t *ours, const char *const *paths)
{
    for (; *paths; paths++) {
        json_t *a = sink_at(theirs, *paths), *b = sink_at(ours, *paths);
        if (!same_type(a, b)) {
            print_message("%s differs\n", *paths);
        }
        assert_true(same_type(a, b));
    }
}

/* Everything that theirs has but what only theirs can have. */
static void covers(json_t *theirs, json_t *ours, const char *const * not )
{
    const char *key;
    json_t *value;
    json_object_foreach(theirs, key, value)
    {
        bool leave = false;
        for (const char *const *n = not ; *n && !leave; n++) {
            leave = strcmp(*n, key) == 0;
        }
        if (!leave && !same_type(value, json_object_get(ours, key))) {
            print_message("member %s is missing or differs\n", key);
            assert_true(same_type(value, json_object_get(ours, key)));
        }
    }
}

static json_t *our_event(const char *type)
{
    const sonde_attr data[] = {sonde_attr_string("url", "https://example.com/api")};
    sonde_breadcrumb(SONDE_LEVEL_DEBUG, "http", "debug crumb", data, 1);
    sonde_user user = SONDE_USER_INIT;
    user.id = "u1";
    sonde_error_cause cause = SONDE_ERROR_CAUSE_INIT;
    cause.type = "RangeError";
    cause.message = "deep";
    sonde_context trace = {.trace_id = {1}, .span_id = {2}};
    const sonde_label tags[] = {{"expected-tag", "some value"}, {NULL, NULL}};
    const sonde_attr extra[] = {sonde_attr_string("extra stuff", "some value")};
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.type = type;
    info.message = "it broke";
    info.logger = "my-logger";
    info.tags = tags;
    info.extra = extra;
    info.extra_n = 1;
    info.user = &user;
    info.transaction = "test-transaction";
    info.context_of_trace = &trace;
    info.cause = type ? &cause : NULL;
    assert_true(sonde_error_capture_info(&info) != 0);
    return sink_event(0);
}

static void an_exception_has_what_those_of_sentry_s_native_sdk_have(void **state)
{
    json_t *theirs = item_of("202_sentrynative_exception_plus_session.body", "event");
    if (!theirs) {
        skip();
    }
    sink_start(NULL);
    json_t *ours = our_event("ParseIntError");
    static const char *const not [] = {"breadcrumbs", NULL}; /* none were left here */
    static const char *const paths[] = {"exception.values.0.type",
                                        "exception.values.0.value",
                                        "exception.values.0.stacktrace.frames.0.instruction_addr",
                                        "exception.values.0.stacktrace.frames.0.package",
                                        "exception.values.0.stacktrace.frames.0.image_addr",
                                        "contexts.os.name",
                                        "contexts.os.version",
                                        "contexts.os.build",
                                        "contexts.os.distribution_name",
                                        "contexts.os.distribution_version",
                                        "contexts.os.distribution_pretty_name",
                                        "contexts.runtime.type",
                                        "contexts.runtime.name",
                                        "contexts.trace.trace_id",
                                        "contexts.trace.span_id",
                                        "debug_meta.images.0.type",
                                        "debug_meta.images.0.code_file",
                                        "debug_meta.images.0.image_addr",
                                        "debug_meta.images.0.image_size",
                                        "debug_meta.images.0.code_id",
                                        "debug_meta.images.0.debug_id",
                                        "sdk.name",
                                        "sdk.version",
                                        "sdk.packages.0.name",
                                        "breadcrumbs.0.timestamp",
                                        "breadcrumbs.0.message",
                                        "user.id",
                                        "tags.expected-tag",
                                        NULL};
    covers(theirs, ours, not );
    json_t *values = sink_at(ours, "exception.values");
    assert_int_equal(json_array_size(values), 2);
    json_array_remove(values, 0); /* the cause: theirs has none */
    compare(theirs, ours, paths);
    json_decref(theirs);
    sink_stop();
}

static void a_message_has_what_those_of_sentry_s_native_sdk_have(void **state)
{
    json_t *theirs = item_of("201_sentrynative_event_message_stacktrace_attachments.body", "event");
    if (!theirs) {
        skip();
    }
    sink_start(NULL);
    json_t *ours = our_event(NULL);
    static const char *const not [] = {"breadcrumbs", NULL};
    static const char *const paths[] = {
        "message.formatted",
        "threads.values.0.name",
        "threads.values.0.stacktrace.frames.0.instruction_addr",
        "threads.values.0.stacktrace.frames.0.package",
        "threads.values.0.stacktrace.frames.0.image_addr",
        "level",
        "logger",
        NULL,
    };
    covers(theirs, ours, not );
    compare(theirs, ours, paths);
    json_decref(theirs);
    sink_stop();
}

static void a_chain_is_told_as_sentry_s_node_sdk_tells_it(void **state)
{
    json_t *theirs = item_of("023_sentry_event_chained_exception.body", "event");
    if (!theirs) {
        skip();
    }
    sink_start(NULL);
    json_t *ours = our_event("TypeError");
    static const char *const paths[] = {"exception.values.0.mechanism.type",
                                        "exception.values.0.mechanism.handled",
                                        "exception.values.0.mechanism.source",
                                        "exception.values.0.mechanism.exception_id",
                                        "exception.values.0.mechanism.parent_id",
                                        "contexts.app.app_start_time",
                                        "contexts.app.app_memory",
                                        "contexts.device.arch",
                                        "contexts.device.boot_time",
                                        "contexts.device.memory_size",
                                        "contexts.device.free_memory",
                                        "contexts.device.processor_count",
                                        "contexts.os.kernel_version",
                                        "server_name",
                                        "modules",
                                        "level",
                                        NULL};
    compare(theirs, ours, paths);
    size_t n = json_array_size(sink_at(theirs, "exception.values"));
    assert_true(n >= 2); /* there too the cause comes first and names its parent */
    assert_int_equal(json_integer_value(sink_at(theirs, "exception.values.0.mechanism.parent_id")),
                     n - 2);
    assert_int_equal(json_integer_value(sink_at(ours, "exception.values.0.mechanism.parent_id")),
                     0);
    assert_int_equal(json_integer_value(sink_at(ours, "exception.values.1.mechanism.exception_id")),
                     0);
    json_decref(theirs);
    sink_stop();
}

static void sessions_checkins_and_reports_have_the_members_of_theirs(void **state)
{
    json_t *session = item_of("203_sentrynative_session_exited.body", "session");
    json_t *node_session = item_of("039_sentry_session_exited.body", "session");
    json_t *begin = item_of("042_sentry_checkin_in_progress.body", "check_in");
    json_t *end = item_of("043_sentry_checkin_ok.body", "check_in");
    json_t *report = item_of("100_sentry_client_report.body", "client_report");
    if (!session || !node_session || !begin || !end || !report) {
        skip();
    }
    sink_start(NULL);
    sonde_user user = SONDE_USER_INIT;
    user.id = "u1";
    sonde_set_user(&user);
    sonde_checkin("nightly", SONDE_CHECKIN_IN_PROGRESS, -1);
    sonde_checkin("nightly", SONDE_CHECKIN_OK, 1.5);
    sonde_error_capture(SONDE_LEVEL_ERROR, "A", "x");
    for (int i = 0; i < 9; i++) {
        sonde_error_capture(SONDE_LEVEL_ERROR, "B", "x"); /* alike */
    }
    assert_int_equal(sonde_shutdown(5000), 0);
    static const char *const all[] = {NULL};
    static const char *const job[] = {"contexts", "monitor_config", NULL}; /* no trace is open */
    static const char *const attrs[] = {"attrs.release", "attrs.environment", NULL};
    static const char *const discarded[] = {"discarded_events.0.reason",
                                            "discarded_events.0.category",
                                            "discarded_events.0.quantity", NULL};
    json_t *ours = sink_get("session", sink_count("session") - 1)->body;
    covers(session, ours, all);
    covers(node_session, ours, all);
    compare(session, ours, attrs);
    covers(begin, sink_get("check_in", 0)->body, job);
    covers(end, sink_get("check_in", 1)->body, job);
    assert_non_null(sink_get("client_report", 0));
    covers(report, sink_get("client_report", 0)->body, all);
    compare(report, sink_get("client_report", 0)->body, discarded);
    json_decref(session);
    json_decref(node_session);
    json_decref(begin);
    json_decref(end);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exception_has_what_those_of_sentry_s_native_sdk_have),
        cmocka_unit_test(a_message_has_what_those_of_sentry_s_native_sdk_have),
        cmocka_unit_test(a_chain_is_told_as_sentry_s_node_sdk_tells_it),
        cmocka_unit_test(sessions_checkins_and_reports_have_the_members_of_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
