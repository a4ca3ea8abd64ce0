#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "tool/check_prometheus.h"

static char folder[] = "/tmp/sonde-check-XXXXXX";

static const char RULES[] = "groups: [{name: a, rules: [{record: a, expr: up}]}]\n";

static char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    assert_int_equal(file_write(path_of(name), str_c(text), NULL), 0);
}

static void checks_as(const char *text, int status, const char *expected_out,
                      const char *expected_faults)
{
    char *out = NULL, *faults = NULL;
    size_t out_n, faults_n;
    struct check_rules_options options = {.lint = true};
    FILE *out_file = open_memstream(&out, &out_n),
         *faults_file = open_memstream(&faults, &faults_n);
    put_file("p.yml", text);
    assert_int_equal(check_prometheus_file(path_of("p.yml"), &options, out_file, faults_file),
                     status);
    fclose(out_file);
    fclose(faults_file);
    if (!strstr(out, expected_out) || !strstr(faults, expected_faults))
        fail_msg("%s\n%s", out, faults);
    free(out);
    free(faults);
}

static void a_good_file_is_told_with_its_rule_files(void **state)
{
    (void)state;
    put_file("rules.yml", RULES);
    checks_as("rule_files: [rul*.yml]\nscrape_configs: [{job_name: a}]\n", 0,
              "p.yml is well-formed: 1 scrape configs, 0 remote writes, 1 rule files\n", "");
    checks_as("rule_files: [rul*.yml]\n", 0, "rules.yml\n  SUCCESS: 1 rules found\n", "");
    checks_as("tracing: {endpoint: 'a:1'}\n", 0,
              "  NOTE: tracing: this daemon sends no traces of itself\n", "");
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    checks_as("global: {a: 1}\n", 1, "Checking ",
              "p.yml:1:10: field a not found in type config.plain\n");
    put_file("broken.yml", "groups: [{name: a, rules: [{record: a}]}]\n");
    checks_as("rule_files: [broken.yml]\n", 1, "Checking ",
              "broken.yml:1:28: group \"a\", rule 1, \"a\": field 'expr' must be set in rule\n");
}

static void files_that_are_named_have_to_be_there(void **state)
{
    (void)state;
    checks_as("rule_files: [none.yml]\n", 1, "Checking ", "none.yml: there is no such file\n");
    checks_as("rule_files: [none*.yml]\n", 0, "0 rule files\n", "");
    checks_as("scrape_configs: [{job_name: a, basic_auth: {username: u, password_file: p}}]\n", 1,
              "Checking ", "scrape config \"a\": ");
    put_file("t.json", "[{\"targets\": [\"a:1\"], \"labels\": 5}]\n");
    checks_as("scrape_configs: [{job_name: a, file_sd_configs: [{files: [t.json]}]}]\n", 1,
              "Checking ", "t.json: ");
    checks_as("scrape_configs: [{job_name: a, file_sd_configs: [{files: [none*.json]}]}]\n", 0,
              "WARNING: scrape config \"a\": ", "");
}

static void the_name_of_a_file_says_what_it_is(void **state)
{
    (void)state;
    assert_true(check_prometheus_named("a/prometheus.yml"));
    assert_true(check_prometheus_named("prometheus.yaml"));
    assert_false(check_prometheus_named("sonde.toml"));
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int end(void **state)
{
    static const char *const NAMES[] = {"p.yml", "rules.yml", "broken.yml", "t.json"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        (void)unlink(path_of(NAMES[i])); /* a test that failed has not made it */
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_told_with_its_rule_files),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(files_that_are_named_have_to_be_there),
        cmocka_unit_test(the_name_of_a_file_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
