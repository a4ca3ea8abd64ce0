#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "model/labels.h"
#include "os/file.h"
#include "promfile/promfile.h"
#include "text/cases_json_test.h"

enum { PROBLEMS = 1 << 20 };

static struct promfile *read_whole(const char *text)
{
    struct promfile *p = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS);
    if (promfile_read(str_c(text), STR("conf/p.yml"), &p, &problems) != 0)
        fail_msg(STR_FMT, STR_ARG(buf_str(&problems)));
    assert_int_equal(problems.n, 0);
    buf_done(&problems);
    return p;
}

static void refused(const char *text, const char *expected)
{
    struct promfile *p = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS);
    assert_int_equal(promfile_read(str_c(text), STR("p.yml"), &p, &problems), -ERR_FORMAT);
    buf_put_c(&problems, 0);
    assert_string_equal(problems.p, expected);
    assert_null(p);
    buf_done(&problems);
}

#define SAYS(s, text) assert_string_equal((s).p, text)

static void what_is_not_said_has_the_defaults_of_prometheus(void **state)
{
    (void)state;
    struct promfile *p = read_whole("scrape_configs: [{job_name: a}]\n");
    assert_int_equal(p->scrape_interval_ms, 60000);
    assert_int_equal(p->scrape_timeout_ms, 10000);
    assert_int_equal(p->evaluation_interval_ms, 60000);
    assert_int_equal(p->external_labels.n, 0);
    assert_int_equal(p->scrapes_n, 1);
    const struct promfile_scrape *s = &p->scrapes[0];
    SAYS(s->job, "a");
    SAYS(s->metrics_path, "/metrics");
    SAYS(s->scheme, "http");
    assert_int_equal(s->interval_ms, 60000);
    assert_int_equal(s->timeout_ms, 10000);
    assert_true(s->honor_timestamps && s->enable_compression && s->http.follow_redirects);
    assert_false(s->honor_labels || s->native_histograms || s->legacy_names);
    assert_int_equal(s->protocols_n, 4);
    assert_int_equal(s->protocols[0], PROMFILE_OPENMETRICS_1_0_0);
    assert_int_equal(s->protocols[3], PROMFILE_TEXT_0_0_4);
    assert_int_equal(s->fallback, PROMFILE_PROTOCOL_NONE);
    assert_int_equal(s->escaping, PROMFILE_ALLOW_UTF8);
    assert_null(s->relabel);
    assert_int_equal(s->discoveries_n, 0);
    promfile_free(p);
    p = read_whole("");
    assert_int_equal(p->scrapes_n, 0);
    SAYS(p->yaml, "global:\n  scrape_interval: 1m\n  scrape_timeout: 10s\n"
                  "  evaluation_interval: 1m\n");
    promfile_free(p);
}

static void scrapes_take_over_what_global_says(void **state)
{
    (void)state;
    struct promfile *p = read_whole("scrape_configs:\n"
                                    "- job_name: a\n"
                                    "- job_name: b\n"
                                    "  scrape_interval: 2s\n"
                                    "  sample_limit: 7\n"
                                    "  scrape_native_histograms: false\n"
                                    "  metric_name_validation_scheme: utf8\n"
                                    "  fallback_scrape_protocol: PrometheusText0.0.4\n"
                                    "  params: {x: [1, two], y: []}\n"
                                    "  body_size_limit: 1KB\n"
                                    "global:\n"
                                    "  scrape_interval: 5s\n"
                                    "  evaluation_interval: 7s\n"
                                    "  rule_query_offset: 1s\n"
                                    "  sample_limit: 10\n"
                                    "  body_size_limit: 10MB\n"
                                    "  keep_dropped_targets: 3\n"
                                    "  scrape_native_histograms: true\n"
                                    "  metric_name_validation_scheme: legacy\n");
    const struct promfile_scrape *a = &p->scrapes[0], *b = &p->scrapes[1];
    assert_int_equal(p->evaluation_interval_ms, 7000);
    assert_int_equal(p->query_offset_ms, 1000);
    assert_int_equal(a->interval_ms, 5000);
    assert_int_equal(a->timeout_ms, 5000);
    assert_int_equal(a->sample_limit, 10);
    assert_int_equal(a->body_size_limit, 10 << 20);
    assert_int_equal(a->keep_dropped_targets, 3);
    assert_true(a->native_histograms && a->legacy_names);
    assert_int_equal(a->escaping, PROMFILE_UNDERSCORES);
    assert_int_equal(a->protocols[0], PROMFILE_PROTOBUF);
    assert_int_equal(b->interval_ms, 2000);
    assert_int_equal(b->timeout_ms, 2000);
    assert_int_equal(b->sample_limit, 7);
    assert_int_equal(b->body_size_limit, 1024);
    assert_false(b->native_histograms || b->legacy_names);
    assert_int_equal(b->escaping, PROMFILE_ALLOW_UTF8);
    assert_int_equal(b->protocols_n, 4);
    assert_int_equal(b->fallback, PROMFILE_TEXT_0_0_4);
    assert_int_equal(b->params_n, 2);
    SAYS(b->params[0].values[1], "two");
    assert_int_equal(b->params[1].n, 0);
    promfile_free(p);
}

static void external_labels_take_variables_of_the_environment(void **state)
{
    (void)state;
    setenv("SONDE_TEST_LABEL", "eu", 1);
    struct promfile *p = read_whole("global:\n"
                                    "  external_labels:\n"
                                    "    a: ${SONDE_TEST_LABEL}-1\n"
                                    "    b: x$SONDE_TEST_LABEL/$$/$\n"
                                    "    c: ${SONDE_TEST_NONE}\n");
    assert_true(str_eq(labels_get(p->external_labels, STR("a")), STR("eu-1")));
    assert_true(str_eq(labels_get(p->external_labels, STR("b")), STR("xeu/$/$")));
    assert_int_equal(labels_get(p->external_labels, STR("c")).n, 0);
    promfile_free(p);
}

static void paths_begin_at_the_folder_of_the_file(void **state)
{
    (void)state;
    struct promfile *p = read_whole("rule_files: [a.yml, sub/*.yml, /abs/b.yml]\n");
    assert_int_equal(p->rule_files_n, 3);
    assert_string_equal(p->rule_files[0].p, "conf/a.yml");
    assert_string_equal(p->rule_files[1].p, "conf/sub/*.yml");
    assert_string_equal(p->rule_files[2].p, "/abs/b.yml");
    promfile_free(p);
}

static void remote_writes_are_read_with_their_queues(void **state)
{
    (void)state;
    struct promfile *p = read_whole("remote_write:\n"
                                    "- url: http://a/push\n"
                                    "- url: http://b/push\n"
                                    "  name: b\n"
                                    "  protobuf_message: io.prometheus.write.v2.Request\n"
                                    "  remote_timeout: 5s\n"
                                    "  headers: {X-Team: us}\n"
                                    "  enable_http2: true\n"
                                    "  queue_config: {max_shards: 3, sample_age_limit: 1h}\n"
                                    "  metadata_config: {send: false}\n"
                                    "  write_relabel_configs: [{action: labeldrop, regex: x}]\n"
                                    "- url: http://c/push\n"
                                    "  sigv4: {region: x}\n"
                                    "remote_read: [{url: http://a/read}]\n");
    assert_int_equal(p->remote_writes_n, 2);
    const struct promfile_remote_write *a = &p->remote_writes[0], *b = &p->remote_writes[1];
    assert_int_equal(a->timeout_ms, 30000);
    assert_int_equal(a->max_shards, 50);
    assert_true(a->metadata_send);
    assert_false(a->http.enable_http2 || a->version2);
    assert_true(b->http.enable_http2 && b->version2);
    assert_int_equal(b->timeout_ms, 5000);
    assert_int_equal(b->max_shards, 3);
    assert_int_equal(b->sample_age_limit_ms, 3600000);
    assert_false(b->metadata_send);
    SAYS(b->headers[0].name, "X-Team");
    SAYS(b->headers[0].values[0], "us");
    assert_non_null(b->relabel);
    assert_int_equal(p->ignored_n, 2);
    SAYS(p->ignored[1], "remote_read: queries see what is stored here alone");
    promfile_free(p);
}

static void every_fault_is_told_with_its_place(void **state)
{
    (void)state;
    refused("global:\n"
            "  scrape_interval: 1x\n"
            "  nothing: 1\n"
            "scrape_configs:\n"
            "- job_name: a\n"
            "  sample_limit: -1\n"
            "  body_size_limit: 100\n"
            "- job_name: a\n"
            "  static_configs: [{targets: ['http://x/']}]\n"
            "-\n"
            "- relabel_configs: [{action: keep}]\n"
            "more: 1\n",
            "p.yml:12:1: field more not found in type config.plain\n"
            "p.yml:2:20: not a valid duration string: \"1x\"\n"
            "p.yml:3:3: field nothing not found in type config.plain\n"
            "p.yml:10:2: empty or null scrape config section\n");
    refused("scrape_configs:\n"
            "- job_name: a\n"
            "  sample_limit: -1\n"
            "  body_size_limit: 100\n"
            "- job_name: a\n"
            "  static_configs: [{targets: ['http://x/']}]\n"
            "- params: {a: b}\n"
            "  relabel_configs: [{action: hashmod, target_label: x}]\n",
            "p.yml:3:17: cannot unmarshal !!int `-1` into uint\n"
            "p.yml:4:20: units: missing unit in 100\n"
            "p.yml:5:13: found multiple scrape configs with job name \"a\"\n"
            "p.yml:6:31: \"http://x/\" is not a valid hostname\n"
            "p.yml:7:3: job_name is empty\n"
            "p.yml:7:15: cannot unmarshal !!str `b` into []string\n"
            "p.yml:8:21: rule 1: relabel configuration for hashmod requires non-zero "
            "modulus\n");
    refused("- 1\n", "p.yml:1:1: cannot unmarshal !!seq into config.plain\n");
    refused("a: [\n", "p.yml:2:1: did not find expected node content\n");
}

static void addresses_may_be_urls_where_rules_change_them(void **state)
{
    (void)state;
    struct promfile *p = read_whole("scrape_configs:\n"
                                    "- job_name: blackbox\n"
                                    "  static_configs: [{targets: ['http://x/']}]\n"
                                    "  relabel_configs:\n"
                                    "  - {source_labels: [__address__], target_label: "
                                    "__param_target}\n"
                                    "  - {target_label: __address__, replacement: b:9115}\n");
    assert_int_equal(p->scrapes[0].discoveries_n, 1);
    promfile_free(p);
}

static void the_text_in_force_hides_secrets_and_shows_defaults(void **state)
{
    (void)state;
    struct promfile *p = read_whole("global: {external_labels: {key: open}}\n"
                                    "scrape_configs:\n"
                                    "- job_name: 'a: b'\n"
                                    "  basic_auth: {username: me, password: hidden}\n"
                                    "  params: {m: ['x']}\n"
                                    "  static_configs:\n"
                                    "  - targets: ['h:1', \"i:2\"]\n"
                                    "    labels: {password: open, n: '1', t: 'yes'}\n"
                                    "remote_write:\n"
                                    "- url: http://u:hidden@h/w\n");
    SAYS(p->yaml, "global:\n"
                  "  scrape_interval: 1m\n"
                  "  scrape_timeout: 10s\n"
                  "  evaluation_interval: 1m\n"
                  "  external_labels:\n"
                  "    key: open\n"
                  "scrape_configs:\n"
                  "- job_name: \"a: b\"\n"
                  "  honor_timestamps: true\n"
                  "  track_timestamps_staleness: false\n"
                  "  params:\n"
                  "    m:\n"
                  "    - x\n"
                  "  scrape_interval: 1m\n"
                  "  scrape_timeout: 10s\n"
                  "  scrape_protocols:\n"
                  "  - OpenMetricsText1.0.0\n"
                  "  - OpenMetricsText0.0.1\n"
                  "  - PrometheusText1.0.0\n"
                  "  - PrometheusText0.0.4\n"
                  "  scrape_native_histograms: false\n"
                  "  always_scrape_classic_histograms: false\n"
                  "  convert_classic_histograms_to_nhcb: false\n"
                  "  metrics_path: /metrics\n"
                  "  scheme: http\n"
                  "  enable_compression: true\n"
                  "  metric_name_validation_scheme: utf8\n"
                  "  metric_name_escaping_scheme: allow-utf-8\n"
                  "  extra_scrape_metrics: false\n"
                  "  follow_redirects: true\n"
                  "  enable_http2: true\n"
                  "  basic_auth:\n"
                  "    username: me\n"
                  "    password: <secret>\n"
                  "  static_configs:\n"
                  "  - targets:\n"
                  "    - h:1\n"
                  "    - i:2\n"
                  "    labels:\n"
                  "      password: open\n"
                  "      \"n\": \"1\"\n"
                  "      t: \"yes\"\n"
                  "remote_write:\n"
                  "- url: http://u:%3Csecret%3E@h/w\n");
    assert_true(str_starts(p->scrapes[0].yaml, STR("job_name: \"a: b\"\nhonor_timestamps")));
    promfile_free(p);
}

static void what_is_in_force_reads_back_as_itself(void **state)
{
    (void)state;
    struct promfile *p = read_whole("global: {scrape_interval: 10s, body_size_limit: 1MB}\n"
                                    "scrape_configs:\n"
                                    "- {job_name: a, scrape_timeout: 3s, sample_limit: 5}\n"
                                    "- {job_name: '1', scrape_protocols: [PrometheusProto]}\n");
    struct promfile *again = read_whole(p->yaml.p);
    assert_true(str_eq(p->yaml, again->yaml));
    assert_int_equal(again->scrapes_n, 2);
    SAYS(again->scrapes[1].job, "1");
    assert_int_equal(again->scrapes[0].body_size_limit, 1 << 20);
    promfile_free(again);
    promfile_free(p);
}

static void included_files_that_are_wrong_can_be_left_out(void **state)
{
    static const char TEXT[] = "scrape_config_files: [bad.yml, good.yml]\n"
                               "scrape_configs: [{job_name: own}]\n";
    char folder[] = "/tmp/sonde-promfile-XXXXXX", path[64], bad[64], good[64];
    struct promfile *p = NULL;
    struct buf problems;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/p.yml", folder);
    snprintf(bad, sizeof bad, "%s/bad.yml", folder);
    snprintf(good, sizeof good, "%s/good.yml", folder);
    assert_int_equal(file_write(bad, STR("scrape_configs: [{job_name: a}, {}]\n"), NULL), 0);
    assert_int_equal(file_write(good, STR("scrape_configs: [{job_name: b}]\n"), NULL), 0);
    buf_init(&problems, PROBLEMS);
    assert_int_equal(promfile_read(str_c(TEXT), str_c(path), &p, &problems), -ERR_FORMAT);
    assert_null(p);
    buf_clear(&problems);
    assert_int_equal(promfile_read_lenient(str_c(TEXT), str_c(path), &p, &problems), 0);
    assert_int_equal(p->scrapes_n, 2);
    SAYS(p->scrapes[0].job, "own");
    SAYS(p->scrapes[1].job, "b");
    assert_true(str_search(buf_str(&problems), STR("bad.yml:1:33: job_name is empty")) <
                problems.n);
    promfile_free(p);
    buf_done(&problems);
    assert_int_equal(unlink(bad) | unlink(good) | rmdir(folder), 0);
}

/* ---- Prometheus's own files, read in place */

struct expected {
    struct str file, text;
};

struct tally {
    struct {
        struct expected *v;
        size_t n, capacity;
    } expected;
    struct arena arena;
    size_t files, good, refused, told, wrong;
};

static bool has_kind(const char *name, const char *kind)
{
    return strstr(name, kind) != NULL;
}

/* Those that name no kind load. */
static bool is_bad(const char *name)
{
    return has_kind(name, ".bad.") || has_kind(name, ".incompatible.");
}

/* What the vectors say of the file, without the name that it had there; "" where nothing. */
static struct str expected_of(const struct tally *t, const char *name)
{
    for (size_t i = 0; i < t->expected.n; i++) {
        struct str text = t->expected.v[i].text, name_end = STR(".yml: ");
        if (!str_eq(t->expected.v[i].file, str_c(name)))
            continue;
        return str_starts(text, STR("parsing YAML file "))
                   ? str_sub(text, str_search(text, name_end) + name_end.n, text.n)
                   : text;
    }
    return STR("");
}

static void read_one(const char *path, const char *name, void *context)
{
    struct tally *t = context;
    struct promfile *p = NULL;
    struct buf problems;
    if (!strstr(name, ".yml"))
        return;
    buf_init(&problems, PROBLEMS);
    int err = promfile_read_file(path, &p, &problems);
    struct str text = expected_of(t, name);
    bool said = text.n == 0 || str_search(buf_str(&problems), text) < problems.n;
    bool holds = (err != 0) == is_bad(name) && said;
    if (!holds)
        print_message("%s: %s" STR_FMT "\n", name, err ? "" : "loads", STR_ARG(buf_str(&problems)));
    t->files++;
    t->good += holds && !err;
    t->refused += holds && err;
    t->told += holds && err && text.n > 0;
    t->wrong += !holds;
    promfile_free(p);
    buf_done(&problems);
}

static void read_expected(struct tally *t)
{
    struct cases c;
    cases_begin(&c, "vectors/config_errors.jsonl");
    while (cases_next(&c)) {
        struct expected e = {arena_str(&t->arena, cases_json_text(&c, "file")),
                             arena_str(&t->arena, cases_json_text(&c, "error_contains"))};
        vec_push(&t->expected, e);
        cases_count(&c, true); /* it is looked at with its file */
    }
    cases_end(&c, 60);
}

static void files_of_prometheus_load_or_are_refused_in_its_words(void **state)
{
    (void)state;
    struct tally t = {0};
    char path[CASES_PATH_MAX];
    cases_path("config/prometheus", path);
    read_expected(&t);
    if (!cases_each_file(path, read_one, &t))
        cases_skip(path);
    print_message("%zu files: %zu load, %zu are refused, %zu of them in the words of the vectors\n",
                  t.files, t.good, t.refused, t.told);
    vec_free(&t.expected);
    arena_done(&t.arena);
    assert_int_equal(t.wrong, 0);
    assert_true(t.files > 100 && t.told > 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_the_defaults_of_prometheus),
        cmocka_unit_test(scrapes_take_over_what_global_says),
        cmocka_unit_test(external_labels_take_variables_of_the_environment),
        cmocka_unit_test(paths_begin_at_the_folder_of_the_file),
        cmocka_unit_test(remote_writes_are_read_with_their_queues),
        cmocka_unit_test(every_fault_is_told_with_its_place),
        cmocka_unit_test(addresses_may_be_urls_where_rules_change_them),
        cmocka_unit_test(the_text_in_force_hides_secrets_and_shows_defaults),
        cmocka_unit_test(what_is_in_force_reads_back_as_itself),
        cmocka_unit_test(included_files_that_are_wrong_can_be_left_out),
        cmocka_unit_test(files_of_prometheus_load_or_are_refused_in_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
