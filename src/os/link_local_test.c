#include "os/link_local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/attr.h"

static void hosts_that_stand_for_the_link_are_known_however_they_are_written(void **state)
{
    static const char *const LINK[] = {"169.254.169.254",    "0xa9fea9fe",
                                       "2852039166",         "169.254.43518",
                                       "fe80::1%eth0",       "::ffff:169.254.0.1",
                                       "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
                                       "Metadata",           "metadata.google.internal."};
    static const char *const OTHER[] = {"127.0.0.1",    "::1", "169.253.0.1",        "fd00::1",
                                        "host.example", "",    "2001:db8::a9fe:a9fe"};
    for (size_t i = 0; i < COUNTOF(LINK); i++)
        assert_true(link_local(str_c(LINK[i])));
    for (size_t i = 0; i < COUNTOF(OTHER); i++)
        assert_false(link_local(str_c(OTHER[i])));
}

static bool is_link(int family, const char *text)
{
    struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
    void *to = family == AF_INET ? (void *)&((struct sockaddr_in *)&a)->sin_addr
                                 : (void *)&((struct sockaddr_in6 *)&a)->sin6_addr;
    assert_int_equal(inet_pton(family, text, to), 1);
    return link_local_address((const struct sockaddr *)&a);
}

static void addresses_of_sockets_are_judged_too(void **state)
{
    assert_true(is_link(AF_INET, "169.254.169.254"));
    assert_true(is_link(AF_INET6, "::ffff:169.254.169.254"));
    assert_true(is_link(AF_INET6, "fe80::1"));
    assert_false(is_link(AF_INET, "127.0.0.1"));
    assert_false(is_link(AF_INET6, "::1"));
    assert_false(link_local_address(&(struct sockaddr){.sa_family = AF_UNIX}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_stand_for_the_link_are_known_however_they_are_written),
        cmocka_unit_test(addresses_of_sockets_are_judged_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
