#include "apps/apps_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

static void a_dsn_is_an_address_and_a_key(void **state)
{
    struct apps_settings_dsn dsn;
    assert_int_equal(apps_settings_dsn("https://abc@sentry.example:9000/42", &dsn, NULL), 0);
    assert_string_equal(dsn.url, "https://sentry.example:9000/api/42/envelope/");
    assert_string_equal(dsn.key, "abc");
    assert_string_equal(dsn.shown, "https://sentry.example:9000/42");
    assert_int_equal(apps_settings_dsn("http://abc:secret@[::1]/base/path/7", &dsn, NULL), 0);
    assert_string_equal(dsn.url, "http://[::1]/base/path/api/7/envelope/");
    assert_string_equal(dsn.key, "abc");
}

static void what_is_no_dsn_is_refused(void **state)
{
    static const char *const rows[] = {
        "",           "abc",          "ftp://a@h/1",     "https://h/1",          "https://@h/1",
        "https://a@", "https://a@/1", "https://a@h",     "https://a@h/",         "https://a@h/1?x",
        "a@h/1",      "://a@h/1",     "https://a b@h/1", "https://a@h\r\nX: y/1"};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct apps_settings_dsn dsn;
        struct why why = {0};
        if (apps_settings_dsn(rows[i], &dsn, &why) != -ERR_FORMAT)
            fail_msg("taken: %s", rows[i]);
        assert_int_not_equal(why.text[0], '\0');
    }
}

static void the_places_of_the_socket_are_those_of_the_document(void **state)
{
    char folder[APPS_SETTINGS_PATH_MAX], mine[64];
    bool ours;
    apps_settings_folder(0, folder, &ours);
    assert_string_equal(folder, "/run/sonde");
    assert_false(ours);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    apps_settings_folder(1, folder, &ours);
    assert_string_equal(folder, "/run/user/7/sonde");
    assert_true(ours);
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    apps_settings_folder(1, folder, &ours);
    assert_string_equal(folder, "");
    unsetenv("XDG_RUNTIME_DIR");
    apps_settings_folder(1, folder, &ours);
    assert_string_equal(folder, "");
    snprintf(mine, sizeof mine, "/tmp/sonde-%u", (unsigned)getuid());
    apps_settings_folder(2, folder, &ours);
    assert_string_equal(folder, mine);
    assert_true(ours);
}

static void addresses_that_are_no_sockets_are_refused(void **state)
{
    static const char *const bad[] = {"", "/tmp/x", "127.0.0.1:1", "unix:relative"};
    struct apps_settings s;
    struct apps_settings_sentry sentry = {.dsn = ""};
    option_defaults(&apps_settings_options, &s);
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        const char *list[] = {APPS_SETTINGS_AUTO, bad[i]};
        s.listen = (struct option_list){list, 2};
        assert_int_equal(apps_settings_check(&s, &sentry, NULL), -ERR_FORMAT);
    }
    const char *list[] = {APPS_SETTINGS_AUTO, "unix:/tmp/x.sock"};
    s.listen = (struct option_list){list, 2};
    assert_int_equal(apps_settings_check(&s, &sentry, NULL), 0);
    s.otlp_endpoint = "collector:4318";
    assert_int_equal(apps_settings_check(&s, &sentry, NULL), -ERR_FORMAT);
    s.otlp_endpoint = "https://collector:4318";
    sentry.dsn = "nonsense";
    assert_int_equal(apps_settings_check(&s, &sentry, NULL), -ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dsn_is_an_address_and_a_key),
        cmocka_unit_test(what_is_no_dsn_is_refused),
        cmocka_unit_test(the_places_of_the_socket_are_those_of_the_document),
        cmocka_unit_test(addresses_that_are_no_sockets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
