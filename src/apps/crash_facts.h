/* apps/crash_facts.h - who crashed and by what, out of a crash record: as much as is needed before,
 * or without, the helper that reads the rest.
 *
 * Source:  client/wire/crash_record.h
 * Threads: pure functions.
 */
#ifndef APPS_CRASH_FACTS_H
#define APPS_CRASH_FACTS_H

#include "apps/hello.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct crash_facts {
    struct hello hello; /* service, instance, release, environment, pid; "" where not said */
    int signal;         /* 0: none */
    int64_t time_ms;
};

/* -ERR_FORMAT: it is no record, or of another version or machine. Texts that are not clean UTF-8
 * come out as "". */
MUST_USE int crash_facts_read(struct str bytes, struct crash_facts *ret, struct why *why);

#endif
