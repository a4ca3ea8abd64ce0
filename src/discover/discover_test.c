#include "discover/discover.h"
#include "discover/testbed_test.h"

static void static_configs_are_told_as_they_stand(void **state)
{
    struct testbed t;
    testbed_open(&t);
    testbed_read(&t, "static_configs",
                 "- targets: [a:1, 'b:2']\n  labels: {job: x, rack: \"7\"}\n- targets: [c:3]\n");
    assert_int_equal(t.configs_n, 2);
    testbed_start(&t, 0);
    testbed_wait(&t, "a:1");
    assert_string_equal(testbed_targets(&t), "0 {job=\"x\", rack=\"7\"}\n"
                                             "  {__address__=\"a:1\"}\n"
                                             "  {__address__=\"b:2\"}\n");
    testbed_close(&t);
}

static void mistakes_are_named_in_the_words_of_prometheus(void **state)
{
    static const struct {
        const char *key, *text, *why;
        unsigned line;
    } rows[] = {
        {"static_configs", "-\n", "empty or null section in static_configs", 1},
        {"static_configs", "- targets: []\n  lables: {}\n",
         "field lables not found in type struct { Targets []string \"yaml:\\\"targets\\\"\"; "
         "Labels "
         "model.LabelSet \"yaml:\\\"labels\\\"\" }",
         2},
        {"static_configs", "targets: []\n", "cannot unmarshal !!map into static_configs", 1},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct testbed t;
        testbed_open(&t);
        testbed_refuse(&t, rows[i].key, rows[i].text, rows[i].why);
        assert_int_equal(t.read.place.line, rows[i].line);
        testbed_close(&t);
    }
}

static void an_unknown_key_is_no_discovery(void **state)
{
    assert_null(discovery_find(STR("steam_sd_configs")));
    assert_string_equal(discovery_find(STR("static_configs"))->name, "static");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_configs_are_told_as_they_stand),
        cmocka_unit_test(mistakes_are_named_in_the_words_of_prometheus),
        cmocka_unit_test(an_unknown_key_is_no_discovery),
    };
    return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
