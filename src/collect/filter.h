/* collect/filter.h - a regular expression over names that come again and again.
 *
 * Each name is judged once; the verdict is remembered.
 *
 * Threads: one at a time.
 */
#ifndef COLLECT_FILTER_H
#define COLLECT_FILTER_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"

enum { FILTER_NAMES_MAX = 100000 }; /* remembered; more are judged each time */

struct regex;

struct filter {
    struct regex *regex; /* NULL: matches nothing */
    struct map verdicts;
};

/* pattern "" matches nothing. */
MUST_USE int filter_init(struct filter *f, const char *pattern, struct why *why);
void filter_done(struct filter *f);

bool filter_match(struct filter *f, struct str name);

#endif
