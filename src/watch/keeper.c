#include "watch/keeper.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

enum {
    QUICK_CHECK_MS = 100,   /* while it starts, */
    SLOWER_CHECK_MS = 1000, /* and after QUICK_FOR_MS */
    QUICK_FOR_MS = 5000,
    LEASH_MS = 2000,      /* to end by itself, for who does not answer its checks any more */
    KILL_AGAIN_MS = 1000, /* between kills of what does not end */
};

static const char *const state_words[] = {
    "stopped",  "waiting", "preparing", "starting", "running",  "draining",
    "stopping", "pausing", "blocked",   "critical", "finished",
};
static const char *const cause_words[] = {
    "exit", "heartbeat", "liveness", "memory", "cpu", "files", "asked", "plan",
};
static const char *const note_words[] = {
    "start", "ready", "reload",  "stop",     "stopped", "restart",
    "hang",  "limit", "blocked", "critical", "well",    "check",
};

const char *keeper_state_word(enum keeper_state s)
{
    return state_words[s];
}

const char *keeper_cause_word(enum keeper_cause c)
{
    return cause_words[c];
}

const char *keeper_note_word(enum keeper_note n)
{
    return note_words[n];
}

/* ---- actions */

void keeper_queue_done(struct keeper_queue *q)
{
    mem_free(q->v);
    *q = (struct keeper_queue){0};
}

bool keeper_queue_take(struct keeper_queue *q, struct keeper_action *ret)
{
    if (q->at == q->n) {
        q->at = q->n = 0;
        return false;
    }
    *ret = q->v[q->at++];
    return true;
}

static struct keeper_action *act(struct keeper *k, enum keeper_act what, int number)
{
    struct keeper_queue *q = k->queue;
    vec_push(q, ((struct keeper_action){.keeper = k, .act = what, .number = number}));
    return &q->v[q->n - 1];
}

PRINTF(4, 5)
static struct keeper_action *note(struct keeper *k, enum keeper_note what, enum keeper_level level,
                                  const char *format, ...)
{
    struct keeper_action *a = act(k, KEEPER_DO_NOTE, 0);
    va_list list;
    a->note = what;
    a->level = level;
    a->cause = k->cause;
    va_start(list, format);
    vsnprintf(a->text, sizeof a->text, format, list);
    va_end(list);
    return a;
}

static void say(struct keeper *k, const char *reason)
{
    if (reason != k->reason)
        snprintf(k->reason, sizeof k->reason, "%s", reason);
}

static void set_fit(struct keeper *k, bool fit)
{
    if (k->fit == fit)
        return;
    k->fit = fit;
    act(k, KEEPER_DO_FIT, fit);
}

/* ---- life and death */

void keeper_init(struct keeper *k, const struct watch_program *program, struct keeper_queue *queue,
                 struct rand *rand)
{
    *k = (struct keeper){
        .queue = queue, .rand = rand, .deadline_ms = -1, .beat_ms = -1, .well_ms = -1};
    keeper_set_program(k, program);
    for (int i = 0; i < KEEPER_CHECKS; i++)
        k->checks[i].next_ms = -1;
}

void keeper_done(struct keeper *k)
{
    vec_free(&k->restarts);
}

void keeper_set_program(struct keeper *k, const struct watch_program *program)
{
    k->program = program;
    k->drains = *program->haproxy_socket || *program->proxy_listen;
    if (!k->process)
        k->heartbeat_ms = program->heartbeat_ms;
}

static const struct watch_probe *probe_of(const struct keeper *k, enum keeper_which which)
{
    return which == KEEPER_CHECK_LIVENESS ? &k->program->liveness : &k->program->readiness;
}

static bool has_check(const struct keeper *k, enum keeper_which which)
{
    return probe_of(k, which)->kind != WATCH_PROBE_NONE;
}

static void go(struct keeper *k, enum keeper_state state, int64_t deadline_ms)
{
    k->state = state;
    k->deadline_ms = deadline_ms;
}

static void start_now(struct keeper *k, int64_t now)
{
    k->terminated = k->cleaning = k->again = false;
    k->ready = false;
    if (k->program->before_start[0]) {
        go(k, KEEPER_PREPARING, -1); /* the hook has its own time-out */
        k->hook_running = true;
        act(k, KEEPER_DO_HOOK, KEEPER_BEFORE_START);
        return;
    }
    go(k, KEEPER_STARTING, -1);
    act(k, KEEPER_DO_START, 0);
    (void)now;
}

/* Restarts that lie before the window do not count. */
static void prune(struct keeper *k, int64_t now)
{
    size_t old = 0;
    while (old < k->restarts.n && k->restarts.v[old] <= now - k->program->window_ms)
        old++;
    k->restarts.n -= old;
    if (old && k->restarts.n)
        memmove(k->restarts.v, k->restarts.v + old, k->restarts.n * sizeof *k->restarts.v);
}

static bool unlimited(const struct keeper *k)
{
    return k->program->restarts_max >= WATCH_PLAN_RESTARTS_MAX;
}

static int64_t pause_of(struct keeper *k, size_t which)
{
    const struct watch_program *p = k->program;
    int64_t pause = p->pauses_ms[MIN(which, p->pauses_n - 1)];
    int64_t jitter = pause * p->jitter_percent / 100;
    return jitter > 0 ? pause + (int64_t)rand_below(k->rand, (uint64_t)jitter + 1) : pause;
}

static void be_critical(struct keeper *k, int64_t now)
{
    bool retry = k->program->give_up == WATCH_GIVE_UP_RETRY;
    go(k, KEEPER_CRITICAL, retry ? now + k->program->retry_ms : -1);
    k->slow = true;
    struct keeper_action *a = note(k, KEEPER_NOTE_CRITICAL, KEEPER_ERROR, "%s", k->reason);
    a->pause_ms = retry ? k->program->retry_ms : -1;
}

static void be_blocked(struct keeper *k, int64_t now)
{
    int64_t pause = pause_of(k, k->program->pauses_n - 1);
    pause = MAX(pause, 1);
    go(k, KEEPER_BLOCKED, now + pause);
    struct keeper_action *a = note(k, KEEPER_NOTE_BLOCKED, KEEPER_ERROR, "%s", k->reason);
    a->pause_ms = pause;
}

/* It has failed and is down: now, later, or not any more? */
static void fail(struct keeper *k, int64_t now, enum keeper_remedy remedy)
{
    prune(k, now);
    if (remedy == KEEPER_CANNOT_HEAL) {
        be_critical(k, now);
        return;
    }
    if (remedy == KEEPER_MUST_WAIT) {
        be_blocked(k, now);
        return;
    }
    size_t n = k->restarts.n;
    bool over = !unlimited(k) && (int64_t)n >= k->program->restarts_max;
    if (k->slow || over) {
        char last[KEEPER_TEXT_MAX / 2];
        snprintf(last, sizeof last, "%.110s", k->reason);
        if (over)
            snprintf(k->reason, sizeof k->reason, "restarted %zu times in %lld s, and again: %s", n,
                     (long long)k->program->window_ms / 1000, last);
        be_critical(k, now);
        return;
    }
    if (!unlimited(k) || n < k->program->pauses_n) /* without a limit only pauses count */
        vec_push(&k->restarts, now);
    k->restarts_all++;
    k->restarts_by[k->cause]++;
    int64_t pause = pause_of(k, n);
    struct keeper_action *a =
        note(k, KEEPER_NOTE_RESTART, KEEPER_WARN, "restart %zu: %s", n + 1, k->reason);
    a->pause_ms = pause;
    if (pause > 0)
        go(k, KEEPER_PAUSING, now + pause);
    else
        start_now(k, now);
}

/* It is down, with all that it left, and hooks have run. */
static void settle(struct keeper *k, int64_t now)
{
    k->terminated = k->cleaning = false;
    if (!k->wanted && !k->again) {
        go(k, KEEPER_STOPPED, -1);
        note(k, KEEPER_NOTE_STOPPED, KEEPER_INFO, "stopped");
        return;
    }
    if (k->again) {
        k->restarts_all++;
        k->restarts_by[k->cause]++;
        struct keeper_action *a =
            note(k, KEEPER_NOTE_RESTART, KEEPER_INFO, "restart, as %s",
                 k->cause == KEEPER_PLAN ? "its row of the table has changed" : "asked for");
        a->pause_ms = 0;
        start_now(k, now);
        return;
    }
    bool own = k->cause == KEEPER_EXIT;
    if (own && (k->program->restart == WATCH_RESTART_NEVER ||
                (k->program->restart == WATCH_RESTART_ON_FAILURE && k->ended.clean))) {
        go(k, KEEPER_FINISHED, -1);
        note(k, KEEPER_NOTE_STOPPED, k->ended.clean ? KEEPER_INFO : KEEPER_ERROR,
             "ended and is not to be restarted: %s", k->reason);
        return;
    }
    fail(k, now, own ? k->ended.remedy : KEEPER_RESTART_MAY_HEAL);
}

/* All its processes are gone. */
static void gone(struct keeper *k, int64_t now)
{
    k->cleaning = false;
    if (k->program->after_stop[0]) {
        go(k, KEEPER_STOPPING, -1);
        k->hook_running = true;
        act(k, KEEPER_DO_HOOK, KEEPER_AFTER_STOP);
        return;
    }
    settle(k, now);
}

static void kill_all(struct keeper *k, int64_t now)
{
    k->cleaning = true;
    go(k, KEEPER_STOPPING, now + KILL_AGAIN_MS);
    act(k, KEEPER_DO_KILL, 0);
}

static void terminate(struct keeper *k, int64_t now, int signum, int64_t timeout)
{
    k->terminated = true;
    go(k, KEEPER_STOPPING, now + timeout);
    act(k, KEEPER_DO_SIGNAL, signum);
}

/* An orderly end: out of rotation, hook, signal. */
static void stop_hook(struct keeper *k, int64_t now)
{
    if (k->program->before_stop[0]) {
        go(k, KEEPER_STOPPING, -1);
        k->hook_running = true;
        act(k, KEEPER_DO_HOOK, KEEPER_BEFORE_STOP);
        return;
    }
    terminate(k, now, (int)k->program->stop_signal, k->program->stop_timeout_ms);
}

static void begin_stop(struct keeper *k, int64_t now)
{
    bool drain = k->drains && k->fit;
    set_fit(k, false);
    k->ready = false;
    k->well_ms = -1;
    note(k, KEEPER_NOTE_STOP, KEEPER_INFO, "stopping: %s", k->reason);
    if (drain && k->program->drain_ms > 0)
        go(k, KEEPER_DRAINING, now + k->program->drain_ms);
    else
        stop_hook(k, now);
}

/* Ends a process that fails, so that it is started anew; it counts as a failure. */
static void end_for(struct keeper *k, int64_t now, enum keeper_cause cause, enum keeper_note what,
                    const char *text)
{
    k->cause = cause;
    say(k, text);
    note(k, what, KEEPER_WARN, "%s", text);
    set_fit(k, false);
    k->ready = false;
    k->well_ms = -1;
    if (cause == KEEPER_HEARTBEAT && !k->program->abort_on_hang) {
        kill_all(k, now); /* it does not react: nothing to wait for */
        return;
    }
    int64_t timeout = k->program->stop_timeout_ms;
    int signum = (int)k->program->stop_signal;
    if (cause == KEEPER_LIVENESS)
        timeout = MIN(timeout, MIN(LEASH_MS, k->program->liveness.interval_ms / 2));
    if ((cause == KEEPER_LIVENESS || cause == KEEPER_HEARTBEAT) && k->program->abort_on_hang) {
        signum = SIGABRT;
        timeout = k->program->stop_timeout_ms; /* a core takes its time */
    }
    terminate(k, now, signum, timeout);
}

/* ---- asked for */

static bool alive(const struct keeper *k)
{
    return k->state == KEEPER_STARTING || k->state == KEEPER_RUNNING;
}

bool keeper_down(const struct keeper *k)
{
    switch (k->state) {
    case KEEPER_STOPPED:
    case KEEPER_CRITICAL:
    case KEEPER_FINISHED:
        return true;
    case KEEPER_WAITING:
    case KEEPER_PAUSING:
    case KEEPER_BLOCKED:
        return !k->wanted;
    default:
        return false;
    }
}

void keeper_ask_start(struct keeper *k, int64_t now, bool dependencies)
{
    bool down = keeper_down(k) || k->state == KEEPER_PAUSING || k->state == KEEPER_BLOCKED;
    bool was_wanted = k->wanted;
    k->wanted = true;
    if (!down) {
        /* Being stopped: comes back when it is down. */
        if (!was_wanted && (k->state == KEEPER_STOPPING || k->state == KEEPER_DRAINING)) {
            k->again = true;
            k->cause = KEEPER_ASKED;
        }
        return;
    }
    k->slow = false;
    k->restarts.n = 0;
    k->cause = KEEPER_ASKED;
    if (!dependencies) {
        say(k, "waits for what it starts after");
        go(k, KEEPER_WAITING, -1);
        return;
    }
    say(k, "");
    start_now(k, now);
}

void keeper_dependencies_ready(struct keeper *k, int64_t now)
{
    if (k->state != KEEPER_WAITING || !k->wanted)
        return;
    say(k, "");
    start_now(k, now);
}

void keeper_ask_stop(struct keeper *k, int64_t now)
{
    bool was = k->wanted;
    k->wanted = k->again = false;
    if (alive(k) && k->process) {
        k->cause = KEEPER_ASKED;
        say(k, "asked to");
        begin_stop(k, now);
        return;
    }
    if (k->state == KEEPER_PREPARING || k->state == KEEPER_STARTING ||
        k->state == KEEPER_DRAINING || k->state == KEEPER_STOPPING)
        return; /* it is on its way */
    go(k, KEEPER_STOPPED, -1);
    say(k, "");
    if (was)
        note(k, KEEPER_NOTE_STOPPED, KEEPER_INFO, "stopped");
}

void keeper_ask_restart(struct keeper *k, int64_t now, enum keeper_cause cause)
{
    if (alive(k) && k->process) {
        k->wanted = k->again = true;
        k->cause = cause;
        say(k, cause == KEEPER_PLAN ? "its row of the table has changed" : "asked to restart");
        begin_stop(k, now);
    } else {
        keeper_ask_start(k, now, true);
    }
}

/* ---- what happened */

static int64_t check_pause(const struct keeper *k, int64_t now, enum keeper_which which)
{
    int64_t interval = probe_of(k, which)->interval_ms;
    if (k->checks[which].known && k->checks[which].ok)
        return interval;
    if (k->ready && which == KEEPER_CHECK_LIVENESS)
        return interval;
    bool young = now - k->started_ms < QUICK_FOR_MS;
    return MIN(interval, young ? QUICK_CHECK_MS : SLOWER_CHECK_MS);
}

static void become_ready(struct keeper *k, int64_t now)
{
    bool first = k->ready_ms < 0;
    k->ready = true;
    say(k, "");
    if (k->state == KEEPER_STARTING)
        go(k, KEEPER_RUNNING, -1);
    if (first) {
        k->ready_ms = now;
        k->well_ms = now;
        note(k, KEEPER_NOTE_READY, KEEPER_INFO, "ready after %lld ms",
             (long long)(now - k->started_ms));
        if (k->program->after_start[0])
            act(k, KEEPER_DO_HOOK, KEEPER_AFTER_START);
    }
    set_fit(k, true);
}

static void begin_life(struct keeper *k, int64_t now)
{
    k->process = true;
    k->cause = KEEPER_EXIT;
    k->started_ms = now;
    k->ready_ms = -1;
    k->beat_ms = -1;
    k->beats = 0;
    k->extended_ms = 0;
    k->heartbeat_ms = k->program->heartbeat_ms;
    k->alive_ms = now + k->program->grace_ms;
    for (int i = 0; i < KEEPER_CHECKS; i++) {
        struct keeper_check *c = &k->checks[i];
        c->known = c->ok = c->running = false;
        c->next_ms = has_check(k, (enum keeper_which)i) ? now + QUICK_CHECK_MS : -1;
    }
}

void keeper_started(struct keeper *k, int64_t now)
{
    k->lives++;
    k->adopted = false;
    begin_life(k, now);
    if (!k->wanted) { /* asked to stop meanwhile */
        begin_stop(k, now);
        return;
    }
    say(k, "");
    if (!has_check(k, KEEPER_CHECK_READINESS) && !has_check(k, KEEPER_CHECK_LIVENESS))
        become_ready(k, now);
}

void keeper_adopt(struct keeper *k, int64_t now, int64_t started_ms, bool ready)
{
    k->wanted = k->adopted = true;
    go(k, KEEPER_STARTING, -1);
    begin_life(k, now);
    k->started_ms = started_ms;
    if (ready || (!has_check(k, KEEPER_CHECK_READINESS) && !has_check(k, KEEPER_CHECK_LIVENESS)))
        become_ready(k, now);
}

void keeper_restore(struct keeper *k, int64_t now, enum keeper_state state, bool wanted,
                    int64_t deadline_ms)
{
    k->wanted = wanted;
    if (!wanted)
        go(k, KEEPER_STOPPED, -1);
    else if (state == KEEPER_PAUSING || state == KEEPER_BLOCKED || state == KEEPER_CRITICAL)
        go(k, state, deadline_ms);
    else if (state == KEEPER_FINISHED || state == KEEPER_WAITING)
        go(k, state, -1);
    else
        go(k, KEEPER_PAUSING, now); /* it was on its way up */
}

void keeper_start_failed(struct keeper *k, int64_t now, enum keeper_remedy remedy, const char *text)
{
    k->cause = KEEPER_EXIT;
    k->ended = (struct keeper_exit){.remedy = remedy};
    say(k, text);
    if (!k->wanted) {
        settle(k, now);
        return;
    }
    fail(k, now, remedy);
}

void keeper_exited(struct keeper *k, int64_t now, const struct keeper_exit *e)
{
    bool planned = k->state == KEEPER_STOPPING || k->state == KEEPER_DRAINING;
    k->process = false;
    k->deaths++;
    k->well_ms = k->beat_ms = -1;
    k->ready = false;
    for (int i = 0; i < KEEPER_CHECKS; i++)
        k->checks[i].next_ms = -1;
    set_fit(k, false);
    k->ended = *e;
    k->ended.text = NULL;
    if (!planned) {
        k->cause = KEEPER_EXIT;
        say(k, e->text);
    }
    if (k->hook_running)
        return; /* before_stop still runs: its end goes on */
    if (!e->leftover) {
        gone(k, now);
        return;
    }
    /* After a crash they hold what the next one needs; in an orderly stop they have been told to
     * end as well, and may take as long as the main process might. */
    if (planned && k->terminated && !k->cleaning && k->deadline_ms > now)
        return;
    kill_all(k, now);
}

void keeper_tree_gone(struct keeper *k, int64_t now)
{
    if (k->state == KEEPER_STOPPING && !k->process && !k->hook_running)
        gone(k, now);
}

static void extend(struct keeper *k, int64_t now, int64_t by)
{
    k->extended_ms = now + by;
    if (k->state == KEEPER_STOPPING && k->terminated && !k->cleaning)
        k->deadline_ms = MAX(k->deadline_ms, k->extended_ms);
    if (k->beat_ms >= 0)
        k->beat_ms = MAX(k->beat_ms, k->extended_ms);
}

void keeper_notified(struct keeper *k, int64_t now, const struct keeper_notice *n)
{
    if (!k->process)
        return;
    if (n->heartbeat_ms > 0)
        k->heartbeat_ms = n->heartbeat_ms;
    if ((n->beat || (n->heartbeat_ms > 0 && k->beat_ms >= 0)) && k->heartbeat_ms > 0) {
        k->beats += n->beat;
        k->beat_ms = MAX(now + k->heartbeat_ms, k->extended_ms);
    }
    if (n->extend_ms > 0)
        extend(k, now, n->extend_ms);
    if (!alive(k))
        return;
    if (n->trigger) {
        end_for(k, now, KEEPER_HEARTBEAT, KEEPER_NOTE_HANG,
                "it asked to be restarted "
                "(WATCHDOG=trigger)");
        return;
    }
    if (n->reloading)
        note(k, KEEPER_NOTE_RELOAD, KEEPER_INFO, "is reloading");
    if (n->stopping) {
        set_fit(k, false);
        say(k, "says that it is stopping");
    } else if (n->ready) {
        k->alive_ms = now; /* ends the grace */
        become_ready(k, now);
    }
}

static void live_or_not(struct keeper *k, int64_t now, bool ok)
{
    if (!ok) {
        k->well_ms = -1;
        return;
    }
    k->alive_ms = now;
    if (k->well_ms < 0)
        k->well_ms = now;
    if (!k->ready && !has_check(k, KEEPER_CHECK_READINESS))
        become_ready(k, now);
}

void keeper_checked(struct keeper *k, int64_t now, enum keeper_which which, bool ok,
                    const char *text)
{
    struct keeper_check *c = &k->checks[which];
    bool changed = !c->known || c->ok != ok;
    bool starting = k->state == KEEPER_STARTING && now < k->alive_ms;
    c->running = false;
    c->checks++;
    c->failures += !ok;
    if (!k->process || !alive(k))
        return;
    if (changed && (ok || !starting))
        note(k, KEEPER_NOTE_CHECK, ok ? KEEPER_INFO : KEEPER_WARN, "%s: %s",
             which == KEEPER_CHECK_LIVENESS ? "liveness" : "readiness", ok ? "well" : text);
    c->known = ok || !starting; /* failures while it starts are to be expected */
    c->ok = ok;
    c->next_ms = MAX(c->begun_ms + check_pause(k, now, which), now + 1);
    if (which == KEEPER_CHECK_LIVENESS) {
        live_or_not(k, now, ok);
        return;
    }
    if (ok && !k->ready) {
        become_ready(k, now);
    } else if (!ok && k->ready) {
        k->ready = false;
        say(k, "its readiness check fails");
        set_fit(k, false);
    }
}

void keeper_over_limit(struct keeper *k, int64_t now, enum keeper_cause cause, const char *text)
{
    if (alive(k) && k->process)
        end_for(k, now, cause, KEEPER_NOTE_LIMIT, text);
}

void keeper_hook_done(struct keeper *k, int64_t now, enum keeper_hook hook, bool ok,
                      const char *text)
{
    if (hook == KEEPER_AFTER_START)
        return;
    k->hook_running = false;
    if (hook == KEEPER_BEFORE_START) {
        if (!k->wanted) {
            settle(k, now);
        } else if (ok) {
            go(k, KEEPER_STARTING, -1);
            act(k, KEEPER_DO_START, 0);
        } else {
            keeper_start_failed(k, now, KEEPER_RESTART_MAY_HEAL, text);
        }
    } else if (hook == KEEPER_BEFORE_STOP) {
        if (k->process)
            terminate(k, now, (int)k->program->stop_signal, k->program->stop_timeout_ms);
        else
            kill_all(k, now);
    } else {
        settle(k, now);
    }
}

/* ---- time */

static int64_t liveness_due(const struct keeper *k)
{
    if (!alive(k) || !k->process || !has_check(k, KEEPER_CHECK_LIVENESS))
        return INT64_MAX;
    return MAX(k->alive_ms + k->program->liveness.fail_ms, k->extended_ms);
}

static int64_t well_due(const struct keeper *k)
{
    bool counts = k->restarts.n > 0 || k->slow;
    return k->state == KEEPER_RUNNING && k->well_ms >= 0 && counts
               ? k->well_ms + k->program->window_ms
               : INT64_MAX;
}

int64_t keeper_due(const struct keeper *k)
{
    int64_t due = k->deadline_ms >= 0 ? k->deadline_ms : INT64_MAX;
    if (alive(k) && k->process) {
        if (k->beat_ms >= 0)
            due = MIN(due, k->beat_ms);
        for (int i = 0; i < KEEPER_CHECKS; i++)
            if (k->checks[i].next_ms >= 0 && !k->checks[i].running)
                due = MIN(due, k->checks[i].next_ms);
    }
    due = MIN(due, liveness_due(k));
    return MIN(due, well_due(k));
}

static void run_checks(struct keeper *k, int64_t now)
{
    for (int i = 0; i < KEEPER_CHECKS; i++) {
        struct keeper_check *c = &k->checks[i];
        if (c->next_ms < 0 || c->running || now < c->next_ms)
            continue;
        c->running = true;
        c->begun_ms = now;
        act(k, KEEPER_DO_CHECK, i);
    }
}

static void tick_alive(struct keeper *k, int64_t now)
{
    char text[KEEPER_TEXT_MAX];
    if (k->beat_ms >= 0 && now >= k->beat_ms) {
        snprintf(text, sizeof text, "hangs: no heartbeat for %lld ms", (long long)k->heartbeat_ms);
        end_for(k, now, KEEPER_HEARTBEAT, KEEPER_NOTE_HANG, text);
        return;
    }
    if (now >= liveness_due(k)) {
        snprintf(text, sizeof text, "hangs: its liveness check has not succeeded for %lld s",
                 (long long)(now - k->alive_ms) / 1000);
        end_for(k, now, KEEPER_LIVENESS, KEEPER_NOTE_HANG, text);
        return;
    }
    run_checks(k, now);
    if (now >= well_due(k)) {
        k->restarts.n = 0;
        k->slow = false;
        note(k, KEEPER_NOTE_WELL, KEEPER_INFO, "well for %lld s: restarts count from 0 again",
             (long long)k->program->window_ms / 1000);
    }
}

void keeper_drained(struct keeper *k, int64_t now)
{
    if (k->state == KEEPER_DRAINING)
        stop_hook(k, now);
}

void keeper_tick(struct keeper *k, int64_t now)
{
    if (alive(k) && k->process) {
        tick_alive(k, now);
        return;
    }
    if (k->deadline_ms < 0 || now < k->deadline_ms)
        return;
    switch (k->state) {
    case KEEPER_DRAINING:
        stop_hook(k, now);
        break;
    case KEEPER_STOPPING:
        kill_all(k, now); /* the time is over; again and again until all are gone */
        break;
    case KEEPER_PAUSING:
    case KEEPER_BLOCKED:
    case KEEPER_CRITICAL:
        start_now(k, now);
        break;
    default:
        k->deadline_ms = -1;
    }
}

size_t keeper_restarts(const struct keeper *k)
{
    return k->restarts.n;
}
