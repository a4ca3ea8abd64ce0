/* Lists of the kernel, and attributes that are cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "os/netlink.h"

static void the_loopback_interface_is_among_the_interfaces(void **state)
{
    (void)state;
    static struct netlink_interface all[NETLINK_INTERFACES_MAX];
    struct why why = {0};
    size_t n = 0;
    bool found = false;
    assert_int_equal(netlink_interfaces(all, &n, &why), 0);
    for (size_t i = 0; i < n; i++)
        found |= strcmp(netlink_name(all, n, all[i].index), "lo") == 0;
    assert_true(found);
    assert_string_equal(netlink_name(all, n, -5), "");
}

static void ignore(void *context, uint16_t type, struct str body)
{
    (void)type;
    (void)body;
    ++*(size_t *)context;
}

static void what_the_kernel_has_not_is_an_error_with_a_reason(void **state)
{
    (void)state;
    struct rtmsg body = {0};
    struct why why = {0};
    size_t n = 0;
    assert_int_not_equal(netlink_list(NETLINK_ROUTE, 0x7000, &body, sizeof body, ignore, &n, &why),
                         0);
    assert_true(why.text[0] != 0);
    assert_int_equal(netlink_list(NETLINK_ROUTE, RTM_GETROUTE, &body, 5000, ignore, &n, &why),
                     -ERR_RANGE);
    assert_int_equal(netlink_list(99, RTM_GETROUTE, &body, sizeof body, ignore, &n, &why),
                     -ERR_UNSUPPORTED);
    assert_int_equal(n, 0);
}

static void attributes_are_found_and_those_cut_off_are_not(void **state)
{
    (void)state;
    static const unsigned char BYTES[] = {5, 0, 1, 0, 'x', 0, 0, 0, 8, 0, 2, 0, 'a', 'b', 'c', 'd'};
    struct str all = str_of((const char *)BYTES, sizeof BYTES);
    assert_true(str_eq(netlink_attribute(all, 1), STR("x")));
    assert_true(str_eq(netlink_attribute(all, 2), STR("abcd")));
    assert_null(netlink_attribute(all, 3).p);
    for (size_t n = 0; n < sizeof BYTES; n++)
        assert_null(netlink_attribute(str_sub(all, 0, n), 2).p);
    static const unsigned char EMPTY[] = {0, 0, 1, 0,
                                          0, 0, 0, 0}; /* a length of 0: no endless walk */
    assert_null(netlink_attribute(str_of((const char *)EMPTY, sizeof EMPTY), 2).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loopback_interface_is_among_the_interfaces),
        cmocka_unit_test(what_the_kernel_has_not_is_an_error_with_a_reason),
        cmocka_unit_test(attributes_are_found_and_those_cut_off_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
