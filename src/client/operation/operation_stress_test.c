#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/operation/start_test.h"

static _Atomic bool over;

static void *run_calls(void *context)
{
    sonde_operation *o = context;
    for (uint64_t i = 0; !atomic_load(&over); i++) {
        SONDE_OPERATION(t, o);
        if (i % 64 == 0) {
            sonde_operation_fail(&t, i % 128 ? "one" : "other");
        } else if (i % 3) {
            sonde_operation_complete(&t);
        }
    }
    return NULL;
}

static void it_can_be_read_and_reset_while_it_runs(void **state)
{
    sonde_operation *o = sonde_operation_get("busy", "call");
    pthread_t threads[3];
    atomic_store(&over, false);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, run_calls, o);
    }
    uint64_t before = 0;
    for (int i = 0; i < 300; i++) {
        if (i % 10 == 9) {
            sonde_operation_reset(i % 20 == 9 ? NULL : "busy");
            before = 0;
        }
        sonde_operation_info info = read_of(o);
        assert_true(info.count >= before);
        assert_true(info.count == 0 || (info.minimum <= info.p50 && info.p99 <= info.maximum));
        before = info.count;
        struct seen s = {0};
        sonde_operation_recent("busy", NULL, 500, see, &s);
        for (size_t k = 0; k < s.n; k++) { /* nothing that was half written */
            assert_true(s.call[k].seconds < 60);
            assert_true(s.call[k].start_ms > 1600000000000);
        }
        s.n = 0;
        sonde_operation_active("busy", NULL, 500, see, &s);
        assert_true(s.n <= 3);
        json_decref(ask("errors"));
        usleep(200);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(read_of(o).active, 0);
    sonde_operation_reset("busy");
    assert_int_equal(read_of(o).count, 0);
    sonde_operation_record(o, 1, SONDE_OPERATION_COMPLETED, NULL);
    assert_int_equal(read_of(o).count, 1);
    assert_true(read_of(o).minimum == 1);
}

enum { ROUNDS = 15, PARTIES = 3, EACH = 60 };

struct handed {
    sonde_tracker tracker;
    _Atomic bool ready;
};

struct party {
    pthread_t thread;
    sonde_operation *operation;
    struct handed handed[EACH];
};

/* Ends every fourth call, hands over two (one of them detached), leaves one open, and ends. */
static void *run_party(void *context)
{
    struct party *p = context;
    for (int i = 0; i < EACH; i++) {
        sonde_tracker t = sonde_operation_begin(p->operation);
        if (i % 4 == 0) {
            sonde_operation_complete(&t);
            continue;
        }
        if (i % 4 == 1) {
            assert_int_equal(sonde_operation_detach(&t), 0);
        }
        if (i % 4 != 2) {
            p->handed[i].tracker = t;
            atomic_store(&p->handed[i].ready, true);
        }
    }
    return NULL;
}

static void each_call_ends_once_whoever_ends_it(void **state)
{
    static struct party parties[PARTIES];
    sonde_operation *o = sonde_operation_get("parties", "call");
    for (int round = 0; round < ROUNDS; round++) {
        memset(parties, 0, sizeof parties);
        for (int k = 0; k < PARTIES; k++) {
            parties[k].operation = o;
            pthread_create(&parties[k].thread, NULL, run_party, &parties[k]);
        }
        for (int left_over = PARTIES * EACH / 2; left_over;) {
            for (int i = 0; i < PARTIES * EACH; i++) {
                struct handed *h = &parties[i / EACH].handed[i % EACH];
                if (atomic_load(&h->ready)) {
                    atomic_store(&h->ready, false);
                    sonde_operation_complete(&h->tracker); /* perhaps its thread has ended */
                    left_over--;
                }
            }
            assert_true(read_of(o).active <= PARTIES * EACH);
        }
        for (int k = 0; k < PARTIES; k++) {
            pthread_join(parties[k].thread, NULL);
        }
        sonde_operation_info i = read_of(o);
        uint64_t all = (uint64_t)(round + 1) * PARTIES * EACH;
        assert_int_equal(i.count, all);
        assert_int_equal(i.active, 0);
        assert_int_equal(i.completed + i.abandoned, all);
        assert_true(i.abandoned >= all / 4 && i.abandoned <= all / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_can_be_read_and_reset_while_it_runs, start, stop),
        cmocka_unit_test_setup_teardown(each_call_ends_once_whoever_ends_it, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
