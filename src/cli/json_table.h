/* cli/json_table.h - any JSON answer as text for people: members as lines, lists of objects as
 * aligned tables.
 *
 * Threads: pure functions.
 */
#ifndef CLI_JSON_TABLE_H
#define CLI_JSON_TABLE_H

#include "base/buf.h"
#include "text/json_tree.h"

enum {
    JSON_TABLE_COLUMNS_MAX = 24, /* more members of a row are left out */
    JSON_TABLE_CELL_MAX = 60,    /* characters; longer texts are cut, but in the last column */
};

/* The value of a member as a cell: texts as they are, numbers short, null as "-". */
void json_table_cell(const struct json_tree *value, struct buf *out);

/* rows: a list of objects. columns [n]: "member" or "member=TITLE", "a.b" for one inside; n 0: all
 * plain members of the rows, in the order in which they first come. */
void json_table_rows(const struct json_tree *rows, const char *const *columns, size_t n,
                     struct buf *out);

/* All of node: what is plain first, then its lists and objects below their names. */
void json_table_put(const struct json_tree *node, struct buf *out);

#endif
