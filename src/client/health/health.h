/* client/health/health.h - components of the application: checks and reports -> a state of each.
 *
 *   checks, on the worker, when they are due -.
 *   sonde_health_report(), any thread --------+-> last word -> with the time to live -> state
 *
 * Time is passed in (CLOCK_MONOTONIC), so that tests may have hours of it; only how long a check
 * takes is measured.
 *
 * Threads: one mutex, which is not held while a check runs.
 */
#ifndef CLIENT_HEALTH_HEALTH_H
#define CLIENT_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/core/module.h"
#include "client/metric/source.h"
#include "sonde/health.h"

enum {
    HEALTH_MAX = 128, /* components */
    HEALTH_NAME_MAX = 64,
    HEALTH_KIND_MAX = 32,
    HEALTH_MESSAGE_MAX = 256,
    HEALTH_FIGURES_MAX = 16,
    HEALTH_FIGURE_NAME_MAX = 48,
    HEALTH_HISTORY_MAX = 16, /* changes kept for each */
    HEALTH_PERIOD_MIN_MS = 10,
};

struct sonde_health_result {
    int state;
    char message[HEALTH_MESSAGE_MAX];
    size_t n;
    struct {
        char name[HEALTH_FIGURE_NAME_MAX];
        double value;
    } figure[HEALTH_FIGURES_MAX];
};

struct health_change {
    int64_t unix_ns;
    int state;
    char message[HEALTH_MESSAGE_MAX];
};

/* A component as it is told: a copy. */
struct health_view {
    char name[HEALTH_NAME_MAX], kind[HEALTH_KIND_MAX];
    bool critical, checked, slow;    /* checked: has a check */
    struct sonde_health_result word; /* with the state and message as of now */
    int64_t reported_unix_ns, changed_unix_ns;
    uint64_t checks, slow_checks;
    double check_seconds, check_seconds_sum, running_seconds; /* running: 0, no check runs */
    size_t history_n;
    struct health_change history[HEALTH_HISTORY_MAX]; /* newest first */
};

/* As their sonde_health_.. as of now_ns. */
int health_register(const char *name, const sonde_health_options *o, uint64_t now_ns);
int health_report(const char *name, const struct sonde_health_result *word, uint64_t now_ns);
/* Runs the checks that are due and looks at times to live; gives when the next one is due. */
uint64_t health_tick(uint64_t now_ns);
void health_run(uint64_t now_ns); /* all checks */

size_t health_count(void);
bool health_view(size_t i, uint64_t now_ns, struct health_view *ret); /* false: there is no i-th */
bool health_find(const char *name, uint64_t now_ns, struct health_view *ret);
/* The worst of all, with the name of its component before the message. */
void health_overall(uint64_t now_ns, struct health_view *ret);

/* health_tell.c */
const char *health_state_name(int state);
void health_write(struct source_writer *w, void *unused);
struct command_call;
int health_answer(const struct command_call *call, struct jot *j, char *problem);

extern const struct module health_module;

#endif
