/* Text files: what a good one gives, what a bad one costs. */
#include "collect/fixture_test.h"

static const char *folders[2];
static char first[80], second[80];

static void use_folders(const char *pattern, size_t n)
{
    snprintf(first, sizeof first, "%s/%s", root, pattern);
    snprintf(second, sizeof second, "%s/absent", root);
    folders[0] = first;
    folders[1] = second;
    settings.textfile_directory = (struct option_list){folders, n};
}

static void a_file_gives_its_samples_with_type_and_help(void **state)
{
    (void)state;
    struct use u;
    put("t/a.prom", "# HELP backup_seconds How long.\n# TYPE backup_seconds gauge\n"
                    "backup_seconds{disk=\"a b\"} 12.5\n# a comment\nplain_total 3\n"
                    "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\n"
                    "h_sum 4\nh_count 3\n");
    put("t/not-one.txt", "x 1\n");
    use_folders("t", 1);
    use_open(&u, &textfile_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "backup_seconds{disk=\"a b\"}") == 12.5);
    assert_true(value_of(&u, "plain_total") == 3);
    assert_true(value_of(&u, "h_bucket{le=\"+Inf\"}") == 3);
    assert_true(value_of(&u, "node_textfile_scrape_error") == 0);
    assert_false(has(&u, "x"));
    for (size_t i = 0; i < u.e.n; i++) {
        const struct emit_series *s = u.e.v[i];
        if (str_starts(s->name, STR("h_"))) {
            assert_true(str_eq(s->base, STR("h")));
            assert_int_equal(s->family->type, METRIC_HISTOGRAM);
        } else if (str_eq(s->name, STR("backup_seconds"))) {
            assert_true(str_eq(s->help, STR("How long.")));
        } else if (str_eq(s->name, STR("plain_total"))) {
            assert_int_equal(s->family->type, METRIC_UNKNOWN);
            assert_true(str_starts(s->help, STR("Metric read from /")));
        }
    }
    assert_int_equal(use_run(&u), 0);
    assert_false(u.e.changed);
    put("t/a.prom", "plain_total 4\n");
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "plain_total") == 4);
    assert_false(has(&u, "backup_seconds{disk=\"a b\"}"));
    use_close(&u);
}

static void a_bad_line_or_a_time_costs_the_whole_file_and_no_other(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "good 1\nbad{ 2\n",  "good 1\ntimed 2 1700000000000\n", "good 1\n# TYPE x queer\n",
        "good 1\nbad two\n", "good 1\nx{a=\"1\",a=\"2\"} 1\n",
    };
    put("t/b.prom", "other 7\n");
    use_folders("t", 1);
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct use u;
        put("t/a.prom", BAD[i]);
        use_open(&u, &textfile_collector);
        assert_int_not_equal(use_run(&u), 0);
        assert_non_null(strstr(u.why.text, "a.prom: line 2"));
        assert_false(has(&u, "good"));
        assert_true(value_of(&u, "other") == 7);
        assert_true(value_of(&u, "node_textfile_scrape_error") == 1);
        use_close(&u);
    }
}

static void a_pattern_names_several_folders_and_a_missing_one_is_an_error(void **state)
{
    (void)state;
    struct use u;
    put("x/one/m/a.prom", "a 1\n");
    put("x/two/m/b.prom", "b 2\n");
    use_folders("x/*/m", 1);
    use_open(&u, &textfile_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "a") == 1 && value_of(&u, "b") == 2);
    use_folders("x/*/m", 2);
    assert_int_equal(use_run(&u), -ERR_IO);
    assert_true(value_of(&u, "a") == 1);
    assert_true(value_of(&u, "node_textfile_scrape_error") == 1);
    use_close(&u);
}

static void job_and_instance_of_a_file_do_not_replace_ours(void **state)
{
    (void)state;
    put("t/a.prom", "m{job=\"backup\",instance=\"other\"} 1\n");
    use_folders("t", 1);
    struct use u;
    use_open(&u, &textfile_collector);
    assert_int_equal(use_run(&u), 0);
    assert_true(value_of(&u, "m{exported_job=\"backup\",exported_instance=\"other\"}") == 1);
    use_close(&u);
}

static void more_labels_than_a_series_can_have_are_refused(void **state)
{
    (void)state;
    char text[2048] = "m{";
    for (int i = 0; i <= EMIT_LABELS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "l%d=\"v\",", i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "} 1\n");
    put("t/a.prom", text);
    use_folders("t", 1);
    assert_fails(&textfile_collector, -ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_gives_its_samples_with_type_and_help, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(a_bad_line_or_a_time_costs_the_whole_file_and_no_other,
                                        prepare, clear),
        cmocka_unit_test_setup_teardown(
            a_pattern_names_several_folders_and_a_missing_one_is_an_error, prepare, clear),
        cmocka_unit_test_setup_teardown(job_and_instance_of_a_file_do_not_replace_ours, prepare,
                                        clear),
        cmocka_unit_test_setup_teardown(more_labels_than_a_series_can_have_are_refused, prepare,
                                        clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
