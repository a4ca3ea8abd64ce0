#include "client/metric/text_filter.h"

#include <string.h>

enum { WANTED_MAX = 1024 };

/* name="value" as the format writes it. */
static void write_label(struct text *t, const char *name, const char *value)
{
    text_add_string(t, name);
    text_add(t, "=\"", 2);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"') {
            text_add_char(t, '\\');
        }
        if (*value == '\n') {
            text_add(t, "\\n", 2);
        } else {
            text_add_char(t, *value);
        }
    }
    text_add_char(t, '"');
}

/* Stands it behind "{" or ","? A label's value may hold the same bytes, but not behind these and
 * without an escaped quotation mark. */
static bool has_label(const char *line, size_t n, const struct text *label)
{
    for (const char *p = line;;) {
        p = memmem(p, n - (size_t)(p - line), label->bytes, label->len);
        if (!p) {
            return false;
        }
        if (p > line && (p[-1] == '{' || p[-1] == ',')) {
            return true;
        }
        p++;
    }
}

size_t text_filter(const struct text *exposition, const char *name, const char *value,
                   struct text *ret)
{
    char memory[WANTED_MAX];
    struct text label;
    size_t found = 0;
    text_over(&label, memory, sizeof memory);
    write_label(&label, name, value);
    if (label.cut) {
        return 0;
    }
    const char *p = exposition->bytes, *end = p + exposition->len, *comments = p, *comments_end = p;
    bool was_comment = false;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = stop ? (size_t)(stop + 1 - p) : (size_t)(end - p);
        bool comment = *p == '#';
        if (comment) {
            comments = was_comment ? comments : p;
            comments_end = p + n;
        }
        if (!comment && has_label(p, n, &label)) {
            text_add(ret, comments, (size_t)(comments_end - comments));
            comments = comments_end; /* once for the family */
            text_add(ret, p, n);
            found++;
        }
        was_comment = comment;
        p += n;
    }
    return found;
}
