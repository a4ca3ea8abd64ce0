/* Name servers as they are written. Lookups are tested in discover/dns_test.c, and with servers
 * that are named in tests/e2e/health_checks.py. */
#include "os/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

static uint16_t port_of(const char *text, sa_family_t family)
{
    struct dns_server s = {0};
    struct why why = {0};
    if (dns_server_read(str_c(text), &s, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    assert_true(s.given);
    assert_int_equal(s.address.any.sa_family, family);
    return ntohs(family == AF_INET ? s.address.four.sin_port : s.address.six.sin6_port);
}

static void a_name_server_has_an_address_and_perhaps_a_port(void **state)
{
    assert_int_equal(port_of("127.0.0.1", AF_INET), 53);
    assert_int_equal(port_of("127.0.0.1:5353", AF_INET), 5353);
    assert_int_equal(port_of("::1", AF_INET6), 53);
    assert_int_equal(port_of("[::1]", AF_INET6), 53);
    assert_int_equal(port_of("[2001:db8::1]:5353", AF_INET6), 5353);
}

static void what_is_no_name_server_is_refused(void **state)
{
    static const char *const BAD[] = {"",
                                      ":",
                                      "ns.example",
                                      "127.0.0.1:",
                                      "127.0.0.1:0",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:a",
                                      "[::1",
                                      "[::1]53",
                                      "[127.0.0.1",
                                      "[]:53",
                                      "::1:x"};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct dns_server s = {0};
        struct why why = {0};
        if (dns_server_read(str_c(BAD[i]), &s, &why) != -ERR_FORMAT)
            fail_msg("\"%s\" is taken", BAD[i]);
        assert_true(why.text[0] != '\0');
        assert_false(s.given);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_server_has_an_address_and_perhaps_a_port),
        cmocka_unit_test(what_is_no_name_server_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
