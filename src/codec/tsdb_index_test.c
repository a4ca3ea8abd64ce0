#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "codec/tsdb_index.h"
#include "codec/tsdb_wal.h"
#include "model/labels.h"

/* ---- the bytes of an index, as its format describes them */

static void put_be(struct buf *b, uint64_t v, size_t n)
{
    while (n-- > 0)
        buf_put_c(b, (char)(v >> (8 * n)));
}

static void put_sum(struct buf *b, size_t from)
{
    put_be(b, hash_crc32c(0, b->p + from, b->n - from), 4);
}

static void put_text(struct buf *b, const char *text)
{
    buf_put_varint(b, strlen(text));
    buf_put_str(b, str_c(text));
}

/* An index of version 2 with two series: up{job="x"} and up{job="y"}, each with two chunks. */
static void make_index(struct buf *b)
{
    static const char *const SYMBOLS[] = {"", "__name__", "job", "up", "x", "y"};
    buf_init(b, 1 << 20);
    put_be(b, 0xbaaad700, 4);
    put_be(b, 2, 1);
    struct buf part;
    buf_init(&part, 1 << 16);
    put_be(&part, COUNTOF(SYMBOLS), 4);
    for (size_t i = 0; i < COUNTOF(SYMBOLS); i++)
        put_text(&part, SYMBOLS[i]);
    size_t symbols = b->n;
    put_be(b, part.n, 4);
    size_t from = b->n;
    buf_put_str(b, buf_str(&part));
    put_sum(b, from);
    size_t series = 0;
    for (unsigned i = 0; i < 2; i++) {
        while (b->n % 16)
            buf_put_c(b, '\0');
        series = series ? series : b->n;
        buf_clear(&part);
        static const uint8_t LABELS[2][5] = {{2, 1, 3, 2, 4}, {2, 1, 3, 2, 5}};
        buf_put(&part, LABELS[i], 5);
        buf_put_varint(&part, 2); /* chunks */
        buf_put_varint(&part, zigzag(-1000));
        buf_put_varint(&part, 500);
        buf_put_varint(&part, 8);
        buf_put_varint(&part, 100); /* from -400 to 600 */
        buf_put_varint(&part, 1000);
        buf_put_varint(&part, zigzag((int64_t)1 << 32));
        buf_put_varint(b, part.n);
        from = b->n;
        buf_put_str(b, buf_str(&part));
        put_sum(b, from);
    }
    size_t end = b->n;
    from = b->n;
    const uint64_t toc[] = {symbols, series, end, end, end, end};
    for (size_t i = 0; i < COUNTOF(toc); i++)
        put_be(b, toc[i], 8);
    put_sum(b, from);
    buf_done(&part);
}

static void the_series_of_an_index_come_with_labels_and_chunks(void **state)
{
    struct buf b, key, text;
    struct tsdb_index x;
    struct tsdb_series s = {0};
    make_index(&b);
    buf_init(&key, 1 << 16);
    buf_init(&text, 1 << 16);
    assert_int_equal(tsdb_index_open(buf_str(&b), &x, NULL), 0);
    size_t at = x.series_from;
    for (int i = 0; i < 2; i++) {
        buf_clear(&key);
        assert_int_equal(tsdb_index_series(&x, &at, &key, &s, NULL), 1);
        labels_print(buf_str(&key), &text);
        assert_int_equal(s.chunks_n, 2);
        assert_int_equal(s.chunks[0].first_ms, -1000);
        assert_int_equal(s.chunks[0].last_ms, -500);
        assert_int_equal(s.chunks[0].ref, 8);
        assert_int_equal(s.chunks[1].first_ms, -400);
        assert_int_equal(s.chunks[1].last_ms, 600);
        assert_int_equal(s.chunks[1].ref, ((uint64_t)1 << 32) + 8);
    }
    assert_int_equal(tsdb_index_series(&x, &at, &key, &s, NULL), 0);
    assert_true(str_eq(buf_str(&text), STR("up{job=\"x\"}up{job=\"y\"}")));
    tsdb_index_done(&x);
    mem_free(s.chunks);
    buf_done(&text);
    buf_done(&key);
    buf_done(&b);
}

/* Opens and reads everything: 0, or the first error. */
static int read_whole(struct str bytes)
{
    struct tsdb_index x;
    struct tsdb_series s = {0};
    struct buf key;
    int err = tsdb_index_open(bytes, &x, NULL);
    if (err != 0)
        return err;
    buf_init(&key, 1 << 16);
    for (size_t at = x.series_from; (err = tsdb_index_series(&x, &at, &key, &s, NULL)) > 0;)
        continue;
    buf_done(&key);
    mem_free(s.chunks);
    tsdb_index_done(&x);
    return err;
}

static void an_index_that_is_cut_off_or_changed_is_refused(void **state)
{
    struct buf b;
    make_index(&b);
    assert_int_equal(read_whole(buf_str(&b)), 0);
    for (size_t n = 0; n < b.n; n++) {
        char *cut = mem_copy(b.p, n + 1);
        assert_true(read_whole(str_of(cut, n)) < 0);
        mem_free(cut);
    }
    size_t unnoticed = 0;
    for (size_t i = 0; i < b.n; i++) { /* only what fills up to a multiple of 16 means nothing */
        b.p[i] = (char)(b.p[i] ^ 0x55);
        unnoticed += read_whole(buf_str(&b)) == 0;
        b.p[i] = (char)(b.p[i] ^ 0x55);
    }
    assert_true(unnoticed < 32);
    buf_done(&b);
}

static void a_chunk_is_found_by_its_place_and_held_against_its_checksum(void **state)
{
    struct buf b;
    struct str chunk;
    unsigned type;
    buf_init(&b, 1 << 16);
    put_be(&b, 0x85bd40dd, 4);
    put_be(&b, 1, 4);
    buf_put_varint(&b, 3);
    size_t from = b.n;
    buf_put(&b, "\1abc", 4);
    put_sum(&b, from);
    assert_int_equal(tsdb_index_chunk(buf_str(&b), 8, &type, &chunk, NULL), 0);
    assert_int_equal(type, 1);
    assert_true(str_eq(chunk, STR("abc")));
    assert_int_equal(tsdb_index_chunk(buf_str(&b), 7, &type, &chunk, NULL), -ERR_FORMAT);
    assert_int_equal(tsdb_index_chunk(buf_str(&b), 1000, &type, &chunk, NULL), -ERR_FORMAT);
    b.p[from + 1]++;
    assert_int_equal(tsdb_index_chunk(buf_str(&b), 8, &type, &chunk, NULL), -ERR_CORRUPT);
    buf_done(&b);
}

/* ---- the log */

static void put_fragment(struct buf *b, unsigned type, const char *p, size_t n)
{
    put_be(b, type, 1);
    put_be(b, n, 2);
    put_be(b, hash_crc32c(0, p, n), 4);
    buf_put(b, p, n);
}

static void fill_page(struct buf *b)
{
    while (b->n % 32768)
        buf_put_c(b, '\0');
}

static void records_are_put_together_over_pages(void **state)
{
    struct buf b;
    struct tsdb_wal w;
    struct str record;
    size_t at = 0;
    buf_init(&b, 1 << 20);
    put_fragment(&b, 1, "whole", 5);
    put_fragment(&b, 2, "be", 2);
    fill_page(&b);
    put_fragment(&b, 3, "gi", 2);
    fill_page(&b);
    put_fragment(&b, 4, "n", 1);
    put_fragment(&b, 1, "last", 4);
    fill_page(&b);
    tsdb_wal_init(&w);
    static const struct str WANT[] = {{"whole", 5}, {"begin", 5}, {"last", 4}};
    for (size_t i = 0; i < COUNTOF(WANT); i++) {
        assert_int_equal(tsdb_wal_record(&w, buf_str(&b), &at, &record, NULL), 1);
        assert_true(str_eq(record, WANT[i]));
    }
    assert_int_equal(tsdb_wal_record(&w, buf_str(&b), &at, &record, NULL), 0);
    at = 0;
    b.p[8]++;
    assert_int_equal(tsdb_wal_record(&w, buf_str(&b), &at, &record, NULL), -ERR_CORRUPT);
    tsdb_wal_done(&w);
    buf_done(&b);
}

static int add_sample(void *context, const struct tsdb_wal_sample *s)
{
    struct buf *text = context;
    buf_printf(text, "%llu %lld %g", (unsigned long long)s->ref, (long long)s->ts_ms, s->value);
    if (s->histogram)
        buf_printf(text, " %g %g %u", s->histogram->count, s->histogram->sum,
                   s->histogram->positive_n);
    buf_put_c(text, '\n');
    return 0;
}

static void samples_of_a_record_are_counted_from_its_first(void **state)
{
    struct buf b, text;
    struct arena a;
    arena_init(&a);
    buf_init(&b, 1 << 16);
    buf_init(&text, 1 << 16);
    put_be(&b, TSDB_WAL_SAMPLES, 1);
    put_be(&b, 10, 8);
    put_be(&b, 1000, 8);
    for (int i = 0; i < 3; i++) {
        buf_put_varint(&b, zigzag(i - 1));
        buf_put_varint(&b, zigzag(-5 * i));
        put_be(&b, double_bits(i + 0.5), 8);
    }
    assert_int_equal(tsdb_wal_samples(buf_str(&b), &a, add_sample, &text), 0);
    assert_true(str_eq(buf_str(&text), STR("9 1000 0.5\n10 995 1.5\n11 990 2.5\n")));
    assert_int_equal(tsdb_wal_samples(str_sub(buf_str(&b), 0, b.n - 1), &a, add_sample, &text),
                     -ERR_FORMAT);
    buf_clear(&b);
    buf_clear(&text);
    put_be(&b, TSDB_WAL_HISTOGRAMS, 1);
    put_be(&b, 7, 8);
    put_be(&b, 2000, 8);
    buf_put(&b, "\0\0\2\2", 4); /* number, time, hint, schema 1 */
    put_be(&b, double_bits(0.001), 8);
    buf_put(&b, "\1\6", 2); /* zero count, count */
    put_be(&b, double_bits(12.5), 8);
    buf_put(&b, "\1\0\2\0\2\4\2\0", 8); /* one span of two; none; counts 2, 3; none */
    assert_int_equal(tsdb_wal_samples(buf_str(&b), &a, add_sample, &text), 0);
    assert_true(str_eq(buf_str(&text), STR("7 2000 0 6 12.5 2\n")));
    buf_done(&text);
    buf_done(&b);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_series_of_an_index_come_with_labels_and_chunks),
        cmocka_unit_test(an_index_that_is_cut_off_or_changed_is_refused),
        cmocka_unit_test(a_chunk_is_found_by_its_place_and_held_against_its_checksum),
        cmocka_unit_test(records_are_put_together_over_pages),
        cmocka_unit_test(samples_of_a_record_are_counted_from_its_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
