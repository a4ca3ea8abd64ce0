#include "health/checkup_answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BYTES(literal) ((struct str){"" literal, sizeof(literal) - 1})

enum { DONE = 1, MORE = 0 };

static struct checkup_result r;
static struct why why;

static void postgresql_is_reachable_when_it_asks_or_lets_in(void **state)
{
    assert_int_equal(checkup_answers_postgresql(BYTES("R\0\0\0\x08\0\0\0\0"), false, &r, &why),
                     DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_postgresql(BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
                                                false, &r, &why),
                     DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_postgresql(BYTES("R\0\0"), false, &r, &why), MORE);
    assert_int_equal(checkup_answers_postgresql(BYTES("HTTP/1.1"), false, &r, &why), -ERR_FORMAT);
}

static void postgresql_that_starts_up_is_not_well(void **state)
{
    struct str starting = BYTES("E\0\0\0\x34SFATAL\0C57P03\0Mthe database system is starting\0\0");
    assert_int_equal(checkup_answers_postgresql(starting, false, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
    assert_string_equal(r.message, "PostgreSQL says: the database system is starting");
    struct str refused = BYTES("E\0\0\0\x19SFATAL\0C28000\0Mno\0\0\0\0\0");
    assert_int_equal(checkup_answers_postgresql(refused, false, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_postgresql(refused, true, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
}

static int mysql(struct str received, size_t *at, struct buf *send)
{
    buf_clear(send);
    return checkup_answers_mysql(received, "sonde", at, send, &r, &why);
}

static void mysql_is_greeted_back_and_left_in_order(void **state)
{
    struct buf send;
    size_t at = 0;
    struct str whole = BYTES("\x0e\0\0\0\x0a"
                             "10.11.6\0\x01\0\0\0\0"
                             "\x07\0\0\x02\0\0\0\x02\0\0\0");
    buf_init(&send, 1000);
    assert_int_equal(mysql(str_sub(whole, 0, 10), &at, &send), MORE);
    assert_int_equal(send.n, 0);
    assert_int_equal(mysql(str_sub(whole, 0, 18), &at, &send), MORE);
    assert_int_equal(send.n, 4 + 32 + 6 + 1);
    assert_int_equal(send.p[3], 1); /* the next number */
    assert_int_equal(mysql(whole, &at, &send), DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(send.n, 5); /* good-bye */
    at = 0;
    assert_int_equal(mysql(BYTES("\x17\0\0\0\xff\x10\x04Too many connections"), &at, &send), DONE);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
    assert_string_equal(r.message, "MySQL says 1040: Too many connections");
    at = 0;
    assert_int_equal(mysql(BYTES("SSH-2.0-OpenSSH_9.2"), &at, &send), -ERR_FORMAT);
    buf_done(&send);
}

static void redis_answers_ping_and_says_why_not(void **state)
{
    assert_int_equal(checkup_answers_redis(BYTES("+PO"), false, &r, &why), MORE);
    assert_int_equal(checkup_answers_redis(BYTES("+PONG\r\n"), false, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_redis(BYTES("+OK\r\n"), true, &r, &why), MORE);
    assert_int_equal(checkup_answers_redis(BYTES("+OK\r\n+PONG\r\n"), true, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_redis(BYTES("-NOAUTH x\r\n"), false, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_OK);
    assert_int_equal(checkup_answers_redis(BYTES("-WRONGPASS x\r\n"), true, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
    assert_int_equal(checkup_answers_redis(BYTES("-LOADING x\r\n"), false, &r, &why), DONE);
    assert_int_equal(r.state, HEALTH_DEGRADED);
    assert_int_equal(checkup_answers_redis(BYTES("SSH-2.0\r\n"), false, &r, &why), -ERR_FORMAT);
}

static void grpc_serves_or_does_not(void **state)
{
    checkup_answers_grpc(BYTES("\0\0\0\0\x02\x08\x01"), &r);
    assert_int_equal(r.state, HEALTH_OK);
    checkup_answers_grpc(BYTES("\0\0\0\0\x02\x08\x02"), &r);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
    assert_string_equal(r.message, "it says NOT_SERVING");
    checkup_answers_grpc(BYTES("\0\0\0\0\0"), &r);
    assert_int_equal(r.state, HEALTH_UNHEALTHY);
    checkup_answers_grpc(BYTES("\0\0\0\0\x09\x08"), &r);
    assert_string_equal(r.message, "the answer is no HealthCheckResponse");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postgresql_is_reachable_when_it_asks_or_lets_in),
        cmocka_unit_test(postgresql_that_starts_up_is_not_well),
        cmocka_unit_test(mysql_is_greeted_back_and_left_in_order),
        cmocka_unit_test(redis_answers_ping_and_says_why_not),
        cmocka_unit_test(grpc_serves_or_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
