/* text/json_path.h - expressions that find values in a JSON text, a small part of JSONPath.
 *
 *   $.queue.length             members, from the root ("$" and its dot may be left out)
 *   $["a key"]['another']      members of any name
 *   $.disks[0], [-1]           elements, from the end where negative
 *   $.items[*].value, $.map.*  all elements or members
 *   $.items[?(@.name=="x")].n  those whose member equals (==, !=) a text, number, true, false, null
 *   $.map[*]~                  at the end: the name (or number) of what was found, not its value
 *
 * Another expression can be read beside a match: as long as its steps are the same, it goes the way
 * that the match went, so that $.items[*].host gives the host of the item at hand.
 *
 * Source:  RFC 9535 for what is taken over; "~" as JSONPath Plus has it.
 * Threads: a made path may be used by any number of threads.
 */
#ifndef TEXT_JSON_PATH_H
#define TEXT_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json_tree.h"

enum {
    JSON_PATH_STEPS_MAX = 32,
    JSON_PATH_TEXT_MAX = 4096, /* bytes of an expression */
};

struct json_path;

/* -ERR_FORMAT with the place of the fault in why; -ERR_LIMIT. */
MUST_USE int json_path_new(struct str text, struct json_path **ret, struct why *why);
void json_path_free(struct json_path *p); /* NULL is fine */

/* Can it match more than once? */
bool json_path_is_many(const struct json_path *p);

/* One place that an expression leads to. */
struct json_path_match {
    const struct json_path *path;
    const struct json_tree *nodes[JSON_PATH_STEPS_MAX + 1]; /* root, and what each step chose */
    size_t places[JSON_PATH_STEPS_MAX + 1];                 /* index among the parent's children */
};

/* Calls f for each match, in the order of the text, until it gives false. How many matches there
 * were. */
size_t json_path_each(const struct json_path *p, const struct json_tree *root,
                      bool (*f)(void *context, const struct json_path_match *m), void *context);

/* The text of what was matched: of a text, number, true or false; the name for "~". False for an
 * object, array or null. Appended to out. */
bool json_path_text(const struct json_path_match *m, struct buf *out);

/* The same as a number: true is 1, false 0, a text that is a number its value; false for another.
 */
bool json_path_number(const struct json_path_match *m, double *ret);

/* Is null what was matched? */
bool json_path_is_null(const struct json_path_match *m);

/* The first match of p from where m went: see above. */
bool json_path_beside(const struct json_path *p, const struct json_path_match *m,
                      struct json_path_match *ret);

#endif
