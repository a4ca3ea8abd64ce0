#include "client/alarm/alarm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/alarm/window.h"
#include "sonde/sonde.h"

static const uint64_t MS = 1000000;

enum { TOLD_MAX = 2048 };
static struct {
    bool raised;
    double value;
    char subject[ALARM_SUBJECT_MAX];
} told[TOLD_MAX];
static _Atomic size_t told_n, recorded_n;

static void note(const sonde_alarm_event *e, void *user)
{
    assert_ptr_equal(user, told);
    assert_true(told_n < TOLD_MAX);
    told[told_n].raised = e->raised;
    told[told_n].value = e->value;
    snprintf(told[told_n].subject, sizeof told[told_n].subject, "%s", e->subject);
    told_n++;
}

static void write_down(const sonde_alarm_event *e, int64_t unix_ns)
{
    assert_true(unix_ns > 0);
    assert_non_null(e->kind);
    recorded_n++;
}

static int begin(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-alarm-test-%d", (int)getpid());
    const char *const settings[] = {"socket=none", folder, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    int err = sonde_init(&o);
    told_n = recorded_n = 0;
    return err == SONDE_ERROR_ARGUMENT ? sonde_init(NULL) : err; /* settings of client/send */
}

static int end(void **state)
{
    alarm_on_record(NULL);
    return sonde_shutdown(5000);
}

/* Waits until n changes were told on the library's thread. */
static void wait_for(size_t n)
{
    for (int i = 0; i < 500 && told_n < n; i++) {
        usleep(10000);
    }
    assert_int_equal(sonde_flush(2000), 0); /* and the thread is behind it */
    assert_int_equal(told_n, n);
}

static void a_crossed_limit_raises_and_the_way_back_clears(void **state)
{
    assert_int_equal(sonde_alarm_on_change(note, told), 0);
    alarm_on_record(write_down);
    sonde_alarm *a = sonde_alarm_above("queue", "mail", 100, "entries", 0);
    assert_non_null(a);
    sonde_alarm_feed(a, 100); /* the limit itself is inside */
    assert_false(sonde_alarm_raised(a));
    sonde_alarm_feed(a, 101);
    assert_true(sonde_alarm_raised(a));
    sonde_alarm_feed(a, 500);
    sonde_alarm_feed(a, (double)NAN);
    assert_true(sonde_alarm_raised(a));
    sonde_alarm_feed(a, 99);
    assert_false(sonde_alarm_raised(a));
    wait_for(2);
    assert_true(told[0].raised);
    assert_true(told[0].value == 101);
    assert_string_equal(told[0].subject, "mail");
    assert_false(told[1].raised);
    assert_int_equal(recorded_n, 2);
}

static void a_floor_is_crossed_from_above(void **state)
{
    sonde_alarm *a = sonde_alarm_below("workers", "pool", 2, "count", 0);
    sonde_alarm_feed(a, 2);
    assert_false(sonde_alarm_raised(a));
    sonde_alarm_feed(a, 1);
    assert_true(sonde_alarm_raised(a));
}

/* Tests with a clock of their own run without the library, whose thread has the real one. */
static void a_short_excursion_changes_nothing(void **state)
{
    struct alarm *a = alarm_set("k", "steady", ALARM_ABOVE, 10, "", 5000);
    uint64_t now = 1000 * MS;
    alarm_feed(a, 11, now);
    alarm_feed(a, 11, now + 4999 * MS);
    assert_false(alarm_raised(a));
    alarm_feed(a, 9, now + 4999 * MS); /* back inside: the wait begins anew */
    alarm_feed(a, 11, now + 6000 * MS);
    alarm_feed(a, 11, now + 10999 * MS);
    assert_false(alarm_raised(a));
    alarm_feed(a, 11, now + 11000 * MS);
    assert_true(alarm_raised(a));
    alarm_feed(a, 9, now + 12000 * MS);
    alarm_feed(a, 11, now + 13000 * MS);
    alarm_feed(a, 9, now + 14000 * MS);
    assert_true(alarm_raised(a));
    alarm_tick(now + 18999 * MS);
    assert_true(alarm_raised(a));
    alarm_tick(now + 19000 * MS); /* the value that was fed last holds */
    assert_false(alarm_raised(a));
}

/* The rule once more, plainly: the state changes when the last for_ms of values, taken as holding
 * until the next, are all on the other side. */
struct plain {
    bool raised, turning;
    uint64_t since;
    double limit;
    uint64_t for_ns;
    unsigned changes;
};

static void plain_feed(struct plain *p, double value, uint64_t now)
{
    bool is = value > p->limit;
    if (is == p->raised) {
        p->turning = false;
        return;
    }
    if (!p->turning) {
        p->turning = true;
        p->since = now;
    }
    if (now - p->since >= p->for_ns) {
        p->raised = is;
        p->turning = false;
        p->changes++;
    }
}

static unsigned changes_of(const char *subject);

static void random_histories_agree_with_the_plain_rule(void **state)
{
    srandom(7);
    for (int round = 0; round < 50; round++) {
        char subject[32];
        snprintf(subject, sizeof subject, "random-%d", round);
        uint64_t for_ms = (uint64_t)(random() % 4) * 700;
        struct alarm *a = alarm_set("random", subject, ALARM_ABOVE, 50, "", for_ms);
        struct plain p = {.limit = 50, .for_ns = for_ms * MS};
        uint64_t now = 1 * MS;
        double value = 0;
        for (int i = 0; i < 500; i++) {
            now += (uint64_t)(random() % 1000) * MS;
            if (random() % 3) {
                value = (double)(random() % 101);
            }
            alarm_feed(a, value, now);
            plain_feed(&p, value, now);
            assert_int_equal(alarm_raised(a), p.raised);
        }
        assert_int_equal(changes_of(subject), p.changes);
        assert_true(p.changes > 0);
        alarm_remove(a);
        assert_false(alarm_raised(a));
    }
}

struct looking {
    const char *subject;
    unsigned changes;
};

static void look(const struct alarm_state *s, void *context)
{
    struct looking *l = context;
    if (strcmp(s->subject, l->subject) == 0) {
        l->changes = (unsigned)s->changes;
    }
}

static unsigned changes_of(const char *subject)
{
    struct looking l = {subject, 0};
    alarm_each(look, &l);
    return l.changes;
}

static void more_changes_than_the_ring_holds_end_with_the_last_state(void **state)
{
    enum { SUBJECTS = 400 }; /* of ALARM_CHANGES_MAX 256 */
    assert_int_equal(sonde_alarm_on_change(note, told), 0);
    alarm_deliver();
    told_n = 0;
    static struct alarm *a[SUBJECTS];
    for (int i = 0; i < SUBJECTS; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "many-%d", i);
        a[i] = alarm_set("many", subject, ALARM_ABOVE, 1, "", 0);
        assert_non_null(a[i]);
    }
    for (int i = 0; i < SUBJECTS; i++) {
        alarm_feed(a[i], 2, 1);
    }
    for (int i = 0; i < SUBJECTS; i += 2) {
        alarm_feed(a[i], 0, 2);
    }
    sonde_flush(2000);
    for (int i = 0; i < 200 && told_n < SUBJECTS; i++) {
        usleep(10000);
    }
    sonde_flush(2000);
    bool last[SUBJECTS] = {false}, seen[SUBJECTS] = {false};
    for (size_t i = 0; i < told_n; i++) {
        long n = strtol(told[i].subject + strlen("many-"), NULL, 10);
        last[n] = told[i].raised;
        seen[n] = true;
    }
    for (int i = 0; i < SUBJECTS; i++) {
        assert_true(seen[i]);
        assert_int_equal(last[i], i % 2 == 1);
        alarm_remove(a[i]);
    }
}

static void the_command_tells_what_is_crossed(void **state)
{
    sonde_alarm *a = sonde_alarm_above("disk", "logs \"x\"", 0.9, "ratio", 0);
    sonde_alarm_feed(a, 0.95);
    char answer[65536];
    assert_int_equal(sonde_query("alarms", answer, sizeof answer, NULL), 0);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    json_t *list = json_object_get(j, "alarms"), *one;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "subject")), "logs \"x\"") == 0) {
            found = true;
            assert_true(json_is_true(json_object_get(one, "raised")));
            assert_true(json_number_value(json_object_get(one, "limit")) == 0.9);
        }
    }
    assert_true(found);
    json_decref(j);
}

static void nothing_happens_while_the_library_does_not_run(void **state)
{
    assert_null(sonde_alarm_above("a", "b", 1, "x", 0));
    sonde_alarm_feed(NULL, 3);
    assert_false(sonde_alarm_raised(NULL));
    assert_int_equal(sonde_alarm_on_change(note, NULL), SONDE_ERROR_STATE);
}

static void bad_names_and_limits_give_no_alarm(void **state)
{
    char longer[ALARM_SUBJECT_MAX + 1];
    memset(longer, 'x', sizeof longer);
    longer[ALARM_SUBJECT_MAX] = 0;
    assert_null(sonde_alarm_above(NULL, "b", 1, "x", 0));
    assert_null(sonde_alarm_above("a", "", 1, "x", 0));
    assert_null(sonde_alarm_above("a", longer, 1, "x", 0));
    assert_null(sonde_alarm_above("a", "b", (double)NAN, "x", 0));
}

/* Sums over a window against a list of all that was added. */
static void windows_agree_with_a_list_of_everything(void **state)
{
    enum { EVENTS = 3000, CELLS = 60 };
    static struct {
        uint64_t step, a, b;
    } all[EVENTS];
    srandom(11);
    for (int round = 0; round < 20; round++) {
        struct window_cell cells[CELLS];
        struct window w;
        window_init(&w, cells, CELLS);
        uint64_t step = (uint64_t)random() % 1000, first = 0;
        for (size_t n = 0; n < EVENTS / 10; n++) {
            step += random() % 20 == 0 ? (uint64_t)random() % 200 : (uint64_t)random() % 3;
            first = n == 0 ? step : first;
            all[n].step = step;
            all[n].a = (uint64_t)random() % 100;
            all[n].b = (uint64_t)random() % 10;
            window_add(&w, step, all[n].a, all[n].b);
            uint64_t at = step + (random() % 4 == 0 ? (uint64_t)random() % 80 : 0);
            uint32_t count = 1 + (uint32_t)random() % CELLS;
            struct window_cell sum = window_sum(&w, at, count), plain = {0};
            for (size_t i = 0; i <= n; i++) {
                if (all[i].step <= at && at - all[i].step < count) {
                    plain.a += all[i].a;
                    plain.b += all[i].b;
                }
            }
            assert_int_equal(sum.a, plain.a);
            assert_int_equal(sum.b, plain.b);
            uint64_t age = at - first + 1;
            assert_int_equal(window_age(&w, at, count), age < count ? age : count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crossed_limit_raises_and_the_way_back_clears, begin, end),
        cmocka_unit_test_setup_teardown(a_floor_is_crossed_from_above, begin, end),
        cmocka_unit_test(a_short_excursion_changes_nothing),
        cmocka_unit_test(random_histories_agree_with_the_plain_rule),
        cmocka_unit_test_setup_teardown(more_changes_than_the_ring_holds_end_with_the_last_state,
                                        begin, end),
        cmocka_unit_test_setup_teardown(the_command_tells_what_is_crossed, begin, end),
        cmocka_unit_test_setup_teardown(bad_names_and_limits_give_no_alarm, begin, end),
        cmocka_unit_test(nothing_happens_while_the_library_does_not_run),
        cmocka_unit_test(windows_agree_with_a_list_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
