#include "forward/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "base/rand.h"
#include "os/disk_sim.h"

enum { BIG = 64 << 20 };

static struct disk *disk;
static struct queue *queue;

static int open_disk(void **state)
{
    disk = disk_sim_new(7, 0);
    queue = NULL;
    return 0;
}

static int close_disk(void **state)
{
    queue_close(queue);
    disk_free(disk);
    return 0;
}

static void open_queue(const struct keyring *ring, uint64_t bytes_max)
{
    struct why why = {0};
    if (queue_open(disk, "forward", ring, bytes_max, &queue, &why))
        fail_msg("%s", why.text);
}

/* The process dies; what was written without a sync survives as how says. */
static void die(enum disk_sim_crash how)
{
    disk_sim_power_off(disk);
    queue_close(queue);
    disk_sim_power_on(disk, how);
    queue = NULL;
}

/* Block i: one row that says so, with bytes that do not pack. */
static int put(uint32_t i, size_t n)
{
    struct rand rand;
    char *p = mem_new(n + 8);
    rand_init(&rand, i);
    memcpy(p, &i, 4);
    for (size_t k = 4; k < n; k++)
        p[k] = (char)rand_u64(&rand);
    int err = queue_append(queue, STR("default"), str_of(p, n), 1);
    mem_free(p);
    return err;
}

static uint32_t number_of(const struct queue_block *b, size_t n)
{
    struct rand rand;
    uint32_t i;
    assert_int_equal(b->bytes.n, n);
    assert_true(str_eq(b->tenant, STR("default")));
    assert_int_equal(b->rows, 1);
    memcpy(&i, b->bytes.p, 4);
    rand_init(&rand, i);
    for (size_t k = 4; k < n; k++)
        assert_int_equal(b->bytes.p[k], (char)rand_u64(&rand));
    return i;
}

/* Reads to the end; every block is one that was put, in order. How many. */
static size_t read_all(struct queue_reader *r, size_t n, uint32_t *first, uint32_t *last)
{
    struct queue_block b;
    size_t count = 0;
    while (queue_read(r, &b) == 1) {
        uint32_t i = number_of(&b, n);
        if (count == 0)
            *first = i;
        else
            assert_true(i > *last);
        *last = i;
        count++;
        buf_done(&b.bytes);
    }
    return count;
}

static void blocks_come_back_in_order_to_every_reader(void **state)
{
    struct queue_reader a, b;
    uint32_t first = 0, last = 0;
    open_queue(NULL, BIG);
    queue_reader_init(&a, queue, queue_end(queue));
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put(i, 100), 0);
    queue_reader_init(&b, queue, queue_end(queue));
    assert_int_equal(read_all(&a, 100, &first, &last), 100);
    assert_int_equal(first, 0);
    assert_int_equal(put(100, 100), 0);
    assert_int_equal(read_all(&a, 100, &first, &last), 1);
    assert_int_equal(read_all(&b, 100, &first, &last), 1);
    assert_int_equal(first, 100);
    assert_int_equal(a.lost + b.lost, 0);
    assert_int_equal(queue_facts(queue).next, 101);
    queue_reader_done(&a);
    queue_reader_done(&b);
}

static void blocks_that_pack_well_come_back_too(void **state)
{
    struct queue_reader r;
    struct queue_block b;
    open_queue(NULL, BIG);
    queue_reader_init(&r, queue, queue_end(queue));
    for (size_t n = 1; n <= QUEUE_BLOCK_MAX; n = n * 3 + 1) {
        char *p = mem_new(n);
        for (size_t i = 0; i < n; i++)
            p[i] = "label=\"value\""[i % 13];
        uint64_t before = queue_facts(queue).bytes;
        assert_int_equal(queue_append(queue, STR("t"), str_of(p, n), 7), 0);
        assert_true(n < 2000 || queue_facts(queue).bytes - before < n / 4);
        assert_int_equal(queue_read(&r, &b), 1);
        assert_true(str_eq(buf_str(&b.bytes), str_of(p, n)) && b.rows == 7);
        buf_done(&b.bytes);
        mem_free(p);
    }
    assert_int_equal(r.lost, 0);
    queue_reader_done(&r);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    uint32_t first = 0, last = 0, next = 0;
    struct queue_reader r;
    open_queue(NULL, BIG);
    struct queue_position at = queue_end(queue);
    for (int restart = 0; restart < 5; restart++) {
        for (int i = 0; i < 10; i++)
            assert_int_equal(put(next++, 3000), 0);
        die(DISK_SIM_KEEP); /* nothing was synced, and only the process is gone */
        open_queue(NULL, BIG);
        assert_int_equal(queue_facts(queue).next, next);
        queue_reader_init(&r, queue, at);
        struct queue_block b;
        for (int i = 0; i < 5; i++) {
            assert_int_equal(queue_read(&r, &b), 1);
            assert_int_equal(number_of(&b, 3000), (uint32_t)(restart * 5 + i));
            buf_done(&b.bytes);
        }
        at = r.at;
        assert_int_equal(r.lost, 0);
        queue_reader_done(&r);
        queue_trim(queue, at.segment);
    }
    queue_reader_init(&r, queue, at);
    assert_int_equal(read_all(&r, 3000, &first, &last), 25);
    assert_int_equal(last, 49);
    queue_trim(queue, r.at.segment + 1);
    queue_reader_done(&r);
    die(DISK_SIM_KEEP);
    open_queue(NULL, BIG); /* all was read, and the numbers still count on */
    assert_int_equal(queue_facts(queue).next, 50);
}

static void a_torn_end_loses_no_more_than_was_not_synced(void **state)
{
    for (uint32_t seed = 0; seed < 60; seed++) {
        struct rand rand;
        struct queue_reader r;
        uint32_t first = 0, last = 0, synced = 0;
        disk_free(disk);
        disk = disk_sim_new(seed, 0);
        rand_init(&rand, seed);
        open_queue(NULL, BIG);
        struct queue_position at = queue_end(queue);
        uint32_t n = 1 + (uint32_t)rand_below(&rand, 40);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(put(i, 700), 0);
            if (rand_below(&rand, 4) == 0) {
                assert_int_equal(queue_sync(queue), 0);
                synced = i + 1;
            }
        }
        die(seed % 3 == 0 ? DISK_SIM_LOSE : DISK_SIM_TORN);
        open_queue(NULL, BIG);
        assert_int_equal(put(1000, 700), 0);
        queue_reader_init(&r, queue, at);
        size_t count = read_all(&r, 700, &first, &last);
        assert_true(count >= synced + 1);
        assert_int_equal(last, 1000); /* what comes after the torn block is found */
        queue_reader_done(&r);
        queue_close(queue);
        queue = NULL;
    }
}

static void a_full_queue_drops_the_oldest_and_readers_count_it(void **state)
{
    struct queue_reader r;
    uint32_t first = 0, last = 0;
    enum { N = 300, SIZE = 50000 };
    open_queue(NULL, QUEUE_BYTES_MIN);
    queue_reader_init(&r, queue, queue_end(queue));
    struct queue_block b;
    assert_int_equal(put(0, SIZE), 0);
    assert_int_equal(queue_read(&r, &b), 1); /* it holds the segment open that will go */
    buf_done(&b.bytes);
    for (uint32_t i = 1; i < N; i++) {
        assert_int_equal(put(i, SIZE), 0);
        assert_true(queue_facts(queue).bytes <= QUEUE_BYTES_MIN);
    }
    size_t count = read_all(&r, SIZE, &first, &last);
    assert_int_equal(last, N - 1);
    assert_int_equal(r.lost, N - 1 - count);
    assert_true(r.lost > 0 && count > 50);
    assert_true(queue_facts(queue).dropped > 0);
    queue_reader_done(&r);
}

static void a_full_disk_loses_blocks_and_it_goes_on_after(void **state)
{
    struct queue_reader r;
    uint32_t first = 0, last = 0;
    open_queue(NULL, BIG);
    queue_reader_init(&r, queue, queue_end(queue));
    assert_int_equal(put(0, 100), 0);
    for (uint64_t at = 1; at < 4; at++) {
        disk_sim_fail_at(disk, at, ERR_FULL, true);
        while (put(1, 100) == 0)
            ;
        assert_int_not_equal(put(1, 100), 0);
        disk_sim_heal(disk);
        assert_int_equal(put((uint32_t)at * 10, 100), 0);
    }
    struct queue_block b;
    while (queue_read(&r, &b) == 1) {
        last = number_of(&b, 100);
        first++;
        buf_done(&b.bytes);
    }
    assert_int_equal(last, 30);
    assert_int_equal(queue_facts(queue).next, first + r.lost);
    queue_reader_done(&r);
}

static void damage_costs_its_segment_and_no_more(void **state)
{
    struct queue_reader r;
    uint32_t first = 0, last = 0;
    enum { N = 100, SIZE = 50000 };
    open_queue(NULL, QUEUE_BYTES_MIN * 4);
    queue_reader_init(&r, queue, queue_end(queue));
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(put(i, SIZE), 0);
    assert_true(disk_sim_flip(disk, "forward/0000000000000001.log", 8 * 200000));
    size_t count = read_all(&r, SIZE, &first, &last);
    assert_int_equal(last, N - 1);
    assert_true(count < N && count > N / 2);
    assert_int_equal(count + r.lost, N);
    queue_reader_done(&r);
}

static void blocks_are_encrypted_where_there_is_a_key(void **state)
{
    struct keyring *ring;
    struct queue_reader r;
    uint32_t first = 0, last = 0;
    void *p;
    size_t n;
    struct why why;
    assert_int_equal(
        keyring_parse(STR("k 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\n"),
                      "test", &ring, &why),
        0);
    open_queue(ring, BIG);
    struct queue_position at = queue_end(queue);
    assert_int_equal(put(1, 100), 0);
    assert_int_equal(queue_append(queue, STR("default"), STR("a word to be found"), 1), 0);
    assert_int_equal(disk_slurp(disk, "forward/0000000000000001.log", BIG, &p, &n), 0);
    assert_true(str_search(str_of(p, n), STR("a word")) == n);
    mem_free(p);
    die(DISK_SIM_KEEP);
    open_queue(ring, BIG);
    struct queue_block b;
    queue_reader_init(&r, queue, at);
    assert_int_equal(queue_read(&r, &b), 1);
    assert_int_equal(number_of(&b, 100), 1);
    buf_done(&b.bytes);
    queue_reader_done(&r);
    queue_close(queue);
    open_queue(NULL, BIG); /* without the key it is lost, not misread */
    queue_reader_init(&r, queue, at);
    assert_int_equal(read_all(&r, 100, &first, &last), 0);
    queue_reader_done(&r);
    queue_close(queue);
    queue = NULL;
    keyring_free(ring);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(blocks_come_back_in_order_to_every_reader),
        CASE(blocks_that_pack_well_come_back_too),
        CASE(a_restart_goes_on_where_it_was),
        CASE(a_torn_end_loses_no_more_than_was_not_synced),
        CASE(a_full_queue_drops_the_oldest_and_readers_count_it),
        CASE(a_full_disk_loses_blocks_and_it_goes_on_after),
        CASE(damage_costs_its_segment_and_no_more),
        CASE(blocks_are_encrypted_where_there_is_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
