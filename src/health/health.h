/* health/health.h - is every part of the daemon well? A registry of checks and their last readings.
 *
 * A check is a function that says healthy, degraded or unhealthy with a value and a sentence. It is
 * run on its interval by health_run() and its state changes only after it has said the same thing
 * several times in a row (fall to worse, rise to better), so that one slow commit does not flap.
 * Readings are cached: asking costs nothing.
 *
 * Flow:    health_add() -> health_run() every second -> health_list() / health_worst()
 * Threads: any; checks run on the thread that calls health_run(), one at a time.
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"
#include "os/disk.h"

enum health_state { HEALTH_OK, HEALTH_DEGRADED, HEALTH_UNHEALTHY, HEALTH_UNKNOWN };

enum { HEALTH_CHECKS_MAX = 64, HEALTH_TEXT_MAX = 256 /* bytes, with the NUL */ };

struct health_reading {
    enum health_state state;
    double value;
    char output[HEALTH_TEXT_MAX]; /* a sentence where not healthy, else "" */
};

struct health_check {
    const char *component;   /* "storage" */
    const char *measurement; /* "commit_latency" */
    const char *unit;        /* of the value: "s", "bytes", "1" */
    const char *type;        /* "component", "datastore" or "system" */
    int64_t every_ms;        /* 0: each health_run() */
    unsigned fall, rise;     /* readings in a row before the state changes; 0 counts as 1 */
    void (*run)(void *context, struct health_reading *ret); /* ret comes as HEALTH_OK, 0, "" */
    void *context;
};

/* A check's present standing. */
struct health_row {
    const struct health_check *check;
    struct health_reading reading; /* the last one, with the settled state */
    int64_t time_ms;               /* wall time of the last reading; 0: never */
};

struct health;

struct health *health_new(const struct clock *clock);
void health_free(struct health *h); /* NULL is fine */

/* Adds a check (copied). -ERR_LIMIT past HEALTH_CHECKS_MAX. */
MUST_USE int health_add(struct health *h, const struct health_check *check);

/* Free space of a disk: degraded under 10 %, unhealthy under 2 % or 64 MiB. */
MUST_USE int health_add_disk(struct health *h, const char *component, struct disk *d);

/* The wall clock against the monotonic one: a jump of more than a second between two runs is
 * degraded for a minute. */
MUST_USE int health_add_clock(struct health *h);

/* Runs every check that is due. */
void health_run(struct health *h);

/* Copies up to max rows; returns how many. */
size_t health_list(struct health *h, struct health_row *ret, size_t max);

/* The worst settled state; a check that has not run yet does not count. */
enum health_state health_worst(struct health *h);

/* "pass", "warn", "fail" as health+json says; unknown is "warn". */
const char *health_word(enum health_state state);

#endif
