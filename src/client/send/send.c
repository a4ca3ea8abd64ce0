#include "client/send/send.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/source.h"
#include "client/send/direct.h"
#include "client/send/http.h"
#include "client/send/queue.h"
#include "client/send/remote.h"
#include "client/send/spool.h"
#include "client/send/uplink.h"
#include "sonde/core.h"

enum {
    ADOPT_PERIOD_S = 60,
    FLUSH_COMMAND_MS = 5000,
    FLUSH_TRY_MS = 500, /* a flush waits so long for a daemon's welcome before it goes around it */
};
static const uint64_t MS = 1000000; /* ns */

static _Atomic bool flushing; /* somebody waits for delivery */
static bool flush_new;        /* the worker has not begun with it */
static uint64_t flush_order;  /* what was put up to here is to be delivered */
static uint64_t adopt_due_ns;
static bool hooked;

static void pump_run(void *context);
static void tick_run(void *context);
static struct worker_task pump = {.name = "send", .run = pump_run};
static struct worker_task tick = {.name = "export", .run = tick_run};

static void changed(void)
{
    worker_task_now(&pump);
}

/* May what waits go around the daemon now? Not when it is only being restarted. */
static bool direct_allowed(void)
{
    enum uplink_state state = uplink_state();
    if (state == UPLINK_NONE || state == UPLINK_UP) {
        return state == UPLINK_NONE;
    }
    uint64_t down_ms = (ticks_monotonic_ns() - uplink_down_since_ns()) / MS;
    bool hurry = atomic_load(&flushing) && (state == UPLINK_DOWN || down_ms > FLUSH_TRY_MS);
    return hurry || down_ms >= setting.send_direct_after_ms;
}

/* Where the direct way is to have everything too, the daemon must as well, once one was seen. */
static void set_needs(void)
{
    for (size_t i = 0; i < SPOOL_KINDS; i++) {
        enum spool_kind kind = (enum spool_kind)i;
        uint8_t both = (uint8_t)(QUEUE_DIRECT | (uplink_was_up() ? QUEUE_DAEMON : 0));
        queue_need(kind, direct_also(kind) ? both : 0);
    }
}

/* Ends a flush when all that can be delivered now has been, and the rest is on disk. */
static void check_flushed(void)
{
    if (!atomic_load(&flushing)) {
        return;
    }
    enum uplink_state state = uplink_state();
    if (state == UPLINK_TRYING || (state == UPLINK_UP && !uplink_settled(flush_order))) {
        return;
    }
    if (direct_busy(direct_allowed(), flush_order)) {
        return;
    }
    if (state != UPLINK_UP) {
        queue_spill(true);
    }
    atomic_store(&flushing, false);
}

static void pump_run(void *context)
{
    if (flush_new) {
        flush_new = false;
        flush_order = queue_last();
        uplink_snapshot();
    }
    uint64_t now = ticks_monotonic_ns();
    if (now >= adopt_due_ns) {
        adopt_due_ns = now + (uint64_t)ADOPT_PERIOD_S * 1000 * MS;
        queue_adopt();
    }
    set_needs();
    uplink_pump();
    direct_pump(direct_allowed());
    check_flushed();
}

static void tick_run(void *context)
{
    tick.period_ns = setting.export_interval_ms * MS;
    uplink_snapshot();
    queue_spill(false); /* a disk that refused may have room again */
    pump_run(context);
}

static void put(const struct outgoing *what, const struct text *payload)
{
    queue_put(what, payload);
    worker_task_now(&pump);
}

static bool idle(void)
{
    return !atomic_load(&flushing);
}

static bool connected(void)
{
    return uplink_state() == UPLINK_UP;
}

/* ---- metrics and commands */

static uint64_t sent_of(enum spool_kind kind)
{
    return uplink_sent((int)kind) + direct_sent(kind);
}

static void write_metrics(struct source_writer *w, void *context)
{
    struct queue_stats s;
    queue_stats(&s);
    source_family(w, "sonde_client_connected", SOURCE_GAUGE,
                  "1 while there is a connection to the daemon.", NULL);
    source_sample(w, "", NULL, connected() ? 1 : 0);
    source_family(w, "sonde_client_queue_bytes", SOURCE_GAUGE,
                  "Bytes that wait in memory to be sent.", "bytes");
    source_sample(w, "", NULL, (double)s.memory_bytes);
    source_family(w, "sonde_client_spool_bytes", SOURCE_GAUGE,
                  "Bytes that wait on disk to be sent.", "bytes");
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        const sonde_label labels[] = {{"kind", queue_kind_name((enum spool_kind)kind)},
                                      {NULL, NULL}};
        source_sample(w, "", labels, (double)s.disk_bytes[kind]);
    }
    source_family(w, "sonde_client_spool_refused", SOURCE_COUNTER,
                  "Files that the disk did not take.", NULL);
    source_sample(w, "_total", NULL, (double)s.disk_refused);
    source_family(w, "sonde_client_sent", SOURCE_COUNTER,
                  "Envelopes, log records and spans that were taken.", NULL);
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        const sonde_label labels[] = {{"kind", queue_kind_name((enum spool_kind)kind)},
                                      {NULL, NULL}};
        source_sample(w, "_total", labels, (double)sent_of((enum spool_kind)kind));
    }
}

static struct source metrics = {.name = "send", .write = write_metrics};

static int outgoing_command(const struct command_call *call, struct jot *j, char *problem)
{
    struct queue_stats s;
    queue_stats(&s);
    uplink_info(j);
    direct_info(j);
    jot_object(j, "queue");
    jot_u64(j, "memory_bytes", s.memory_bytes);
    jot_u64(j, "memory_entries", s.memory_entries);
    jot_u64(j, "memory_bytes_max", setting.send_memory_bytes);
    jot_string(j, "spool", spool_path());
    jot_u64(j, "spool_bytes_max", setting.spool_bytes);
    jot_u64(j, "spool_refused", s.disk_refused);
    jot_bool(j, "flushing", atomic_load(&flushing));
    if (s.oldest_unix_ns) {
        jot_time(j, "oldest", s.oldest_unix_ns);
    } else {
        jot_null(j, "oldest");
    }
    jot_end(j);
    jot_array(j, "kinds");
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        jot_object(j, NULL);
        jot_string(j, "kind", queue_kind_name((enum spool_kind)kind));
        jot_u64(j, "sent", sent_of((enum spool_kind)kind));
        jot_u64(j, "spool_files", s.disk_files[kind]);
        jot_u64(j, "spool_bytes", s.disk_bytes[kind]);
        jot_end(j);
    }
    jot_end(j);
    return 0;
}

/* On the worker (a question of the daemon) nothing can be waited for: it is begun. */
static int flush_command(const struct command_call *call, struct jot *j, char *problem)
{
    int err = sonde_flush(FLUSH_COMMAND_MS);
    if (err == SONDE_ERROR_STATE) {
        return err;
    }
    bool done = err == 0 && idle();
    jot_string(j, "flush", done ? "done" : "begun");
    return 0;
}

/* ---- life */

/* In a forked child: nothing that the parent talks over stays open, also where the child never uses
 * the library: otherwise the daemon would not see the parent end. */
static void close_in_child(void)
{
    int fds[] = {uplink_fd(), spool_lock_fd()};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    http_close_in_child();
}

static void send_tasks(void)
{
    tick.period_ns = setting.export_interval_ms * MS;
    adopt_due_ns = 0;
    worker_task_add(&pump);
    worker_task_add(&tick);
    worker_task_now(&pump); /* takes up what was left */
}

static int send_start(char *problem)
{
    static struct command commands[] = {
        {"outgoing", "", "What waits to leave the program, and who takes it.", COMMAND_VIEWER,
         outgoing_command, NULL},
        {"flush", "", "Sends what there is now.", COMMAND_OPERATOR, flush_command, NULL},
    };
    static const struct outgoing_ops ops = {put, idle, connected};
    if (!remote_check(problem)) {
        return SONDE_ERROR_ARGUMENT;
    }
    int err = direct_start(problem, changed);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
    if (!hooked) {
        hooked = true;
        pthread_atfork(NULL, NULL, close_in_child);
    }
    spool_start();
    atomic_store(&flushing, false);
    flush_new = false;
    uplink_start(changed);
    send_tasks();
    source_add(&metrics);
    outgoing_set(&ops);
    return 0;
}

static void send_flush(void)
{
    flush_new = true;
    atomic_store(&flushing, true);
    worker_task_now(&pump); /* runs when all modules have handed over what they have */
}

static void send_stop(void)
{
    outgoing_set(NULL);
    source_remove(&metrics);
    worker_task_remove(&pump);
    worker_task_remove(&tick);
    uplink_stop();
    direct_stop();
    queue_spill(true);
    queue_stop(false);
    spool_stop();
    atomic_store(&flushing, false);
}

static void send_fork_child(void)
{
    worker_task_remove(&pump);
    worker_task_remove(&tick);
    queue_stop(true);
    spool_fork_child();
    uplink_fork_child();
    direct_fork_child();
    atomic_store(&flushing, false);
    flush_new = false;
    send_tasks();
}

const struct module send_module = {
    .name = "send",
    .start = send_start,
    .flush = send_flush,
    .stop = send_stop,
    .fork_child = send_fork_child,
};
