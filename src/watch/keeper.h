/* watch/keeper.h - what is to be done with one program: a state machine without time or processes.
 *
 * Everything that happens is told by a call with the time; what is to be done comes back as
 * actions in a queue that all keepers of an engine share. So every limit, pause and time-out is
 * tried by tests with a clock of their own. It knows one instance of a program (a unit).
 *
 *   keeper_exited(k, now, &exit); while (keeper_queue_take(q, &a)) do_it(&a);
 *
 * Flow:    events, times -> keeper -> start, signal, kill, check, hook, note
 * Threads: pure functions on the keeper.
 */
#ifndef WATCH_KEEPER_H
#define WATCH_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/rand.h"
#include "watch/watch_plan.h"

enum { KEEPER_TEXT_MAX = 240, KEEPER_PID_NONE = 0 };

/* The order is that of keeper_state_word(). */
enum keeper_state {
    KEEPER_STOPPED,
    KEEPER_WAITING,   /* for programs that it starts after */
    KEEPER_PREPARING, /* before_start runs */
    KEEPER_STARTING,  /* it runs and is not ready */
    KEEPER_RUNNING,
    KEEPER_DRAINING, /* taken out of rotation, before it is stopped */
    KEEPER_STOPPING, /* has been told to end, or what it left is being killed */
    KEEPER_PAUSING,  /* before a restart */
    KEEPER_BLOCKED,  /* by something outside, that a restart does not heal; tried again */
    KEEPER_CRITICAL, /* given up, or tried again rarely */
    KEEPER_FINISHED, /* ended by itself and is not to be restarted */
};

/* Why a program ends or is restarted; the order is that of keeper_cause_word(). */
enum keeper_cause {
    KEEPER_EXIT, /* by itself */
    KEEPER_HEARTBEAT,
    KEEPER_LIVENESS,
    KEEPER_MEMORY,
    KEEPER_CPU,
    KEEPER_FILES,
    KEEPER_ASKED,
    KEEPER_PLAN, /* its row of the table has changed */
    KEEPER_CAUSES
};

enum keeper_which { KEEPER_CHECK_LIVENESS, KEEPER_CHECK_READINESS, KEEPER_CHECKS };

enum keeper_hook {
    KEEPER_BEFORE_START,
    KEEPER_AFTER_START,
    KEEPER_BEFORE_STOP,
    KEEPER_AFTER_STOP,
};

enum keeper_act {
    KEEPER_DO_START,  /* answer: keeper_started() or keeper_start_failed() */
    KEEPER_DO_SIGNAL, /* number: to the main process, its group and all that descend from it */
    KEEPER_DO_KILL,   /* all that is left; answer: keeper_tree_gone() when nothing is */
    KEEPER_DO_CHECK,  /* number: enum keeper_which; answer: keeper_checked() */
    KEEPER_DO_HOOK,   /* number: enum keeper_hook; answer: keeper_hook_done() but AFTER_START's */
    KEEPER_DO_FIT,    /* number: 1 it may get requests, 0 it may not any more */
    KEEPER_DO_NOTE,   /* an event for people: kind, level, text, cause, pause_ms */
};

/* The order is that of keeper_note_word(). */
enum keeper_note {
    KEEPER_NOTE_START,
    KEEPER_NOTE_READY,
    KEEPER_NOTE_RELOAD,
    KEEPER_NOTE_STOP,
    KEEPER_NOTE_STOPPED,
    KEEPER_NOTE_RESTART,
    KEEPER_NOTE_HANG,
    KEEPER_NOTE_LIMIT,
    KEEPER_NOTE_BLOCKED,
    KEEPER_NOTE_CRITICAL,
    KEEPER_NOTE_WELL,
    KEEPER_NOTE_CHECK, /* its result has changed */
};

enum keeper_level { KEEPER_DEBUG, KEEPER_INFO, KEEPER_WARN, KEEPER_ERROR };

struct keeper;

struct keeper_action {
    struct keeper *keeper;
    enum keeper_act act;
    int number;
    enum keeper_note note;
    enum keeper_level level;
    enum keeper_cause cause;
    int64_t pause_ms;
    char text[KEEPER_TEXT_MAX];
};

/* Actions in their order; one queue for all keepers of an engine. */
struct keeper_queue {
    struct keeper_action *v; /* [capacity], owned */
    size_t n, capacity, at;
};
void keeper_queue_done(struct keeper_queue *q);
MUST_USE bool keeper_queue_take(struct keeper_queue *q, struct keeper_action *ret);

/* What a program said (sd_notify). */
struct keeper_notice {
    bool ready, reloading, stopping, beat, trigger;
    int64_t heartbeat_ms; /* WATCHDOG_USEC; 0 not said */
    int64_t extend_ms;    /* EXTEND_TIMEOUT_USEC */
};

/* How it ended, and what that means for a restart. */
enum keeper_remedy {
    KEEPER_RESTART_MAY_HEAL,
    KEEPER_CANNOT_HEAL, /* its configuration, a missing executable: critical at once */
    KEEPER_MUST_WAIT,   /* a taken port: waits for it and does not count */
};
struct keeper_exit {
    bool clean;    /* exit status 0 */
    bool leftover; /* processes of it still live */
    enum keeper_remedy remedy;
    const char *text; /* a sentence */
};

/* One check of a keeper. */
struct keeper_check {
    bool known, ok, running;
    int64_t next_ms; /* -1: none */
    int64_t begun_ms;
    int64_t checks, failures; /* in all */
};

struct keeper {
    const struct watch_program *program; /* borrowed */
    struct keeper_queue *queue;
    struct rand *rand;
    enum keeper_state state;
    enum keeper_cause cause; /* of the stop or restart that is going on */
    bool wanted;             /* up */
    bool again;              /* start when it is down: not counted */
    bool process;            /* there is a main process */
    bool cleaning;           /* what it left is being killed */
    bool ready, fit, slow, drains, hook_running, terminated;
    bool adopted;
    int64_t started_ms, ready_ms; /* of this life */
    int64_t deadline_ms;          /* of the state: -1 none */
    int64_t alive_ms;             /* liveness counts from here */
    int64_t beat_ms;              /* heartbeat's deadline; -1: none came yet */
    int64_t heartbeat_ms;
    int64_t well_ms;     /* since when all is well; -1 it is not */
    int64_t extended_ms; /* no deadline before this */
    struct keeper_check checks[KEEPER_CHECKS];
    struct {
        int64_t *v;
        size_t n, capacity;
    } restarts;     /* times in the window, oldest first */
    uint64_t lives; /* starts that worked */
    uint64_t deaths, restarts_all, restarts_by[KEEPER_CAUSES], beats;
    struct keeper_exit ended; /* text is in reason */
    char reason[KEEPER_TEXT_MAX];
};

/* drains: somebody has to be told before it is stopped, and waits program->drain_ms then. */
void keeper_init(struct keeper *k, const struct watch_program *program, struct keeper_queue *queue,
                 struct rand *rand);
void keeper_done(struct keeper *k);

/* The table has a new row for it that it need not be restarted for. */
void keeper_set_program(struct keeper *k, const struct watch_program *program);

/* What people and the plan ask for. dependencies: whether what it starts after is ready now. */
void keeper_ask_start(struct keeper *k, int64_t now_ms, bool dependencies);
void keeper_ask_stop(struct keeper *k, int64_t now_ms);
void keeper_ask_restart(struct keeper *k, int64_t now_ms, enum keeper_cause cause);
void keeper_dependencies_ready(struct keeper *k, int64_t now_ms);

/* What happened. */
void keeper_started(struct keeper *k, int64_t now_ms);
void keeper_start_failed(struct keeper *k, int64_t now_ms, enum keeper_remedy remedy,
                         const char *text);
void keeper_adopt(struct keeper *k, int64_t now_ms, int64_t started_ms, bool ready);
/* As it was in an earlier process, without a main process: waits on until deadline_ms. */
void keeper_restore(struct keeper *k, int64_t now_ms, enum keeper_state state, bool wanted,
                    int64_t deadline_ms);
void keeper_exited(struct keeper *k, int64_t now_ms, const struct keeper_exit *e);
void keeper_tree_gone(struct keeper *k, int64_t now_ms);
void keeper_notified(struct keeper *k, int64_t now_ms, const struct keeper_notice *n);
void keeper_checked(struct keeper *k, int64_t now_ms, enum keeper_which which, bool ok,
                    const char *text);
void keeper_over_limit(struct keeper *k, int64_t now_ms, enum keeper_cause cause, const char *text);
void keeper_hook_done(struct keeper *k, int64_t now_ms, enum keeper_hook hook, bool ok,
                      const char *text);

/* Its last connection is over: no need to wait for the end of the drain. */
void keeper_drained(struct keeper *k, int64_t now_ms);

/* When keeper_tick() is due: INT64_MAX for never. */
int64_t keeper_due(const struct keeper *k);
void keeper_tick(struct keeper *k, int64_t now_ms);

/* Is anything of it there or about to be? */
bool keeper_down(const struct keeper *k);

/* Restarts that count now. */
size_t keeper_restarts(const struct keeper *k);

const char *keeper_state_word(enum keeper_state s);
const char *keeper_cause_word(enum keeper_cause c);
const char *keeper_note_word(enum keeper_note n);

#endif
