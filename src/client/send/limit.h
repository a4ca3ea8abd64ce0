/* client/send/limit.h - what a server says about when it wants more: Retry-After, and Sentry's rate
 * limits by category.
 *
 *     X-Sentry-Rate-Limits: 60:error;session:organization:quota, 2700::key
 *
 * Source:  develop.sentry.dev, rate limiting; RFC 9110, 10.2.3
 * Threads: one at a time.
 */
#ifndef CLIENT_SEND_LIMIT_H
#define CLIENT_SEND_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/send/spool.h"

enum {
    LIMIT_CATEGORIES_MAX = 16,
    LIMIT_SECONDS_MAX = 7 * 24 * 3600, /* more is taken for that */
    LIMIT_SECONDS_429 = 60,            /* where a 429 says nothing else */
};

struct limit {
    uint64_t all_ns; /* until then: everything */
    struct {
        char name[SPOOL_CATEGORY_MAX];
        uint64_t until_ns;
    } of[LIMIT_CATEGORIES_MAX];
};

/* Takes the header's value; false where it holds no limit (then nothing changed). A limit that is
 * there already only grows. */
bool limit_read(struct limit *l, const char *header, uint64_t now_ns);
void limit_all(struct limit *l, uint64_t until_ns);
/* Is the category limited? Events are limited by "error" and by "default". */
bool limit_holds(const struct limit *l, const char *category, uint64_t now_ns);

/* Seconds, or a date of HTTP against unix_s; 0 for the past; false: neither. */
bool limit_retry_after(const char *value, int64_t unix_s, uint64_t *ret_s);

#endif
