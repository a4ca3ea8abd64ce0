/* alert/config/matcher.h - label matchers as Alertmanager writes them:
 * severity=~"warning|critical".
 *
 * Both of its languages are read, UTF-8 first, then the classic one, as its "fallback" mode does. A
 * label that is missing has the value "". Expressions are anchored, RE2's syntax.
 *
 * Threads: pure functions; a list is immutable.
 */
#ifndef ALERT_CONFIG_MATCHER_H
#define ALERT_CONFIG_MATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct regex; /* text/regex.h */

enum matcher_op { MATCHER_EQUAL, MATCHER_NOT_EQUAL, MATCHER_REGEX, MATCHER_NOT_REGEX };

struct matcher_item {
    struct str name, value;
    enum matcher_op op;
    struct regex *regex; /* of the two last */
};

struct matcher_list {
    const struct matcher_item *v; /* [n], sorted by name, op, value */
    size_t n;
};

/* `{a="b",c=~"d"}`, `a=b`, with or without braces, appended to what is in *list (which starts as
 * zero). Everything is from a; matcher_list_done() frees the expressions. */
MUST_USE int matcher_parse(struct str text, struct arena *a, struct matcher_list *list,
                           struct why *why);

/* One more matcher, already taken apart (JSON of silences, match and match_re of old files). */
MUST_USE int matcher_add(struct str name, enum matcher_op op, struct str value, struct arena *a,
                         struct matcher_list *list, struct why *why);

void matcher_list_done(const struct matcher_list *list);

/* Do all hold for labels (a canonical key)? An empty list holds. */
bool matcher_list_holds(const struct matcher_list *list, struct str labels);

/* `{a="b",c=~"d"}` in Alertmanager's canonical form. */
void matcher_list_print(const struct matcher_list *list, struct buf *out);

#endif
