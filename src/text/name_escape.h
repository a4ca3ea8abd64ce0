/* text/name_escape.h - names of metrics and labels for clients that take no UTF-8 in them: three
 * schemes, two of which can be undone.
 *
 * Source:  Prometheus, "UTF-8 in names": escaping=underscores, dots, values.
 * Threads: pure functions.
 */
#ifndef TEXT_NAME_ESCAPE_H
#define TEXT_NAME_ESCAPE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum name_escape {
    NAME_ESCAPE_NONE,        /* allow-utf-8: a name stays as it is */
    NAME_ESCAPE_UNDERSCORES, /* _ for what a plain name does not have; cannot be undone */
    NAME_ESCAPE_DOTS,        /* . as _dot_, _ as __, all else as __ */
    NAME_ESCAPE_VALUES,      /* U__ in front, _2e_ for the code point, _ as __ */
};

/* "allow-utf-8", "underscores", "dots", "values"; false for any other text. */
bool name_escape_of(struct str text, enum name_escape *ret);

/* Appends name as a plain one. A name that is plain stays as it is, but for dots. */
void name_escape_put(enum name_escape scheme, struct str name, struct buf *out);

/* Appends what name was before; a name that was not escaped by the scheme stays as it is. */
void name_escape_undo(enum name_escape scheme, struct str name, struct buf *out);

#endif
