/* health/checkup_place.h - "HOST:PORT", "[::1]:PORT" or "unix:/path" of a check, as a place of the
 * prober.
 *
 * Threads: pure functions.
 */
#ifndef HEALTH_CHECKUP_PLACE_H
#define HEALTH_CHECKUP_PLACE_H

#include "base/attr.h"
#include "base/err.h"
#include "health/probe/prober.h"

struct checkup_place {
    struct prober_place place; /* host points into the text, unix_path too: it ends with a NUL */
};

/* text ends with a NUL. */
MUST_USE int checkup_place_read(struct str text, struct checkup_place *ret, struct why *why);

#endif
