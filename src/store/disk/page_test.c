#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "os/disk_sim.h"
#include "os/thread.h"
#include "store/disk/page.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

enum { SIZE = 5 * PAGE_PAYLOAD + 1234 };

static struct keyring *ring_of(const char *text)
{
    struct keyring *ring;
    assert_int_equal(keyring_parse(str_c(text), "keys", &ring, NULL), 0);
    return ring;
}

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)hash_u64(offset);
}

static void write_stream(struct disk *d, const char *path, const struct keyring *ring, size_t size)
{
    struct page_writer *w;
    struct rand rand;
    uint8_t p[50000];
    rand_init(&rand, size);
    assert_int_equal(page_writer_new(d, path, PAGE_KIND_DATA, ring, &w), 0);
    while (page_writer_position(w) < size) {
        uint64_t at = page_writer_position(w);
        uint64_t wanted = rand_below(&rand, sizeof p) + 1;
        size_t n = (size_t)MIN(wanted, size - at);
        for (size_t i = 0; i < n; i++)
            p[i] = byte_at(at + i);
        page_writer_put(w, p, n);
    }
    assert_int_equal(page_writer_finish(w), 0);
    page_writer_free(w);
}

static struct page_file *open_stream(struct disk *d, const struct keyring *ring,
                                     struct page_cache *cache)
{
    struct page_file *f;
    assert_int_equal(page_file_open(d, "f", PAGE_KIND_DATA, ring, cache, &f, NULL), 0);
    return f;
}

static void check_range(struct page_file *f, uint64_t offset, size_t n)
{
    struct page_ref ref;
    assert_int_equal(page_read(f, offset, n, &ref, NULL), 0);
    assert_int_equal(ref.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ref.p[i], byte_at(offset + i));
    page_release(&ref);
}

static void read_at_random(const struct keyring *ring)
{
    struct disk *d = disk_sim_new(1, 0);
    struct page_cache *cache = page_cache_new(0); /* the least there is: 16 pages */
    struct rand rand;
    rand_init(&rand, 1);
    write_stream(d, "f", ring, SIZE);
    struct page_file *f = open_stream(d, ring, cache);
    assert_int_equal(page_file_size(f), SIZE);
    assert_true(page_file_encrypted(f) == (ring != NULL));
    for (int i = 0; i < 300; i++) {
        uint64_t offset = rand_below(&rand, SIZE);
        uint64_t wanted = rand_below(&rand, 70000);
        check_range(f, offset, (size_t)MIN(wanted, SIZE - offset));
    }
    struct page_ref ref;
    uint64_t at = 0;
    while (page_read_some(f, at, &ref, NULL) == 0) {
        assert_int_equal(ref.p[0], byte_at(at));
        at += ref.n;
        page_release(&ref);
    }
    assert_int_equal(at, SIZE);
    assert_int_equal(page_read_some(f, SIZE, &ref, NULL), -ERR_END);
    assert_int_equal(page_read(f, SIZE - 1, 2, &ref, NULL), -ERR_CORRUPT);
    assert_int_equal(page_read(f, UINT64_MAX, 2, &ref, NULL), -ERR_CORRUPT);
    assert_int_equal(page_read_some(f, SIZE + 1, &ref, NULL), -ERR_CORRUPT);
    assert_int_equal(page_verify(f, NULL, NULL, NULL), 0);
    page_file_close(f);
    page_cache_free(cache);
    disk_free(d);
}

static void what_was_written_is_read_in_the_clear(void **state)
{
    read_at_random(NULL);
}

static void what_was_written_is_read_encrypted(void **state)
{
    struct keyring *ring = ring_of("a " HEX_A);
    read_at_random(ring);
    keyring_free(ring);
}

static void files_of_any_size_have_their_size(void **state)
{
    static const size_t SIZES[] = {
        0, 1, PAGE_PAYLOAD - 1, PAGE_PAYLOAD, PAGE_PAYLOAD + 1, 8 * PAGE_PAYLOAD, 9 * PAGE_PAYLOAD};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        struct disk *d = disk_sim_new(1, 0);
        write_stream(d, "f", NULL, SIZES[i]);
        struct page_file *f = open_stream(d, NULL, NULL);
        assert_int_equal(page_file_size(f), SIZES[i]);
        check_range(f, 0, SIZES[i]);
        assert_int_equal(page_verify(f, NULL, NULL, NULL), 0);
        page_file_close(f);
        disk_free(d);
    }
}

static void aligned_objects_do_not_straddle(void **state)
{
    static const uint8_t object[1000];
    struct disk *d = disk_sim_new(1, 0);
    struct page_writer *w;
    assert_int_equal(page_writer_new(d, "f", PAGE_KIND_OTHER, NULL, &w), 0);
    for (int i = 0; i < 100; i++) {
        page_writer_align(w, sizeof object);
        uint64_t at = page_writer_position(w);
        assert_int_equal(at / PAGE_PAYLOAD, (at + sizeof object - 1) / PAGE_PAYLOAD);
        page_writer_put(w, object, sizeof object);
    }
    uint64_t at = page_writer_position(w);
    page_writer_align(w, PAGE_PAYLOAD + 1); /* cannot fit anyway */
    assert_int_equal(page_writer_position(w), at);
    assert_int_equal(page_writer_finish(w), 0);
    page_writer_free(w);
    disk_free(d);
}

static void note_damage(void *context, uint64_t page, uint64_t offset, size_t n)
{
    assert_int_equal(page, 2);
    assert_int_equal(offset, 2 * PAGE_PAYLOAD);
    assert_int_equal(n, PAGE_PAYLOAD);
    ++*(int *)context;
}

static void lose_one_page(const struct keyring *ring)
{
    struct disk *d = disk_sim_new(1, 0);
    struct page_cache *cache = page_cache_new(0);
    struct why why;
    struct page_ref ref;
    int damaged = 0;
    write_stream(d, "f", ring, SIZE);
    assert_true(disk_sim_flip(d, "f", 8 * (PAGE_HEADER_BYTES + 2 * PAGE_BYTES + 77) + 3));
    struct page_file *f = open_stream(d, ring, cache);
    check_range(f, 0, 2 * PAGE_PAYLOAD);
    check_range(f, 3 * PAGE_PAYLOAD, SIZE - 3 * PAGE_PAYLOAD);
    assert_int_equal(page_read(f, 2 * PAGE_PAYLOAD - 1, 2, &ref, &why), -ERR_CORRUPT);
    assert_non_null(strstr(why.text, "page 2 of f"));
    assert_int_equal(page_verify(f, note_damage, &damaged, NULL), -ERR_CORRUPT);
    assert_int_equal(damaged, 1);
    page_file_close(f);
    page_cache_free(cache);
    disk_free(d);
}

static void a_damaged_page_loses_that_page_alone(void **state)
{
    struct keyring *ring = ring_of("a " HEX_A);
    lose_one_page(NULL);
    lose_one_page(ring);
    keyring_free(ring);
}

static void every_bit_of_a_small_file_is_guarded(void **state)
{
    struct keyring *ring = ring_of("a " HEX_A);
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        const struct keyring *r = encrypted ? ring : NULL;
        struct disk *d = disk_sim_new(1, 0);
        write_stream(d, "f", r, 100);
        for (uint64_t bit = 0; bit < (PAGE_HEADER_BYTES + 100 + PAGE_TAG_BYTES) * 8; bit++) {
            struct page_file *f;
            uint8_t p[100];
            disk_sim_flip(d, "f", bit);
            if (page_file_open(d, "f", PAGE_KIND_DATA, r, NULL, &f, NULL) == 0) {
                int err = page_copy(f, 0, 100, p, NULL);
                for (uint64_t i = 0; !err && i < 100; i++)
                    assert_int_equal(p[i], byte_at(i));
                if (bit / 8 >= PAGE_HEADER_BYTES && bit / 8 < PAGE_HEADER_BYTES + 104)
                    assert_int_equal(err, -ERR_CORRUPT);
                page_file_close(f);
            } else {
                fail(); /* two slots: no single bit makes the file unreadable */
            }
            disk_sim_flip(d, "f", bit);
        }
        disk_free(d);
    }
    keyring_free(ring);
}

static void an_unfinished_or_other_file_is_refused(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct page_writer *w;
    struct page_file *f;
    struct why why;
    assert_int_equal(page_writer_new(d, "half", PAGE_KIND_DATA, NULL, &w), 0);
    assert_int_equal(page_writer_new(d, "half", PAGE_KIND_DATA, NULL, &w), -ERR_EXISTS);
    static const uint8_t much[10 * PAGE_BYTES];
    page_writer_put(w, much, sizeof much);
    assert_int_equal(page_file_open(d, "half", PAGE_KIND_DATA, NULL, NULL, &f, &why), -ERR_CORRUPT);
    page_writer_free(w);
    write_stream(d, "f", NULL, 10);
    assert_int_equal(page_file_open(d, "f", PAGE_KIND_INDEX, NULL, NULL, &f, &why), -ERR_FORMAT);
    assert_int_equal(page_file_open(d, "none", PAGE_KIND_INDEX, NULL, NULL, &f, &why), -ERR_NOENT);
    disk_free(d);
}

static void a_write_error_comes_out_of_finish(void **state)
{
    for (uint64_t n = 1; n < 5; n++) {
        static const uint8_t much[20 * PAGE_BYTES];
        struct disk *d = disk_sim_new(1, 0);
        struct page_writer *w;
        assert_int_equal(page_writer_new(d, "f", PAGE_KIND_DATA, NULL, &w), 0);
        disk_sim_fail_at(d, n, ERR_FULL, false);
        page_writer_put(w, much, sizeof much);
        assert_int_equal(page_writer_finish(w), -ERR_FULL);
        page_writer_free(w);
        disk_free(d);
    }
}

static void keys_rotate_at_any_crash(void **state)
{
    struct keyring *old = ring_of("a " HEX_A), *both = ring_of("b " HEX_B "\na " HEX_A),
                   *new = ring_of("b " HEX_B);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk *d = disk_sim_new(seed, 0);
        struct why why;
        struct page_file *f;
        write_stream(d, "f", old, 1000);
        assert_int_equal(disk_sync_dir(d, "."), 0);
        disk_sim_power_off_at(d, 1 + seed % 5);
        int err = page_rewrap(d, "f", both, &why);
        disk_sim_power_on(d, DISK_SIM_TORN);
        f = open_stream(d, both, NULL);
        check_range(f, 0, 1000);
        page_file_close(f);
        assert_true(err || seed % 5 == 4);
        assert_int_equal(page_rewrap(d, "f", both, &why), 0);
        f = open_stream(d, new, NULL);
        check_range(f, 0, 1000);
        page_file_close(f);
        /* The old key opens neither slot any more. */
        assert_int_equal(page_file_open(d, "f", PAGE_KIND_DATA, old, NULL, &f, &why), -ERR_KEY);
        for (uint64_t slot = 0; slot < 2; slot++) {
            assert_true(disk_sim_flip(d, "f", slot * 4096 * 8));
            assert_int_equal(page_file_open(d, "f", PAGE_KIND_DATA, old, NULL, &f, &why), -ERR_KEY);
            assert_true(disk_sim_flip(d, "f", slot * 4096 * 8));
        }
        disk_free(d);
    }
    keyring_free(old);
    keyring_free(both);
    keyring_free(new);
}

static void pinned_pages_stay_when_the_cache_overflows(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct page_cache *cache = page_cache_new(0);
    struct page_ref refs[40];
    write_stream(d, "f", NULL, 40 * PAGE_PAYLOAD);
    struct page_file *f = open_stream(d, NULL, cache);
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(page_read(f, i * PAGE_PAYLOAD, PAGE_PAYLOAD, &refs[i], NULL), 0);
    page_file_close(f);
    for (uint64_t i = 0; i < 40; i++) {
        for (size_t j = 0; j < PAGE_PAYLOAD; j += 97)
            assert_int_equal(refs[i].p[j], byte_at(i * PAGE_PAYLOAD + j));
        page_release(&refs[i]);
        page_release(&refs[i]); /* again is fine */
    }
    page_cache_free(cache);
    disk_free(d);
}

struct reader {
    struct page_file *f;
    uint64_t seed;
};

static void read_much(void *context)
{
    struct reader *r = context;
    struct rand rand;
    rand_init(&rand, r->seed);
    for (int i = 0; i < 3000; i++) {
        uint64_t offset = rand_below(&rand, 60 * PAGE_PAYLOAD - 100);
        check_range(r->f, offset, 100);
    }
}

static void many_threads_share_a_small_cache(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct page_cache *cache = page_cache_new(0);
    write_stream(d, "f", NULL, 60 * PAGE_PAYLOAD);
    struct page_file *f = open_stream(d, NULL, cache);
    struct reader readers[4];
    struct thread threads[4];
    memset(threads, 0, sizeof threads);
    for (uint64_t i = 0; i < 4; i++) {
        readers[i] = (struct reader){f, i};
        thread_start(&threads[i], "reader", read_much, &readers[i]);
    }
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    page_file_close(f);
    page_cache_free(cache);
    disk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_in_the_clear),
        cmocka_unit_test(what_was_written_is_read_encrypted),
        cmocka_unit_test(files_of_any_size_have_their_size),
        cmocka_unit_test(aligned_objects_do_not_straddle),
        cmocka_unit_test(a_damaged_page_loses_that_page_alone),
        cmocka_unit_test(every_bit_of_a_small_file_is_guarded),
        cmocka_unit_test(an_unfinished_or_other_file_is_refused),
        cmocka_unit_test(a_write_error_comes_out_of_finish),
        cmocka_unit_test(keys_rotate_at_any_crash),
        cmocka_unit_test(pinned_pages_stay_when_the_cache_overflows),
        cmocka_unit_test(many_threads_share_a_small_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
