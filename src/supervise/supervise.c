#include "supervise/supervise.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/channel.h"
#include "os/fatal.h"
#include "os/notify.h"
#include "os/signals.h"
#include "supervise/order.h"
#include "supervise/report.h"

enum {
    HEALTHY_MS = 60 * 1000, /* of service: the pauses begin anew */
    ABORT_GRACE_MS = 3000,  /* from SIGABRT to SIGKILL of a worker that hangs */
    TICK_MS = 60 * 1000,    /* the longest sleep */
    OUTPUT_CHUNK = 16 << 10,
    OUTPUT_ROUNDS_MAX = 64, /* chunks of output taken in one round */
};

static const int64_t PAUSES_MS[] = {0, 100, 500, 1000, 2000, 5000, 10000};
static const char *const MODULE = "supervise";

enum phase {
    PHASE_START, /* it has not said that it is ready */
    PHASE_SERVE,
    PHASE_STOP,    /* told to end, because we end */
    PHASE_REPLACE, /* told to end, because another comes */
    PHASE_ABORT,   /* its heart has stopped: SIGABRT sent */
};

struct supervisor {
    const struct supervise_ops *ops;
    void *context;
    const char *build;
    struct supervise_settings settings;
    struct notify notify;
    int signals; /* fd */
    struct child *child;
    enum phase phase;
    int64_t started_ms, beat_ms, phase_ms; /* monotonic */
    unsigned restarts;                     /* in all */
    unsigned row;                          /* in a row */
    bool was_ready;                        /* some worker has served */
    bool stopping, forced;
    char last[WHY_MAX];    /* how the last worker ended */
    char problem[WHY_MAX]; /* of the configuration, "" where there is none */
    struct report_tail tail;
};

int64_t supervise_pause_ms(unsigned n)
{
    return PAUSES_MS[MIN((size_t)n, COUNTOF(PAUSES_MS) - 1)];
}

static int64_t now_ms(void)
{
    return clock_monotonic_ns(&clock_real) / 1000000;
}

static void enter(struct supervisor *s, enum phase phase)
{
    s->phase = phase;
    s->phase_ms = now_ms();
}

static void tell(struct supervisor *s, enum order type, const char *text)
{
    /* A worker that does not read hangs, and the heartbeat will say so. */
    if (s->child != NULL)
        channel_send(child_channel_fd(s->child), (char)type, str_c(text));
}

static void tell_start(struct supervisor *s)
{
    char text[WHY_MAX + 32];
    snprintf(text, sizeof text, "%u %s", s->restarts, s->last);
    tell(s, ORDER_START, text);
    if (s->problem[0] != '\0')
        tell(s, ORDER_PROBLEM, s->problem);
}

static int start(struct supervisor *s)
{
    struct child_config config;
    struct why why = {0};
    s->ops->settings(s->context, &s->settings);
    s->ops->command(s->context, &config);
    memset(&s->tail, 0, sizeof s->tail);
    int err = child_start(&config, &s->child, &why);
    if (err != 0) {
        log_error(MODULE, "%s", why.text);
        return err;
    }
    s->started_ms = s->beat_ms = now_ms();
    enter(s, PHASE_START);
    tell_start(s);
    return 0;
}

static void stop(struct supervisor *s, enum phase phase)
{
    if (s->phase != PHASE_STOP && s->phase != PHASE_REPLACE)
        child_signal(s->child, SIGTERM);
    enter(s, phase);
}

static void become_ready(struct supervisor *s)
{
    s->beat_ms = now_ms();
    if (s->phase != PHASE_START)
        return;
    enter(s, PHASE_SERVE);
    s->was_ready = true;
    notify_send(&s->notify, "READY=1\nSTATUS=Serving; %u restarts", s->restarts);
    s->ops->ready(s->context);
}

static void take_output(struct supervisor *s)
{
    char chunk[OUTPUT_CHUNK];
    for (int round = 0; round < OUTPUT_ROUNDS_MAX; round++) {
        size_t n = child_output(s->child, chunk, sizeof chunk);
        if (n == 0)
            return;
        report_tail_add(&s->tail, chunk, n);
        for (size_t done = 0; done < n;) {
            ssize_t wrote = write(STDERR_FILENO, chunk + done, n - done);
            if (wrote <= 0)
                break; /* nobody reads it; the report has it */
            done += (size_t)wrote;
        }
    }
}

static void reload(struct supervisor *s)
{
    struct why why = {0};
    notify_reloading(&s->notify);
    enum supervise_reload answer = s->ops->reload(s->context, &why);
    snprintf(s->problem, sizeof s->problem, "%s", answer == SUPERVISE_KEEP ? why.text : "");
    tell(s, ORDER_PROBLEM, s->problem);
    if (answer == SUPERVISE_KEEP) {
        log_error(MODULE, "the old configuration stays: %s", s->problem);
        notify_send(&s->notify, "READY=1\nSTATUS=The new configuration is wrong: %s", s->problem);
        return;
    }
    s->ops->settings(s->context, &s->settings);
    if (answer == SUPERVISE_TELL) {
        tell(s, ORDER_RELOAD, "");
        notify_send(&s->notify, "READY=1\nSTATUS=Serving; configuration reloaded");
        log_info(MODULE, "configuration reloaded");
    } else if (s->child != NULL) {
        log_info(MODULE, "the new configuration needs a new worker");
        stop(s, PHASE_REPLACE);
    }
}

static void begin_stop(struct supervisor *s)
{
    s->stopping = true;
    notify_send(&s->notify, "STOPPING=1");
    if (s->child != NULL)
        stop(s, PHASE_STOP);
}

static void take_messages(struct supervisor *s)
{
    struct channel_message message;
    while (channel_receive(child_channel_fd(s->child), &message) == 0) {
        if (message.type == ORDER_READY)
            become_ready(s);
        else if (message.type == ORDER_BEAT)
            s->beat_ms = now_ms();
        else if (message.type == ORDER_ASK && !s->stopping)
            reload(s);
        else if (message.type == ORDER_QUIT)
            begin_stop(s);
    }
}

static void take_signals(struct supervisor *s)
{
    for (int signum; (signum = signals_next(s->signals)) != 0;) {
        if (signum == SIGHUP && !s->stopping) {
            reload(s);
        } else if (signum == SIGTERM || signum == SIGINT) {
            if (s->stopping && s->child != NULL && signum == SIGINT) {
                log_warn(MODULE, "interrupted again: the worker is killed");
                s->forced = true;
                child_signal(s->child, SIGKILL);
            }
            begin_stop(s);
        }
    }
}

/* When the present phase has lasted too long (monotonic ms). */
static int64_t deadline(const struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_START:
        return s->phase_ms + s->settings.start_timeout_ms;
    case PHASE_SERVE:
        return s->beat_ms + s->settings.beat_timeout_ms;
    case PHASE_ABORT:
        return s->phase_ms + ABORT_GRACE_MS;
    default:
        return s->phase_ms + s->settings.stop_timeout_ms;
    }
}

static void overdue(struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_START:
    case PHASE_SERVE:
        log_error(MODULE, "the worker (process %d) %s for %" PRId64 " ms and is aborted",
                  child_pid(s->child),
                  s->phase == PHASE_START ? "has been starting" : "has had no heartbeat",
                  now_ms() - (s->phase == PHASE_START ? s->phase_ms : s->beat_ms));
        child_signal(s->child, SIGABRT);
        enter(s, PHASE_ABORT);
        break;
    default:
        log_error(MODULE, "the worker (process %d) does not end and is killed",
                  child_pid(s->child));
        s->forced = true;
        child_signal(s->child, SIGKILL);
        s->phase_ms = now_ms();
    }
}

static int64_t wait_ms(const struct supervisor *s, int64_t until)
{
    int64_t now = now_ms(), wait = MIN(until - now, (int64_t)TICK_MS);
    if (s->notify.watchdog_ms > 0)
        wait = MIN(wait, s->notify.watchdog_ms);
    return MAX(wait, (int64_t)0);
}

/* Runs the worker until it has ended. */
static void attend(struct supervisor *s, struct child_end *ret)
{
    while (!child_ended(s->child, ret)) {
        int fds[] = {s->signals, child_channel_fd(s->child), child_output_fd(s->child),
                     child_end_fd(s->child)};
        unsigned ready = channel_wait(fds, COUNTOF(fds), wait_ms(s, deadline(s)));
        if (ready & 4)
            take_output(s);
        if (ready & 2)
            take_messages(s);
        if (ready & 1)
            take_signals(s);
        if (now_ms() >= deadline(s) && !child_ended(s->child, ret))
            overdue(s);
        if (s->phase != PHASE_ABORT && s->notify.watchdog_ms > 0)
            notify_send(&s->notify, "WATCHDOG=1");
    }
    take_output(s);
}

static void report(struct supervisor *s, struct child_end end, int64_t uptime_ms)
{
    const char *name = end.signaled ? fatal_name(end.code) : "exit status";
    snprintf(s->last, sizeof s->last, "%s %d after %" PRId64 " ms", name, end.code, uptime_ms);
    struct report r = {.time_ms = clock_wall_ms(&clock_real),
                       .uptime_ms = uptime_ms,
                       .pid = child_pid(s->child),
                       .restarts = s->restarts,
                       .end = end,
                       .hung = s->phase == PHASE_ABORT,
                       .build = s->build,
                       .tail = &s->tail};
    char file[64];
    struct why why = {0};
    if (report_write(&r, s->settings.crash_folder, s->settings.crash_keep, file, &why) == 0)
        log_error(MODULE, "the worker (process %d) ended: %s; report: %s/%s", r.pid, s->last,
                  s->settings.crash_folder, file);
    else
        log_error(MODULE, "the worker (process %d) ended: %s; no report: %s", r.pid, s->last,
                  why.text);
}

/* Sleeps before a restart, but for signals. */
static void pause_for(struct supervisor *s, int64_t ms)
{
    int64_t until = now_ms() + ms;
    while (!s->stopping && now_ms() < until) {
        if (channel_wait(&s->signals, 1, wait_ms(s, until)) != 0)
            take_signals(s);
        if (s->notify.watchdog_ms > 0)
            notify_send(&s->notify, "WATCHDOG=1");
    }
}

/* Judges how the worker ended; true where this process ends too, with *ret_status. */
static bool finish(struct supervisor *s, struct child_end end, int *ret_status)
{
    int64_t uptime_ms = now_ms() - s->started_ms;
    bool clean = !end.signaled && end.code == ORDER_EXIT_STOPPED;
    bool refused = !end.signaled && end.code == ORDER_EXIT_REFUSED;
    bool wanted = s->phase == PHASE_STOP || s->phase == PHASE_REPLACE;
    if (refused && !s->was_ready) {
        *ret_status = 1; /* it has said why */
        return true;
    }
    if (!(wanted && (clean || s->forced)))
        report(s, end, uptime_ms);
    if (s->stopping) {
        *ret_status = clean ? 0 : 1;
        return true;
    }
    s->row = uptime_ms >= HEALTHY_MS || s->phase == PHASE_REPLACE ? 0 : s->row;
    if (s->phase != PHASE_REPLACE) {
        s->restarts++;
        int64_t pause_ms = supervise_pause_ms(s->row++);
        notify_send(&s->notify, "STATUS=The worker died (%s) and is started again", s->last);
        log_warn(MODULE, "the worker is started again in %" PRId64 " ms", pause_ms);
        child_free(s->child);
        s->child = NULL;
        pause_for(s, pause_ms);
    }
    s->forced = false;
    *ret_status = 0;
    return s->stopping;
}

int supervise_run(const struct supervise_ops *ops, void *context, const char *build)
{
    static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP};
    struct supervisor *s = mem_new(sizeof *s);
    *s = (struct supervisor){.ops = ops, .context = context, .build = build, .last = "first start"};
    int status = 1;
    if (signals_open(SIGNALS, COUNTOF(SIGNALS), &s->signals) != 0) {
        log_error(MODULE, "signals cannot be waited for");
        mem_free(s);
        return status;
    }
    notify_open(&s->notify);
    for (bool done = false; !done;) {
        struct child_end end = {0};
        if (start(s) == 0) {
            attend(s, &end);
            done = finish(s, end, &status);
        } else {
            pause_for(s, supervise_pause_ms(s->row++));
            done = s->stopping || !s->was_ready;
        }
        child_free(s->child);
        s->child = NULL;
    }
    notify_close(&s->notify);
    channel_close(s->signals);
    mem_free(s);
    return status;
}
