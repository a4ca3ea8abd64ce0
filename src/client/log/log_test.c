#include "client/log/log.h"

#include <sys/wait.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/log/breadcrumb.h"
#include "client/trace/capture_test.h"
#include "sonde/span.h"

static int start(void **state)
{
    size_t n;
    capture_start(NULL, NULL);
    free(capture_take(1, &n));
    sonde_breadcrumb_clear();
    return 0;
}

static int start_limited(void **state)
{
    size_t n;
    capture_start("log.rate_max=5", "log.breadcrumb_level=error");
    free(capture_take(1, &n));
    sonde_breadcrumb_clear();
    return 0;
}

static int end(void **state)
{
    sonde_log_on_record(NULL, NULL);
    return sonde_shutdown(5000);
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("not found: %s in\n%.6000s", part, text);
    }
}

static void nothing_is_logged_before_the_start_and_after_the_end(void **state)
{
    int evaluated = 0;
    sonde_log(SONDE_LEVEL_FATAL, "early", "%d", ++evaluated);
    sonde_log_write(SONDE_LEVEL_FATAL, "early", "x", NULL, 0);
    sonde_breadcrumb(SONDE_LEVEL_FATAL, "early", "x", NULL, 0);
    assert_int_equal(evaluated, 0);
    start(NULL);
    sonde_log(SONDE_LEVEL_FATAL, "now", "%d", ++evaluated);
    assert_int_equal(evaluated, 1);
    end(NULL);
    sonde_log(SONDE_LEVEL_FATAL, "late", "%d", ++evaluated);
    assert_int_equal(evaluated, 1);
}

static void a_record_arrives_with_ids_place_and_attributes(void **state)
{
    size_t n;
    char line[100], ids[33];
    sonde_attr attrs[] = {sonde_attr_int("left", 3), sonde_attr_string("token", "abc"),
                          sonde_attr_string("path", "/x")};
    sonde_span *s = sonde_span_start("work", SONDE_SPAN_SERVER);
    sonde_context c = sonde_span_context(s);
    int at = __LINE__ + 1;
    sonde_log_attrs(SONDE_LEVEL_WARNING, "storage", "few blocks", attrs, 3);
    sonde_log(SONDE_LEVEL_ERROR, "mail", "no answer from %s, try %d", "a@b.org", 2);
    sonde_span_end(s);
    char *d = capture_take(1, &n);
    assert_int_equal(n, 2);
    has(d, "1.1.1.1=service.name\n1.1.1.2{\n1.1.1.2.1=shop\n");
    has(d, "1.2.2.2=13\n1.2.2.3=WARN\n1.2.2.5{\n1.2.2.5.1=few blocks\n");
    has(d, "1.2.2.6.1=log.category\n1.2.2.6.2{\n1.2.2.6.2.1=storage\n");
    has(d, "1.2.2.6.1=code.function.name\n1.2.2.6.2{\n1.2.2.6.2.1=a_record_arrives_with_ids");
    has(d, "log_test.c\n");
    snprintf(line, sizeof line, "1.2.2.6.1=code.line.number\n1.2.2.6.2{\n1.2.2.6.2.3=%d\n", at);
    has(d, line);
    has(d, "1.2.2.6.1=left\n1.2.2.6.2{\n1.2.2.6.2.3=3\n");
    has(d, "1.2.2.6.1=token\n1.2.2.6.2{\n1.2.2.6.2.1=[filtered]\n");
    has(d, "1.2.2.2=17\n1.2.2.3=ERROR\n1.2.2.5{\n1.2.2.5.1=no answer from [email], try 2\n");
    for (size_t i = 0; i < 16; i++) {
        snprintf(ids + 2 * i, 3, "%02x", c.trace_id[i]);
    }
    snprintf(line, sizeof line, "1.2.2.8=3\n1.2.2.9=%s\n1.2.2.10=", ids);
    assert_int_equal(capture_count(d, line), 2);
    free(d);
}

static void levels_hold_by_category_and_change_while_it_runs(void **state)
{
    size_t n;
    char answer[500];
    sonde_log(SONDE_LEVEL_DEBUG, "db", "below the minimum");
    assert_int_equal(sonde_log_set_level("db", SONDE_LEVEL_DEBUG), 0);
    sonde_log(SONDE_LEVEL_DEBUG, "db", "let through");
    sonde_log(SONDE_LEVEL_DEBUG, "ui", "of another category");
    assert_int_equal(sonde_query("loglevel ui none", answer, sizeof answer, NULL), 0);
    sonde_log(SONDE_LEVEL_FATAL, "ui", "not even this");
    assert_int_equal(sonde_query("loglevel", answer, sizeof answer, NULL), 0);
    has(answer, "\"level\":\"info\",\"categories\":{\"db\":\"debug\",\"ui\":\"none\"}");
    assert_int_equal(sonde_query("loglevel ui default", answer, sizeof answer, NULL), 0);
    assert_int_equal(sonde_query("loglevel db default", answer, sizeof answer, NULL), 0);
    sonde_log(SONDE_LEVEL_INFO, "ui", "again");
    assert_false(sonde_log_enabled(SONDE_LEVEL_DEBUG));
    assert_int_equal(sonde_query("loglevel error", answer, sizeof answer, NULL), 0);
    sonde_log(SONDE_LEVEL_INFO, "ui", "not now");
    assert_int_equal(sonde_query("loglevel loud", answer, sizeof answer, NULL), 0);
    has(answer, "\"level\":\"error\"");
    assert_int_equal(sonde_query("loglevel ui loud", answer, sizeof answer, NULL),
                     SONDE_ERROR_ARGUMENT);
    struct text t;
    text_init(&t, 10000);
    assert_int_equal(command_run("loglevel info", 13, COMMAND_VIEWER, &t), SONDE_ERROR_DENIED);
    text_done(&t);
    assert_int_equal(sonde_log_set_level(NULL, 9), SONDE_ERROR_ARGUMENT);
    char *d = capture_take(1, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.5.1=let through\n");
    has(d, "1.2.2.5.1=again\n");
    free(d);
}

static void a_call_site_that_repeats_itself_is_limited_and_counted(void **state)
{
    size_t n, kept = 0;
    uint64_t before = lost_count(LOST_LOG, LOST_RATE_LIMIT);
    for (int i = 0; i < 200; i++) {
        sonde_log(SONDE_LEVEL_WARNING, "loop", "again %d", i);
    }
    sonde_log(SONDE_LEVEL_WARNING, "loop", "another place");
    char *d = capture_take(1, &kept);
    uint64_t lost = lost_count(LOST_LOG, LOST_RATE_LIMIT) - before;
    assert_int_equal(kept + lost, 201);
    assert_true(kept >= 6 && kept <= 11); /* the second may turn meanwhile */
    has(d, "another place");
    free(d);
    for (int i = 0; i < 50; i++) { /* without a call site the category counts */
        sonde_log_write(SONDE_LEVEL_WARNING, "other", "x", NULL, 0);
    }
    free(capture_take(1, &n));
    assert_true(n >= 5 && n <= 10);
}

static sonde_log_record heard;
static char heard_message[64];
static int heard_n;

static void listen_to(const sonde_log_record *record, void *user)
{
    heard = *record;
    snprintf(heard_message, sizeof heard_message, "%s", record->message);
    heard_n++;
    assert_ptr_equal(user, &heard);
    sonde_log(SONDE_LEVEL_ERROR, "echo", "must not come back");
    sonde_log_forward(record);
}

static void two_loggers_may_feed_each_other(void **state)
{
    size_t n;
    assert_int_equal(sonde_log_on_record(listen_to, &heard), 0);
    heard_n = 0;
    sonde_log(SONDE_LEVEL_WARNING, "one", "from %s", "us");
    assert_int_equal(heard_n, 1);
    assert_string_equal(heard_message, "from us");
    assert_int_equal(heard.level, SONDE_LEVEL_WARNING);
    assert_non_null(heard.file);
    assert_true(heard.line > 0 && heard.unix_ns > 0);
    sonde_log_record r = SONDE_LOG_RECORD_INIT;
    r.level = SONDE_LEVEL_ERROR;
    r.category = "theirs";
    r.message = "from them";
    r.unix_ns = 1700000000000000000;
    r.file = "/src/theirs.c";
    r.line = 77;
    r.function = "them";
    r.context = (sonde_context){.trace_id = {0xcc}, .span_id = {0xdd}, .flags = 1};
    sonde_log_forward(&r);
    sonde_log_forward(NULL);
    r.struct_size = 4;
    sonde_log_forward(&r);
    char *d = capture_take(1, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.1=1700000000000000000\n1.2.2.2=17\n");
    has(d, "1.2.2.6.2.1=/src/theirs.c\n");
    has(d, "1.2.2.9=cc000000000000000000000000000000\n1.2.2.10=dd00000000000000\n");
    free(d);
}

static void long_texts_are_cut_at_whole_characters(void **state)
{
    size_t n;
    char text[3000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xa4", 3);
    }
    sonde_log_write(SONDE_LEVEL_ERROR, text, text, NULL, 0);
    sonde_log(SONDE_LEVEL_ERROR, "x", "%s", text);
    char *d = capture_take(1, &n), *body = strstr(d, "1.2.2.5.1=");
    assert_non_null(body);
    assert_int_equal(strcspn(body + 10, "\n"), 2 * (LOG_MESSAGE_MAX / 2 * 2)); /* as hexadecimal */
    assert_int_equal(n, 2);
    free(d);
    struct breadcrumb_record b[4];
    assert_int_equal(breadcrumb_raw(b, 4), 2);
    assert_int_equal(strlen(b[0].message), (BREADCRUMB_MESSAGE_MAX - 1) / 2 * 2);
    assert_int_equal(strlen(b[0].category), (BREADCRUMB_CATEGORY_MAX - 1) / 2 * 2);
}

static void breadcrumbs_keep_the_newest_in_their_order(void **state)
{
    static struct breadcrumb_record b[200];
    for (int i = 0; i < 250; i++) {
        char message[32];
        snprintf(message, sizeof message, "%s %d", i % 2 ? "short" : "a longer message", i);
        sonde_breadcrumb(SONDE_LEVEL_INFO, "step", message, NULL, 0);
    }
    assert_int_equal(breadcrumb_raw(b, 200), 100);
    assert_string_equal(b[0].message, "a longer message 150");
    assert_string_equal(b[99].message, "short 249");
    assert_int_equal(b[99].message[sizeof b[99].message - 1], 0);
    assert_int_equal(breadcrumb_raw(b, 3), 3);
    assert_string_equal(b[0].message, "short 247");
    sonde_breadcrumb_clear();
    assert_int_equal(breadcrumb_raw(b, 200), 0);
}

static void attributes_of_a_breadcrumb_are_whole_members_and_cleaned(void **state)
{
    char long_value[200], answer[4000];
    memset(long_value, 'x', 199);
    long_value[199] = 0;
    sonde_attr attrs[] = {
        sonde_attr_string("url", "http://ann:pw@host/x"),
        sonde_attr_int("status", 500),
        sonde_attr_double("took", 0.5),
        sonde_attr_bool("cached", false),
        sonde_attr_string("quote", "a\"b\n"),
        sonde_attr_string("long", long_value),
    };
    sonde_breadcrumb(SONDE_LEVEL_WARNING, "http", "GET \"x\" by a@b.org", attrs, 6);
    assert_int_equal(sonde_query("breadcrumbs 1", answer, sizeof answer, NULL), 0);
    has(answer,
        "\"level\":\"warning\",\"category\":\"http\",\"message\":\"GET \\\"x\\\" by [email]\"");
    has(answer, "\"status\":500,\"took\":0.5,\"cached\":false,\"quote\":\"a\\\"b\\n\"}");
    assert_null(strstr(answer, "xxx"));
    assert_null(strstr(answer, "pw@"));
    assert_int_equal(sonde_query("breadcrumbs x", answer, sizeof answer, NULL),
                     SONDE_ERROR_ARGUMENT);
}

static void records_become_breadcrumbs_from_a_level_on(void **state)
{
    struct breadcrumb_record b[4];
    sonde_log(SONDE_LEVEL_WARNING, "x", "no breadcrumb");
    sonde_log(SONDE_LEVEL_ERROR, "x", "a breadcrumb");
    assert_int_equal(breadcrumb_raw(b, 4), 1);
    assert_string_equal(b[0].message, "a breadcrumb");
    assert_int_equal(b[0].level, SONDE_LEVEL_ERROR);
    char problem[SETTING_PROBLEM_MAX];
    assert_int_equal(setting_set("breadcrumbs.spans", "true", problem), 0);
    sonde_span *s = sonde_span_start("query", SONDE_SPAN_CLIENT);
    sonde_span_set_status(s, SONDE_SPAN_ERROR, "no");
    sonde_span_end(s);
    assert_int_equal(breadcrumb_raw(b, 4), 2);
    assert_string_equal(b[1].category, "span");
    assert_string_equal(b[1].message, "query");
    assert_int_equal(strncmp(b[1].data, "\"duration_ms\":", 14), 0);
    assert_int_equal(setting_set("breadcrumbs.spans", "false", problem), 0);
}

static void a_bad_level_of_the_settings_is_refused(void **state)
{
    const char *settings[] = {"socket=none", "log.level=loud", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    assert_int_equal(sonde_init(&o), SONDE_ERROR_ARGUMENT);
    has(sonde_last_problem(), "log.level");
    assert_false(sonde_log_enabled(SONDE_LEVEL_FATAL));
}

enum { THREADS = 6, RECORDS = 2000 };

static void *write_much(void *unused)
{
    sonde_attr a = sonde_attr_int("n", 1);
    for (int i = 0; i < RECORDS; i++) {
        sonde_log_record r = SONDE_LOG_RECORD_INIT;
        char category[16];
        snprintf(category, sizeof category, "c%d", i % 200);
        r.category = category;
        r.message = "stress";
        r.attrs = &a;
        r.attrs_n = 1;
        sonde_log_forward(&r);
        sonde_breadcrumb(SONDE_LEVEL_INFO, category, "a message of some length", &a, 1);
    }
    return NULL;
}

static void many_threads_write_and_nothing_is_torn(void **state)
{
    pthread_t t[THREADS];
    static struct breadcrumb_record b[100];
    size_t n;
    uint64_t before = log_recorded();
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, write_much, NULL), 0);
    }
    for (int round = 0; round < 200; round++) {
        n = breadcrumb_raw(b, 100);
        for (size_t i = 0; i < n; i++) {
            assert_true(strcmp(b[i].message, "stress") == 0 ||
                        strcmp(b[i].message, "a message of some length") == 0);
            assert_string_equal(b[i].data, "\"n\":1");
            assert_int_equal(b[i].category[0], 'c');
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    char *d = capture_take(1, &n);
    assert_int_equal(n, log_recorded() - before);
    assert_int_equal(capture_count(d, "1.2.2.5.1=stress\n"), n);
    free(d);
}

static void a_forked_child_sends_its_own_records_alone(void **state)
{
    size_t n;
    sonde_log(SONDE_LEVEL_ERROR, "x", "of the parent");
    pid_t child = fork();
    if (child == 0) {
        sonde_log(SONDE_LEVEL_ERROR, "x", "of the child");
        sonde_flush(5000);
        _exit(capture_items[1] == 1 && strstr(capture_text[1], "of the child") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char *d = capture_take(1, &n);
    assert_int_equal(n, 1);
    has(d, "of the parent");
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_logged_before_the_start_and_after_the_end),
        cmocka_unit_test_setup_teardown(a_record_arrives_with_ids_place_and_attributes, start, end),
        cmocka_unit_test_setup_teardown(levels_hold_by_category_and_change_while_it_runs, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_call_site_that_repeats_itself_is_limited_and_counted,
                                        start_limited, end),
        cmocka_unit_test_setup_teardown(two_loggers_may_feed_each_other, start, end),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_at_whole_characters, start, end),
        cmocka_unit_test_setup_teardown(breadcrumbs_keep_the_newest_in_their_order, start, end),
        cmocka_unit_test_setup_teardown(attributes_of_a_breadcrumb_are_whole_members_and_cleaned,
                                        start, end),
        cmocka_unit_test_setup_teardown(records_become_breadcrumbs_from_a_level_on, start_limited,
                                        end),
        cmocka_unit_test(a_bad_level_of_the_settings_is_refused),
        cmocka_unit_test_setup_teardown(many_threads_write_and_nothing_is_torn, start, end),
        cmocka_unit_test_setup_teardown(a_forked_child_sends_its_own_records_alone, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
