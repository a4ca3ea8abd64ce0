#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/zone.h"

static const struct zone *zone_of(const char *name, struct arena *a)
{
    static char bytes[ZONE_FILE_MAX];
    char path[200];
    const struct zone *z;
    struct why why;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_int_equal(zone_parse(str_of(bytes, n), a, &z, &why), 0);
    return z;
}

/* The C library reads the same files; its answer is the oracle, also far behind the last change. */
static void a_zone_shows_what_the_c_library_shows(void **state)
{
    static const char *const names[] = {"Europe/Paris",     "America/New_York",  "Asia/Kolkata",
                                        "Australia/Sydney", "America/Sao_Paulo", "UTC",
                                        "Pacific/Chatham"};
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct zone *z = zone_of(names[i], &a);
        if (!z) {
            print_message("no file of %s: skipped\n", names[i]);
            continue;
        }
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t at = 0; at < 4200000000; at += 777777) {
            time_t seconds = at;
            struct tm tm;
            int32_t offset;
            struct str name;
            localtime_r(&seconds, &tm);
            zone_at(z, at, &offset, &name);
            assert_int_equal(offset, tm.tm_gmtoff);
            assert_int_equal(name.n, strlen(tm.tm_zone));
            assert_memory_equal(name.p, tm.tm_zone, name.n);
        }
    }
    arena_done(&a);
}

static void names_outside_of_the_folder_are_refused(void **state)
{
    assert_true(zone_name_plain(STR("Europe/Paris")));
    assert_true(zone_name_plain(STR("Etc/GMT+3")));
    assert_true(zone_name_plain(STR("America/Argentina/Buenos_Aires")));
    assert_false(zone_name_plain(STR("")));
    assert_false(zone_name_plain(STR("/etc/passwd")));
    assert_false(zone_name_plain(STR("a/../../x")));
    assert_false(zone_name_plain(STR("a b")));
}

static void damaged_bytes_are_refused(void **state)
{
    struct arena a;
    const struct zone *z;
    struct why why;
    arena_init(&a);
    assert_int_equal(zone_parse(STR(""), &a, &z, &why), -ERR_FORMAT);
    assert_int_equal(
        zone_parse(STR("TZif2 and nothing behind it but some more letters"), &a, &z, &why),
        -ERR_FORMAT);
    arena_done(&a);
}

static void a_file_that_ends_early_is_refused(void **state)
{
    static char bytes[ZONE_FILE_MAX];
    struct arena a;
    const struct zone *z;
    arena_init(&a);
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    if (!f)
        skip();
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t i = 0; i + 40 < n; i += 7)
        assert_int_equal(zone_parse(str_of(bytes, i), &a, &z, NULL), -ERR_FORMAT);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_shows_what_the_c_library_shows),
        cmocka_unit_test(names_outside_of_the_folder_are_refused),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(a_file_that_ends_early_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
