/* text/yaml_write.h - a YAML tree as text again, with secrets hidden: a configuration that is
 * shown.
 *
 * Maps and lists stand in block style, as yaml.v3 writes them; what was a text stays one.
 *
 * Flow:    yaml node -> text
 * Threads: pure functions.
 */
#ifndef TEXT_YAML_WRITE_H
#define TEXT_YAML_WRITE_H

#include "base/buf.h"
#include "base/str.h"
#include "text/yaml.h"

enum yaml_write_hiding {
    YAML_WRITE_PLAIN,     /* as it is; keys below are asked about; passwords in URLs are hidden */
    YAML_WRITE_HIDDEN,    /* <secret>, and all below it */
    YAML_WRITE_SHORTENED, /* a URL: nothing behind its host */
    YAML_WRITE_FREE,      /* as it is, with all below: somebody's own words */
};

/* How the value of key is shown; above is the key that the map stands below ("" at the root; that
 * of the list for maps in one). */
typedef enum yaml_write_hiding yaml_write_hide(struct str above, struct str key);

/* Appends "key: value" and what is below it, without blanks before the key. */
void yaml_write_member(struct buf *b, const struct yaml_member *m, size_t indent, struct str above,
                       yaml_write_hide *hide);

/* Appends a text, in quotes where it needs them. */
void yaml_write_text(struct buf *b, struct str s);

void yaml_write_indent(struct buf *b, size_t n);

#endif
