/* Any answer in each format, and as rows of sonde-helper-sql: read, and the limit of series kept.
 */
#include "base/must.h"
#include "custom/custom_reader.h"
#include "custom/custom_rows.h"

enum { SERIES_MAX = 50, SQL = 6 };

static const char *const FORMATS[] = {"value", "lines", "nagios", "prometheus", "json", "regex"};

static const char *JSON_METRICS[] = {"a=$.a", "b=$.b[*].c", "=$.*~", "d=$[?(@.x!=1)].y"};
static const char *REGEX_METRICS[] = {"a=(?P<value>[0-9.]+)(?P<unit>\\w*)", "b=x*(\\S*)"};
static const char *LABELS[] = {"one=two", "three=$.b[*].d"};

static void run(size_t which, struct str text, struct emit *e, struct why *why)
{
    const struct custom_settings_row row = {.name = "x",
                                            .job = "custom",
                                            .type = "gauge",
                                            .series_max = SERIES_MAX,
                                            .labels = {LABELS, COUNTOF(LABELS)}};
    if (which == SQL) {
        const struct custom_settings_sql sql = {.row = row};
        int err = custom_rows_read(&sql, text, e, why);
        must(err == 0 || why->text[0] != '\0');
        return;
    }
    struct custom_settings_answer answer = {.format = FORMATS[which]};
    struct custom_reader *r;
    if (which == 4)
        answer.metrics = (struct option_list){JSON_METRICS, COUNTOF(JSON_METRICS)};
    if (which == 5)
        answer.metrics = (struct option_list){REGEX_METRICS, COUNTOF(REGEX_METRICS)};
    must(custom_reader_new(&row, &answer, &r, why) == 0);
    int err = custom_reader_run(r, text, 0, e, why);
    must(err == 0 || why->text[0] != '\0');
    custom_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct emit e;
    struct why why = {0};
    if (n == 0)
        return 0;
    emit_init(&e, STR("custom"), STR("here"));
    emit_begin(&e);
    run(data[0] % (SQL + 1), str_of((const char *)data + 1, n - 1), &e, &why);
    emit_end(&e);
    must(e.n <= SERIES_MAX);
    emit_done(&e);
    return 0;
}
