#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "watch/keeper.h"

/* A keeper, its clock, and what it wanted done since the last look. */
struct rig {
    struct watch_program program;
    struct keeper_queue queue;
    struct rand rand;
    struct keeper k;
    int64_t now;
    unsigned starts, kills, signals, checks[2], hooks[4], notes[KEEPER_NOTE_CHECK + 1];
    int signal, fit;
    int64_t pause; /* of the last restart, blocked or critical */
};

static const char *const argv[] = {"x", NULL};

static void look(struct rig *r)
{
    struct keeper_action a;
    while (keeper_queue_take(&r->queue, &a)) {
        r->starts += a.act == KEEPER_DO_START;
        r->kills += a.act == KEEPER_DO_KILL;
        if (a.act == KEEPER_DO_SIGNAL) {
            r->signals++;
            r->signal = a.number;
        }
        if (a.act == KEEPER_DO_CHECK)
            r->checks[a.number]++;
        if (a.act == KEEPER_DO_HOOK)
            r->hooks[a.number]++;
        if (a.act == KEEPER_DO_FIT)
            r->fit = a.number;
        if (a.act == KEEPER_DO_NOTE) {
            r->notes[a.note]++;
            if (a.note == KEEPER_NOTE_RESTART || a.note == KEEPER_NOTE_BLOCKED ||
                a.note == KEEPER_NOTE_CRITICAL)
                r->pause = a.pause_ms;
        }
    }
}

static struct rig *rig_new(void)
{
    struct rig *r = test_calloc(1, sizeof *r);
    watch_plan_program_init(&r->program);
    r->program.name = "x";
    r->program.argv = argv;
    r->program.jitter_percent = 0;
    r->now = 1000000;
    rand_init(&r->rand, 1);
    keeper_init(&r->k, &r->program, &r->queue, &r->rand);
    return r;
}

static void rig_free(struct rig *r)
{
    keeper_done(&r->k);
    keeper_queue_done(&r->queue);
    test_free(r);
}

/* Lets time pass, tick by tick. */
static void pass(struct rig *r, int64_t ms)
{
    int64_t until = r->now + ms;
    for (int i = 0; i < 1000000 && keeper_due(&r->k) <= until; i++) {
        r->now = MAX(r->now, keeper_due(&r->k));
        keeper_tick(&r->k, r->now);
        look(r);
    }
    r->now = until;
}

static void start(struct rig *r)
{
    keeper_ask_start(&r->k, r->now, true);
    look(r);
    keeper_started(&r->k, r->now);
    look(r);
}

static void die_as(struct rig *r, enum keeper_remedy remedy, bool clean, bool leftover)
{
    struct keeper_exit e = {
        .clean = clean, .leftover = leftover, .remedy = remedy, .text = "exit status 1"};
    keeper_exited(&r->k, r->now, &e);
    look(r);
}

static void die(struct rig *r)
{
    die_as(r, KEEPER_RESTART_MAY_HEAL, false, false);
}

static void pauses_grow_and_the_sixth_failure_is_critical(void **state)
{
    (void)state;
    static const int64_t pauses[] = {0, 1000, 2000, 4000, 8000};
    struct rig *r = rig_new();
    start(r);
    assert_int_equal(r->k.state, KEEPER_RUNNING);
    for (size_t i = 0; i < COUNTOF(pauses); i++) {
        die(r);
        assert_int_equal(r->pause, pauses[i]);
        assert_int_equal(r->starts, i + 1 + (pauses[i] == 0));
        if (pauses[i]) {
            assert_int_equal(r->k.state, KEEPER_PAUSING);
            pass(r, pauses[i] - 1);
            assert_int_equal(r->starts, i + 1);
            pass(r, 1);
        }
        assert_int_equal(r->starts, i + 2);
        keeper_started(&r->k, r->now);
        look(r);
    }
    die(r);
    assert_int_equal(r->k.state, KEEPER_CRITICAL);
    assert_int_equal(r->notes[KEEPER_NOTE_CRITICAL], 1);
    assert_non_null(strstr(r->k.reason, "restarted 5 times in 600 s"));
    pass(r, INT64_C(100) * 24 * 3600 * 1000);
    assert_int_equal(r->starts, 6); /* stays down */
    assert_true(keeper_down(&r->k));
    rig_free(r);
}

static void the_window_slides_and_health_clears_the_count(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    for (int i = 0; i < 50; i++) { /* one crash in 3 minutes: 4 in each window of 10 */
        pass(r, 180000);
        die(r);
        assert_int_not_equal(r->k.state, KEEPER_CRITICAL);
        pass(r, 8000);
        keeper_started(&r->k, r->now);
        look(r);
    }
    assert_true(keeper_restarts(&r->k) > 0);
    pass(r, 599999);
    assert_int_equal(r->notes[KEEPER_NOTE_WELL], 0);
    pass(r, 1);
    assert_int_equal(r->notes[KEEPER_NOTE_WELL], 1);
    assert_int_equal(keeper_restarts(&r->k), 0);
    die(r);
    assert_int_equal(r->pause, 0);
    rig_free(r);
}

static void a_slow_retry_starts_again_each_five_minutes_until_it_is_well(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.give_up = WATCH_GIVE_UP_RETRY;
    r->program.restarts_max = 0;
    start(r);
    die(r);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(r->k.state, KEEPER_CRITICAL);
        assert_int_equal(r->pause, 300000);
        pass(r, 299999);
        assert_int_equal(r->starts, 1 + i);
        pass(r, 1);
        assert_int_equal(r->starts, 2 + i);
        keeper_started(&r->k, r->now);
        look(r);
        if (i < 2)
            die(r);
    }
    pass(r, 600000);
    assert_int_equal(r->notes[KEEPER_NOTE_WELL], 1);
    assert_false(r->k.slow);
    rig_free(r);
}

static void jitter_adds_at_most_its_share(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static const int64_t pause = 1000;
    bool differs = false;
    r->program.pauses_ms = &pause;
    r->program.pauses_n = 1;
    r->program.jitter_percent = 10;
    r->program.restarts_max = WATCH_PLAN_RESTARTS_MAX;
    start(r);
    for (int i = 0; i < 100; i++) {
        die(r);
        assert_in_range(r->pause, 1000, 1100);
        differs = differs || r->pause != 1000;
        pass(r, 1100);
        keeper_started(&r->k, r->now);
        look(r);
    }
    assert_true(differs);
    rig_free(r);
}

static void what_no_restart_heals_is_critical_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    die_as(r, KEEPER_CANNOT_HEAL, false, false);
    assert_int_equal(r->k.state, KEEPER_CRITICAL);
    assert_int_equal(r->notes[KEEPER_NOTE_RESTART], 0);
    keeper_ask_start(&r->k, r->now, true); /* by hand it begins anew */
    look(r);
    assert_int_equal(r->starts, 2);
    keeper_start_failed(&r->k, r->now, KEEPER_CANNOT_HEAL, "executable not found: x");
    look(r);
    assert_int_equal(r->k.state, KEEPER_CRITICAL);
    assert_string_equal(r->k.reason, "executable not found: x");
    rig_free(r);
}

static void a_taken_port_is_waited_for_and_does_not_count(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    for (unsigned i = 0; i < 20; i++) {
        die_as(r, KEEPER_MUST_WAIT, false, false);
        assert_int_equal(r->k.state, KEEPER_BLOCKED);
        assert_int_equal(r->notes[KEEPER_NOTE_BLOCKED], i + 1);
        pass(r, 8000);
        assert_int_equal(r->starts, i + 2);
        keeper_started(&r->k, r->now);
        look(r);
    }
    assert_int_equal(keeper_restarts(&r->k), 0);
    rig_free(r);
}

static void restart_policies_are_obeyed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.restart = WATCH_RESTART_ON_FAILURE;
    start(r);
    die_as(r, KEEPER_RESTART_MAY_HEAL, true, false);
    assert_int_equal(r->k.state, KEEPER_FINISHED);
    start(r);
    die(r);
    assert_int_equal(r->k.state, KEEPER_STARTING);
    rig_free(r);
    r = rig_new();
    r->program.restart = WATCH_RESTART_NEVER;
    start(r);
    die(r);
    assert_int_equal(r->k.state, KEEPER_FINISHED);
    rig_free(r);
    r = rig_new(); /* always: also after a clean end */
    start(r);
    die_as(r, KEEPER_RESTART_MAY_HEAL, true, false);
    assert_int_equal(r->starts, 2);
    rig_free(r);
}

static void leftovers_are_killed_before_the_new_start(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    die_as(r, KEEPER_RESTART_MAY_HEAL, false, true);
    assert_int_equal(r->kills, 1);
    assert_int_equal(r->starts, 1);
    pass(r, 1000);
    assert_int_equal(r->kills, 2); /* what does not go is killed again */
    keeper_tree_gone(&r->k, r->now);
    look(r);
    assert_int_equal(r->starts, 2);
    rig_free(r);
}

static void a_stop_is_a_signal_then_a_kill(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    keeper_ask_stop(&r->k, r->now);
    look(r);
    assert_int_equal(r->signals, 1);
    assert_int_equal(r->signal, 15);
    assert_int_equal(r->fit, 0);
    pass(r, 9999);
    assert_int_equal(r->kills, 0);
    pass(r, 1);
    assert_int_equal(r->kills, 1);
    die(r);
    assert_int_equal(r->k.state, KEEPER_STOPPED);
    assert_int_equal(r->starts, 1);
    rig_free(r);
}

static void descendants_of_a_stop_have_its_time_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    keeper_ask_stop(&r->k, r->now);
    look(r);
    pass(r, 1000);
    die_as(r, KEEPER_RESTART_MAY_HEAL, false, true);
    assert_int_equal(r->kills, 0);
    assert_int_equal(r->k.state, KEEPER_STOPPING);
    pass(r, 9000);
    assert_int_equal(r->kills, 1);
    keeper_tree_gone(&r->k, r->now);
    look(r);
    assert_int_equal(r->k.state, KEEPER_STOPPED);
    rig_free(r);
}

static void an_asked_restart_does_not_count(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    for (unsigned i = 0; i < 20; i++) {
        keeper_ask_restart(&r->k, r->now, KEEPER_ASKED);
        look(r);
        die_as(r, KEEPER_RESTART_MAY_HEAL, true, false);
        assert_int_equal(r->starts, i + 2);
        keeper_started(&r->k, r->now);
        look(r);
    }
    assert_int_equal(keeper_restarts(&r->k), 0);
    assert_int_equal(r->k.restarts_by[KEEPER_ASKED], 20);
    rig_free(r);
}

static void a_start_during_a_stop_comes_after_it(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    keeper_ask_stop(&r->k, r->now);
    keeper_ask_start(&r->k, r->now, true);
    look(r);
    assert_int_equal(r->starts, 1);
    die(r);
    assert_int_equal(r->starts, 2);
    rig_free(r);
}

static void notify(struct rig *r, struct keeper_notice n)
{
    keeper_notified(&r->k, r->now, &n);
    look(r);
}

static void heartbeats_count_from_the_first_and_their_lack_kills(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    pass(r, 3600000);
    assert_int_equal(r->kills, 0); /* none came: none is asked for */
    for (int i = 0; i < 100; i++) {
        notify(r, (struct keeper_notice){.beat = true});
        pass(r, 9999);
    }
    assert_int_equal(r->kills, 0);
    pass(r, 1);
    assert_int_equal(r->kills, 1);
    assert_int_equal(r->notes[KEEPER_NOTE_HANG], 1);
    die(r);
    assert_int_equal(r->starts, 2);
    assert_int_equal(r->k.restarts_by[KEEPER_HEARTBEAT], 1);
    rig_free(r);
}

static void a_program_may_change_its_heartbeat_extend_it_and_trigger(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    notify(r, (struct keeper_notice){.beat = true, .heartbeat_ms = 2000});
    pass(r, 1999);
    notify(r, (struct keeper_notice){.extend_ms = 60000});
    pass(r, 59999);
    assert_int_equal(r->kills, 0);
    pass(r, 1);
    assert_int_equal(r->kills, 1);
    rig_free(r);
    r = rig_new();
    start(r);
    notify(r, (struct keeper_notice){.trigger = true});
    assert_int_equal(r->kills, 1);
    rig_free(r);
}

static void a_hang_aborts_first_where_a_core_is_wanted(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.abort_on_hang = true;
    start(r);
    notify(r, (struct keeper_notice){.beat = true});
    pass(r, 10000);
    assert_int_equal(r->signal, 6);
    assert_int_equal(r->kills, 0);
    pass(r, 10000);
    assert_int_equal(r->kills, 1);
    rig_free(r);
}

static void checked(struct rig *r, enum keeper_which which, bool ok)
{
    keeper_checked(&r->k, r->now, which, ok, "refused");
    look(r);
}

/* Answers every check with ok until ms have passed. */
static void pass_checked(struct rig *r, int64_t ms, bool ok)
{
    int64_t until = r->now + ms;
    while (keeper_due(&r->k) <= until && r->k.process) {
        r->now = MAX(r->now, keeper_due(&r->k));
        keeper_tick(&r->k, r->now);
        look(r);
        for (int i = 0; i < KEEPER_CHECKS; i++)
            if (r->k.checks[i].running)
                checked(r, (enum keeper_which)i, ok);
        if (r->k.state == KEEPER_STOPPING)
            return;
    }
    r->now = until;
}

static void liveness_ends_a_program_after_its_time_without_success(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.liveness.kind = WATCH_PROBE_HTTP;
    start(r);
    assert_int_equal(r->k.state, KEEPER_STARTING);
    assert_false(r->k.ready);
    pass_checked(r, 60000, true);
    assert_true(r->k.ready);
    assert_in_range(r->checks[0], 4, 6); /* each 15 s */
    int64_t last = r->k.alive_ms;
    pass_checked(r, 600000, false);
    assert_int_equal(r->now, last + 45000);
    assert_int_equal(r->notes[KEEPER_NOTE_HANG], 1);
    assert_int_equal(r->signal, 15);
    pass(r, 2000); /* on a short leash */
    assert_int_equal(r->kills, 1);
    die(r);
    assert_int_equal(r->k.restarts_by[KEEPER_LIVENESS], 1);
    rig_free(r);
}

static void a_check_that_never_answers_is_a_failure_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.liveness.kind = WATCH_PROBE_TCP;
    start(r);
    pass(r, 10000 + 45000 - 1);
    assert_int_equal(r->signals, 0);
    pass(r, 1);
    assert_int_equal(r->signals, 1);
    rig_free(r);
}

static void the_grace_counts_no_failures_and_ready_ends_it(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.liveness.kind = WATCH_PROBE_HTTP;
    r->program.grace_ms = 600000;
    start(r);
    pass_checked(r, 600000 + 44999, false);
    assert_int_equal(r->signals, 0);
    pass_checked(r, 1, false);
    assert_int_equal(r->signals, 1);
    rig_free(r);
    r = rig_new();
    r->program.liveness.kind = WATCH_PROBE_HTTP;
    r->program.grace_ms = 600000;
    start(r);
    notify(r, (struct keeper_notice){.ready = true});
    assert_true(r->k.ready);
    pass_checked(r, 45000, false);
    assert_int_equal(r->signals, 1);
    rig_free(r);
}

static void readiness_takes_out_of_rotation_and_never_restarts(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.readiness.kind = WATCH_PROBE_HTTP;
    start(r);
    assert_int_equal(r->fit, 0);
    pass_checked(r, 20000, true);
    assert_int_equal(r->fit, 1);
    assert_int_equal(r->k.state, KEEPER_RUNNING);
    pass_checked(r, 3600000, false);
    assert_int_equal(r->fit, 0);
    assert_int_equal(r->signals + r->kills, 0);
    pass_checked(r, 20000, true);
    assert_int_equal(r->fit, 1);
    assert_int_equal(r->notes[KEEPER_NOTE_READY], 1);
    rig_free(r);
}

static void draining_waits_before_the_signal(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->program.proxy_listen = "127.0.0.1:1";
    keeper_set_program(&r->k, &r->program);
    start(r);
    assert_int_equal(r->fit, 1);
    keeper_ask_restart(&r->k, r->now, KEEPER_ASKED);
    look(r);
    assert_int_equal(r->k.state, KEEPER_DRAINING);
    assert_int_equal(r->fit, 0);
    pass(r, 4999);
    assert_int_equal(r->signals, 0);
    pass(r, 1);
    assert_int_equal(r->signals, 1);
    die(r);
    assert_int_equal(r->starts, 2);
    rig_free(r);
}

static void hooks_run_around_start_and_stop(void **state)
{
    (void)state;
    static const char *const hook[] = {"true", NULL};
    struct rig *r = rig_new();
    r->program.before_start = r->program.after_start = hook;
    r->program.before_stop = r->program.after_stop = hook;
    keeper_ask_start(&r->k, r->now, true);
    look(r);
    assert_int_equal(r->hooks[KEEPER_BEFORE_START], 1);
    assert_int_equal(r->starts, 0);
    keeper_hook_done(&r->k, r->now, KEEPER_BEFORE_START, false, "no");
    look(r);
    assert_int_equal(r->notes[KEEPER_NOTE_RESTART], 1); /* a failed hook is a failed start */
    assert_int_equal(r->hooks[KEEPER_BEFORE_START], 2);
    keeper_hook_done(&r->k, r->now, KEEPER_BEFORE_START, true, "");
    look(r);
    assert_int_equal(r->starts, 1);
    keeper_started(&r->k, r->now);
    look(r);
    assert_int_equal(r->hooks[KEEPER_AFTER_START], 1);
    keeper_ask_stop(&r->k, r->now);
    look(r);
    assert_int_equal(r->hooks[KEEPER_BEFORE_STOP], 1);
    assert_int_equal(r->signals, 0);
    keeper_hook_done(&r->k, r->now, KEEPER_BEFORE_STOP, true, "");
    look(r);
    assert_int_equal(r->signals, 1);
    die(r);
    assert_int_equal(r->hooks[KEEPER_AFTER_STOP], 1);
    assert_int_not_equal(r->k.state, KEEPER_STOPPED);
    keeper_hook_done(&r->k, r->now, KEEPER_AFTER_STOP, true, "");
    look(r);
    assert_int_equal(r->k.state, KEEPER_STOPPED);
    rig_free(r);
}

static void what_it_starts_after_is_waited_for(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    keeper_ask_start(&r->k, r->now, false);
    look(r);
    assert_int_equal(r->k.state, KEEPER_WAITING);
    keeper_dependencies_ready(&r->k, r->now);
    look(r);
    assert_int_equal(r->starts, 1);
    keeper_ask_stop(&r->k, r->now);
    keeper_started(&r->k, r->now); /* told to stop while it was being started */
    look(r);
    assert_int_equal(r->signals, 1);
    rig_free(r);
}

static void over_a_limit_it_ends_and_counts(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    start(r);
    keeper_over_limit(&r->k, r->now, KEEPER_MEMORY, "too much");
    look(r);
    assert_int_equal(r->signal, 15);
    die(r);
    assert_int_equal(r->starts, 2);
    assert_int_equal(r->k.restarts_by[KEEPER_MEMORY], 1);
    assert_int_equal(keeper_restarts(&r->k), 1);
    rig_free(r);
}

static void an_adopted_program_is_watched_as_if_it_had_been_started(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    keeper_adopt(&r->k, r->now, r->now - 5000, true);
    look(r);
    assert_int_equal(r->starts, 0);
    assert_true(r->k.ready);
    die(r);
    assert_int_equal(r->starts, 1);
    rig_free(r);
}

/* A program that may do anything at any time. */
struct chaos {
    struct rig *r;
    struct rand dice;
    bool process, starting, leftover, kill, draining;
    int hook; /* that runs; -1 none */
};

static void chaos_ask(struct chaos *c)
{
    struct rig *r = c->r;
    struct keeper_notice beat = {.beat = true};
    switch (c->draining ? UINT64_MAX : rand_below(&c->dice, 12)) {
    case 0:
        keeper_ask_start(&r->k, r->now, rand_below(&c->dice, 2));
        break;
    case 1:
        keeper_ask_stop(&r->k, r->now);
        break;
    case 2:
        keeper_ask_restart(&r->k, r->now, KEEPER_ASKED);
        break;
    case 3:
        keeper_dependencies_ready(&r->k, r->now);
        break;
    case 4:
        keeper_notified(&r->k, r->now, &beat);
        break;
    case 5:
        if (c->process && r->k.process)
            keeper_over_limit(&r->k, r->now, KEEPER_CPU, "cpu");
        break;
    default:
        if (c->draining && r->k.wanted)
            keeper_ask_stop(&r->k, r->now);
    }
}

static void chaos_act(struct chaos *c)
{
    struct keeper_action a;
    c->kill = false;
    while (keeper_queue_take(&c->r->queue, &a)) {
        if (a.act == KEEPER_DO_START) {
            assert_false(c->process || c->starting || c->leftover);
            c->starting = true;
        } else if (a.act == KEEPER_DO_KILL) {
            c->kill = true;
        } else if (a.act == KEEPER_DO_HOOK && a.number != KEEPER_AFTER_START) {
            assert_int_equal(c->hook, -1);
            c->hook = a.number;
        }
    }
}

static void chaos_answer(struct chaos *c)
{
    struct rig *r = c->r;
    if (c->starting && (c->draining || rand_below(&c->dice, 2))) {
        c->starting = false;
        c->process = rand_below(&c->dice, 4) != 0;
        if (c->process)
            keeper_started(&r->k, r->now);
        else
            keeper_start_failed(&r->k, r->now, KEEPER_RESTART_MAY_HEAL, "no");
    } else if (c->process && (c->kill || c->draining || rand_below(&c->dice, 6) == 0)) {
        c->process = false;
        c->leftover = rand_below(&c->dice, 3) == 0;
        struct keeper_exit e = {.leftover = c->leftover, .text = "died"};
        keeper_exited(&r->k, r->now, &e);
    } else if (c->kill || (c->leftover && c->draining)) {
        c->leftover = false;
        keeper_tree_gone(&r->k, r->now);
    } else if (c->hook >= 0) {
        int which = c->hook;
        c->hook = -1;
        keeper_hook_done(&r->k, r->now, (enum keeper_hook)which, true, "");
    }
    for (int k = 0; k < KEEPER_CHECKS; k++)
        if (r->k.checks[k].running)
            keeper_checked(&r->k, r->now, (enum keeper_which)k, rand_below(&c->dice, 2), "?");
}

/* Whatever happens in whatever order: never two processes, and asked down it gets down. */
static void random_events_never_start_a_second_process(void **state)
{
    (void)state;
    static const char *const hook[] = {"true", NULL};
    struct chaos c;
    rand_init(&c.dice, 7);
    for (int run = 0; run < 300; run++) {
        struct rig *r = c.r = rig_new();
        if (rand_below(&c.dice, 3) == 0)
            r->program.before_start = r->program.before_stop = r->program.after_stop = hook;
        r->program.liveness.kind = rand_below(&c.dice, 2) ? WATCH_PROBE_TCP : WATCH_PROBE_NONE;
        r->program.restarts_max = 1000;
        c.process = c.starting = c.leftover = false;
        c.hook = -1;
        for (int i = 0; i < 400; i++) {
            c.draining = i > 350;
            chaos_ask(&c);
            r->now += (int64_t)rand_below(&c.dice, 3000);
            keeper_tick(&r->k, r->now);
            chaos_act(&c);
            chaos_answer(&c);
        }
        if (!keeper_down(&r->k))
            fail_msg("run %d ends %s", run, keeper_state_word(r->k.state));
        assert_false(c.process || c.starting || c.leftover);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_and_the_sixth_failure_is_critical),
        cmocka_unit_test(the_window_slides_and_health_clears_the_count),
        cmocka_unit_test(a_slow_retry_starts_again_each_five_minutes_until_it_is_well),
        cmocka_unit_test(jitter_adds_at_most_its_share),
        cmocka_unit_test(what_no_restart_heals_is_critical_at_once),
        cmocka_unit_test(a_taken_port_is_waited_for_and_does_not_count),
        cmocka_unit_test(restart_policies_are_obeyed),
        cmocka_unit_test(leftovers_are_killed_before_the_new_start),
        cmocka_unit_test(a_stop_is_a_signal_then_a_kill),
        cmocka_unit_test(descendants_of_a_stop_have_its_time_too),
        cmocka_unit_test(an_asked_restart_does_not_count),
        cmocka_unit_test(a_start_during_a_stop_comes_after_it),
        cmocka_unit_test(heartbeats_count_from_the_first_and_their_lack_kills),
        cmocka_unit_test(a_program_may_change_its_heartbeat_extend_it_and_trigger),
        cmocka_unit_test(a_hang_aborts_first_where_a_core_is_wanted),
        cmocka_unit_test(liveness_ends_a_program_after_its_time_without_success),
        cmocka_unit_test(a_check_that_never_answers_is_a_failure_too),
        cmocka_unit_test(the_grace_counts_no_failures_and_ready_ends_it),
        cmocka_unit_test(readiness_takes_out_of_rotation_and_never_restarts),
        cmocka_unit_test(draining_waits_before_the_signal),
        cmocka_unit_test(hooks_run_around_start_and_stop),
        cmocka_unit_test(what_it_starts_after_is_waited_for),
        cmocka_unit_test(over_a_limit_it_ends_and_counts),
        cmocka_unit_test(an_adopted_program_is_watched_as_if_it_had_been_started),
        cmocka_unit_test(random_events_never_start_a_second_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
