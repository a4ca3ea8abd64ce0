#include "client/debug/dbus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_name_of_the_bus_has_only_what_a_name_may_have(void **unused)
{
    char name[DBUS_NAME_MAX];
    dbus_service_name(name, "shop-2_A", 4711);
    assert_string_equal(name, "dev.sonde.Debug.shop-2_A.p4711");
    dbus_service_name(name, "a.b/c d\xc3\xa4", 1);
    assert_string_equal(name, "dev.sonde.Debug.a_b_c_d__.p1");
    dbus_service_name(name, "7zip", 1);
    assert_string_equal(name, "dev.sonde.Debug._7zip.p1");
    dbus_service_name(name, "", 1);
    assert_string_equal(name, "dev.sonde.Debug._.p1");
}

static void a_long_service_is_cut_and_the_process_stays(void **unused)
{
    char name[DBUS_NAME_MAX], service[1000];
    memset(service, 'x', sizeof service - 1);
    service[sizeof service - 1] = 0;
    dbus_service_name(name, service, 2147483647);
    assert_int_equal(strlen(name), 16 + 100 + 12);
    assert_string_equal(name + strlen(name) - 12, ".p2147483647");
}

static void only_the_same_user_and_root_may_call(void **unused)
{
    assert_true(dbus_caller_good(1000, 1000));
    assert_true(dbus_caller_good(0, 1000));
    assert_false(dbus_caller_good(1001, 1000));
    assert_false(dbus_caller_good(1000, 0));
    assert_false(dbus_caller_good((uid_t)-1, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_of_the_bus_has_only_what_a_name_may_have),
        cmocka_unit_test(a_long_service_is_cut_and_the_process_stays),
        cmocka_unit_test(only_the_same_user_and_root_may_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
