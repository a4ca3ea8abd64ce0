#include "apps/hello.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *key;
    size_t offset;
    bool number;
} FACTS[] = {
    {"service", offsetof(struct hello, service), false},
    {"instance", offsetof(struct hello, instance), false},
    {"release", offsetof(struct hello, release), false},
    {"environment", offsetof(struct hello, environment), false},
    {"language", offsetof(struct hello, language), false},
    {"library", offsetof(struct hello, library), false},
    {"version", offsetof(struct hello, version), true},
    {"pid", offsetof(struct hello, pid), true},
    {"started_ms", offsetof(struct hello, started_ms), true},
};

/* Without the escapes; ret [HELLO_NAME_MAX + 1]. */
static int unescape(struct str key, struct str value, char *ret, struct why *why)
{
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '%') {
            bool there = value.n - i > 2;
            int high = there ? str_hex(value.p[i + 1]) : -1;
            int low = there ? str_hex(value.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return why_set(why, ERR_FORMAT, "HELLO: a bad escape in " STR_FMT, STR_ARG(key));
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 127)
            return why_set(why, ERR_FORMAT, "HELLO: a control character in " STR_FMT, STR_ARG(key));
        if (n == HELLO_NAME_MAX)
            return why_set(why, ERR_LIMIT, "HELLO: " STR_FMT " has more than %d bytes",
                           STR_ARG(key), HELLO_NAME_MAX);
        ret[n++] = c;
    }
    if (!str_utf8(str_of(ret, n)))
        return why_set(why, ERR_FORMAT, "HELLO: " STR_FMT " is not UTF-8", STR_ARG(key));
    ret[n] = '\0';
    return 0;
}

static int take(struct str key, struct str value, struct hello *h, struct why *why)
{
    for (size_t i = 0; i < COUNTOF(FACTS); i++) {
        char *at = (char *)h + FACTS[i].offset;
        int64_t number;
        if (!str_eq(key, str_c(FACTS[i].key)))
            continue;
        if (!FACTS[i].number)
            return unescape(key, value, at, why);
        if (!str_i64(value, &number) || number < 0)
            return why_set(why, ERR_FORMAT, "HELLO: %s is no number", FACTS[i].key);
        memcpy(at, &number, sizeof number);
    }
    return 0;
}

int hello_read(struct str payload, struct hello *ret, struct why *why)
{
    struct str rest = payload, line;
    struct hello h = {0};
    int err = 0;
    for (size_t i = 0; err == 0 && str_split(&rest, '\n', &line); i++) {
        size_t equals = str_find(line, '=');
        if (i == HELLO_LINES_MAX)
            return why_set(why, ERR_LIMIT, "HELLO: more than %d lines", HELLO_LINES_MAX);
        if (line.n == 0)
            continue;
        if (equals == line.n || equals == 0)
            return why_set(why, ERR_FORMAT, "HELLO: a line that is not key=value");
        err = take(str_sub(line, 0, equals), str_sub(line, equals + 1, line.n), &h, why);
    }
    if (err)
        return err;
    if (h.service[0] == '\0' || h.instance[0] == '\0')
        return why_set(why, ERR_FORMAT, "HELLO: a service and an instance must be named");
    *ret = h;
    return 0;
}

void hello_put(struct buf *out, const char *key, struct str value)
{
    buf_put_str(out, str_c(key));
    buf_put_c(out, '=');
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '%' || c == '\r' || c == '\n')
            buf_printf(out, "%%%02x", (unsigned)(unsigned char)c);
        else
            buf_put_c(out, c);
    }
    buf_put_c(out, '\n');
}
