/* client/log/breadcrumb.h - the last things that happened, for errors and crashes.
 *
 * One ring of fixed records for the process, of breadcrumbs.max records; a writer takes a number by
 * an atomic addition and fills its record, a reader knows records that were being written by their
 * sequence and leaves them out.
 *
 * Threads: any; breadcrumb_raw(): signal handlers.
 */
#ifndef CLIENT_LOG_BREADCRUMB_H
#define CLIENT_LOG_BREADCRUMB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "sonde/core.h"

enum {
    BREADCRUMB_CATEGORY_MAX = 32,
    BREADCRUMB_MESSAGE_MAX = 180,
    BREADCRUMB_DATA_MAX = 256, /* JSON members without braces; cut at a whole member */
};

struct breadcrumb_record {
    _Atomic uint64_t sequence; /* 0: never used; odd: being written */
    int64_t unix_ns;
    int32_t level; /* enum sonde_level */
    uint8_t trace_id[16];
    char category[BREADCRUMB_CATEGORY_MAX], message[BREADCRUMB_MESSAGE_MAX];
    char data[BREADCRUMB_DATA_MAX];
};

/* What sonde_breadcrumb() does, with a time; category and message are not NULL. */
void breadcrumb_add(int level, const char *category, const char *message, const sonde_attr *attrs,
                    size_t attrs_n, int64_t unix_ns);
bool breadcrumb_start(void); /* false: no memory */

/* Copies the newest (at most cap), the oldest of them first; returns how many. */
size_t breadcrumb_raw(struct breadcrumb_record *ret, size_t cap);
/* One, as Sentry's JSON (an object in an open array). */
void breadcrumb_json(const struct breadcrumb_record *b, struct jot *j);

#endif
