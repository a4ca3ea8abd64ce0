/* incident/incident_live.h - the open incidents in memory, and which of them an alert belongs to.
 *
 * Threads: one at a time.
 */
#ifndef INCIDENT_INCIDENT_LIVE_H
#define INCIDENT_INCIDENT_LIVE_H

#include "incident/incident.h"

/* An open incident. */
struct incident_live {
    struct arena arena; /* of its texts */
    struct incident row;
    struct {
        struct incident_problem *v; /* [n] */
        size_t n, capacity;
    } problems;
    int64_t active_ms;          /* when something began last */
    int64_t look_ms, looked_ms; /* when metrics are looked at next (0: no more), and were last */
    int looks;
};

struct incident_live *incident_live_new(const struct incident *row);
void incident_live_free(struct incident_live *l);

/* Takes a problem (copied) and works out what the incident shows of all; no more than
 * INCIDENT_PROBLEMS_MAX are taken. */
void incident_live_add(struct incident_live *l, const struct incident_problem *p);

/* The problem of these labels, or NULL. */
struct incident_problem *incident_live_find(struct incident_live *l, struct str labels);

/* Does a problem that begins at that time belong to it? */
bool incident_live_joins(const struct incident_live *l, struct str labels, int64_t starts_ms,
                         const struct incident_settings *s);

/* Firing problems, and when the last one ended. */
size_t incident_live_firing(const struct incident_live *l, int64_t *ret_ended_ms);

#endif
