/* cli/json_show.h - a JSON answer for people: members as lines, lists of objects as tables.
 *
 * Threads: pure functions.
 */
#ifndef CLI_JSON_SHOW_H
#define CLI_JSON_SHOW_H

#include "base/buf.h"
#include "text/json_tree.h"

/* Appends the tree; an array of objects is a table of the members that are no lists. */
void json_show(const struct json_tree *tree, struct buf *out);

#endif
