#include "client/cache/cache.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/lost.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "sonde/sonde.h"

static const uint64_t SECOND = 1000000000;

static int begin(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-cache-test-%d", (int)getpid());
    const char *const settings[] = {"socket=none", folder, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    int err = sonde_init(&o);
    return err == SONDE_ERROR_ARGUMENT ? sonde_init(NULL) : err; /* settings of client/send */
}

static int end(void **state)
{
    return sonde_shutdown(5000);
}

/* As begin(), but without the library's thread, which would look at the real clock. */
static int begin_timeless(void **state)
{
    int err = begin(state);
    return err ? err : !worker_stop(ticks_monotonic_ns() + 5 * SECOND);
}

static int end_timeless(void **state)
{
    sonde_shutdown(5000); /* says that nothing was flushed: there is no thread to do it */
    return sonde_running();
}

static struct cache *inside(sonde_cache *c)
{
    return (struct cache *)c;
}

static sonde_cache_stats stats_of(sonde_cache *c)
{
    sonde_cache_stats s = SONDE_CACHE_STATS_INIT;
    assert_int_equal(sonde_cache_snapshot(c, &s), 0);
    return s;
}

static void what_was_counted_is_in_the_snapshot(void **state)
{
    sonde_cache *c = sonde_cache_get("counted");
    assert_non_null(c);
    assert_ptr_equal(sonde_cache_get("counted"), c);
    for (int i = 0; i < 30; i++) {
        sonde_cache_hit(c);
    }
    for (int i = 0; i < 10; i++) {
        sonde_cache_miss(c);
    }
    sonde_cache_evict(c, 7);
    sonde_cache_entries_set(c, 100);
    sonde_cache_entries_add(c, 20);
    sonde_cache_entries_add(c, -50);
    sonde_cache_bytes_add(c, 4096);
    sonde_cache_bytes_set(c, 3000);
    sonde_cache_allocated_set(c, 4000);
    sonde_cache_stats s = stats_of(c);
    assert_int_equal(s.hits, 30);
    assert_int_equal(s.misses, 10);
    assert_int_equal(s.evictions, 7);
    assert_int_equal(s.entries, 70);
    assert_int_equal(s.entries_peak, 120);
    assert_int_equal(s.bytes, 3000);
    assert_int_equal(s.bytes_peak, 4096);
    assert_true(s.fragmentation == 0.25);
    assert_true(s.hit_rate == 0.75);
    assert_true(s.hit_rate_minute == 0.75);
    assert_true(s.hit_rate_day == 0.75);
    assert_int_equal(s.lookups_hour, 40);
    assert_true(isnan(s.response_p95));
}

static void an_older_caller_gets_the_fields_that_it_knows(void **state)
{
    sonde_cache *c = sonde_cache_get("older");
    sonde_cache_hit(c);
    sonde_cache_stats s = SONDE_CACHE_STATS_INIT;
    s.struct_size = offsetof(sonde_cache_stats, misses);
    s.misses = 4711;
    assert_int_equal(sonde_cache_snapshot(c, &s), 0);
    assert_int_equal(s.hits, 1);
    assert_int_equal(s.misses, 4711);
    s.struct_size = 0;
    assert_int_equal(sonde_cache_snapshot(c, &s), SONDE_ERROR_ARGUMENT);
}

static void a_reset_begins_anew_and_leaves_what_is_held(void **state)
{
    sonde_cache *c = sonde_cache_get("reset");
    sonde_cache_record(c, true, 0.5, "slow one");
    sonde_cache_bytes_set(c, 900);
    sonde_cache_bytes_set(c, 100);
    sonde_cache_reset(c);
    sonde_cache_stats s = stats_of(c);
    assert_int_equal(s.hits, 0);
    assert_int_equal(s.slow, 0);
    assert_int_equal(s.timed, 0);
    assert_int_equal(s.lookups_day, 0);
    assert_int_equal(s.bytes, 100);
    assert_int_equal(s.bytes_peak, 100);
    assert_true(isnan(s.response_p95_minute));
    sonde_cache_slow slow[4];
    assert_int_equal(sonde_cache_slowest(c, slow, 4), 0);
    sonde_cache_record(c, false, 0.001, NULL);
    s = stats_of(c);
    assert_int_equal(s.misses, 1);
    assert_int_equal(s.timed, 1);
    assert_true(s.response_p95 < 0.0012);
}

/* The windows against a list of every event: minute by seconds, hour and day by minutes. */
enum { MINUTES_MAX = 4000 };
struct history {
    uint64_t hits[MINUTES_MAX * 60], misses[MINUTES_MAX * 60]; /* by the second */
    uint64_t from;                                             /* number of the first second */
};

static void plain_sum(const struct history *h, uint64_t from, uint64_t to, uint64_t *hits,
                      uint64_t *misses)
{
    *hits = *misses = 0;
    for (uint64_t s = from < h->from ? h->from : from; s <= to; s++) {
        *hits += h->hits[s - h->from];
        *misses += h->misses[s - h->from];
    }
}

static void expect_rate(double rate, uint64_t lookups, uint64_t hits, uint64_t misses)
{
    assert_int_equal(lookups, hits + misses);
    if (hits + misses) {
        assert_true(fabs(rate - (double)hits / (double)(hits + misses)) < 1e-12);
    } else {
        assert_true(isnan(rate));
    }
}

static void three_days_of_rates_agree_with_a_list_of_all_lookups(void **state)
{
    static struct history h;
    sonde_cache *c = sonde_cache_get("days");
    h.from = 1234567;
    uint64_t second = h.from;
    srandom(3);
    cache_tick(inside(c), second * SECOND);
    for (int step = 0; step < 3000; step++) {
        second += random() % 40 == 0 ? (uint64_t)random() % 3000 : 1 + (uint64_t)random() % 50;
        if (second - h.from >= MINUTES_MAX * 60) {
            break;
        }
        int hits = (int)(random() % 20), misses = (int)(random() % 10);
        for (int i = 0; i < hits; i++) {
            sonde_cache_hit(c);
        }
        for (int i = 0; i < misses; i++) {
            sonde_cache_miss(c);
        }
        h.hits[second - h.from] += (uint64_t)hits;
        h.misses[second - h.from] += (uint64_t)misses;
        cache_tick(inside(c), second * SECOND + 5);
        if (step % 10) {
            continue;
        }
        sonde_cache_stats s;
        uint64_t later = second + (step % 3 ? 0 : (uint64_t)random() % 100), a, b;
        cache_stats(inside(c), later * SECOND + 7, &s);
        plain_sum(&h, later - 59, second, &a, &b);
        expect_rate(s.hit_rate_minute, s.lookups_minute, a, b);
        plain_sum(&h, (later / 60 - 59) * 60, second, &a, &b);
        expect_rate(s.hit_rate_hour, s.lookups_hour, a, b);
        plain_sum(&h, (later / 60 - 1439) * 60, second, &a, &b);
        expect_rate(s.hit_rate_day, s.lookups_day, a, b);
        plain_sum(&h, 0, second, &a, &b);
        expect_rate(s.hit_rate, s.hits + s.misses, a, b);
        /* Asking has moved the newest step on; so has the list. */
        second = later;
    }
    assert_true(second - h.from > 2 * 86400);
}

static void response_times_of_the_last_minute_forget_those_before(void **state)
{
    sonde_cache *c = sonde_cache_get("responses");
    uint64_t now = 5000 * SECOND;
    for (int i = 0; i < 100; i++) {
        sonde_cache_record(c, true, 0.2, NULL);
    }
    cache_tick(inside(c), now);
    sonde_cache_stats s;
    cache_stats(inside(c), now, &s);
    assert_true(s.response_p95_minute > 0.18 && s.response_p95_minute < 0.22);
    for (int i = 0; i < 59; i++) {
        now += SECOND;
        sonde_cache_record(c, true, 0.002, NULL);
        cache_tick(inside(c), now);
    }
    cache_stats(inside(c), now, &s);
    assert_true(s.response_p95_minute > 0.18); /* 100 of 159 are still of this minute */
    now += 2 * SECOND;
    sonde_cache_record(c, true, 0.002, NULL);
    cache_tick(inside(c), now);
    cache_stats(inside(c), now, &s);
    assert_true(s.response_p95_minute < 0.0025);
    assert_true(s.response_p99 > 0.18); /* since the start */
    assert_int_equal(s.timed, 160);
    assert_true(fabs(s.response_mean - (100 * 0.2 + 60 * 0.002) / 160) < 1e-9);
}

static void the_slowest_are_kept_in_order_with_their_keys(void **state)
{
    sonde_cache *c = sonde_cache_get("slow");
    sonde_cache_slow_after(c, 0.05);
    srandom(5);
    double all[200];
    for (int i = 0; i < 200; i++) {
        char key[100];
        all[i] = 0.04 + (double)(random() % 10000) / 1e5; /* 0.04 .. 0.14 s */
        snprintf(key, sizeof key, "%.6f %0*d", all[i], 80, 1);
        sonde_cache_record(c, i % 2, all[i], key);
    }
    sonde_cache_slow slow[32];
    size_t n = sonde_cache_slowest(c, slow, 32), over = 0;
    assert_int_equal(n, CACHE_SLOWEST);
    for (size_t i = 0; i < n; i++) {
        size_t slower = 0;
        for (int k = 0; k < 200; k++) {
            slower += all[k] > slow[i].seconds;
        }
        assert_true(slower <= i);
        assert_true(fabs(strtod(slow[i].key, NULL) - slow[i].seconds) < 1e-6);
        assert_int_equal(strlen(slow[i].key), 63);
        assert_true(i == 0 || slow[i - 1].seconds >= slow[i].seconds);
    }
    for (int k = 0; k < 200; k++) {
        over += all[k] >= 0.05;
    }
    assert_int_equal(stats_of(c).slow, over);
}

static bool crossed(const struct alarm *a)
{
    assert_non_null(a);
    return alarm_raised(a);
}

static void thresholds_raise_alarms_and_clear_them(void **state)
{
    sonde_cache *c = sonde_cache_get("limited");
    sonde_cache_limits l = SONDE_CACHE_LIMITS_INIT;
    l.hit_rate_min = 0.5;
    l.lookups_min = 20;
    l.bytes_max = 1000;
    l.response_max = 0.1;
    l.fragmentation_max = 0.5;
    l.for_ms = 3000;
    assert_int_equal(sonde_cache_limit(c, &l), 0);
    struct cache *in = inside(c);
    uint64_t now = 100 * SECOND;
    for (int i = 0; i < 19; i++) {
        sonde_cache_miss(c); /* one too few to say anything */
    }
    for (int i = 0; i < 10; i++) {
        cache_tick(in, now += SECOND);
    }
    assert_false(crossed(in->hit_rate));
    sonde_cache_record(c, false, 0.3, "k");
    sonde_cache_bytes_set(c, 1001);
    sonde_cache_allocated_set(c, 3000);
    cache_tick(in, now += SECOND);
    cache_tick(in, now += 2 * SECOND);
    assert_false(crossed(in->hit_rate) || crossed(in->over_bytes) || crossed(in->response) ||
                 crossed(in->fragmentation));
    cache_tick(in, now += SECOND); /* three seconds on the other side */
    assert_true(crossed(in->hit_rate) && crossed(in->over_bytes) && crossed(in->response) &&
                crossed(in->fragmentation));
    for (int i = 0; i < 400; i++) {
        sonde_cache_record(c, true, 0.001, NULL);
    }
    sonde_cache_bytes_set(c, 1000);
    sonde_cache_allocated_set(c, 1500);
    cache_tick(in, now += SECOND);
    assert_true(crossed(in->hit_rate) && crossed(in->over_bytes));
    cache_tick(in, now += 3 * SECOND);
    assert_false(crossed(in->hit_rate) || crossed(in->over_bytes) || crossed(in->response) ||
                 crossed(in->fragmentation));
    assert_int_equal(sonde_cache_limit(c, NULL), 0);
    assert_null(in->hit_rate);
    l.hit_rate_min = 1.5;
    assert_int_equal(sonde_cache_limit(c, &l), SONDE_ERROR_ARGUMENT);
}

enum { THREADS = 6, EACH = 20000 };

static void *use(void *context)
{
    sonde_cache *c = context;
    for (int i = 0; i < EACH; i++) {
        sonde_cache_lookup l = sonde_cache_begin(c);
        sonde_cache_end(&l, i % 4 != 0, "key");
        sonde_cache_end(&l, true, "a second end counts nothing");
        sonde_cache_bytes_add(c, 16);
        sonde_cache_evict(c, 1);
    }
    return NULL;
}

static void nothing_is_lost_when_threads_end(void **state)
{
    sonde_cache *c = sonde_cache_get("threads");
    for (int round = 0; round < 3; round++) {
        pthread_t t[THREADS];
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&t[i], NULL, use, c), 0);
        }
        uint64_t before = 0;
        for (int i = 0; i < 50; i++) { /* while they run, totals only grow */
            sonde_cache_stats s = stats_of(c);
            assert_true(s.hits >= before);
            before = s.hits;
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(t[i], NULL);
        }
    }
    sonde_cache_stats s = stats_of(c);
    assert_int_equal(s.hits + s.misses, 3 * THREADS * EACH);
    assert_int_equal(s.misses, 3 * THREADS * EACH / 4);
    assert_int_equal(s.evictions, 3 * THREADS * EACH);
    assert_int_equal(s.timed, 3 * THREADS * EACH);
    assert_int_equal(s.bytes_peak, 3 * THREADS * EACH * 16);
}

static json_t *ask(const char *line, int wanted)
{
    static char answer[1 << 20];
    assert_int_equal(sonde_query(line, answer, sizeof answer, NULL), wanted);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    return j;
}

static void the_command_answers_for_one_and_for_all(void **state)
{
    sonde_cache *c = sonde_cache_get("asked");
    sonde_cache_record(c, true, 0.5, "user:42");
    json_t *j = ask("caches asked", 0);
    json_t *list = json_object_get(j, "caches"), *one = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(one, "name")), "asked");
    json_t *slow = json_array_get(json_object_get(one, "slowest"), 0);
    assert_string_equal(json_string_value(json_object_get(slow, "key")), "user:42");
    json_decref(j);
    j = ask("caches", 0);
    assert_true(json_array_size(json_object_get(j, "caches")) >= 1);
    json_decref(j);
    json_decref(ask("caches nobody", SONDE_ERROR_NOT_FOUND));
    json_decref(ask("caches reset asked", 0));
    assert_int_equal(stats_of(c).hits, 0);
}

static void a_child_counts_its_own_lookups(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* locks of sanitizers are held in a child, and it may start no thread */
#endif
    sonde_cache *c = sonde_cache_get("forked");
    for (int i = 0; i < 5; i++) {
        sonde_cache_hit(c);
    }
    sonde_cache_entries_set(c, 3);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sonde_cache_hit(sonde_cache_get("forked"));
        sonde_cache_stats s = SONDE_CACHE_STATS_INIT;
        int err = sonde_cache_snapshot(c, &s);
        _exit(err == 0 && s.hits == 1 && s.entries == 3 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(stats_of(c).hits, 5);
}

static void too_many_names_share_the_last_one(void **state)
{
    sonde_cache *last = NULL;
    for (int i = 0; i < CACHE_MAX + 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%d", i);
        last = sonde_cache_get(name);
        assert_non_null(last);
        sonde_cache_hit(last);
    }
    assert_string_equal(inside(last)->name, "other");
    assert_int_equal(cache_count(), CACHE_MAX + 1);
    assert_true(lost_count(LOST_METRIC, LOST_QUEUE_FULL) >= 20);
    assert_true(stats_of(last).hits >= 20);
}

static void nothing_happens_while_the_library_does_not_run(void **state)
{
    assert_null(sonde_cache_get("x"));
    sonde_cache_hit(NULL);
    sonde_cache_entries_add(NULL, 1);
    sonde_cache_lookup l = sonde_cache_begin(NULL);
    sonde_cache_end(&l, true, NULL);
    sonde_cache_stats s = SONDE_CACHE_STATS_INIT;
    assert_int_equal(sonde_cache_snapshot(NULL, &s), SONDE_ERROR_ARGUMENT);
    if (cache_count()) { /* a handle from a life before */
        sonde_cache_hit((sonde_cache *)cache_at(0));
        assert_int_equal(sonde_cache_snapshot((sonde_cache *)cache_at(0), &s), SONDE_ERROR_STATE);
    }
    sonde_cache_reset(NULL);
}

#define CASE(n) cmocka_unit_test_setup_teardown(n, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_counted_is_in_the_snapshot),
        CASE(an_older_caller_gets_the_fields_that_it_knows),
        CASE(a_reset_begins_anew_and_leaves_what_is_held),
        cmocka_unit_test_setup_teardown(three_days_of_rates_agree_with_a_list_of_all_lookups,
                                        begin_timeless, end_timeless),
        cmocka_unit_test_setup_teardown(response_times_of_the_last_minute_forget_those_before,
                                        begin_timeless, end_timeless),
        CASE(the_slowest_are_kept_in_order_with_their_keys),
        cmocka_unit_test_setup_teardown(thresholds_raise_alarms_and_clear_them, begin_timeless,
                                        end_timeless),
        CASE(nothing_is_lost_when_threads_end),
        CASE(the_command_answers_for_one_and_for_all),
        CASE(a_child_counts_its_own_lookups),
        CASE(too_many_names_share_the_last_one),
        cmocka_unit_test(nothing_happens_while_the_library_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
