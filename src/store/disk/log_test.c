#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/vec.h"
#include "os/disk_sim.h"
#include "os/thread.h"
#include "store/disk/log.h"
#include "store/disk/log_segment.h"

enum { LANES = 3, SERIES = 8, DEFINITION = 1, SAMPLE = 2, DIR_PATH = 64 };

static const char RING[] = "new 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                           "old f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

static struct keyring *make_ring(void)
{
    struct keyring *ring;
    assert_int_equal(keyring_parse(str_c(RING), "test keys", &ring, NULL), 0);
    return ring;
}

/* ---- a model of what a head does with the log; it notes what was promised */
struct sent {
    bool acked, seen;
};

struct model {
    struct rand rand;
    struct disk *d;
    struct keyring *ring;
    struct log *l;
    struct {
        struct sent *v; /* by number of the sample */
        size_t n, capacity;
    } sent;
    uint64_t defined_in[SERIES]; /* segment, 0: not at all */
    struct {
        uint64_t segment, previous;
    } lanes[LANES];
    bool faults; /* some call was made to fail in this history */
    uint64_t warnings, acked;
    /* during a replay */
    bool defined[SERIES];
    struct {
        uint64_t segment, previous;
    } replay[LANES];
    uint64_t last_segment;
};

struct ticket {
    struct model *m;
    uint64_t first, last; /* samples */
};

static void on_done(void *context, int err)
{
    struct ticket *t = context;
    for (uint64_t i = t->first; !err && i <= t->last; i++) {
        t->m->sent.v[i].acked = true;
        t->m->acked++;
    }
    mem_free(t);
}

/* A sample says which came before it on its lane in its segment, as an XOR does. */
static int put_sample(struct model *m, uint32_t lane, uint64_t segment)
{
    uint8_t p[600];
    uint64_t series = rand_below(&m->rand, SERIES);
    int err = 0;
    if (m->defined_in[series] == 0 || m->defined_in[series] > segment ||
        m->defined_in[series] < log_floor(m->l)) {
        store64(p, series);
        err = log_append_first(m->l, lane, DEFINITION, p, 8);
        if (!err)
            m->defined_in[series] = segment;
    }
    store64(p, m->sent.n);
    store64(p + 8, m->lanes[lane].previous);
    store64(p + 16, series);
    size_t n = 24 + (size_t)rand_below(&m->rand, sizeof p - 24);
    for (size_t i = 24; i < n; i++)
        p[i] = (uint8_t)(m->sent.n + i);
    if (!err)
        err = log_append(m->l, lane, SAMPLE, p, n);
    if (!err) {
        m->lanes[lane].previous = m->sent.n;
        vec_push(&m->sent, ((struct sent){0}));
    }
    return err;
}

static void use_lane(struct model *m)
{
    uint32_t lane = (uint32_t)rand_below(&m->rand, LANES);
    uint64_t segment;
    if (log_enter(m->l, lane, &segment))
        return;
    assert_true(segment >= log_floor(m->l));
    if (segment != m->lanes[lane].segment) {
        assert_true(segment > m->lanes[lane].segment);
        m->lanes[lane].segment = segment;
        m->lanes[lane].previous = 0;
    }
    struct ticket *t = mem_new(sizeof *t);
    *t = (struct ticket){m, m->sent.n, 0};
    uint64_t n = 1 + rand_below(&m->rand, 5);
    int err = 0;
    for (uint64_t i = 0; i < n && !err; i++) {
        err = put_sample(m, lane, segment);
        if (rand_below(&m->rand, 16) == 0)
            log_step(m->l); /* the commit thread comes by while the lane is inside */
    }
    t->last = m->sent.n - 1;
    if (t->last >= t->first && m->sent.n > t->first)
        log_commit(m->l, lane, on_done, t);
    else
        mem_free(t);
    log_leave(m->l, lane);
}

static int on_record(void *context, const struct log_record *r)
{
    struct model *m = context;
    assert_true(r->segment >= m->last_segment);
    assert_true(r->lane < LANES);
    m->last_segment = r->segment;
    uint64_t id = load64(r->p);
    if (r->type == DEFINITION) {
        assert_true(r->n == 8 && id < SERIES);
        m->defined[id] = true;
        m->defined_in[id] = r->segment;
        return 0;
    }
    assert_int_equal(r->type, SAMPLE);
    assert_true(id < m->sent.n);
    for (size_t i = 24; i < r->n; i++)
        assert_int_equal(r->p[i], (uint8_t)(id + i));
    assert_false(m->sent.v[id].seen);
    m->sent.v[id].seen = true;
    if (r->after_gap) {
        assert_false(m->sent.v[id].acked);
        return 0;
    }
    if (m->replay[r->lane].segment != r->segment) {
        m->replay[r->lane].segment = r->segment;
        m->replay[r->lane].previous = 0;
    }
    assert_true(load64(r->p + 8) == m->replay[r->lane].previous);
    m->replay[r->lane].previous = id;
    assert_true(m->defined[load64(r->p + 16)]);
    return 0;
}

static void on_warning(void *context, const char *text)
{
    struct model *m = context;
    m->warnings++;
}

static void check_replay(struct model *m)
{
    struct log_replay replay = {.record = on_record, .warn = on_warning, .context = m};
    struct log_replay_result result;
    memset(m->defined, 0, sizeof m->defined);
    memset(m->defined_in, 0, sizeof m->defined_in);
    memset(m->replay, 0, sizeof m->replay);
    m->last_segment = 0;
    for (size_t i = 0; i < m->sent.n; i++)
        m->sent.v[i].seen = false;
    assert_int_equal(log_replay(m->d, "wal", m->ring, &replay, &result, NULL), 0);
    for (size_t i = 0; i < m->sent.n; i++)
        assert_true(m->sent.v[i].seen || !m->sent.v[i].acked);
    if (!m->faults)
        assert_int_equal(m->warnings, 0);
}

static void inject(struct model *m)
{
    uint64_t n = 1 + rand_below(&m->rand, 12);
    enum err code = rand_below(&m->rand, 2) ? ERR_IO : ERR_FULL;
    m->faults = true;
    switch (rand_below(&m->rand, 4)) {
    case 0:
        disk_sim_fail_at(m->d, n, code, false);
        break;
    case 1:
        disk_sim_fail_sync_at(m->d, 1 + n / 4, ERR_IO, false);
        break;
    case 2:
        disk_sim_fail_at(m->d, n, code, true);
        break;
    default:
        disk_sim_heal(m->d);
    }
}

/* From one start of the process to its end; true where it ended by itself. */
static void live(struct model *m, bool with_faults)
{
    struct log_settings settings = {
        .lanes = LANES, .segment_bytes = 4096ull << rand_below(&m->rand, 4), .manual = true};
    memset(m->lanes, 0, sizeof m->lanes);
    if (log_open(m->d, "wal", m->ring, &settings, &m->l, NULL))
        return; /* the power went off meanwhile */
    uint64_t steps = rand_below(&m->rand, 120);
    for (uint64_t i = 0; i < steps && !disk_sim_is_off(m->d); i++) {
        uint64_t what = rand_below(&m->rand, 24);
        if (what < 10)
            use_lane(m);
        else if (what < 20)
            log_step(m->l);
        else if (what == 20)
            log_rotate(m->l);
        else if (what == 21 && with_faults)
            inject(m);
        else if (what == 22 && rand_below(&m->rand, 4) == 0)
            disk_sim_power_off_at(m->d, 1 + rand_below(&m->rand, 20));
    }
    if (rand_below(&m->rand, 2))
        disk_sim_power_off(m->d);
    log_close(m->l);
}

static uint64_t simulate(uint64_t seed)
{
    struct model m = {0};
    rand_init(&m.rand, seed);
    m.d = disk_sim_new(seed, 0);
    m.ring = seed % 3 == 0 ? make_ring() : NULL;
    vec_push(&m.sent, ((struct sent){0})); /* no sample has number 0 */
    for (int boot = 0; boot < 4; boot++) {
        bool with_faults = seed % 2;
        live(&m, with_faults);
        enum disk_sim_crash how = (enum disk_sim_crash)rand_below(&m.rand, with_faults ? 2 : 3);
        if (disk_sim_is_off(m.d))
            disk_sim_power_on(m.d, how);
        else
            disk_sim_crash(m.d, DISK_SIM_LOSE);
        check_replay(&m);
    }
    uint64_t acked = m.acked;
    vec_free(&m.sent);
    keyring_free(m.ring);
    disk_free(m.d);
    return acked;
}

static void no_promised_record_is_lost_in_any_crash(void **state)
{
    const char *from = getenv("SONDE_SEED"), *count = getenv("SONDE_SEEDS");
    uint64_t first = from ? strtoull(from, NULL, 10) : 1;
    uint64_t n = count ? strtoull(count, NULL, 10) : 3000;
    uint64_t acked = 0;
    for (uint64_t seed = first; seed < first + n; seed++)
        acked += simulate(seed);
    assert_true(acked > n);
    print_message("%llu seeds, %llu promised samples\n", (unsigned long long)n,
                  (unsigned long long)acked);
}

/* ---- single cases */
struct answer {
    int err, calls;
};

static void note_answer(void *context, int err)
{
    struct answer *a = context;
    a->err = err;
    a->calls++;
}

static struct log *open_manual(struct disk *d, uint64_t segment_bytes)
{
    struct log *l;
    struct log_settings settings = {.lanes = 2, .segment_bytes = segment_bytes, .manual = true};
    assert_int_equal(log_open(d, "wal", NULL, &settings, &l, NULL), 0);
    return l;
}

static int put_text(struct log *l, uint32_t lane, const char *text, struct answer *a)
{
    uint64_t segment;
    int err = log_enter(l, lane, &segment);
    if (err)
        return err;
    err = log_append(l, lane, 7, text, strlen(text));
    log_commit(l, lane, note_answer, a);
    log_leave(l, lane);
    return err;
}

struct texts {
    char joined[4096];
    int warnings;
};

static int join_record(void *context, const struct log_record *r)
{
    struct texts *t = context;
    size_t n = strlen(t->joined);
    snprintf(t->joined + n, sizeof t->joined - n, "%.*s%s ", (int)r->n, (const char *)r->p,
             r->after_gap ? "?" : "");
    return 0;
}

static void count_warning(void *context, const char *text)
{
    ((struct texts *)context)->warnings++;
}

static struct texts read_texts(struct disk *d, uint64_t from)
{
    struct texts t = {0};
    struct log_replay replay = {from, join_record, count_warning, &t};
    struct log_replay_result result;
    assert_int_equal(log_replay(d, "wal", NULL, &replay, &result, NULL), 0);
    return t;
}

static void a_failed_sync_begins_a_new_segment_and_promises_nothing(void **state)
{
    struct disk *d = disk_sim_new(1, 0);
    struct log *l = open_manual(d, 1 << 20);
    struct answer a = {0}, b = {0}, c = {0};
    assert_int_equal(put_text(l, 0, "one", &a), 0);
    log_step(l);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.err, 0);
    uint64_t before = log_stats(l).segment;
    disk_sim_fail_sync_at(d, 1, ERR_IO, false);
    assert_int_equal(put_text(l, 1, "two", &b), 0);
    log_step(l);
    assert_int_equal(b.err, -ERR_IO);
    assert_int_equal(log_ready(l), 0);
    assert_true(log_stats(l).segment > before);
    assert_int_equal(log_floor(l), log_stats(l).segment);
    assert_int_equal(put_text(l, 0, "three", &c), 0);
    log_step(l);
    assert_int_equal(c.err, 0);
    log_close(l);
    disk_sim_crash(d, DISK_SIM_LOSE);
    assert_string_equal(read_texts(d, 0).joined, "one three ");
    disk_free(d);
}

static void a_full_disk_refuses_and_goes_on_when_there_is_room(void **state)
{
    struct disk *d = disk_sim_new(2, 8 << 20);
    struct log *l = open_manual(d, 0);
    struct answer a = {0}, b = {0}, c = {0};
    assert_int_equal(log_ready(l), 0);
    assert_int_equal(put_text(l, 0, "one", &a), 0);
    log_step(l);
    assert_int_equal(a.err, 0);

    disk_sim_set_capacity(d, 65536); /* others have filled it */
    disk_sim_fail_at(d, 1, ERR_FULL, false);
    assert_int_equal(put_text(l, 0, "two", &b), 0);
    log_step(l);
    assert_int_equal(b.err, -ERR_FULL);
    assert_int_equal(log_ready(l), -ERR_FULL);
    assert_int_equal(put_text(l, 0, "refused", &b), -ERR_FULL);
    log_step(l);
    assert_int_equal(log_ready(l), -ERR_FULL);

    disk_sim_set_capacity(d, 8 << 20);
    log_step(l);
    assert_int_equal(log_ready(l), 0);
    assert_int_equal(put_text(l, 0, "three", &c), 0);
    log_step(l);
    assert_int_equal(c.err, 0);
    log_close(l);
    assert_string_equal(read_texts(d, 0).joined, "one three ");
    disk_free(d);
}

static void it_opens_on_a_full_disk_and_refuses(void **state)
{
    struct disk *d = disk_sim_new(3, 1 << 20);
    struct disk_file *f;
    assert_int_equal(disk_open(d, "ballast", DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_allocate(d, f, 1 << 20), 0);
    disk_close(d, f);
    struct log *l = open_manual(d, 0);
    assert_int_equal(log_ready(l), -ERR_FULL);
    assert_int_equal(disk_remove(d, "ballast"), 0);
    log_step(l);
    assert_int_equal(log_ready(l), 0);
    log_close(l);
    disk_free(d);
}

static void damage_in_the_middle_costs_one_block_and_is_told(void **state)
{
    struct disk *d = disk_sim_new(4, 0);
    struct log *l = open_manual(d, 1 << 20);
    const char *const texts[] = {"one", "two", "three", "four"};
    for (uint32_t i = 0; i < 4; i++) {
        struct answer a = {0};
        assert_int_equal(put_text(l, i % 2, texts[i], &a), 0);
        log_step(l);
        assert_int_equal(a.calls, 1);
    }
    uint64_t number = log_stats(l).segment;
    log_close(l);
    char path[LOG_SEGMENT_PATH];
    log_segment_path("wal", number, path);
    /* inside "two": a block is 56 bytes of header, a length, a type and the text */
    uint64_t at = LOG_SEGMENT_HEADER + 56 + 5 + 56 + 3;
    assert_true(disk_sim_flip(d, path, 8 * at));
    struct texts t = read_texts(d, 0);
    assert_string_equal(t.joined, "one three four? ");
    assert_int_equal(t.warnings, 1);
    disk_free(d);
}

static void every_bit_flip_is_found_or_harmless(void **state)
{
    struct disk *d = disk_sim_new(5, 0);
    struct log *l = open_manual(d, 1 << 20);
    for (uint32_t i = 0; i < 3; i++) {
        struct answer a = {0};
        assert_int_equal(put_text(l, 0, "abc", &a), 0);
        log_step(l);
    }
    char path[LOG_SEGMENT_PATH];
    log_segment_path("wal", log_stats(l).segment, path);
    log_close(l);
    uint64_t size = LOG_SEGMENT_HEADER + 3 * (56 + 5);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        assert_true(disk_sim_flip(d, path, bit));
        struct texts t = read_texts(d, 0);
        for (const char *p = t.joined; *p; p = strchr(p, ' ') + 1)
            assert_true(strncmp(p, "abc", 3) == 0);
        assert_true(strlen(t.joined) >= 8); /* two blocks survive: "abc abc " */
        assert_true(disk_sim_flip(d, path, bit));
    }
    disk_free(d);
}

static void dropped_segments_are_gone_and_numbers_go_on(void **state)
{
    struct disk *d = disk_sim_new(6, 0);
    struct log *l = open_manual(d, 1 << 20);
    struct answer a = {0}, b = {0};
    assert_int_equal(put_text(l, 0, "one", &a), 0);
    log_step(l);
    uint64_t number = log_rotate(l);
    assert_int_equal(log_drop_before(l, number), 0);
    log_step(l); /* the one that was written is let go of here */
    assert_int_equal(log_stats(l).segments, 1);
    assert_int_equal(log_stats(l).first_segment, number);
    assert_int_equal(put_text(l, 0, "two", &b), 0);
    log_step(l);
    log_close(l);
    assert_string_equal(read_texts(d, 0).joined, "two ");
    l = open_manual(d, 1 << 20);
    assert_true(log_stats(l).segment > number);
    log_close(l);
    disk_free(d);
}

static void a_log_without_its_key_says_which_key(void **state)
{
    struct disk *d = disk_sim_new(7, 0);
    struct keyring *ring = make_ring();
    struct log_settings settings = {.lanes = 1, .manual = true};
    struct log *l;
    struct why why = {0};
    assert_int_equal(log_open(d, "wal", ring, &settings, &l, NULL), 0);
    log_close(l);
    assert_int_equal(log_open(d, "wal", NULL, &settings, &l, &why), -ERR_KEY);
    assert_non_null(strstr(why.text, "\"new\""));
    assert_non_null(strstr(why.text, ".log"));
    keyring_free(ring);
    disk_free(d);
}

/* ---- with its thread */
enum { WRITERS = 3, ROUNDS = 400 };

struct writer {
    struct log *l;
    uint32_t lane;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int answers, errors;
};

static void writer_done(void *context, int err)
{
    struct writer *w = context;
    thread_lock(&w->lock);
    w->answers++;
    w->errors += err != 0;
    thread_wake(&w->answered);
    thread_unlock(&w->lock);
}

static void write_rounds(void *context)
{
    struct writer *w = context;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t segment;
        assert_int_equal(log_enter(w->l, w->lane, &segment), 0);
        assert_int_equal(log_append(w->l, w->lane, 1, &i, sizeof i), 0);
        log_commit(w->l, w->lane, writer_done, w);
        log_leave(w->l, w->lane);
        if (i % 100 == 50)
            log_rotate(w->l);
        thread_lock(&w->lock);
        while (w->answers <= i)
            thread_wait(&w->answered, &w->lock);
        thread_unlock(&w->lock);
    }
}

static int check_order(void *context, const struct log_record *r)
{
    int *next = context, i;
    assert_int_equal(r->n, sizeof i);
    memcpy(&i, r->p, sizeof i);
    assert_int_equal(i, next[r->lane]);
    next[r->lane]++;
    return 0;
}

static void threads_get_all_their_answers(void **state)
{
    struct disk *d = disk_sim_new(8, 0);
    struct log_settings settings = {.lanes = WRITERS, .segment_bytes = 16384};
    struct log *l;
    assert_int_equal(log_open(d, "wal", NULL, &settings, &l, NULL), 0);
    struct writer writers[WRITERS];
    struct thread threads[WRITERS];
    memset(threads, 0, sizeof threads);
    memset(writers, 0, sizeof writers);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i].l = l;
        writers[i].lane = i;
        thread_lock_init(&writers[i].lock);
        thread_cond_init(&writers[i].answered);
        thread_start(&threads[i], "writer", write_rounds, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        thread_join(&threads[i]);
        assert_int_equal(writers[i].answers, ROUNDS);
        assert_int_equal(writers[i].errors, 0);
    }
    assert_int_equal(log_stats(l).records, WRITERS * ROUNDS);
    log_close(l);
    disk_sim_crash(d, DISK_SIM_LOSE);
    int next[WRITERS] = {0};
    struct log_replay replay = {.record = check_order, .context = next};
    struct log_replay_result result;
    assert_int_equal(log_replay(d, "wal", NULL, &replay, &result, NULL), 0);
    assert_int_equal(result.records, WRITERS * ROUNDS);
    disk_free(d);
}

static void room_is_noticed_within_two_seconds(void **state)
{
    struct disk *d = disk_sim_new(9, 1 << 20);
    struct disk_file *f;
    assert_int_equal(disk_open(d, "ballast", DISK_WRITE | DISK_CREATE, &f), 0);
    assert_int_equal(disk_allocate(d, f, 1 << 20), 0);
    disk_close(d, f);
    struct log_settings settings = {.lanes = 1};
    struct log *l;
    assert_int_equal(log_open(d, "wal", NULL, &settings, &l, NULL), 0);
    assert_int_equal(log_ready(l), -ERR_FULL);
    assert_int_equal(disk_remove(d, "ballast"), 0);
    int64_t start = clock_monotonic_ns(&clock_real);
    while (log_ready(l) && clock_monotonic_ns(&clock_real) - start < 2000000000)
        usleep(1000);
    assert_int_equal(log_ready(l), 0);
    log_close(l);
    disk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_begins_a_new_segment_and_promises_nothing),
        cmocka_unit_test(a_full_disk_refuses_and_goes_on_when_there_is_room),
        cmocka_unit_test(it_opens_on_a_full_disk_and_refuses),
        cmocka_unit_test(damage_in_the_middle_costs_one_block_and_is_told),
        cmocka_unit_test(every_bit_flip_is_found_or_harmless),
        cmocka_unit_test(dropped_segments_are_gone_and_numbers_go_on),
        cmocka_unit_test(a_log_without_its_key_says_which_key),
        cmocka_unit_test(threads_get_all_their_answers),
        cmocka_unit_test(room_is_noticed_within_two_seconds),
        cmocka_unit_test(no_promised_record_is_lost_in_any_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
