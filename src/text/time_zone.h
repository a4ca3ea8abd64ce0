/* text/time_zone.h - a time zone of the IANA's database: how far its clocks are from UTC, and when.
 *
 * The bytes are those of a file below /usr/share/zoneinfo; who has read it gives them here. libc's
 * TZ is the whole process's and no help with several zones.
 *
 * Source:  RFC 8536 (TZif), versions 1 to 4; POSIX TZ rules of the form Mm.w.d behind the table.
 * Threads: a zone is immutable.
 */
#ifndef TEXT_TIME_ZONE_H
#define TEXT_TIME_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { TIME_ZONE_FILE_MAX = 256 * 1024 /* bytes */ };

struct time_zone;

/* -ERR_FORMAT: the bytes are no TZif file. */
MUST_USE int time_zone_new(struct str bytes, struct time_zone **ret, struct why *why);
void time_zone_free(struct time_zone *z); /* NULL is fine */

/* Seconds to add to UTC for the time on the wall; NULL is UTC. */
int64_t time_zone_offset_s(const struct time_zone *z, int64_t utc_s);

/* Is it the name of a zone, and of no other file: "Europe/Berlin", "UTC"? */
bool time_zone_name(struct str name);

#endif
