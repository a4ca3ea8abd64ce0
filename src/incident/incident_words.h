/* incident/incident_words.h - what an incident says to people, and which events may have been its
 * cause.
 *
 * Threads: pure functions.
 */
#ifndef INCIDENT_INCIDENT_WORDS_H
#define INCIDENT_INCIDENT_WORDS_H

#include "base/buf.h"
#include "incident/incident.h"

/* Puts the likeliest causes first: deployments and configuration before restarts before notes,
 * those that share a label with the incident, the nearest in time; what is none goes, and how many
 * are left is returned. */
size_t incident_words_causes(struct event *v, size_t n, struct str labels, int64_t opened_ms);

/* "30 s", "4 min", "2 h". */
void incident_words_span(int64_t ms, struct buf *out);

/* "api 1.2 was deployed, 4 min before" */
void incident_words_cause(const struct event *v, int64_t opened_ms, struct buf *out);

/* The one sentence: what happened last before it, what moved most, what else fires. */
void incident_words_summary(const struct incident *i, const struct event *causes, size_t causes_n,
                            const struct incident_moved *moved, size_t moved_n, struct buf *out);

#endif
