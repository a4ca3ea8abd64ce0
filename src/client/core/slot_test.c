#include "client/core/slot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/core/id.h"
#include "client/core/module.h"
#include "client/core/ring.h"

struct part {
    _Atomic uint64_t n;
};
static uint64_t retired; /* under the mutex of slot_each() */

static void retire(void *pointer)
{
    struct part *p = pointer;
    retired += atomic_load(&p->n);
    atomic_store(&p->n, 0);
}

static void count(uint64_t n)
{
    struct slot *s = slot_mine();
    assert_non_null(s);
    struct part *p = s->part[SLOT_BUS];
    if (!p) {
        p = calloc(1, sizeof *p);
        slot_publish(s, SLOT_BUS, p);
    }
    slot_add_u64(&p->n, n);
}

static void add(void *part, const struct slot *s, void *context)
{
    const struct part *p = part;
    *(uint64_t *)context += atomic_load(&p->n);
}

static uint64_t total(void)
{
    uint64_t n = 0;
    slot_each(SLOT_BUS, add, &n);
    return n + retired;
}

static void *count_thousand(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        count(1);
    }
    return unused;
}

static void nothing_is_lost_when_threads_come_and_go(void **state)
{
    uint64_t before = total();
    for (int round = 0; round < 10; round++) {
        pthread_t t[8];
        for (int i = 0; i < 8; i++) {
            assert_int_equal(pthread_create(&t[i], NULL, count_thousand, NULL), 0);
        }
        (void)total(); /* a reader meanwhile */
        for (int i = 0; i < 8; i++) {
            pthread_join(t[i], NULL);
        }
    }
    assert_int_equal(total() - before, 80000);
    assert_true(slot_count() <= 1);
}

static void a_forked_child_begins_with_no_slots_in_use(void **state)
{
    count(5);
    uint64_t before = total();
    slot_fork_prepare();
    pid_t child = fork();
    if (child == 0) {
        slot_fork_child();
        bool good = slot_pointer == NULL && slot_count() == 0 && total() == before;
        count(1);
        _exit(good && total() == before + 1 ? 0 : 1);
    }
    slot_fork_parent();
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(total(), before);
}

static void nobody_gets_a_slot_while_the_library_is_off(void **state)
{
    atomic_store(&module_on, false);
    struct slot *mine = slot_pointer;
    slot_pointer = NULL;
    assert_null(slot_mine());
    slot_pointer = mine;
    atomic_store(&module_on, true);
}

struct run {
    struct ring *ring;
    uint64_t written, lost;
};

static void *write_records(void *context)
{
    struct run *run = context;
    for (uint64_t i = 0; i < 200000; i++) {
        size_t n = 8 + (size_t)(i * 2654435761u % 300);
        uint64_t *p = ring_reserve(run->ring, n);
        if (!p) {
            run->lost++;
            continue;
        }
        *p = i;
        memset(p + 1, (int)(i & 0xff), n - 8);
        ring_commit(run->ring, p, n);
        run->written++;
    }
    return NULL;
}

static void a_ring_hands_over_every_record_whole_and_in_order(void **state)
{
    struct run run = {.ring = ring_new(10000)};
    assert_int_equal(run.ring->size, 16384);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, write_records, &run), 0);
    uint64_t got = 0, last = 0;
    bool over = false;
    for (;;) {
        size_t n;
        const uint64_t *p = ring_peek(run.ring, &n);
        if (!p) {
            if (over) {
                break;
            }
            over = pthread_tryjoin_np(t, NULL) == 0;
            continue;
        }
        assert_true(got == 0 || *p > last);
        assert_int_equal(n, 8 + (size_t)(*p * 2654435761u % 300));
        const uint8_t *bytes = (const uint8_t *)(p + 1);
        for (size_t i = 0; i < n - 8; i++) {
            assert_int_equal(bytes[i], *p & 0xff);
        }
        last = *p;
        got++;
        ring_release(run.ring);
    }
    assert_int_equal(got, run.written);
    assert_int_equal(got + run.lost, 200000);
    assert_int_equal(atomic_load(&run.ring->lost), run.lost);
    assert_null(ring_reserve(run.ring, 16384)); /* never fits */
    ring_free(run.ring);
}

static void ids_differ_and_are_never_zero(void **state)
{
    static const uint8_t zero[16];
    uint8_t last[16] = {0}, id[16];
    for (int i = 0; i < 10000; i++) {
        id_fill(id, sizeof id);
        assert_memory_not_equal(id, last, sizeof id);
        assert_memory_not_equal(id + 8, zero, 8);
        memcpy(last, id, sizeof id);
        double f = id_fraction();
        assert_true(f >= 0 && f < 1);
    }
    assert_int_equal(id_hash("abc", 3, 1), id_hash("abc", 3, 1));
    assert_int_not_equal(id_hash("abc", 3, 1), id_hash("abd", 3, 1));
    assert_int_not_equal(id_hash("abc", 3, 1), id_hash("abc\0", 4, 1));
}

int main(void)
{
    atomic_store(&module_on, true);
    slot_on_retire(SLOT_BUS, retire);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_when_threads_come_and_go),
        cmocka_unit_test(a_forked_child_begins_with_no_slots_in_use),
        cmocka_unit_test(nobody_gets_a_slot_while_the_library_is_off),
        cmocka_unit_test(a_ring_hands_over_every_record_whole_and_in_order),
        cmocka_unit_test(ids_differ_and_are_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
