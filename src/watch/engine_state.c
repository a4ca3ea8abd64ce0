#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/vec.h"
#include "os/channel.h"
#include "os/file.h"
#include "os/local_socket.h"
#include "watch/engine_inside.h"

/* What the next process has to know, as text: a line a fact, as in the table of programs
 * (docs/format/watch_state.md). */

enum { STATE_MAX = 32 << 20, BOOT_SIZE = 64 };

static const char *const head_line = "sonde-watch-state 1";

static void boot_id(char ret[BOOT_SIZE])
{
    struct buf b;
    buf_init(&b, BOOT_SIZE - 1);
    ret[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", &b, NULL) == 0)
        snprintf(ret, BOOT_SIZE, STR_FMT, STR_ARG(str_trim(buf_str(&b))));
    buf_done(&b);
}

/* ---- writing */

static void put(struct buf *out, const char *key, int64_t value)
{
    buf_printf(out, "%s %lld\n", key, (long long)value);
}

static void put_unit(const struct engine_unit *u, struct buf *out)
{
    const struct keeper *k = &u->keeper;
    buf_printf(out, "unit %s\n", u->name);
    put(out, "pid", u->pid);
    put(out, "start_ticks", (int64_t)u->start_ticks);
    put(out, "started_wall_ms", u->started_wall_ms);
    put(out, "started_ns", u->started_ns);
    put(out, "started_ms", k->started_ms);
    put(out, "state", k->state);
    put(out, "wanted", k->wanted);
    put(out, "ready", k->ready);
    put(out, "slow", k->slow);
    put(out, "deadline_ms", k->deadline_ms);
    put(out, "beat", k->beat_ms >= 0);
    put(out, "heartbeat_ms", k->heartbeat_ms);
    put(out, "lives", (int64_t)k->lives);
    put(out, "deaths", (int64_t)k->deaths);
    put(out, "restarts", (int64_t)k->restarts_all);
    for (int i = 0; i < KEEPER_CAUSES; i++)
        put(out, "by", (int64_t)k->restarts_by[i]);
    for (size_t i = 0; i < k->restarts.n; i++)
        put(out, "window", k->restarts.v[i]);
    put(out, "output_bytes", (int64_t)u->output_bytes);
    for (int i = 0; i < 2; i++) {
        put(out, "stream_fd", u->streams[i].fd);
        put(out, "stream_inode", (int64_t)u->streams[i].inode);
    }
    put(out, "notify_fd", u->notify_fd);
    buf_printf(out, "notify_name %s\n", u->notify_name);
    buf_printf(out, "status %s\n", u->status);
    if (k->reason[0])
        buf_printf(out, "reason %s\n", k->reason);
}

static void put_all(const struct engine *e, struct buf *out)
{
    char boot[BOOT_SIZE];
    boot_id(boot);
    buf_printf(out, "%s\nboot %s\n", head_line, boot);
    put(out, "started_wall_ms", e->started_wall_ms);
    put(out, "upgrades", e->upgrades);
    for (size_t i = 0; i < e->n; i++)
        put_unit(e->units[i], out);
    buf_put_str(out, STR("end\n"));
}

void engine_state_write(struct engine *e)
{
    struct buf b;
    e->state_changed = false;
    buf_init(&b, STATE_MAX);
    put_all(e, &b);
    spool_replace(e->spool, e->state_path, buf_str(&b), false);
    buf_done(&b);
}

static void keep(struct engine *e, bool kept)
{
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        for (int k = 0; k < 2; k++)
            program_keep_on_exec(u->streams[k].fd, kept);
        program_keep_on_exec(u->notify_fd, kept);
    }
}

void engine_hand_over(struct engine *e, struct buf *ret)
{
    e->upgrades++;
    put_all(e, ret);
    keep(e, true);
}

void engine_take_back(struct engine *e)
{
    e->upgrades--;
    keep(e, false);
}

/* ---- reading */

/* What the lines of one unit say. */
struct saved {
    struct engine_unit *unit; /* NULL: not in the plan any more */
    char name[ENGINE_NAME_MAX];
    int64_t pid, start_ticks, started_wall_ms, started_ns, started_ms, state, wanted, ready, slow,
        deadline_ms, beat, heartbeat_ms, lives, deaths, restarts, output_bytes, notify_fd;
    int64_t by[KEEPER_CAUSES], fds[2], inodes[2];
    size_t by_n, fds_n, inodes_n;
    char notify_name[80], status[NOTICE_STATUS_MAX + 1], reason[KEEPER_TEXT_MAX];
    struct {
        int64_t *v;
        size_t n, capacity;
    } window;
};

static bool take_number(struct saved *s, struct str key, int64_t value)
{
    const struct {
        const char *key;
        int64_t *at;
    } facts[] = {
        {"pid", &s->pid},
        {"start_ticks", &s->start_ticks},
        {"started_wall_ms", &s->started_wall_ms},
        {"started_ns", &s->started_ns},
        {"started_ms", &s->started_ms},
        {"state", &s->state},
        {"wanted", &s->wanted},
        {"ready", &s->ready},
        {"slow", &s->slow},
        {"deadline_ms", &s->deadline_ms},
        {"beat", &s->beat},
        {"heartbeat_ms", &s->heartbeat_ms},
        {"lives", &s->lives},
        {"deaths", &s->deaths},
        {"restarts", &s->restarts},
        {"output_bytes", &s->output_bytes},
        {"notify_fd", &s->notify_fd},
    };
    for (size_t i = 0; i < COUNTOF(facts); i++)
        if (str_eq(key, str_c(facts[i].key))) {
            *facts[i].at = value;
            return true;
        }
    if (str_eq(key, STR("by")) && s->by_n < COUNTOF(s->by))
        s->by[s->by_n++] = value;
    else if (str_eq(key, STR("stream_fd")) && s->fds_n < 2)
        s->fds[s->fds_n++] = value;
    else if (str_eq(key, STR("stream_inode")) && s->inodes_n < 2)
        s->inodes[s->inodes_n++] = value;
    else if (str_eq(key, STR("window")))
        vec_push(&s->window, value);
    else
        return false;
    return true;
}

static void take_fact(struct saved *s, struct str key, struct str value)
{
    int64_t number;
    if (str_i64(value, &number) && take_number(s, key, number))
        return;
    if (str_eq(key, STR("notify_name")))
        snprintf(s->notify_name, sizeof s->notify_name, STR_FMT, STR_ARG(value));
    else if (str_eq(key, STR("status")))
        snprintf(s->status, sizeof s->status, STR_FMT, STR_ARG(value));
    else if (str_eq(key, STR("reason")))
        snprintf(s->reason, sizeof s->reason, STR_FMT, STR_ARG(value));
}

static void restore_counts(struct engine_unit *u, struct saved *s)
{
    struct keeper *k = &u->keeper;
    k->lives = (uint64_t)s->lives;
    k->deaths = (uint64_t)s->deaths;
    k->restarts_all = (uint64_t)s->restarts;
    k->slow = s->slow != 0;
    for (int i = 0; i < KEEPER_CAUSES; i++)
        k->restarts_by[i] = (uint64_t)s->by[i];
    for (size_t i = 0; i < s->window.n; i++)
        vec_push(&k->restarts, s->window.v[i]);
    u->output_bytes = (uint64_t)s->output_bytes;
    snprintf(k->reason, sizeof k->reason, "%s", s->reason);
}

static void restore_streams(struct engine_unit *u, const struct saved *s, bool same_process)
{
    for (int i = 0; i < 2; i++) {
        struct engine_stream *stream = &u->streams[i];
        stream->inode = (uint64_t)s->inodes[i];
        if (same_process)
            stream->fd = (int)s->fds[i];
        else if (program_pipe_again((int)s->pid, i + 1, stream->inode, &stream->fd) != 0)
            stream->fd = -1; /* it has closed it, or may not be looked into */
        program_keep_on_exec(stream->fd, false);
    }
    engine_output_open(u);
    snprintf(u->notify_name, sizeof u->notify_name, "%s", s->notify_name);
    if (same_process) {
        u->notify_fd = (int)s->notify_fd;
        program_keep_on_exec(u->notify_fd, false);
    }
    engine_notice_open(u);
}

/* The process that the state speaks of, and no other that has its number by now. */
static bool lives(const struct saved *s, bool same_process)
{
    struct process_stat stat;
    return s->pid > 1 && process_stat_read((int)s->pid, &stat) &&
           stat.start == (uint64_t)s->start_ticks && (same_process || stat.state != 'Z');
}

static void adopt(struct engine_unit *u, const struct saved *s, bool same_process)
{
    struct engine *e = u->engine;
    char text[ENGINE_TEXT_MAX];
    u->pid = (int)s->pid;
    u->start_ticks = (uint64_t)s->start_ticks;
    u->started_wall_ms = s->started_wall_ms;
    u->started_ns = s->started_ns;
    snprintf(u->status, sizeof u->status, "%s", s->status);
    engine_run_watch(u);
    e->adopted++;
    int n = snprintf(text, sizeof text, "adopted (PID %d)", u->pid);
    engine_journal_say(e, u, KEEPER_INFO, "start", str_of(text, (size_t)n));
    keeper_adopt(&u->keeper, engine_now_ms(), s->started_ms, s->ready != 0);
    /* It has a whole period from now. To an earlier process's socket it may be connected for good:
     * then heartbeats count when one comes. */
    if (s->beat && s->heartbeat_ms > 0 && same_process) {
        struct keeper_notice beat = {.beat = true, .heartbeat_ms = s->heartbeat_ms};
        keeper_notified(&u->keeper, engine_now_ms(), &beat);
    }
    bool leaving = s->state == KEEPER_STOPPING || s->state == KEEPER_DRAINING;
    if (leaving && s->wanted)
        keeper_ask_restart(&u->keeper, engine_now_ms(), KEEPER_ASKED);
    else if (!s->wanted)
        keeper_ask_stop(&u->keeper, engine_now_ms());
}

/* Programs that were started so shortly before the end of the earlier process that its state does
 * not tell of them: they have inherited their unit's mark, and nobody above them has. */
static void search(struct engine *e)
{
    struct process_list all = {0};
    struct process_stat stat;
    char mark[ENGINE_NAME_MAX + 64], above[sizeof mark], id[48];
    const struct str name = STR("SONDE_WATCH_UNIT");
    int n = snprintf(id, sizeof id, "%s:", e->id);
    process_all(&all);
    for (size_t i = 0; i < all.n; i++) {
        int pid = all.v[i];
        if (!process_environment(pid, name, mark, sizeof mark) || strncmp(mark, id, (size_t)n) != 0)
            continue;
        struct engine_unit *u = engine_find(e, mark + n);
        if (!u || u->found || !process_stat_read(pid, &stat) || stat.sid != pid ||
            stat.state == 'Z' ||
            (process_environment(stat.ppid, name, above, sizeof above) && strcmp(above, mark) == 0))
            continue;
        u->found = pid;
    }
    vec_free(&all);
}

/* In place of the process that the state speaks of, which is gone. */
static bool take_found(struct engine_unit *u, struct saved *s)
{
    struct process_stat stat;
    char name[sizeof s->notify_name];
    if (!u->found || !process_stat_read(u->found, &stat))
        return false;
    s->pid = u->found;
    s->start_ticks = (int64_t)stat.start;
    s->started_wall_ms = engine_wall_ms();
    s->started_ns = clock_monotonic_ns(&clock_real);
    s->started_ms = engine_now_ms();
    s->inodes[0] = s->inodes[1] = 0;
    s->beat = s->ready = 0;
    if (process_environment(u->found, STR("NOTIFY_SOCKET"), name, sizeof name))
        snprintf(s->notify_name, sizeof s->notify_name, "%s", name);
    return true;
}

/* Opens the process that is to be adopted; false where it has ended meanwhile. */
static bool hold(struct engine_unit *u, const struct saved *s, bool same_process)
{
    int err = program_pidfd((int)s->pid, &u->pidfd);
    if (err)
        u->pidfd = -1;
    if (err == -ERR_NOENT)
        return false;
    if (lives(s, same_process))
        return true;
    channel_close(u->pidfd);
    u->pidfd = -1;
    return false;
}

static void restore(struct engine *e, struct saved *s, bool same_process)
{
    struct engine_unit *u = s->unit;
    if (!u)
        return;
    u->known = true;
    engine_tree_make(u);
    restore_counts(u, s);
    if ((lives(s, same_process) && hold(u, s, same_process)) ||
        (!same_process && take_found(u, s) && hold(u, s, same_process))) {
        restore_streams(u, s, same_process);
        adopt(u, s, same_process);
        return;
    }
    if (s->pid <= 1 && !engine_tree_leftover(u)) {
        enum keeper_state state = s->state >= 0 && s->state <= KEEPER_FINISHED
                                      ? (enum keeper_state)s->state
                                      : KEEPER_STOPPED;
        keeper_restore(&u->keeper, engine_now_ms(), state, s->wanted != 0, s->deadline_ms);
        return;
    }
    struct keeper_exit gone = {.leftover = engine_tree_leftover(u),
                               .text = "ended while no sonde-watch ran"};
    engine_journal_say(e, u, KEEPER_ERROR, "exit", str_c(gone.text));
    keeper_adopt(&u->keeper, engine_now_ms(), engine_now_ms(), false);
    u->keeper.wanted = s->wanted != 0;
    keeper_exited(&u->keeper, engine_now_ms(), &gone);
}

static void finish(struct engine *e, struct saved *s, bool same_process)
{
    if (s->name[0])
        restore(e, s, same_process);
    vec_free(&s->window);
    *s = (struct saved){.deadline_ms = -1, .fds = {-1, -1}, .notify_fd = -1};
}

static bool same_boot(struct str text)
{
    char boot[BOOT_SIZE];
    struct str line;
    boot_id(boot);
    while (str_split(&text, '\n', &line))
        if (str_starts(line, STR("boot ")))
            return str_eq(str_sub(line, 5, line.n), str_c(boot));
    return false;
}

void engine_state_take(struct engine *e, struct str text, bool same_process)
{
    struct saved s = {.deadline_ms = -1, .fds = {-1, -1}, .notify_fd = -1};
    struct str line;
    if (!str_starts(text, str_c(head_line)) || !same_boot(text))
        return;
    if (!same_process)
        search(e);
    while (str_split(&text, '\n', &line)) {
        size_t at = str_find(line, ' ');
        struct str key = str_sub(line, 0, at), value = str_sub(line, at + 1, line.n);
        int64_t number;
        if (str_eq(key, STR("unit"))) {
            finish(e, &s, same_process);
            snprintf(s.name, sizeof s.name, STR_FMT, STR_ARG(value));
            s.unit = engine_find(e, s.name);
        } else if (s.name[0]) {
            take_fact(&s, key, value);
        } else if (same_process && str_i64(value, &number)) {
            if (str_eq(key, STR("upgrades")))
                e->upgrades = number;
            else if (str_eq(key, STR("started_wall_ms")))
                e->started_wall_ms = number;
        }
    }
    finish(e, &s, same_process);
}
