#include "client/memory/memory.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/lost.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/memory/gc.h"
#include "sonde/sonde.h"

static const uint64_t SECOND = 1000000000;

static int begin_with(const char *extra)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-memory-test-%d", (int)getpid());
    const char *const settings[] = {"socket=none", folder, extra, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    int err = sonde_init(&o);
    if (err == SONDE_ERROR_ARGUMENT) { /* settings of client/send */
        o.settings = settings + 2;
        err = sonde_init(&o);
    }
    return err;
}

static int begin(void **state)
{
    return begin_with(NULL);
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

static sonde_memory_stats stats_of(sonde_memory *m)
{
    sonde_memory_stats s = SONDE_MEMORY_STATS_INIT;
    assert_int_equal(sonde_memory_snapshot(m, &s), 0);
    return s;
}

static void what_a_subsystem_says_is_what_it_holds(void **state)
{
    sonde_memory *m = sonde_memory_get("said");
    assert_non_null(m);
    assert_ptr_equal(sonde_memory_get("said"), m);
    sonde_memory_record(m, 1000);
    sonde_memory_add(m, 500);
    sonde_memory_sub(m, 700);
    sonde_memory_add(m, -5); /* nothing */
    sonde_memory_reserved(m, 1600);
    sonde_memory_stats s = stats_of(m);
    assert_int_equal(s.bytes, 800);
    assert_int_equal(s.bytes_peak, 1500);
    assert_int_equal(s.allocations, 1);
    assert_int_equal(s.frees, 1);
    assert_int_equal(s.allocated_bytes, 500);
    assert_true(s.fragmentation == 0.5);
    sonde_memory_record(m, 300);
    void *p = sonde_memory_alloc(m, 100);
    assert_int_equal(stats_of(m).bytes, 400); /* both ways add up */
    sonde_memory_free(m, p);
    assert_int_equal(stats_of(m).bytes, 300);
}

static void blocks_are_as_the_c_library_gives_them(void **state)
{
    sonde_memory *m = sonde_memory_get("blocks");
    for (size_t size = 0; size < 3000; size += 37) {
        unsigned char *p = sonde_memory_alloc(m, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0xa5, size);
        assert_int_equal(sonde_memory_size(p), size);
        p = sonde_memory_realloc(m, p, size + 1000);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(p[i], 0xa5);
        }
        p = sonde_memory_realloc(m, p, size / 2 + 1);
        assert_int_equal(sonde_memory_size(p), size / 2 + 1);
        sonde_memory_free(m, p);
        p = sonde_memory_calloc(m, size, 3);
        for (size_t i = 0; i < 3 * size; i++) {
            assert_int_equal(p[i], 0);
        }
        sonde_memory_free(m, p);
    }
    assert_null(sonde_memory_realloc(m, sonde_memory_realloc(m, NULL, 10), 0));
    sonde_memory_free(m, NULL);
    assert_int_equal(stats_of(m).bytes, 0);
    assert_int_equal(stats_of(m).allocations, stats_of(m).frees);
}

static void aligned_blocks_stay_aligned_when_they_grow(void **state)
{
    sonde_memory *m = sonde_memory_get("aligned");
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        unsigned char *p = sonde_memory_aligned(m, alignment, 100);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        memset(p, 7, 100);
        assert_int_equal(sonde_memory_size(p), 100);
        p = sonde_memory_realloc(m, p, 5000);
        assert_int_equal((uintptr_t)p % alignment, 0);
        assert_int_equal(p[99], 7);
        memset(p, 8, 5000);
        sonde_memory_free(m, p);
    }
    assert_null(sonde_memory_aligned(m, 3, 10));
    assert_int_equal(errno, EINVAL);
    assert_null(sonde_memory_aligned(m, 0, 10));
    assert_null(sonde_memory_aligned(m, 1 << 21, 10));
    assert_int_equal(stats_of(m).bytes, 0);
}

static void an_allocation_that_cannot_be_is_counted_and_gives_null(void **state)
{
    sonde_memory *m = sonde_memory_get("greedy");
    errno = 0;
    assert_null(sonde_memory_alloc(m, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    assert_null(sonde_memory_alloc(m, SIZE_MAX - 8));
    assert_null(sonde_memory_calloc(m, SIZE_MAX / 2, 3));
    assert_null(sonde_memory_aligned(m, 64, SIZE_MAX - 10));
    char *p = sonde_memory_alloc(m, 10);
    memcpy(p, "still here", 10);
    assert_null(sonde_memory_realloc(m, p, SIZE_MAX - 100));
    assert_memory_equal(p, "still here", 10);
    assert_int_equal(sonde_memory_size(p), 10);
    sonde_memory_free(m, p);
    assert_int_equal(stats_of(m).failures, 5);
    assert_int_equal(stats_of(m).bytes, 0);
}

static void pointers_of_others_are_left_alone_and_counted(void **state)
{
    sonde_memory *a = sonde_memory_get("mine"), *b = sonde_memory_get("yours");
    uint64_t foreign = memory_mismatches(MEMORY_FOREIGN);
    char *strange = malloc(100);
    memcpy(strange, "untouched", 10);
    sonde_memory_free(a, strange);
    assert_null(sonde_memory_realloc(a, strange, 200));
    assert_string_equal(strange, "untouched");
    assert_int_equal(sonde_memory_size(strange), 0);
    free(strange);
    _Alignas(16) char stack[64] = {0};
    sonde_memory_free(a, stack + 16);
    sonde_memory_free(a, stack + 17);
    assert_int_equal(memory_mismatches(MEMORY_FOREIGN), foreign + 4);
    uint64_t other = memory_mismatches(MEMORY_OTHER_SUBSYSTEM);
    void *p = sonde_memory_alloc(a, 50);
    assert_int_equal(stats_of(a).bytes, 50);
    sonde_memory_free(b, p); /* freed, and taken off who had it */
    assert_int_equal(memory_mismatches(MEMORY_OTHER_SUBSYSTEM), other + 1);
    assert_int_equal(stats_of(a).bytes, 0);
    assert_int_equal(stats_of(b).frees, 0);
}

static void a_pointer_behind_a_hole_in_memory_is_no_crash(void **state)
{
    uint64_t foreign = memory_mismatches(MEMORY_FOREIGN);
    const size_t page = 4096;
    char *p = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + page, page, PROT_READ | PROT_WRITE), 0);
    sonde_memory_free(NULL, p + page);
    assert_int_equal(sonde_memory_size(p + page), 0);
    assert_int_equal(memory_mismatches(MEMORY_FOREIGN), foreign + 1);
    munmap(p, 2 * page);
}

static void a_block_that_is_freed_twice_is_freed_once(void **state)
{
    sonde_memory *m = sonde_memory_get("twice");
    uint64_t foreign = memory_mismatches(MEMORY_FOREIGN);
    char *keep = sonde_memory_alloc(m, 64), *p = sonde_memory_alloc(m, 64);
    sonde_memory_free(m, p);
    sonde_memory_free(m, p);
    assert_int_equal(memory_mismatches(MEMORY_FOREIGN), foreign + 1);
    assert_int_equal(stats_of(m).bytes, 64);
    sonde_memory_free(m, keep);
}

static void blocks_outlive_the_library(void **state)
{
    void *before = sonde_memory_alloc(NULL, 10); /* before the start: given, not counted */
    assert_non_null(before);
    assert_int_equal(begin(NULL), 0);
    sonde_memory *m = sonde_memory_get("outlived");
    void *during = sonde_memory_alloc(m, 1000), *more = sonde_memory_alloc(m, 500);
    before = sonde_memory_realloc(m, before, 70); /* counted from now on */
    assert_int_equal(stats_of(m).bytes, 1570);
    assert_int_equal(sonde_shutdown(5000), 0);
    sonde_memory_free(m, during);
    void *after = sonde_memory_alloc(m, 9999);
    assert_non_null(after);
    assert_null(sonde_memory_get("outlived"));
    assert_int_equal(begin(NULL), 0);
    assert_int_equal(stats_of(m).bytes, 570);
    sonde_memory_free(m, after);
    sonde_memory_free(m, more);
    sonde_memory_free(m, before);
    assert_int_equal(stats_of(m).bytes, 0);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static void a_table_of_functions_is_counted_alike(void **state)
{
    sonde_memory *m = sonde_memory_get("table");
    sonde_allocator t = SONDE_ALLOCATOR_INIT;
    assert_int_equal(sonde_memory_allocator(m, &t), 0);
    char *p = t.alloc(t.user, 10), *q = t.calloc(t.user, 5, 4), *r = t.aligned(t.user, 64, 6);
    p = t.realloc(t.user, p, 30);
    assert_int_equal(stats_of(m).bytes, 30 + 20 + 6);
    t.free(t.user, p);
    t.free(t.user, q);
    t.free(t.user, r);
    t.free(t.user, NULL);
    assert_int_equal(stats_of(m).bytes, 0);
    t.struct_size = 8;
    assert_int_equal(sonde_memory_allocator(m, &t), SONDE_ERROR_ARGUMENT);
}

/* Random allocations of one thread against a plain list: now and peak are exact. */
static void one_threads_peak_is_exact(void **state)
{
    enum { BLOCKS = 64 };
    sonde_memory *m = sonde_memory_get("exact");
    void *block[BLOCKS] = {NULL};
    int64_t size[BLOCKS] = {0}, recorded = 0, now = 0, peak = 0;
    srandom(9);
    for (int i = 0; i < 20000; i++) {
        size_t k = (size_t)random() % BLOCKS;
        int what = (int)(random() % 10);
        if (what == 0) {
            recorded = random() % 100000;
            sonde_memory_record(m, recorded);
        } else if (what == 1) {
            int64_t n = random() % 5000;
            sonde_memory_add(m, n);
            recorded += n;
        } else if (block[k]) {
            sonde_memory_free(m, block[k]);
            block[k] = NULL;
            size[k] = 0;
        } else {
            size[k] = random() % (what == 2 ? 200000 : 800);
            block[k] = sonde_memory_alloc(m, (size_t)size[k]);
        }
        now = recorded;
        for (int b = 0; b < BLOCKS; b++) {
            now += size[b];
        }
        peak = now > peak ? now : peak;
        if (i % 100 == 0) {
            sonde_memory_stats s = stats_of(m);
            assert_int_equal(s.bytes, now);
            assert_int_equal(s.bytes_peak, peak);
        }
    }
    for (int b = 0; b < BLOCKS; b++) {
        sonde_memory_free(m, block[b]);
    }
    assert_int_equal(stats_of(m).bytes, recorded);
}

enum { THREADS = 6, HANDED = 2000 };

/* Threads that pass their blocks on to the next one, which frees them. */
static void *_Atomic handed[THREADS][HANDED];
static sonde_memory *passed;

static void *pass_on(void *context)
{
    size_t me = (size_t)(uintptr_t)context;
    for (size_t i = 0; i < HANDED; i++) {
        char *p = sonde_memory_alloc(passed, 100 + i % 50);
        p[0] = (char)i;
        atomic_store(&handed[me][i], p);
        if (i % 3 == 0) {
            p = atomic_exchange(&handed[(me + 1) % THREADS][i / 2], NULL);
            sonde_memory_free(passed, p);
        }
    }
    return NULL;
}

static void blocks_freed_on_other_threads_are_taken_off(void **state)
{
    passed = sonde_memory_get("passed");
    pthread_t t[THREADS];
    int64_t held = 0;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, pass_on, (void *)(uintptr_t)i), 0);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(stats_of(passed).bytes_peak <= THREADS * HANDED * 150 + THREADS * 16384);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    for (size_t i = 0; i < THREADS * HANDED; i++) {
        held += (int64_t)sonde_memory_size(handed[i / HANDED][i % HANDED]);
    }
    sonde_memory_stats s = stats_of(passed);
    assert_int_equal(s.bytes, held);
    assert_int_equal(s.allocations, THREADS * HANDED);
    assert_true(s.bytes_peak >= held);
    for (size_t i = 0; i < THREADS * HANDED; i++) {
        sonde_memory_free(passed, handed[i / HANDED][i % HANDED]);
    }
    s = stats_of(passed);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(s.frees, THREADS * HANDED);
}

/* Several threads climb to a height that is known, hold it together, and go down. */
static pthread_barrier_t top;
enum { CLIMB_BLOCKS = 300, CLIMB_SIZE = 1000 };

static void *climb(void *context)
{
    void *p[CLIMB_BLOCKS];
    for (int i = 0; i < CLIMB_BLOCKS; i++) {
        p[i] = sonde_memory_alloc(context, CLIMB_SIZE);
    }
    pthread_barrier_wait(&top);
    pthread_barrier_wait(&top);
    for (int i = 0; i < CLIMB_BLOCKS; i++) {
        sonde_memory_free(context, p[i]);
    }
    return NULL;
}

static void the_peak_of_several_threads_is_within_its_bound(void **state)
{
    sonde_memory *m = sonde_memory_get("climbed");
    const int64_t height = (int64_t)THREADS * CLIMB_BLOCKS * CLIMB_SIZE;
    pthread_t t[THREADS];
    pthread_barrier_init(&top, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, climb, m), 0);
    }
    pthread_barrier_wait(&top);
    pthread_barrier_wait(&top); /* nobody looks while they are at the top */
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    pthread_barrier_destroy(&top);
    sonde_memory_stats s = stats_of(m);
    assert_int_equal(s.bytes, 0);
    assert_true(s.bytes_peak >= height - THREADS * MEMORY_PENDING_MAX);
    assert_true(s.bytes_peak <= height + THREADS * MEMORY_PENDING_MAX);
}

static void rates_agree_with_what_was_allocated(void **state)
{
    sonde_memory *m = sonde_memory_get("rates");
    uint64_t now = 5000 * SECOND;
    double bytes[200] = {0}, blocks[200] = {0};
    srandom(4);
    memory_tick((struct memory *)m, now);
    for (int i = 1; i < 200; i++) {
        now += SECOND;
        for (long k = random() % 20; k > 0; k--) {
            size_t size = (size_t)random() % 1000;
            sonde_memory_free(m, sonde_memory_alloc(m, size));
            bytes[i] += (double)size;
            blocks[i]++;
        }
        memory_tick((struct memory *)m, now);
        double sum[4] = {0}, span10 = i + 1 < 10 ? i + 1 : 10, span60 = i + 1 < 60 ? i + 1 : 60;
        for (int k = i; k >= 0 && k > i - 60; k--) {
            sum[0] += k > i - 10 ? bytes[k] : 0;
            sum[1] += k > i - 10 ? blocks[k] : 0;
            sum[2] += bytes[k];
            sum[3] += blocks[k];
        }
        sonde_memory_stats s;
        memory_stats((struct memory *)m, now, &s);
        assert_true(fabs(s.allocated_bytes_per_second_10s - sum[0] / span10) < 1e-9);
        assert_true(fabs(s.allocations_per_second_10s - sum[1] / span10) < 1e-9);
        assert_true(fabs(s.allocated_bytes_per_second_60s - sum[2] / span60) < 1e-9);
        assert_true(fabs(s.allocations_per_second_60s - sum[3] / span60) < 1e-9);
    }
}

static void limits_raise_alarms_and_clear_them(void **state)
{
    struct memory *m = (struct memory *)sonde_memory_get("limited");
    assert_int_equal(sonde_memory_limit((sonde_memory *)m, 1000, 2000), 0);
    uint64_t now = 100 * SECOND;
    sonde_memory_record((sonde_memory *)m, 1001);
    memory_tick(m, now);
    memory_tick(m, now += SECOND);
    assert_false(alarm_raised(m->over));
    memory_tick(m, now += SECOND);
    assert_true(alarm_raised(m->over));
    sonde_memory_record((sonde_memory *)m, 1000);
    memory_tick(m, now += SECOND);
    assert_true(alarm_raised(m->over));
    memory_tick(m, now += 2 * SECOND);
    assert_false(alarm_raised(m->over));
    assert_int_equal(sonde_memory_limit((sonde_memory *)m, 0, 0), 0);
    assert_null(m->over);
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

static void resident_memory_over_its_limit_is_an_alarm(void **state)
{
    assert_int_equal(begin_with("memory.rss_max_bytes=4096"), 0);
    bool raised = false;
    for (int i = 0; i < 60 && !raised; i++) { /* the thread looks once a second */
        usleep(50000);
        json_t *j = ask("alarms", 0), *one;
        size_t k;
        json_array_foreach(json_object_get(j, "alarms"), k, one)
        {
            raised |= strcmp(json_string_value(json_object_get(one, "alarm")), "memory_rss") == 0 &&
                      json_is_true(json_object_get(one, "raised"));
        }
        json_decref(j);
    }
    assert_true(raised);
    assert_int_equal(sonde_memory_limit(NULL, 0, 0), 0);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static __attribute__((noinline)) void *leak_here(sonde_memory *m, size_t size)
{
    void *p = sonde_memory_alloc(m, size);
    __asm__ volatile("" ::"r"(p) : "memory"); /* no tail call: the caller's name would be seen */
    return p;
}

static __attribute__((noinline)) void *hold_there(sonde_memory *m, size_t size)
{
    void *p = sonde_memory_alloc(m, size);
    __asm__ volatile("nop" ::"r"(p) : "memory");
    return p;
}

static void growth_is_told_by_call_site(void **state)
{
    assert_int_equal(begin_with("memory.backtrace_every=4"), 0);
    sonde_memory *m = sonde_memory_get("leaky");
    void *held[20], *leaked[30];
    for (int i = 0; i < 10; i++) {
        held[i] = hold_there(m, 5000);
    }
    sonde_memory_sites *a = sonde_memory_sites_take();
    assert_non_null(a);
    json_decref(ask("leaks start", 0));
    for (int i = 0; i < 30; i++) {
        leaked[i] = leak_here(m, 100);
    }
    for (int i = 0; i < 5; i++) {
        sonde_memory_free(m, held[i]);
        held[i] = hold_there(m, 5000); /* as many as before */
    }
    sonde_memory_sites *b = sonde_memory_sites_take();
    sonde_memory_leak leak[8];
    assert_int_equal(sonde_memory_leaks(a, b, leak, 8), 1);
    assert_int_equal(leak[0].grown_bytes, 3000);
    assert_int_equal(leak[0].grown_blocks, 30);
    assert_string_equal(leak[0].subsystem, "leaky");
    assert_memory_equal(leak[0].function, "leak_here", 9); /* the compiler may add ".constprop" */
    assert_true(leak[0].frames_n > 1);
    assert_int_equal(leak[0].frames[0], leak[0].address);
    assert_int_equal(sonde_memory_leaks(b, NULL, leak, 8), 0); /* nothing since */
    assert_true(sonde_memory_leaks(NULL, b, leak, 8) >= 2);
    json_t *j = ask("leaks report 5", 0);
    json_t *one = json_array_get(json_object_get(j, "leaks"), 0);
    assert_memory_equal(json_string_value(json_object_get(one, "function")), "leak_here", 9);
    assert_int_equal(json_integer_value(json_object_get(one, "grown_bytes")), 3000);
    json_decref(j);
    json_decref(ask("leaks often", SONDE_ERROR_ARGUMENT));
    for (int i = 0; i < 30; i++) {
        sonde_memory_free(m, leaked[i]);
    }
    for (int i = 0; i < 10; i++) {
        sonde_memory_free(m, held[i]);
    }
    assert_int_equal(sonde_memory_leaks(a, NULL, leak, 8), 0);
    sonde_memory_sites_free(a);
    sonde_memory_sites_free(b);
    sonde_memory_sites_free(NULL);
    assert_int_equal(sonde_shutdown(5000), 0);
}

static void collections_are_added_up(void **state)
{
    uint64_t now = 1000 * SECOND;
    sonde_gc_stats s;
    gc_record("young", 0.010, 1000, 5000, now);
    gc_record("young", 0.030, 2000, 4000, now + SECOND);
    gc_record("full", 3, 1, 2, now);
    assert_int_equal(gc_stats("young", now + SECOND, &s), 0);
    assert_int_equal(s.runs, 2);
    assert_int_equal(s.freed_bytes, 3000);
    assert_int_equal(s.heap_bytes, 4000);
    assert_true(fabs(s.pause_total - 0.04) < 1e-12);
    assert_true(s.pause_max == 0.030 && s.pause_last == 0.030);
    assert_true(fabs(s.pause_share_minute - 0.04 / 60) < 1e-9);
    assert_int_equal(gc_stats("full", now + SECOND, &s), 0);
    assert_true(fabs(s.pause_share_minute - 0.05) < 1e-9);
    assert_int_equal(gc_stats("full", now + 61 * SECOND, &s), 0);
    assert_true(s.pause_share_minute == 0);
    assert_int_equal(gc_stats("none", now, &s), SONDE_ERROR_NOT_FOUND);
    sonde_gc_record("young", (double)NAN, 1, 1);
    sonde_gc_record(NULL, 1, 1, 1);
    sonde_gc_record("young", 0.001, 5, 6);
    s = (sonde_gc_stats)SONDE_GC_STATS_INIT;
    assert_int_equal(sonde_gc_snapshot("young", &s), 0);
    assert_int_equal(s.runs, 3);
    json_t *j = ask("memory gc", 0);
    assert_int_equal(json_array_size(json_object_get(j, "collectors")), 2);
    json_decref(j);
}

static void the_command_reports_what_there_is(void **state)
{
    sonde_memory *m = sonde_memory_get("reported");
    void *p = sonde_memory_alloc(m, 12345);
    json_t *j = ask("memory", 0), *one;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(j, "subsystems"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "subsystem")), "reported") == 0) {
            found = true;
            assert_int_equal(json_integer_value(json_object_get(one, "bytes")), 12345);
        }
    }
    assert_true(found);
    assert_true(json_number_value(json_object_get(j, "rss_bytes")) > 1e5);
    json_decref(j);
    sonde_memory_free(m, p);
    j = ask("memory smaps", 0);
    json_t *rollup = json_object_get(j, "smaps_rollup"), *status = json_object_get(j, "status");
    assert_true(json_integer_value(json_object_get(rollup, "rss_bytes")) > 100000);
    assert_true(json_integer_value(json_object_get(status, "vmrss_bytes")) > 100000);
    assert_true(json_integer_value(json_object_get(status, "threads")) >= 1);
    json_decref(j);
    j = ask("memory malloc", 0);
    assert_non_null(json_object_get(j, "mallinfo2"));
    json_decref(j);
    j = ask("memory jemalloc", 0);
    assert_true(json_is_boolean(json_object_get(j, "linked")));
    json_decref(j);
    json_decref(ask("memory lane", SONDE_ERROR_ARGUMENT));
}

static void a_child_holds_what_its_parent_held(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* locks of sanitizers are held in a child, and it may start no thread */
#endif
    sonde_memory *m = sonde_memory_get("forked");
    void *p = sonde_memory_alloc(m, 777);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sonde_memory_stats s = SONDE_MEMORY_STATS_INIT;
        int err = sonde_memory_snapshot(m, &s);
        bool held = s.bytes == 777;
        sonde_memory_free(m, p);
        s.struct_size = sizeof s;
        err |= sonde_memory_snapshot(m, &s);
        _exit(err == 0 && held && s.bytes == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(stats_of(m).bytes, 777);
    sonde_memory_free(m, p);
}

static void too_many_names_share_the_last_one(void **state)
{
    sonde_memory *last = NULL;
    for (int i = 0; i < MEMORY_MAX + 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "name-%d", i);
        last = sonde_memory_get(name);
        assert_non_null(last);
        sonde_memory_free(last, sonde_memory_alloc(last, 10));
    }
    assert_string_equal(((struct memory *)last)->name, "other");
    assert_int_equal(memory_count(), MEMORY_MAX + 1);
    assert_true(lost_count(LOST_METRIC, LOST_QUEUE_FULL) >= 20);
    assert_true(stats_of(last).allocations >= 20);
}

static void nothing_happens_while_the_library_does_not_run(void **state)
{
    assert_null(sonde_memory_get("x"));
    sonde_memory_record(NULL, 1);
    sonde_memory_add(NULL, 1);
    sonde_gc_record("x", 1, 1, 1);
    sonde_memory_stats s = SONDE_MEMORY_STATS_INIT;
    assert_int_equal(sonde_memory_snapshot(NULL, &s), SONDE_ERROR_ARGUMENT);
    assert_null(sonde_memory_sites_take());
    assert_int_equal(sonde_memory_leaks(NULL, NULL, NULL, 0), SONDE_ERROR_STATE);
    assert_int_equal(sonde_memory_limit(NULL, 1, 1), SONDE_ERROR_STATE);
    char *p = sonde_memory_aligned(NULL, 128, 10);
    assert_int_equal((uintptr_t)p % 128, 0);
    p = sonde_memory_realloc(NULL, p, 1000);
    assert_int_equal(sonde_memory_size(p), 1000);
    sonde_memory_free(NULL, p);
}

#define CASE(n) cmocka_unit_test_setup_teardown(n, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_while_the_library_does_not_run),
        CASE(what_a_subsystem_says_is_what_it_holds),
        CASE(blocks_are_as_the_c_library_gives_them),
        CASE(aligned_blocks_stay_aligned_when_they_grow),
        CASE(an_allocation_that_cannot_be_is_counted_and_gives_null),
        CASE(pointers_of_others_are_left_alone_and_counted),
        CASE(a_pointer_behind_a_hole_in_memory_is_no_crash),
        CASE(a_block_that_is_freed_twice_is_freed_once),
        cmocka_unit_test(blocks_outlive_the_library),
        CASE(a_table_of_functions_is_counted_alike),
        CASE(one_threads_peak_is_exact),
        CASE(blocks_freed_on_other_threads_are_taken_off),
        CASE(the_peak_of_several_threads_is_within_its_bound),
        cmocka_unit_test_setup_teardown(rates_agree_with_what_was_allocated, begin_timeless,
                                        end_timeless),
        cmocka_unit_test_setup_teardown(limits_raise_alarms_and_clear_them, begin_timeless,
                                        end_timeless),
        cmocka_unit_test(resident_memory_over_its_limit_is_an_alarm),
        cmocka_unit_test(growth_is_told_by_call_site),
        CASE(collections_are_added_up),
        CASE(the_command_reports_what_there_is),
        CASE(a_child_holds_what_its_parent_held),
        CASE(too_many_names_share_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
