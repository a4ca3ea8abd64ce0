/* watch/engine.h - the supervisor: a plan's programs, started, watched, restarted and stopped.
 *
 * One unit for each instance of a program. What is decided is decided by watch/keeper.h; the engine
 * does it, with processes, sockets and files, and tells what happened.
 *
 * Flow:    plan -> units -> keeper -> processes -> events -> journal, followers, status
 * Threads: the loop's.
 */
#ifndef WATCH_ENGINE_H
#define WATCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "os/loop.h"
#include "watch/keeper.h"
#include "watch/watch_plan.h"

struct engine;
struct engine_unit;

/* What others do when something happens (HAProxy, the proxy, followers, the service manager). Any
 * may be NULL; called on the loop, not from within a call into the engine's units. */
struct engine_watcher {
    void (*fit)(void *context, struct engine_unit *u, bool fit); /* it may get requests or not */
    void (*event)(void *context, struct engine_unit *u, struct str json); /* u NULL: its own */
    void (*output)(void *context, struct engine_unit *u, struct str bytes);
    void (*changed)(void *context); /* a unit's state; at most once a round */
    void (*planned)(void *context); /* units came or went: pointers to them are to be got anew */
    /* Appends members to the unit's object of the status. */
    void (*status)(void *context, const struct engine_unit *u, struct buf *out);
    /* The row of a unit that runs has changed: true where the watcher will restart it itself. */
    bool (*replace)(void *context, struct engine_unit *u);
    void *context;
    struct engine_watcher *next; /* the engine's */
};

/* Takes the plan over. Where its folder holds the state of an engine that died, programs that
 * still live are adopted. handover: of engine_hand_over() in the process before, or "". */
MUST_USE int engine_new(struct loop *l, struct watch_plan *plan, struct str handover,
                        int64_t files_max, struct engine **ret, struct why *why);

/* Nothing is stopped: who wants that asks for it first. */
void engine_free(struct engine *e);

/* w lives as long as the engine, or until it is dropped. */
void engine_watch(struct engine *e, struct engine_watcher *w);
void engine_unwatch(struct engine *e, struct engine_watcher *w);

/* Starts the programs that are enabled and were not adopted. */
void engine_begin(struct engine *e);

/* Stops all in reverse order; then ended() is called. */
void engine_end(struct engine *e, void (*ended)(void *context), void *context);
bool engine_ending(const struct engine *e);

const struct watch_plan *engine_plan(const struct engine *e);

/* A new table, taken over: names of units that were added, changed (and are restarted), removed and
 * kept are appended to ret as members of a JSON object. */
MUST_USE int engine_set_plan(struct engine *e, struct watch_plan *plan, struct buf *ret,
                             struct why *why);

/* Units in the plan's order. */
size_t engine_units(const struct engine *e);
struct engine_unit *engine_unit(const struct engine *e, size_t i);
struct engine_unit *engine_find(const struct engine *e, const char *name);

const char *engine_unit_name(const struct engine_unit *u);
const struct watch_program *engine_unit_program(const struct engine_unit *u);
const struct keeper *engine_unit_keeper(const struct engine_unit *u);
int engine_unit_pid(const struct engine_unit *u);      /* 0 none */
int64_t engine_unit_port(const struct engine_unit *u); /* 0 none */
int engine_unit_instance(const struct engine_unit *u);
const char *engine_unit_log(const struct engine_unit *u); /* path of its output */

/* What people ask for; effect is immediate or begins. */
void engine_start(struct engine *e, struct engine_unit *u);
void engine_stop(struct engine *e, struct engine_unit *u);
void engine_restart(struct engine *e, struct engine_unit *u);
void engine_reload(struct engine *e, struct engine_unit *u);
void engine_drained(struct engine *e, struct engine_unit *u); /* its last connection is over */
void engine_signal(struct engine *e, struct engine_unit *u, int signum);

/* Runs a check now; done() comes when it has ended. False where it has none. */
bool engine_check(struct engine *e, struct engine_unit *u, enum keeper_which which,
                  void (*done)(void *context, struct engine_unit *u, enum keeper_which which,
                               bool ok, const char *text, int64_t duration_ms),
                  void *context);

/* Does a start after b, by the plan (also through others)? */
bool engine_depends(const struct engine *e, const struct engine_unit *a,
                    const struct engine_unit *b);

/* Appends the object of docs/format/watch_control.md without its first brace and "ok"; target ""
 * is all. */
void engine_status(struct engine *e, const char *target, struct buf *out);

/* The last events of the target, oldest first, a line each. */
void engine_events(struct engine *e, const char *target, size_t lines, struct buf *out);

/* An event of the supervisor's own. */
void engine_note(struct engine *e, enum keeper_level level, const char *format, ...) PRINTF(3, 4);

/* Waits until the disk has everything. */
void engine_flush(struct engine *e);

/* Everything that the next process needs to go on; descriptors stay open through its exec. */
void engine_hand_over(struct engine *e, struct buf *ret);
void engine_take_back(struct engine *e); /* the exec failed */

/* 0, or ENGINE_EXIT_CRITICAL where a unit is critical for good. */
enum { ENGINE_EXIT_CRITICAL = 3 };
int engine_exit_code(const struct engine *e);

/* Is there nothing left that runs or will run: all finished, stopped or given up? */
bool engine_idle(const struct engine *e);

#endif
