/* apps/relay_limits.h - when a server of Sentry's protocol wants no more, by category.
 *
 * Source:  https://develop.sentry.dev/sdk/expected-features/rate-limiting/
 * Threads: one at a time.
 */
#ifndef APPS_RELAY_LIMITS_H
#define APPS_RELAY_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { RELAY_LIMITS_MAX = 16, RELAY_LIMITS_WORD = 32, RELAY_LIMITS_MS_MAX = 24 * 3600 * 1000 };

struct relay_limits {
    struct {
        char category[RELAY_LIMITS_WORD]; /* "": all */
        int64_t until_ms;
    } v[RELAY_LIMITS_MAX];
    size_t n;
};

/* Takes over a header X-Sentry-Rate-Limits ("60:error;default:organization, .."). What is malformed
 * in it is left out. */
void relay_limits_take(struct relay_limits *l, struct str header, int64_t now_ms);

/* The category ("" is all) must wait until then. */
void relay_limits_add(struct relay_limits *l, struct str category, int64_t until_ms);

/* Until when an item of that category must wait; 0: it need not. */
int64_t relay_limits_until(const struct relay_limits *l, struct str category);

#endif
