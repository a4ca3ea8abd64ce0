#include "apps/crash_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "client/wire/crash_record.h"

static struct crash_record good(void)
{
    struct crash_record r = {.version = CRASH_VERSION,
                             .size = sizeof r,
                             .order = CRASH_ORDER,
                             .unix_ns = 5000000000,
                             .pid = 77,
                             .signal = 11};
    memcpy(r.magic, CRASH_MAGIC, sizeof r.magic);
    memcpy(r.service, "shop", 5);
    memset(r.instance, 'i', sizeof r.instance); /* it fills its field: no NUL */
    memcpy(r.release, "bad\xff", 5);
    memcpy(r.environment, "a\nb", 4);
    return r;
}

static int read_it(const struct crash_record *r, size_t n, struct crash_facts *ret)
{
    return crash_facts_read(str_of((const char *)r, n), ret, NULL);
}

static void a_record_says_who_and_by_what(void **state)
{
    struct crash_record r = good();
    struct crash_facts f;
    assert_int_equal(read_it(&r, sizeof r, &f), 0);
    assert_string_equal(f.hello.service, "shop");
    assert_int_equal(strlen(f.hello.instance), sizeof r.instance);
    assert_string_equal(f.hello.release, "");
    assert_string_equal(f.hello.environment, "");
    assert_int_equal(f.hello.pid, 77);
    assert_int_equal(f.signal, 11);
    assert_int_equal(f.time_ms, 5000);
}

static void what_is_none_is_refused(void **state)
{
    struct crash_facts f;
    struct crash_record r = good();
    assert_int_equal(read_it(&r, sizeof r - 1, &f), -ERR_FORMAT);
    assert_int_equal(read_it(&r, 0, &f), -ERR_FORMAT);
    r.magic[3] = 'x';
    assert_int_equal(read_it(&r, sizeof r, &f), -ERR_FORMAT);
    r = good();
    r.version++;
    assert_int_equal(read_it(&r, sizeof r, &f), -ERR_FORMAT);
    r = good();
    r.order = 0x04030201;
    assert_int_equal(read_it(&r, sizeof r, &f), -ERR_FORMAT);
    r = good();
    r.size = sizeof r + 1;
    assert_int_equal(read_it(&r, sizeof r, &f), -ERR_FORMAT);
    r = good();
    r.signal = 1000;
    r.pid = -1;
    r.unix_ns = -1;
    assert_int_equal(read_it(&r, sizeof r, &f), 0);
    assert_int_equal(f.signal, 0);
    assert_int_equal(f.hello.pid, 0);
    assert_int_equal(f.time_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_says_who_and_by_what),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
