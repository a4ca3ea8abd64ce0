#include <unistd.h>

#include "base/cases_test.h"
#include "discover/testbed_test.h"
#include "os/file.h"

static char folder[64]; /* of the test's files */

static void put(const char *name, const char *text)
{
    char path[128], beside[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(beside, sizeof beside, "%s.new", path);
    assert_int_equal(file_write(beside, str_c(text), NULL), 0);
    assert_int_equal(rename(beside, path), 0);
}

static void drop(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void open_all(struct testbed *t, const char *text)
{
    snprintf(folder, sizeof folder, "/tmp/sonde-file-XXXXXX");
    assert_non_null(mkdtemp(folder));
    testbed_open(t);
    t->pool = pool_new("files", 1, 16);
    t->read.folder = str_c(folder);
    testbed_read(t, "file_sd_configs", text);
    testbed_start(t, 0);
}

static void close_all(struct testbed *t)
{
    testbed_end(t);
    pool_free(t->pool);
    testbed_close(t);
    assert_int_equal(rmdir(folder), 0);
}

static void files_are_read_again_as_they_change(void **state)
{
    struct testbed t;
    char wanted[512];
    open_all(&t, "- files: ['*.json', one.yml]\n  refresh_interval: 1h\n");
    testbed_wait_state(&t, "");
    put("a.json",
        "[{\"targets\": [\"a:1\"], \"labels\": {\"k\": \"v\"}}, {\"targets\": [\"a:2\"]}]");
    put("one.yml", "- targets: [o:1]\n");
    testbed_wait(&t, "a:2");
    testbed_wait(&t, "o:1");
    snprintf(wanted, sizeof wanted,
             "%s/a.json:0 {__meta_filepath=\"%s/a.json\", k=\"v\"}\n  {__address__=\"a:1\"}\n",
             folder, folder);
    assert_non_null(strstr(testbed_targets(&t), wanted));

    put("a.json", "[{\"targets\": [\"a:9\"]}]");
    testbed_wait(&t, "a:9");
    testbed_wait_gone(&t, "a:2");
    drop("a.json");
    testbed_wait_gone(&t, "a:9");
    assert_non_null(strstr(testbed_targets(&t), "o:1"));
    drop("one.yml");
    testbed_wait_gone(&t, "o:1");
    close_all(&t);
}

static void a_broken_file_keeps_its_targets_and_says_so(void **state)
{
    struct testbed t;
    open_all(&t, "- files: ['*.yml', '*.json']\n");
    put("a.yml", "- targets: [a:1]\n");
    put("b.json", "[{\"targets\": [\"b:1\"]}]");
    testbed_wait(&t, "a:1");
    testbed_wait(&t, "b:1");
    put("a.yml", "- targets: [a:7]\n- null\n");
    testbed_wait_state(&t, "nil target group item found (index 1)");
    assert_non_null(strstr(testbed_targets(&t), "a:1"));
    assert_null(strstr(testbed_targets(&t), "a:7"));
    put("b.json", "[{\"targets\": [\"b:7\"], \"lables\": {}}]");
    put("a.yml", "- targets: [a:2]\n");
    testbed_wait(&t, "a:2");
    testbed_wait_state(&t, "unknown field \"lables\"");
    assert_non_null(strstr(testbed_targets(&t), "b:1"));
    put("b.json", "[]");
    testbed_wait_gone(&t, "b:1");
    testbed_wait_state(&t, "");
    drop("a.yml");
    drop("b.json");
    close_all(&t);
}

static void the_cases_of_prometheus_are_read_alike(void **state)
{
    char path[CASES_PATH_MAX], wanted[8 * CASES_PATH_MAX];
    struct testbed t;
    cases_path("discovery/file/fixtures", path);
    if (access(path, R_OK) != 0)
        cases_skip(path);
    testbed_open(&t);
    t.pool = pool_new("files", 1, 16);
    t.read.folder = str_c(path);
    testbed_read(&t, "file_sd_configs", "- files: [valid.yml, valid3.yml, invalid_nil.yml]\n");
    testbed_start(&t, 0);
    testbed_wait(&t, "valid3.yml:1");
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "valid3.yml" : "valid.yml";
        snprintf(wanted, sizeof wanted,
                 "%s/%s:0 {__meta_filepath=\"%s/%s\", foo=\"bar\"}\n"
                 "  {__address__=\"localhost:9090\"}\n  {__address__=\"example.org:443\"}\n"
                 "%s/%s:1 {__meta_filepath=\"%s/%s\"}\n  {__address__=\"my.domain\"}\n",
                 path, name, path, name, path, name, path, name);
        assert_non_null(strstr(testbed_targets(&t), wanted));
    }
    assert_null(strstr(testbed_targets(&t), "invalid_nil"));
    testbed_end(&t);
    pool_free(t.pool);
    testbed_close(&t);
}

static void mistakes_in_the_configuration_are_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"- refresh_interval: 1m\n",
         "file service discovery config must contain at least one path name"},
        {"- files: [a.txt]\n", "path name \"a.txt\" is not valid for file discovery"},
        {"- files: ['a*/b.yml']\n", "path name \"a*/b.yml\" is not valid for file discovery"},
        {"- files: ['a*b*.yml']\n", NULL},
        {"- files: [x.YAML]\n", NULL},
        {"- files: [a.yml]\n  refresh_interval: 5x\n", "not a valid duration string: \"5x\""},
        {"- file: [a.yml]\n", "field file not found in type file.plain"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        if (rows[i].why)
            testbed_refuse(&t, "file_sd_configs", rows[i].text, rows[i].why);
        else
            testbed_read(&t, "file_sd_configs", rows[i].text);
        testbed_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_again_as_they_change),
        cmocka_unit_test(a_broken_file_keeps_its_targets_and_says_so),
        cmocka_unit_test(the_cases_of_prometheus_are_read_alike),
        cmocka_unit_test(mistakes_in_the_configuration_are_named),
    };
    return cmocka_run_group_tests_name("discover/file", tests, NULL, NULL);
}
