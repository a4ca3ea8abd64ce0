#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/cases_test.h"
#include "serve/param.h"
#include "text/json.h"

static const int64_t EXAMPLE_MS = 1433337718555; /* 2015-06-03T13:21:58.555Z */

/* A line of the table: what it asks, and its result as it stands there. */
struct row {
    struct str kind, input, id, source;
    bool fail;
    double args[2];
    size_t args_n;
};

static void read_row(struct str line, struct arena *a, struct row *row)
{
    struct json_reader r;
    struct json_event e;
    struct str key = STR(""), first = STR("");
    *row = (struct row){.kind = STR("")};
    json_reader_init(&r, line, a);
    for (unsigned depth = 0; json_next(&r, &e, NULL) > 0;) {
        depth += e.type == JSON_OBJECT;
        depth -= e.type == JSON_OBJECT_END;
        if (e.type == JSON_KEY) {
            key = e.text;
            first = depth == 1 ? key : first;
        } else if (depth == 1 && e.type == JSON_TEXT) {
            *(str_eq(key, STR("kind")) ? &row->kind : &row->input) = e.text;
        } else if (e.type == JSON_TRUE) {
            row->fail = true;
        } else if (str_eq(first, STR("result")) && e.type == JSON_NUMBER && row->args_n < 2) {
            row->args[row->args_n++] = e.number;
        } else if (str_eq(first, STR("result")) && e.type == JSON_TEXT) {
            if (str_eq(key, STR("id")))
                row->id = e.text;
            else if (str_eq(key, STR("src")))
                row->source = e.text;
        }
    }
    if (row->input.n == 0) /* written as a call: the last moment there is */
        row->input = STR("292277025-08-18T07:12:54.999999999Z");
}

/* What the result says, in ms: time.Unix(123, 705 * 1e6), 15 * time.Second, or a name. */
static int64_t wanted_ms(const struct row *row)
{
    double source = row->source.n ? strtod(row->source.p, NULL) : 0;
    if (str_eq(row->id, STR("ts")))
        return EXAMPLE_MS;
    if (row->id.n)
        return INT64_MAX / 2000;
    if (str_eq(row->kind, STR("TestParseDuration")))
        return (int64_t)source * 1000;
    return (int64_t)row->args[0] * 1000 + (int64_t)source;
}

static void times_and_durations_are_read_as_published(void **state)
{
    struct cases c;
    (void)state;
    cases_begin(&c, "vectors/api_time_params.jsonl");
    while (cases_next(&c)) {
        struct row row;
        int64_t ms = 0;
        read_row(c.line, &c.arena, &row);
        bool time = str_eq(row.kind, STR("TestParseTime"));
        bool good = time ? param_parse_time(row.input, &ms) : promql_duration(row.input, &ms) == 0;
        cases_count(&c, row.fail ? !good : good && ms == wanted_ms(&row));
    }
    cases_end(&c, 9);
}

static void times_have_zones_and_days_that_exist(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"2015-06-03T15:21:58.555+02:00", EXAMPLE_MS},
        {"2015-06-03t13:21:58.5559z", EXAMPLE_MS},
        {"1433337718.555", EXAMPLE_MS},
        {"1969-12-31T23:59:59Z", -1000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"-1.5", -1500},
    };
    const char *const bad[] = {"2015-06-03",
                               "2001-02-29T00:00:00Z",
                               "2015-13-01T00:00:00Z",
                               "2015-06-03T13:21:58.Z",
                               "1e300",
                               "NaN",
                               "5m",
                               ""};
    for (size_t i = 0; i < COUNTOF(good); i++) {
        int64_t ms = 0;
        assert_true(param_parse_time(str_c(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        int64_t ms;
        assert_false(param_parse_time(str_c(bad[i]), &ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_durations_are_read_as_published),
        cmocka_unit_test(times_have_zones_and_days_that_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
