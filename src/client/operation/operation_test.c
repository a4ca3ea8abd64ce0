#include "client/operation/operation.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/operation/active.h"
#include "client/operation/start_test.h"
#include "client/operation/tally.h"
#include "client/trace/current.h"
#include "sonde/metric.h"

static void nothing_happens_without_a_running_library(void **state)
{
    assert_null(sonde_operation_get(NULL, "x"));
    assert_null(sonde_operation_get("x", ""));
    sonde_operation *early = sonde_operation_get("early", "bird");
    assert_non_null(early);
    sonde_tracker t = sonde_operation_begin(early);
    assert_null(t.operation);
    sonde_operation_complete(&t);
    sonde_operation_complete(NULL);
    sonde_operation_fail(NULL, "x");
    sonde_operation_record(early, 1, SONDE_OPERATION_COMPLETED, NULL);
    sonde_operation_info info = {.struct_size = sizeof info};
    assert_int_equal(sonde_operation_read(early, &info), SONDE_ERROR_STATE);
    assert_int_equal(sonde_operation_read(NULL, &info), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_each(NULL, NULL, NULL), 0);
    assert_int_equal(sonde_operation_reset(NULL), 0);
    assert_int_equal(start(NULL), 0);
    t = sonde_operation_begin(NULL);
    sonde_operation_complete(&t);
    t = sonde_operation_begin(early); /* the handle from before works */
    assert_int_equal(stop(NULL), 0);
    sonde_operation_complete(&t);
    assert_int_equal(start(NULL), 0);
    assert_int_equal(read_of(early).active, 0);
    assert_int_equal(read_of(early).count, 0);
    assert_int_equal(stop(NULL), 0);
}

enum { THREADS = 4, CALLS = 4000, OPERATIONS = 5 };

struct history {
    pthread_t thread;
    unsigned seed;
    sonde_operation **operations;
    double seconds[CALLS];
    int which[CALLS], outcome[CALLS];
};

static void *record_history(void *context)
{
    struct history *h = context;
    for (int i = 0; i < CALLS; i++) {
        double spread = (double)rand_r(&h->seed) / RAND_MAX;
        h->which[i] = (int)(rand_r(&h->seed) % OPERATIONS);
        h->outcome[i] = (int)(rand_r(&h->seed) % SONDE_OPERATION_OUTCOMES);
        h->seconds[i] = floor(exp(spread * 20 - 14) * 1e9) * 1e-9; /* whole nanoseconds: exact */
        assert_int_equal(
            sonde_operation_record(h->operations[h->which[i]], h->seconds[i], h->outcome[i], "no"),
            0);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Within a bucket (a factor of 2^(1/8)) of the true one. */
static void check_quantile(double got, const double *sorted, size_t n, double q)
{
    double truth = sorted[(size_t)(q * (double)(n - 1))];
    double next = sorted[(size_t)(q * (double)(n - 1)) + 1];
    assert_true(got > truth / 1.0906 && got < next * 1.0906);
}

static void check_operation(sonde_operation *o, int which, const struct history *h)
{
    static double all[THREADS * CALLS];
    size_t n = 0;
    uint64_t ended[SONDE_OPERATION_OUTCOMES] = {0}, total_ns = 0;
    for (int k = 0; k < THREADS; k++) {
        for (int i = 0; i < CALLS; i++) {
            if (h[k].which[i] == which) {
                all[n++] = h[k].seconds[i];
                total_ns += (uint64_t)(h[k].seconds[i] * 1e9 + 0.5);
                ended[h[k].outcome[i]]++;
            }
        }
    }
    qsort(all, n, sizeof *all, by_value);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.count, n);
    assert_int_equal(i.completed, ended[SONDE_OPERATION_COMPLETED]);
    assert_int_equal(i.failed, ended[SONDE_OPERATION_FAILED]);
    assert_int_equal(i.abandoned, ended[SONDE_OPERATION_ABANDONED]);
    assert_int_equal(i.recovered, ended[SONDE_OPERATION_RECOVERED]);
    assert_int_equal(i.active, 0);
    assert_int_equal((uint64_t)(i.total * 1e9 + 0.5), total_ns);
    assert_true(fabs(i.minimum - all[0]) < 1e-12);
    assert_true(fabs(i.maximum - all[n - 1]) < 1e-12);
    assert_true(fabs(i.mean - i.total / (double)n) < 1e-15);
    check_quantile(i.p50, all, n, 0.5);
    check_quantile(i.p90, all, n, 0.9);
    check_quantile(i.p95, all, n, 0.95);
    check_quantile(i.p99, all, n, 0.99);
    assert_true(fabs(i.error_rate - (double)i.failed / (double)n) < 1e-12);
}

static void counts_of_many_threads_agree_with_a_plain_one(void **state)
{
    static struct history h[THREADS];
    sonde_operation *operations[OPERATIONS];
    for (int i = 0; i < OPERATIONS; i++) {
        char name[16];
        snprintf(name, sizeof name, "operation %d", i);
        operations[i] = sonde_operation_get("plain", name);
    }
    for (int i = 0; i < THREADS; i++) {
        h[i].seed = (unsigned)i + 7;
        h[i].operations = operations;
        pthread_create(&h[i].thread, NULL, record_history, &h[i]);
    }
    for (int i = 0; i < THREADS - 1; i++) { /* the last one runs while the others have ended */
        pthread_join(h[i].thread, NULL);
    }
    pthread_join(h[THREADS - 1].thread, NULL);
    for (int i = 0; i < OPERATIONS; i++) {
        check_operation(operations[i], i, h);
    }
    for (int i = 0; i < THREADS; i++) { /* and once more, on slots that were used before */
        pthread_create(&h[i].thread, NULL, record_history, &h[i]);
        pthread_join(h[i].thread, NULL);
    }
    uint64_t count = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        count += read_of(operations[i]).count;
    }
    assert_int_equal(count, 2 * THREADS * CALLS);
}

static int leave_early(sonde_operation *o, int how)
{
    SONDE_OPERATION(t, o);
    if (how == 0) {
        return 0;
    }
    for (int i = 0; i < 1; i++) {
        SONDE_OPERATION(inner, o);
        if (how == 1) {
            break;
        }
        if (how == 2) {
            goto out;
        }
        sonde_operation_complete(&inner);
    }
out:
    if (how == 3) {
        sonde_operation_fail(&t, "did not");
    } else {
        sonde_operation_complete(&t);
        sonde_operation_complete(&t); /* once more does no harm */
        sonde_operation_fail(&t, "neither does this");
    }
    return 1;
}

static void what_is_left_without_an_end_is_abandoned(void **state)
{
    sonde_operation *o = sonde_operation_get("scopes", "leave");
    leave_early(o, 0);
    assert_int_equal(read_of(o).abandoned, 1);
    leave_early(o, 1);
    assert_int_equal(read_of(o).abandoned, 2);
    assert_int_equal(read_of(o).completed, 1);
    leave_early(o, 2);
    assert_int_equal(read_of(o).abandoned, 3);
    assert_int_equal(read_of(o).completed, 2);
    leave_early(o, 3);
    leave_early(o, 4);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.abandoned, 3);
    assert_int_equal(i.completed, 5);
    assert_int_equal(i.failed, 1);
    assert_int_equal(i.count, 9);
    assert_int_equal(i.active, 0);
    assert_string_equal(i.last_error, "did not");
}

static void a_copy_of_a_tracker_ends_it_once(void **state)
{
    sonde_operation *o = sonde_operation_get("scopes", "copy");
    sonde_tracker t = sonde_operation_begin(o), copy = t;
    sonde_operation_complete(&t);
    sonde_operation_fail(&copy, "too late");
    sonde_tracker next = sonde_operation_begin(o), old = t; /* in the same place */
    old.operation = o;
    sonde_operation_fail(&old, "much too late");
    assert_int_equal(read_of(o).active, 1);
    sonde_operation_recover(&next, NULL);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.count, 2);
    assert_int_equal(i.completed, 1);
    assert_int_equal(i.recovered, 1);
    assert_int_equal(i.failed, 0);
}

static void *complete_other(void *context)
{
    sonde_tracker *t = context;
    assert_true(sonde_operation_elapsed(t) > 0);
    sonde_operation_complete(t);
    return NULL;
}

static void another_thread_may_end_it(void **state)
{
    sonde_operation *o = sonde_operation_get("scopes", "hand over");
    sonde_tracker t = sonde_operation_begin(o);
    assert_int_equal(read_of(o).active, 1);
    pthread_t thread;
    pthread_create(&thread, NULL, complete_other, &t);
    pthread_join(thread, NULL);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.completed, 1);
    assert_int_equal(i.active, 0);
    sonde_operation_complete(&t);
    assert_int_equal(read_of(o).count, 1);
}

static sonde_tracker left[2];

static void *leave_open(void *context)
{
    left[0] = sonde_operation_begin(context);
    left[1] = sonde_operation_begin(context);
    assert_int_equal(sonde_operation_detach(&left[1]), 0);
    return NULL;
}

static void what_a_thread_leaves_open_is_abandoned_with_it(void **state)
{
    sonde_operation *o = sonde_operation_get("scopes", "thread");
    pthread_t thread;
    pthread_create(&thread, NULL, leave_open, o);
    pthread_join(thread, NULL);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.abandoned, 1);
    assert_int_equal(i.active, 1); /* that which was detached */
    struct active_operation a[4];
    assert_int_equal(active_each(a, 4, 0), 1);
    assert_string_equal(a[0].operation, "thread");
    sonde_operation_complete(&left[0]);
    assert_int_equal(read_of(o).count, 1);
    sonde_tracker copy = left[1];
    sonde_operation_complete(&left[1]);
    sonde_operation_complete(&copy);
    i = read_of(o);
    assert_int_equal(i.completed, 1);
    assert_int_equal(i.count, 2);
    assert_int_equal(i.active, 0);
    assert_int_equal(sonde_operation_detach(&left[1]), SONDE_ERROR_STATE);
    copy.operation = o;
    assert_int_equal(sonde_operation_detach(&copy), SONDE_ERROR_STATE);
    assert_int_equal(active_each(a, 4, 0), 0);
}

static void more_than_are_listed_are_counted_all_the_same(void **state)
{
    enum { MANY = 3000 };
    static sonde_tracker t[MANY];
    sonde_operation *o = sonde_operation_get("scopes", "many");
    for (int i = 0; i < MANY; i++) {
        t[i] = sonde_operation_begin(o);
    }
    assert_int_equal(read_of(o).active, MANY);
    struct active_operation a[4];
    assert_int_equal(active_each(a, 4, 0), ACTIVE_PLACES);
    assert_int_equal(active_each(a, 4, gettid()), ACTIVE_PLACES);
    assert_int_equal(active_raw(a, 4), ACTIVE_PLACES);
    assert_int_equal(a[3].tid, gettid());
    assert_int_equal(active_each(a, 4, gettid() + 1), 0);
    size_t detached = 0;
    while (sonde_operation_detach(&t[detached]) == 0) {
        detached++;
    }
    assert_int_equal(detached, ACTIVE_DETACHED);
    for (int i = MANY; i > 0; i--) {
        sonde_operation_complete(&t[i - 1]);
    }
    assert_int_equal(read_of(o).active, 0);
    assert_int_equal(read_of(o).completed, MANY);
    assert_int_equal(active_each(a, 4, 0), 0);
}

static void the_last_calls_are_remembered_the_newest_first(void **state)
{
    sonde_operation *o = sonde_operation_get("memory", "recent");
    struct seen s = {0};
    assert_int_equal(sonde_operation_recent("memory", NULL, 100, see, &s), 0);
    for (int i = 0; i < 40; i++) {
        sonde_operation_record(o, i * 1e-6, i % SONDE_OPERATION_OUTCOMES, NULL);
    }
    assert_int_equal(sonde_operation_recent("memory", "recent", 100, see, &s), 15);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(fabs(s.call[i].seconds - (double)(39 - i) * 1e-6) < 1e-12);
        assert_int_equal(s.call[i].outcome, (39 - i) % SONDE_OPERATION_OUTCOMES);
        assert_string_equal(s.call[i].service, "memory");
    }
    s.n = 0;
    assert_int_equal(sonde_operation_recent(NULL, NULL, 3, see, &s), 3);
    assert_true(fabs(s.call[0].seconds - 39e-6) < 1e-12);
}

static void the_slowest_calls_are_exactly_those(void **state)
{
    enum { N = 5000 };
    static double all[N];
    sonde_operation *o = sonde_operation_get("memory", "slowest");
    unsigned seed = 3;
    for (int i = 0; i < N; i++) {
        all[i] = (double)(rand_r(&seed) % 1000000000) * 1e-9;
        sonde_operation_record(o, all[i], SONDE_OPERATION_COMPLETED, NULL);
    }
    qsort(all, N, sizeof *all, by_value);
    struct seen s = {0};
    assert_int_equal(sonde_operation_slowest("memory", "slowest", 100, see, &s), 10);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(fabs(s.call[i].seconds - all[N - 1 - i]) < 1e-12);
        assert_int_equal(s.call[i].thread, gettid());
        assert_true(s.call[i].start_ms > 1600000000000);
    }
}

static void messages_are_counted_cut_and_cleaned(void **state)
{
    sonde_operation *o = sonde_operation_get("messages", "fail");
    char big[400];
    memset(big, 'x', sizeof big);
    memcpy(big + SONDE_OPERATION_ERROR_MAX - 2, "\xc3\xa9", 3); /* cut in the middle of it */
    for (int i = 0; i < 12; i++) {
        char text[32];
        snprintf(text, sizeof text, "reason %d", i % 3);
        sonde_operation_record(o, 0.1, SONDE_OPERATION_FAILED, text);
    }
    sonde_operation_record(o, 0.1, SONDE_OPERATION_FAILED, big);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.failed, 13);
    assert_int_equal(strlen(i.last_error), SONDE_OPERATION_ERROR_MAX - 2);
    sonde_operation_record(o, 0.1, SONDE_OPERATION_FAILED, "mail to someone@example.org failed");
    assert_string_equal(read_of(o).last_error, "mail to someone@example.org failed");
    json_t *j = ask("errors messages");
    json_t *one = json_array_get(json_object_get(j, "operations"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "last_error")),
                        "mail to [email] failed");
    json_t *messages = json_object_get(one, "messages");
    assert_int_equal(json_array_size(messages), 5);
    json_t *last = json_array_get(messages, 4);
    assert_string_equal(json_string_value(json_object_get(last, "message")), "reason 0");
    assert_int_equal(json_integer_value(json_object_get(last, "count")), 4);
    assert_int_equal(json_integer_value(json_object_get(j, "errors")), 14);
    json_decref(j);
    for (int k = 0; k < 100; k++) { /* no more than eight are kept, the oldest go first */
        char text[32];
        snprintf(text, sizeof text, "new reason %d", k);
        sonde_operation_record(o, 0.1, SONDE_OPERATION_FAILED, text);
    }
    j = ask("operation messages fail");
    messages = json_object_get(j, "messages");
    assert_int_equal(json_array_size(messages), FAILURE_MESSAGES);
    assert_string_equal(json_string_value(json_object_get(json_array_get(messages, 7), "message")),
                        "new reason 92");
    json_decref(j);
}

static void each_command_answers_with_its_fields(void **state)
{
    sonde_operation *o = sonde_operation_get("ask", "one two");
    sonde_operation_record(o, 0.25, SONDE_OPERATION_COMPLETED, NULL);
    sonde_operation_record(o, 0.75, SONDE_OPERATION_FAILED, "no");
    sonde_tracker t = sonde_operation_begin(o);
    json_t *j = ask("operation ask 'one two'");
    assert_int_equal(json_integer_value(json_object_get(j, "count")), 2);
    assert_int_equal(json_integer_value(json_object_get(j, "errors")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "active")), 1);
    assert_true(json_number_value(json_object_get(j, "min_ms")) == 250);
    assert_true(json_number_value(json_object_get(j, "max_ms")) == 750);
    assert_true(json_number_value(json_object_get(j, "mean_ms")) == 500);
    assert_true(json_number_value(json_object_get(j, "error_rate")) == 0.5);
    assert_int_equal(json_array_size(json_object_get(j, "recent")), 2);
    assert_int_equal(json_array_size(json_object_get(j, "slowest")), 2);
    json_decref(j);
    j = ask("services");
    assert_true(json_array_size(json_object_get(j, "services")) >= 1);
    json_decref(j);
    j = ask("operations ask");
    assert_int_equal(json_array_size(json_object_get(j, "operations")), 1);
    json_decref(j);
    j = ask("active ask");
    assert_int_equal(json_integer_value(json_object_get(j, "count")), 1);
    json_t *active = json_array_get(json_object_get(j, "active"), 0);
    assert_true(json_number_value(json_object_get(active, "age_ms")) > 0);
    json_decref(j);
    j = ask("recent ask 1");
    assert_int_equal(json_array_size(json_object_get(j, "recent")), 1);
    json_decref(j);
    static const char *const bad[] = {
        "operation ask", "operation ask nothing", "operations none", "slowest many",
        "recent ask 0",  "active none",           "reset none",      "errors none"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        j = ask(bad[i]);
        assert_non_null(json_object_get(json_object_get(j, "error"), "message"));
        json_decref(j);
    }
    j = ask("reset ask");
    assert_int_equal(json_integer_value(json_object_get(j, "operations")), 1);
    json_decref(j);
    j = ask("operation ask 'one two'");
    assert_int_equal(json_integer_value(json_object_get(j, "count")), 0);
    assert_int_equal(json_integer_value(json_object_get(j, "active")), 1); /* it goes on */
    assert_true(json_is_null(json_object_get(j, "min_ms")));
    assert_int_equal(json_array_size(json_object_get(j, "recent")), 0);
    assert_int_equal(json_array_size(json_object_get(j, "slowest")), 0);
    json_decref(j);
    sonde_operation_complete(&t);
    assert_int_equal(read_of(o).completed, 1);
    assert_int_equal(read_of(o).active, 0);
}

static void a_forked_child_counts_from_nothing(void **state)
{
    sonde_operation *o = sonde_operation_get("fork", "call");
    sonde_operation_record(o, 1, SONDE_OPERATION_FAILED, "in the parent");
    sonde_tracker t = sonde_operation_begin(o);
    pid_t pid = fork();
    if (pid == 0) {
        sonde_operation_complete(&t); /* the parent's: not counted here */
        sonde_operation_record(o, 2, SONDE_OPERATION_COMPLETED, NULL);
        sonde_operation_info i = {.struct_size = sizeof i};
        int bad = sonde_operation_read(o, &i) != 0 || i.count != 1 || i.minimum != 2 ||
                  i.active != 0 || i.last_error[0] || i.first_ms == 0;
        sonde_operation *fresh = sonde_operation_get("fork", "of the child");
        sonde_tracker own = sonde_operation_begin(fresh);
        sonde_operation_complete(&own);
        bad |= sonde_operation_read(fresh, &i) != 0 || i.completed != 1;
        _exit(bad);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sonde_operation_complete(&t);
    assert_int_equal(read_of(o).count, 2);
    assert_int_equal(read_of(o).active, 0);
}

static void names_are_cut_and_too_many_become_one(void **state)
{
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    sonde_operation *cut = sonde_operation_get("names", name);
    assert_int_equal(strlen(read_of(cut).operation), SONDE_OPERATION_NAME_MAX);
    assert_ptr_equal(cut, sonde_operation_get("names", name));
    assert_ptr_not_equal(cut, sonde_operation_get("nameS", name));
    sonde_operation *last = NULL;
    for (int i = 0; i < 1100; i++) {
        snprintf(name, sizeof name, "operation %d", i);
        last = sonde_operation_get("many", name);
        assert_non_null(last);
    }
    sonde_operation_info info = read_of(last);
    assert_string_equal(info.service, "other");
    assert_string_equal(info.operation, "other");
    assert_true(operation_overflow() > 100 && operation_overflow() <= 1100);
    assert_true(operation_count() <= 1001);
    assert_ptr_equal(sonde_operation_get("names", "a new one"), last);
}

static void a_bad_record_is_refused(void **state)
{
    sonde_operation *o = sonde_operation_get("bad", "record");
    assert_int_equal(sonde_operation_record(o, NAN, 0, NULL), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_record(o, -1, 0, NULL), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_record(o, INFINITY, 0, NULL), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_record(o, 1, SONDE_OPERATION_OUTCOMES, NULL),
                     SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_record(o, 1, -1, NULL), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_operation_record(o, 0, 0, NULL), 0);
    sonde_operation_info i = read_of(o);
    assert_int_equal(i.count, 1);
    assert_true(i.minimum == 0 && i.p99 == 0);
    assert_string_equal(sonde_operation_outcome_name(3), "recovered");
    assert_string_equal(sonde_operation_outcome_name(4), "unknown");
}

/* The value of a series in the text of all metrics. */
static double metric_of(const char *series)
{
    char *text = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    assert_non_null(text);
    char line[300];
    snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(text, line);
    double value = at ? strtod(at + strlen(line), NULL) : NAN;
    free(text);
    return value;
}

static void metrics_say_what_was_counted(void **state)
{
    sonde_operation *o = sonde_operation_get("metric", "call");
    sonde_operation_get("metric", "never used");
    sonde_operation_record(o, 0.25, SONDE_OPERATION_COMPLETED, NULL);
    sonde_operation_record(o, 0.75, SONDE_OPERATION_FAILED, NULL);
    sonde_operation_record(o, 3, SONDE_OPERATION_COMPLETED, NULL);
    sonde_tracker t = sonde_operation_begin(o);
#define SERIES(name, more) "sonde_" name "{service=\"metric\",operation=\"call\"" more "}"
    assert_true(metric_of(SERIES("operation_total", ",outcome=\"completed\"")) == 2);
    assert_true(metric_of(SERIES("operation_total", ",outcome=\"failed\"")) == 1);
    assert_true(metric_of(SERIES("operation_total", ",outcome=\"abandoned\"")) == 0);
    assert_true(metric_of(SERIES("operation_duration_seconds_count", "")) == 3);
    assert_true(metric_of(SERIES("operation_duration_seconds_sum", "")) == 4);
    assert_true(metric_of(SERIES("operation_duration_seconds_bucket", ",le=\"1.0\"")) == 2);
    assert_true(metric_of(SERIES("operation_duration_seconds_bucket", ",le=\"+Inf\"")) == 3);
    assert_true(metric_of(SERIES("operation_active", "")) == 1);
    assert_true(metric_of(SERIES("operation_duration_min_seconds", "")) == 0.25);
    assert_true(metric_of(SERIES("operation_duration_max_seconds", "")) == 3);
    assert_true(metric_of(SERIES("operation_last_call_timestamp_seconds", "")) > 1.6e9);
    assert_true(metric_of("sonde_service_uptime_seconds{service=\"metric\"}") >= 0);
#undef SERIES
    assert_true(isnan(metric_of("sonde_operation_active{service=\"metric\",operation=\"never "
                                "used\"}")));
    sonde_operation_complete(&t);
}

static void rates_follow_the_calls(void **state)
{
    sonde_operation *o = sonde_operation_get("rates", "call");
    for (int i = 0; i < 100; i++) {
        sonde_operation_record(o, 0.001, i % 4 ? SONDE_OPERATION_COMPLETED : SONDE_OPERATION_FAILED,
                               NULL);
    }
    sonde_operation_info i = read_of(o);
    assert_true(i.rate_1s > 50 && i.rate_1s <= 100); /* the first second counts as a whole one */
    assert_true(i.rate_60s > 50 && i.rate_60s <= 100);
    assert_true(fabs(i.error_rate_60s - 0.25) < 1e-9);
    usleep(2300000);
    i = read_of(o);
    assert_true(i.rate_1s == 0);
    assert_true(i.rate_10s > 20 && i.rate_10s < 50);
    assert_true(i.uptime > 2.2 && i.uptime < 60);
}

static void a_call_may_be_a_span_too(void **state)
{
    sonde_operation_options options = SONDE_OPERATION_OPTIONS_INIT;
    options.flags = SONDE_OPERATION_SPANS;
    sonde_operation *o = sonde_operation_get_with("spans", "traced", &options);
    sonde_operation *quiet = sonde_operation_get("spans", "quiet");
    struct current_span spans[4];
    sonde_tracker inner, t = sonde_operation_begin(o);
    inner = sonde_operation_begin(quiet);
    assert_int_equal(current_mine(spans, 4), 1);
    assert_string_equal(spans[0].name, "traced");
    sonde_operation_complete(&inner);
    sonde_operation_fail(&t, "no");
    assert_int_equal(current_mine(spans, 4), 0);
    sonde_operation_get_with("spans", "traced", &(sonde_operation_options){sizeof options, 0});
    t = sonde_operation_begin(o);
    assert_int_equal(current_mine(spans, 4), 0);
    sonde_operation_complete(&t);
    assert_int_equal(read_of(o).count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_without_a_running_library),
        cmocka_unit_test_setup_teardown(counts_of_many_threads_agree_with_a_plain_one, start, stop),
        cmocka_unit_test_setup_teardown(what_is_left_without_an_end_is_abandoned, start, stop),
        cmocka_unit_test_setup_teardown(a_copy_of_a_tracker_ends_it_once, start, stop),
        cmocka_unit_test_setup_teardown(another_thread_may_end_it, start, stop),
        cmocka_unit_test_setup_teardown(what_a_thread_leaves_open_is_abandoned_with_it, start,
                                        stop),
        cmocka_unit_test_setup_teardown(more_than_are_listed_are_counted_all_the_same, start, stop),
        cmocka_unit_test_setup_teardown(the_last_calls_are_remembered_the_newest_first, start,
                                        stop),
        cmocka_unit_test_setup_teardown(the_slowest_calls_are_exactly_those, start, stop),
        cmocka_unit_test_setup_teardown(messages_are_counted_cut_and_cleaned, start, stop),
        cmocka_unit_test_setup_teardown(each_command_answers_with_its_fields, start, stop),
        cmocka_unit_test_setup_teardown(a_forked_child_counts_from_nothing, start, stop),
        cmocka_unit_test_setup_teardown(a_bad_record_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(metrics_say_what_was_counted, start, stop),
        cmocka_unit_test_setup_teardown(rates_follow_the_calls, start, stop),
        cmocka_unit_test_setup_teardown(a_call_may_be_a_span_too, start, stop),
        cmocka_unit_test_setup_teardown(names_are_cut_and_too_many_become_one, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
