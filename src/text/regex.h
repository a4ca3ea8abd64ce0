/* text/regex.h - regular expressions as Prometheus means them: RE2 syntax, anchored at both ends,
 * '.' matches line ends, bytes are UTF-8.
 *
 * Matching takes time linear in the text and the memory named below, whatever the pattern.
 *
 * Source:  https://github.com/google/re2/wiki/Syntax; Prometheus, model/labels.
 * Threads: a made regex may be used by any number of threads at once.
 */
#ifndef TEXT_REGEX_H
#define TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    REGEX_PATTERN_MAX = 64 * 1024, /* bytes */
    REGEX_MEMORY_MAX = 8 << 20,    /* bytes of one compiled pattern */
    REGEX_LITERALS_MAX = 1024,     /* texts that regex_literals() gives at most */
    REGEX_GROUPS_MAX = 64,         /* that regex_expand() and regex_groups() see */
};

struct regex;

/* -ERR_FORMAT with RE2's own words for a bad pattern, -ERR_LIMIT for one too large. */
MUST_USE int regex_new(struct str pattern, struct regex **ret, struct why *why);
void regex_free(struct regex *re); /* NULL is fine */

/* The same for regex_find() and regex_replace(): a pattern as Go's regexp has it, in which '.' does
 * not match a line end. */
MUST_USE int regex_new_search(struct str pattern, struct regex **ret, struct why *why);

/* Does all of text match? */
bool regex_match(const struct regex *re, struct str text);

/* As regex_match, and the text of group i (0: all) in ret[i], p NULL where it took no part. */
bool regex_groups(const struct regex *re, struct str text, struct str *ret, size_t n);

/* How many groups there are, without group 0. */
size_t regex_groups_n(const struct regex *re);

/* The number of the group with that name, or 0. */
size_t regex_group_of(const struct regex *re, struct str name);

/* The name of group i, "" where it has none. */
struct str regex_group_name(const struct regex *re, size_t i);

/* If all of text matches: true, and replacement is appended to out with $1, ${1}, $name, ${name}
 * replaced by the groups' texts and $$ by $ (Go's Regexp.Expand). A name is as long as it can be;
 * one that no group has gives nothing. */
bool regex_expand(const struct regex *re, struct str text, struct str replacement, struct buf *out);

/* The leftmost match in text that begins at from or behind it; groups as regex_groups(). */
bool regex_find(const struct regex *re, struct str text, size_t from, struct str *ret, size_t n);

/* Appends text with every match replaced, $1 and so on as in regex_expand() (Go's
 * ReplaceAllString). */
void regex_replace(const struct regex *re, struct str text, struct str replacement,
                   struct buf *out);

/* What an index can use instead of the pattern. */
struct regex_literals {
    bool exact;        /* the pattern matches texts[0..n) and nothing else */
    struct str *texts; /* sorted bytewise, no duplicates */
    size_t n;
    struct str prefix; /* every match begins with it (may be empty) */
    bool prefix_only;  /* and every text that begins with it matches: prefix.* */
};

/* Cheap look at the pattern: "a|b", "(x|y)z", "a[12]", "cpu_.*". Sets nothing where the pattern is
 * beyond it, which is no error. Memory from a. */
void regex_literals(struct str pattern, struct arena *a, struct regex_literals *ret);

/* Of regex.c: pattern with Go's (?<name>..) written as RE2's (?P<name>..), appended to out. */
void regex_respell(struct str pattern, struct buf *out);

/* The pattern that matches s alone, appended to out. */
void regex_quote(struct str s, struct buf *out);

#endif
