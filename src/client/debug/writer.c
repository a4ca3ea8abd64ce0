#include "client/debug/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/core/redact.h"

enum { PRINTF_MAX = 1024 };

void writer_init(struct sonde_writer *w)
{
    text_init(&w->text, WRITER_MAX);
    jot_init(&w->jot, &w->text);
    jot_object(&w->jot, NULL);
}

void writer_drop(struct sonde_writer *w)
{
    text_done(&w->text);
}

/* The document, cleaned; false: it is cut, or no JSON. */
static bool clean(struct sonde_writer *w, struct text *ret)
{
    while (w->jot.depth > 0) {
        jot_end(&w->jot);
    }
    return !w->text.cut && redact_json(ret, w->text.bytes, w->text.len) && !ret->cut;
}

static const char too_much[] =
    "the callback wrote more than 1 MiB, nested too deep, or left out a key";

void writer_finish(struct sonde_writer *w, struct jot *j, const char *key)
{
    struct text t;
    text_init(&t, 2 * WRITER_MAX);
    if (clean(w, &t)) {
        jot_raw(j, key, t.bytes, t.len);
    } else {
        jot_object(j, key);
        jot_string(j, "error", too_much);
        jot_end(j);
    }
    text_done(&t);
    writer_drop(w);
}

void writer_finish_members(struct sonde_writer *w, struct jot *j)
{
    struct text t;
    text_init(&t, 2 * WRITER_MAX);
    bool good = clean(w, &t) && t.len >= 2;
    if (good && t.len > 2) { /* without the braces */
        if (j->comma) {
            text_add_char(j->text, ',');
        }
        text_add(j->text, t.bytes + 1, t.len - 2);
        j->comma = true;
    } else if (!good) {
        jot_string(j, "problem", too_much);
    }
    text_done(&t);
    writer_drop(w);
}

void writer_message(struct sonde_writer *w, char *ret, size_t size)
{
    static const char mark[] = "\"message\":\"";
    const char *p = strstr(text_string(&w->text), mark);
    size_t n = 0;
    for (p = p ? p + sizeof mark - 1 : ""; *p && *p != '"' && n + 1 < size; p++) {
        p += *p == '\\' && p[1] ? 1 : 0;
        ret[n++] = *p;
    }
    ret[n] = 0;
}

void sonde_writer_object(sonde_writer *w, const char *key)
{
    jot_object(&w->jot, key);
}

void sonde_writer_array(sonde_writer *w, const char *key)
{
    jot_array(&w->jot, key);
}

void sonde_writer_end(sonde_writer *w)
{
    if (w->jot.depth > 1) { /* the outermost object is ours */
        jot_end(&w->jot);
    }
}

void sonde_writer_string(sonde_writer *w, const char *key, const char *value)
{
    jot_string(&w->jot, key, value);
}

void sonde_writer_printf(sonde_writer *w, const char *key, const char *format, ...)
{
    char s[PRINTF_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s, sizeof s, format, args);
    va_end(args);
    jot_string(&w->jot, key, n < 0 ? "" : s);
}

void sonde_writer_int(sonde_writer *w, const char *key, int64_t value)
{
    jot_i64(&w->jot, key, value);
}

void sonde_writer_double(sonde_writer *w, const char *key, double value)
{
    jot_number(&w->jot, key, value);
}

void sonde_writer_bool(sonde_writer *w, const char *key, bool value)
{
    jot_bool(&w->jot, key, value);
}
