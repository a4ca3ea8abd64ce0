/* watch/engine_inside.h - what the files of the engine share: units and what belongs to them.
 *
 * Threads: the loop's.
 */
#ifndef WATCH_ENGINE_INSIDE_H
#define WATCH_ENGINE_INSIDE_H

#include "base/arena.h"
#include "base/map.h"
#include "health/probe/prober.h"
#include "os/cgroup.h"
#include "os/process.h"
#include "os/program.h"
#include "watch/engine.h"
#include "watch/notice.h"
#include "watch/spool.h"
#include "watch/tail.h"
#include "watch/watch_diagnosis.h"

enum {
    ENGINE_HISTORY = 100,   /* events of a unit */
    ENGINE_USAGE_MS = 5000, /* between two readings */
    ENGINE_SWEEP_MS = 10,   /* between two looks whether all is gone */
    ENGINE_READ_SIZE = 64 << 10,
    ENGINE_READ_ROUNDS = 8, /* of READ_SIZE, when a program has died */
    ENGINE_TEXT_MAX = 240,
    ENGINE_EVENT_MAX = 16 << 10,
    ENGINE_NAME_MAX = 128,
    ENGINE_LIMITS = 3, /* memory, cpu, files */
};

/* Lines of JSON, newest last. */
struct engine_history {
    char *lines[ENGINE_HISTORY]; /* owned; a ring */
    int64_t times[ENGINE_HISTORY];
    size_t n, at;
};

/* One of the two pipes of a program. */
struct engine_stream {
    struct engine_unit *unit;
    struct watch *watch;
    int fd; /* -1: none */
    uint64_t inode;
};

enum engine_purpose { ENGINE_FOR_CHECK, ENGINE_FOR_HOOK };

/* A command that is run for a unit: a check or a hook. */
struct engine_command {
    struct engine_unit *unit;
    struct engine_command *next;
    enum engine_purpose purpose;
    int which; /* enum keeper_which or keeper_hook */
    int pid, pidfd, fd;
    struct watch *output;
    struct timer *timer;
    int64_t begun_ms;
    bool timed_out;
    char text[ENGINE_TEXT_MAX];
    size_t n;
};

struct engine_check {
    struct prober_probe *probe;
    struct engine_command *command; /* in progress */
    bool asked;                     /* an answer is awaited */
    char text[ENGINE_TEXT_MAX];
    int64_t begun_ms, duration_ms, wall_ms;
    void (*done)(void *context, struct engine_unit *u, enum keeper_which which, bool ok,
                 const char *text, int64_t duration_ms); /* who asked for it by hand */
    void *done_context, *context;
};

struct engine_usage {
    int64_t memory, cpu_tenths, files, processes, wall_ms;
    uint64_t cpu_ticks;
    int64_t read_ms;
    int64_t over_ms[ENGINE_LIMITS]; /* since when; -1 it is not */
};

struct engine_death {
    int64_t wall_ms; /* 0: it has not died yet */
    bool asked;      /* somebody wanted it down, or to run anew */
    struct program_end end;
    struct arena arena;
    struct watch_diagnosis diagnosis;
};

struct engine_unit {
    struct engine *engine;
    const struct watch_program *program;
    struct watch_program row; /* words with @..@ replaced; what is not replaced is the plan's */
    struct arena arena;       /* of row */
    int instance;
    char *name;
    int64_t port;
    struct keeper keeper;
    struct timer *timer;
    int64_t timer_ms; /* when it is due; INT64_MAX none */
    const char **environment;
    char *pid_slot;
    int pid, pidfd; /* 0, -1: none */
    int session;    /* of its last main process */
    struct watch *pid_watch;
    uint64_t start_ticks;
    int64_t started_wall_ms, started_ns;
    bool killed;
    struct engine_stream streams[2];
    struct spool_file *log;
    char *log_path;
    struct tail tail;
    uint64_t output_bytes, output_dropped;
    struct cgroup cgroup;
    bool cgroup_made;
    int64_t oom_kills;
    struct process_list tracked; /* descendants as last seen, where there is no cgroup */
    char notify_name[80];
    int notify_fd;
    struct watch *notify_watch;
    char status[NOTICE_STATUS_MAX + 1];
    struct engine_check checks[KEEPER_CHECKS];
    struct engine_usage usage;
    struct engine_history history;
    struct engine_death death;
    const struct watch_program *next_row; /* that it takes when it is down; NULL none */
    bool hold_stop;                       /* to be stopped when what starts after it is down */
    bool removed;                         /* not in the plan any more: goes when it is down */
    int found;                            /* a process with its mark, at the begin; 0 none */
    bool known; /* the state told of it: whether it is wanted is decided */
};

struct engine {
    struct loop *loop;
    struct watch_plan *plan;
    struct {
        struct watch_plan **v;
        size_t n, capacity;
    } old_plans; /* that rows still point into */
    struct prober *prober;
    struct keeper_queue queue;
    struct rand rand;
    struct spool *spool;
    struct spool_file *journal, *journal_text;
    struct engine_unit **units; /* [n] */
    size_t n;
    struct map by_pid; /* main processes: pid -> unit */
    struct engine_command *commands;
    struct engine_history history;
    struct engine_watcher *watchers;
    struct cgroup_root cgroups;
    char cgroup_name[48];
    struct signal_watch *child_watch;
    struct timer *sweep, *usage, *status, *soon, *state;
    bool sweeping, working, changed, state_changed, state_timed, status_due;
    int kernel_log;
    int64_t files_max;
    char id[24]; /* of its folder: in names of sockets and cgroups, and in what programs inherit */
    int64_t started_wall_ms;
    int64_t upgrades, adopted;
    bool ending, forgotten;
    void (*ended)(void *context);
    void *ended_context;
    char *room; /* [ENGINE_READ_SIZE] */
    char *status_path, *state_path;
    char warning[WHY_MAX];
};

int64_t engine_now_ms(void);
int64_t engine_wall_ms(void);

/* ---- engine.c */

/* Does what the keepers want, until they want nothing; every call into a keeper is followed by it.
 */
void engine_work(struct engine *e);

/* The same soon, from the loop. */
void engine_work_soon(struct engine *e);

/* ---- engine_unit.c */
struct engine_unit *engine_unit_new(struct engine *e, const struct watch_program *p, int instance);
void engine_unit_free(struct engine_unit *u);
void engine_unit_name_of(const struct watch_program *p, int instance, char ret[ENGINE_NAME_MAX]);

/* Takes its row of the plan, anew: only while it is down. */
void engine_unit_set_row(struct engine_unit *u, const struct watch_program *p);

/* ---- engine_run.c */
void engine_run_start(struct engine_unit *u);
void engine_run_watch(struct engine_unit *u); /* pid, pidfd are set */
void engine_run_reap(struct engine *e);
void engine_run_reaped(struct engine_unit *u, const struct program_end *end);
void engine_run_pid(struct engine_unit *u, int pid); /* MAINPID= */

/* ---- engine_tree.c */

/* All processes of a unit that live, its main process among them. */
void engine_tree_list(struct engine_unit *u, struct process_list *ret);
bool engine_tree_leftover(struct engine_unit *u); /* without the main process */
void engine_tree_signal(struct engine_unit *u, int signum);
void engine_tree_kill(struct engine_unit *u);
bool engine_tree_holds(struct engine_unit *u, int pid);
void engine_tree_make(struct engine_unit *u); /* its cgroup */

/* ---- engine_output.c */
void engine_output_open(struct engine_unit *u); /* streams have descriptors */
void engine_output_close(struct engine_unit *u, bool drain);

/* ---- engine_notice.c */
void engine_notice_open(struct engine_unit *u);
void engine_notice_close(struct engine_unit *u);
void engine_notice_drain(struct engine_unit *u);

/* ---- engine_command.c */
void engine_command_start(struct engine_unit *u, enum engine_purpose purpose, int which,
                          const char *const *argv, int64_t timeout_ms);
bool engine_command_reap(struct engine *e, int pid); /* is it one, and has it ended? */
void engine_command_cancel(struct engine_unit *u, enum engine_purpose purpose, int which);
void engine_command_done(struct engine_unit *u, enum engine_purpose purpose, int which, bool ok,
                         const char *text);

/* ---- engine_check.c */
void engine_check_begin(struct engine_unit *u, enum keeper_which which);
void engine_check_cancel(struct engine_unit *u);
void engine_check_done(struct engine_unit *u, enum keeper_which which, bool ok, const char *text);
void engine_check_renew(struct engine_unit *u);

/* ---- engine_journal.c */

/* Begins an event: members may be added to ret, then it is put. */
void engine_journal_begin(struct engine_unit *u, enum keeper_level level, const char *kind,
                          struct str text, struct buf *ret);
void engine_journal_put(struct engine *e, struct engine_unit *u, enum keeper_level level,
                        const char *kind, struct str text, struct buf *event);
void engine_journal_say(struct engine *e, struct engine_unit *u, enum keeper_level level,
                        const char *kind, struct str text);
void engine_journal_note(const struct keeper_action *a, struct engine_unit *u);
void engine_journal_death(struct engine_unit *u, int64_t uptime_ms, int pid);
void engine_journal_open(struct engine *e);
void engine_journal_close(struct engine *e);
void engine_history_done(struct engine_history *h);

/* ---- engine_usage.c */
void engine_usage_read(struct engine *e);

/* ---- engine_status.c */
void engine_status_write(struct engine *e);
void engine_status_changed(struct engine *e);

/* ---- engine_state.c */
void engine_state_write(struct engine *e);
void engine_state_take(struct engine *e, struct str text, bool same_process);

#endif
