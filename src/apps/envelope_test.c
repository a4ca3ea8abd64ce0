#include "apps/envelope.h"

#include <string.h>

#include "base/cases_test.h"

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    arena_done(&arena);
    return 0;
}

static struct envelope good(const char *text)
{
    struct envelope e = {0};
    struct why why = {0};
    if (envelope_read(str_c(text), &arena, &e, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return e;
}

static void is(struct str text, const char *wanted)
{
    assert_string_equal(arena_str(&arena, text).p, wanted);
}

static void the_last_exception_is_the_title_and_its_frames_come_innermost_first(void **state)
{
    struct envelope e = good(
        "{\"event_id\":\"0123456789ABCDEF-0123-456789abcdef\"}\n"
        "{\"type\":\"event\"}\n"
        "{\"timestamp\":1763834276.5,\"level\":\"fatal\",\"release\":\"r@1\",\"exception\":{"
        "\"values\":["
        "{\"type\":\"A\",\"value\":\"cause\"},{\"type\":\"B\",\"value\":\"effect\",\"mechanism\":"
        "{\"handled\":false,\"meta\":{\"signal\":{\"name\":\"SIGBUS\"}}},\"stacktrace\":{"
        "\"frames\":["
        "{\"function\":\"main\",\"filename\":\"m.c\",\"lineno\":3},{\"instruction_addr\":\"0x12\"}]"
        "}}"
        "]}}\n");
    is(e.event_id, "0123456789abcdef0123456789abcdef");
    is(e.title, "B: effect");
    is(e.level, "fatal");
    is(e.release, "r@1");
    is(e.category, "error");
    is(e.signal, "SIGBUS");
    assert_true(e.event && e.unhandled && e.addresses);
    assert_true(e.time_ms == 1763834276500);
    assert_int_equal(e.frames_n, 2);
    is(e.frames[0].function, "0x12");
    is(e.frames[1].function, "main");
    is(e.frames[1].file, "m.c");
    assert_int_equal(e.frames[1].line, 3);
}

static void times_may_be_texts(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"\"1970-01-01T00:00:01Z\"", 1000},
                {"\"2026-11-22T02:58:48.918074Z\"", 1795316328918},
                {"\"2024-02-29T23:59:59.5+00:00\"", 1709251199500},
                {"\"2000-03-01T00:00:00\"", 951868800000},
                {"\"yesterday\"", 0},
                {"\"2026-13-01T00:00:00Z\"", 0},
                {"\"2026-11-22\"", 0},
                {"-5", 0},
                {"1e300", 0},
                {"null", 0}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct str text = arena_printf(
            &arena, "{}\n{\"type\":\"event\"}\n{\"message\":\"m\",\"timestamp\":%s}", rows[i].text);
        struct envelope e = good(text.p);
        if (e.time_ms != rows[i].ms)
            fail_msg("%s: %lld", rows[i].text, (long long)e.time_ms);
        is(e.title, "m");
    }
}

static void items_are_told_apart_by_length_or_by_lines(void **state)
{
    struct envelope e = good("{}\n{\"type\":\"attachment\",\"length\":5}\na\nb\nc\n\n"
                             "{\"type\":\"event\",\"length\":15}\n{\"message\":\"x\"}");
    assert_true(e.event);
    is(e.title, "x");
    is(e.category, "error");
    is(e.event_id, "");
    is(good("{}\n{\"type\":\"session\"}\n{}").category, "session");
    is(good("{}\n{\"type\":\"unheard_of\"}\n{}").category, "default");
    is(good("{}").category, "default");
}

static void what_is_no_envelope_is_refused_with_a_sentence(void **state)
{
    static const char *const rows[] = {"",
                                       "x",
                                       "[]",
                                       "{}\nx",
                                       "{}\n{\"type\":\"event\"}\nx",
                                       "{}\n{\"type\":\"event\"}\n[1]",
                                       "{}\n{\"type\":\"a\",\"length\":9}\nshort",
                                       "{}\n{\"type\":\"a\",\"length\":-1}\n",
                                       "{\"a\":1"};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct envelope e;
        struct why why = {0};
        if (envelope_read(str_c(rows[i]), &arena, &e, &why) != -ERR_FORMAT)
            fail_msg("taken: %s", rows[i]);
        assert_int_not_equal(why.text[0], '\0');
    }
}

static void long_titles_are_cut_between_characters(void **state)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_put_str(&b, STR("{}\n{\"type\":\"event\"}\n{\"message\":\"x"));
    for (size_t i = 0; i < ENVELOPE_TEXT_MAX; i++)
        buf_put_str(&b, STR("\xc3\xbc"));
    buf_put_str(&b, STR("\"}"));
    buf_put_c(&b, '\0');
    struct envelope e = good(b.p);
    assert_true(e.title.n <= ENVELOPE_TEXT_MAX && e.title.n > ENVELOPE_TEXT_MAX - 3);
    assert_true(str_utf8(e.title));
    buf_done(&b);
}

/* Envelopes of official SDKs, recorded from their sockets. */
static void what_official_clients_send_is_read(void **state)
{
    static const struct {
        const char *file, *title, *level, *category, *signal;
        size_t frames;
    } rows[] = {
        {"023_sentry_event_chained_exception", "Error: order failed", "error", "error", "", 8},
        {"027_sentry_event_fingerprint_fatal", "RangeError: bad index 9", "fatal", "error", "", 10},
        {"029_sentry_event_with_attachments", "Error: with attachment", "error", "error", "", 10},
        {"030_sentry_span_v2_stream", "", "", "span", "", 0},
        {"033_sentry_transaction_static", "", "", "transaction", "", 0},
        {"039_sentry_session_exited", "", "", "session", "", 0},
        {"042_sentry_checkin_in_progress", "", "", "monitor", "", 0},
        {"100_sentry_client_report", "", "", "internal", "", 0},
        {"201_sentrynative_event_message_stacktrace_attachments", "Hello World!", "info", "error",
         "", ENVELOPE_FRAMES_MAX},
        {"202_sentrynative_exception_plus_session", "ParseIntError: invalid digit found in string",
         "warning", "error", "", 7},
        {"207_sentrynative_inproc_crash_SIGSEGV", "SIGSEGV: Segfault", "fatal", "error", "SIGSEGV",
         6},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char path[CASES_PATH_MAX];
        const char *cases = getenv("SONDE_CASES");
        struct buf bytes;
        struct envelope e = {0};
        struct why why = {0};
        snprintf(path, sizeof path, "%s/payloads/%s.body", cases ? cases : "../shared",
                 rows[i].file);
        if (!cases_read(path, &bytes))
            cases_skip(path);
        if (envelope_read(buf_str(&bytes), &arena, &e, &why) != 0)
            fail_msg("%s: %s", rows[i].file, why.text);
        is(e.title, rows[i].title);
        is(e.level, rows[i].level);
        is(e.category, rows[i].category);
        is(e.signal, rows[i].signal);
        if (rows[i].frames != ENVELOPE_FRAMES_MAX)
            assert_int_equal(e.frames_n, rows[i].frames);
        if (rows[i].title[0] != '\0')
            assert_true(e.event_id.n == 32 && e.time_ms > 1795000000000);
        buf_done(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_last_exception_is_the_title_and_its_frames_come_innermost_first, setup, teardown),
        cmocka_unit_test_setup_teardown(times_may_be_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(items_are_told_apart_by_length_or_by_lines, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_envelope_is_refused_with_a_sentence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(long_titles_are_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(what_official_clients_send_is_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
