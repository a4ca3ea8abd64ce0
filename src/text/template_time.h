/* text/template_time.h - Go's time.Time and time.Duration as objects of templates.
 *
 * Times have a zone (text/zone.h) that they are shown in; NULL is UTC.
 *
 * Source:  Go, package time: layouts, methods, how they print.
 * Threads: pure functions.
 */
#ifndef TEXT_TEMPLATE_TIME_H
#define TEXT_TEMPLATE_TIME_H

#include "text/template.h"
#include "text/zone.h"

struct template_time_value {
    int64_t ms; /* since 1970; TEMPLATE_TIME_ZERO: Go's zero time, the beginning of year 1 */
    const struct zone *zone;
};

#define TEMPLATE_TIME_ZERO (-62135596800000)

extern const struct template_object template_time_object;          /* struct template_time_value */
extern const struct template_object template_time_duration_object; /* int64_t: nanoseconds */

/* A time (in UTC) or a duration as a value of a template; memory from the call. */
struct template_value template_time(struct template_call *c, int64_t ms);
struct template_value template_time_duration(struct template_call *c, int64_t ns);

/* The same time in a zone, which outlives the call. */
struct template_value template_time_in(struct template_call *c, int64_t ms,
                                       const struct zone *zone);

/* Appends a time as Go's Time.Format does with that layout. */
void template_time_format(const struct template_time_value *t, struct str layout, struct buf *out);

/* Seconds as milliseconds since 1970 or as nanoseconds, refused outside of what Go can hold. */
MUST_USE int template_time_of_seconds(double seconds, int64_t *ret_ms, struct why *why);
MUST_USE int template_time_duration_of_seconds(double seconds, int64_t *ret_ns, struct why *why);

#endif
