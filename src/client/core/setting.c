#include "client/core/setting.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/intern.h"

enum kind { KIND_text, KIND_flag, KIND_count, KIND_number };

struct place {
    enum kind kind;
    size_t offset;
    double least, most;
};

static const struct setting_row rows[] = {
#define SETTING(type, key, field, value, least, most, help) {key, #type, #value, help},
#include "client/core/setting.tbl.h"
#undef SETTING
};
enum { ROWS_N = sizeof rows / sizeof *rows };

static const struct place places[ROWS_N] = {
#define SETTING(type, key, field, value, least, most, help)                                        \
    {KIND_##type, offsetof(struct setting, field), (double)(least), (double)(most)},
#include "client/core/setting.tbl.h"
#undef SETTING
};

/* A default that is a text is a literal, which nobody writes to. */
#define SETTING_VALUE_text(v)                               ((char *)(uintptr_t)(v))
#define SETTING_VALUE_flag(v)                               (v)
#define SETTING_VALUE_count(v)                              (v)
#define SETTING_VALUE_number(v)                             (v)
#define SETTING(type, key, field, value, least, most, help) .field = SETTING_VALUE_##type(value),
static const struct setting standard = {
#include "client/core/setting.tbl.h"
};
struct setting setting = {
#include "client/core/setting.tbl.h"
};
#undef SETTING

static void *field(struct setting *s, size_t row)
{
    return (char *)s + places[row].offset;
}

static int bad(char *problem, size_t row, const char *value, const char *wanted)
{
    snprintf(problem, SETTING_PROBLEM_MAX, "%s = \"%.60s\": %s", rows[row].key, value, wanted);
    return SONDE_ERROR_ARGUMENT;
}

static int put_flag(struct setting *s, size_t row, const char *value, char *problem)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *(_Atomic bool *)field(s, row) = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return bad(problem, row, value, "true or false is expected");
}

/* Digits, a point, an exponent, whatever the host's locale says. */
static bool read_number(const char *value, double *ret)
{
    if (!*value || strspn(value, "0123456789.eE+-") != strlen(value)) {
        return false;
    }
    const char *p = value;
    double sign = *p == '-' ? -1 : 1, n = 0;
    int scale = 0, exponent = 0, digits = 0;
    p += *p == '-' || *p == '+';
    for (bool point = false; isdigit((unsigned char)*p) || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        n = n * 10 + (*p - '0');
        scale -= point;
        digits++;
    }
    if (*p == 'e' || *p == 'E') {
        char *end;
        long e = strtol(p + 1, &end, 10);
        if (end == p + 1 || e > 400 || e < -400) {
            return false;
        }
        exponent = (int)e;
        p = end;
    }
    exponent += scale;
    n = exponent < 0 ? n / pow(10, -exponent) : n * pow(10, exponent); /* "0.1" is 0.1 */
    *ret = sign * n;
    return !*p && digits > 0;
}

static int put_number(struct setting *s, size_t row, const char *value, char *problem)
{
    const struct place *p = &places[row];
    double n;
    bool whole = p->kind == KIND_count;
    if (!read_number(value, &n) || (whole && n != floor(n))) {
        return bad(problem, row, value, whole ? "a whole number is expected" : "no number");
    }
    if (!(n >= p->least && n <= p->most)) {
        char wanted[100];
        snprintf(wanted, sizeof wanted, "must be from %.17g to %.17g", p->least, p->most);
        return bad(problem, row, value, wanted);
    }
    if (whole) {
        *(_Atomic uint64_t *)field(s, row) = (uint64_t)n;
    } else {
        *(_Atomic double *)field(s, row) = n;
    }
    return 0;
}

static int put(struct setting *s, size_t row, const char *value, char *problem)
{
    if (strlen(value) > SETTING_VALUE_MAX) {
        return bad(problem, row, value, "longer than 1024 bytes");
    }
    if (places[row].kind == KIND_flag) {
        return put_flag(s, row, value, problem);
    }
    if (places[row].kind != KIND_text) {
        return put_number(s, row, value, problem);
    }
    char *text = intern_text(value);
    if (!text) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "no memory for the settings, or more than %d different texts of them", INTERN_MAX);
        return SONDE_ERROR_MEMORY;
    }
    *(char *_Atomic *)field(s, row) = text;
    return 0;
}

static bool find(const char *key, size_t n, size_t *ret)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        if (strlen(rows[i].key) == n && memcmp(rows[i].key, key, n) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static int from_environment(struct setting *s, char *problem)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        char name[100] = "SONDE_";
        size_t at = strlen(name);
        for (const char *k = rows[i].key; *k && at + 1 < sizeof name; k++) {
            name[at++] = *k == '.' ? '_' : (char)toupper((unsigned char)*k);
        }
        name[at] = 0;
        const char *value = getenv(name);
        int err = value ? put(s, i, value, problem) : 0;
        if (err) {
            return err;
        }
    }
    return 0;
}

static int from_list(struct setting *s, const char *const *list, char *problem)
{
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '=');
        size_t n = equals ? (size_t)(equals - *list) : strlen(*list), row;
        if (!equals || !find(*list, n, &row)) {
            snprintf(problem, SETTING_PROBLEM_MAX, "\"%.*s\": no such setting (key=value)",
                     n > 80 ? 80 : (int)n, *list);
            return SONDE_ERROR_ARGUMENT;
        }
        int err = put(s, row, equals + 1, problem);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* The fields of the options that every version of the struct has had, and those that this caller's
 * version has. */
static int from_options(struct setting *s, const sonde_options *o, char *problem)
{
    if (!o) {
        return 0;
    }
    if (o->struct_size < sizeof(sonde_options)) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "sonde_options.struct_size is %zu: begin with "
                 "SONDE_OPTIONS_INIT",
                 o->struct_size);
        return SONDE_ERROR_ARGUMENT;
    }
    const struct {
        const char *key, *value;
    } named[] = {{"service", o->service},
                 {"release", o->release},
                 {"environment", o->environment},
                 {"instance", o->instance}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        size_t row;
        if (named[i].value && find(named[i].key, strlen(named[i].key), &row)) {
            int err = put(s, row, named[i].value, problem);
            if (err) {
                return err;
            }
        }
    }
    return from_list(s, o->settings, problem);
}

/* Field by field, for others may be reading. */
static void take_over(struct setting *next)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        void *to = field(&setting, i), *from = field(next, i);
        switch (places[i].kind) {
        case KIND_text:
            *(char *_Atomic *)to = *(char *_Atomic *)from;
            break;
        case KIND_flag:
            *(_Atomic bool *)to = *(_Atomic bool *)from;
            break;
        case KIND_count:
            *(_Atomic uint64_t *)to = *(_Atomic uint64_t *)from;
            break;
        case KIND_number:
            *(_Atomic double *)to = *(_Atomic double *)from;
            break;
        }
    }
}

int setting_load(const sonde_options *options, char problem[SETTING_PROBLEM_MAX])
{
    struct setting next = standard;
    int err = from_environment(&next, problem);
    if (!err) {
        err = from_options(&next, options, problem);
    }
    if (!err) {
        take_over(&next);
    }
    return err;
}

int setting_set(const char *key, const char *value, char problem[SETTING_PROBLEM_MAX])
{
    size_t row;
    if (!find(key, strlen(key), &row)) {
        snprintf(problem, SETTING_PROBLEM_MAX, "\"%.80s\": no such setting", key);
        return SONDE_ERROR_NOT_FOUND;
    }
    if (places[row].kind == KIND_text) {
        return bad(problem, row, value, "a text cannot be changed while running");
    }
    return put(&setting, row, value, problem);
}

size_t setting_rows(const struct setting_row **ret)
{
    *ret = rows;
    return ROWS_N;
}

void setting_value(size_t row, char *ret, size_t size)
{
    const void *at = (const char *)&setting + places[row].offset;
    switch (places[row].kind) {
    case KIND_text:
        snprintf(ret, size, "%s", *(char *const _Atomic *)at);
        break;
    case KIND_flag:
        snprintf(ret, size, "%s", *(const _Atomic bool *)at ? "true" : "false");
        break;
    case KIND_count:
        snprintf(ret, size, "%llu", (unsigned long long)*(const _Atomic uint64_t *)at);
        break;
    case KIND_number:
        snprintf(ret, size, "%.17g", *(const _Atomic double *)at);
        break;
    }
}
