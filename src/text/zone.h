/* text/zone.h - a time zone: what a clock on the wall shows there, at any time.
 *
 * The bytes of a file of the zone database are taken by value, so that any thread can ask for any
 * zone, whatever the process's own is. Leap seconds are left out.
 *
 * Flow:    bytes of /usr/share/zoneinfo/NAME -> zone_parse() -> zone_at()
 * Source:  RFC 9636 (TZif, version 2 and later), POSIX (the rule at the end of the file).
 * Threads: a zone is immutable; pure functions.
 */
#ifndef TEXT_ZONE_H
#define TEXT_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { ZONE_FILE_MAX = 256 * 1024 /* bytes */ };

struct zone;

/* Is it a name that can stand below the folder of zones: "Europe/Paris"? */
bool zone_name_plain(struct str name);

/* bytes are copied. -ERR_FORMAT. */
MUST_USE int zone_parse(struct str bytes, struct arena *a, const struct zone **ret,
                        struct why *why);

/* The offset from UTC in seconds and the abbreviation in force at a time in Unix seconds. */
void zone_at(const struct zone *z, int64_t seconds, int32_t *ret_offset, struct str *ret_name);

#endif
