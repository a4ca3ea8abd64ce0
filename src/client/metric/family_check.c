#include "client/metric/family_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/problem.h"
#include "client/core/text.h"

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool family_check_name(const char *name)
{
    size_t i = 0;
    for (; name[i]; i++) {
        if (!letter(name[i]) && name[i] != ':' && !(i && digit(name[i]))) {
            return false;
        }
    }
    return i > 0 && i < FAMILY_NAME_MAX;
}

static bool label_name(const char *name)
{
    size_t i = 0;
    for (; name[i]; i++) {
        if (!letter(name[i]) && !(i && digit(name[i]))) {
            return false;
        }
    }
    return i > 0 && i < FAMILY_NAME_MAX && !(name[0] == '_' && name[1] == '_');
}

bool family_check_labels(const char *name, const char *const *label_names, enum family_kind kind)
{
    for (size_t i = 0; label_names && label_names[i]; i++) {
        const char *l = label_names[i];
        bool histogram = kind == FAMILY_HISTOGRAM || kind == FAMILY_NATIVE;
        if (i == FAMILY_LABELS_MAX) {
            problem_set("metric %s: more than %d labels", name, FAMILY_LABELS_MAX);
            return false;
        }
        if (!label_name(l) || (histogram && strcmp(l, "le") == 0) ||
            (kind == FAMILY_SUMMARY && strcmp(l, "quantile") == 0)) {
            problem_set("metric %s: \"%.100s\" cannot be the name of a label of it", name, l);
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(l, label_names[k]) == 0) {
                problem_set("metric %s: label %s is there twice", name, l);
                return false;
            }
        }
    }
    return true;
}

static bool same_bounds(const struct family_shape *a, const struct family_shape *b)
{
    if (a->bounds_n != b->bounds_n || a->quantiles_n != b->quantiles_n ||
        a->window_s != b->window_s) {
        return false;
    }
    for (uint32_t i = 0; i < a->bounds_n; i++) {
        if (a->bounds[i] != b->bounds[i]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->quantiles_n; i++) {
        if (a->quantiles[i] != b->quantiles[i]) {
            return false;
        }
    }
    return true;
}

bool family_check_same(const struct sonde_family *f, const char *const *label_names,
                       const struct family_shape *shape)
{
    if (f->shape.kind != shape->kind) {
        problem_set("metric %s is there already, with another type", f->name);
        return false;
    }
    if (!same_bounds(&f->shape, shape)) {
        problem_set("metric %s is there already, with other buckets or quantiles", f->name);
        return false;
    }
    uint32_t n = 0;
    for (; label_names && label_names[n]; n++) {
        uint32_t k = 0;
        while (k < f->labels_n && strcmp(f->label[k], label_names[n]) != 0) {
            k++;
        }
        if (k == f->labels_n) {
            problem_set("metric %s is there already, without a label %.100s", f->name,
                        label_names[n]);
            return false;
        }
    }
    if (n != f->labels_n) {
        problem_set("metric %s is there already, with other labels", f->name);
        return false;
    }
    return true;
}

/* The endings of the names of samples, beside the name itself. */
static const char *const *endings(enum family_kind kind)
{
    static const char *const histogram[] = {"_bucket", "_count", "_sum", NULL};
    static const char *const summary[] = {"_count", "_sum", NULL};
    static const char *const none[] = {NULL};
    return kind == FAMILY_HISTOGRAM || kind == FAMILY_NATIVE ? histogram
           : kind == FAMILY_SUMMARY                          ? summary
                                                             : none;
}

static const char *const all_endings[] = {"_bucket", "_count", "_sum", "_total", NULL};

const char *family_check_relative(const char *name, enum family_kind kind, size_t i,
                                  char ret[FAMILY_NAME_MAX + 8])
{
    size_t n = strlen(name);
    for (size_t k = 0; all_endings[k]; k++) {
        size_t e = strlen(all_endings[k]);
        if (i == 2 * k) { /* one that has our name and more */
            snprintf(ret, FAMILY_NAME_MAX + 8, "%s%s", name, all_endings[k]);
            return ret;
        }
        if (i == 2 * k + 1) { /* one whose samples have our name */
            bool ends = n > e && memcmp(name + n - e, all_endings[k], e) == 0;
            snprintf(ret, FAMILY_NAME_MAX + 8, "%.*s", (int)(ends ? n - e : 0), name);
            return ret;
        }
    }
    return NULL;
}

/* Does a, by its samples or as a family, use the name b? */
static bool uses(const char *a, enum family_kind kind, const char *b)
{
    size_t n = strlen(a);
    if (strncmp(a, b, n) == 0) {
        const char *const *e = endings(kind);
        for (size_t i = 0; e[i]; i++) {
            if (strcmp(b + n, e[i]) == 0) {
                return true;
            }
        }
        if (b[n] == 0) {
            return true;
        }
    }
    /* OpenMetrics knows a counter by its name without "_total". */
    return kind == FAMILY_COUNTER && strlen(b) == n - 6 && strncmp(a, b, n - 6) == 0;
}

bool family_check_clash(const char *a, enum family_kind a_kind, const char *b,
                        enum family_kind b_kind)
{
    return uses(a, a_kind, b) || uses(b, b_kind, a);
}

/* The length of the well-formed UTF-8 sequence at s (ends with NUL), 0 for none. */
static size_t sequence(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || p[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool wrong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                 (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return wrong ? 0 : n;
}

bool family_check_value(const char *value)
{
    size_t i = 0;
    while (value[i] && i <= FAMILY_VALUE_MAX) {
        size_t n = sequence(value + i);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return i <= FAMILY_VALUE_MAX;
}

void family_check_clean(const char *value, char ret[FAMILY_VALUE_MAX + 4])
{
    size_t at = 0;
    while (*value && at + 4 <= FAMILY_VALUE_MAX) {
        size_t n = sequence(value);
        memcpy(ret + at, n ? value : "\xef\xbf\xbd", n ? n : 3);
        at += n ? n : 3;
        value += n ? n : 1;
    }
    ret[at] = 0;
}

/* A bound as Prometheus 3 writes it: whole numbers with ".0". */
static char *bound_text(double v)
{
    char *room = malloc(40);
    if (room) {
        struct text t;
        text_over(&t, room, 36);
        text_add_number(&t, v);
        room[t.len] = 0;
        if (!strpbrk(room, ".eIN")) {
            memcpy(room + t.len, ".0", 3);
        }
    }
    return room;
}

bool family_check_copy_bounds(struct sonde_family *f, const struct family_shape *shape)
{
    uint32_t n = shape->bounds_n ? shape->bounds_n + 1 : shape->quantiles_n;
    if (n == 0) {
        return true;
    }
    f->bound_text = calloc(n, sizeof *f->bound_text);
    if (!f->bound_text) {
        return false;
    }
    if (shape->bounds_n) {
        uint32_t padded = (shape->bounds_n + 3) / 4 * 4;
        double *bounds = aligned_alloc(32, padded * sizeof *bounds);
        f->shape.bounds = bounds;
        f->shape.bounds_padded = padded;
        for (uint32_t i = 0; bounds && i < padded; i++) {
            bounds[i] = i < shape->bounds_n ? shape->bounds[i] : (double)INFINITY;
        }
        if (!bounds) {
            return false;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        double v = !shape->bounds_n      ? shape->quantiles[i]
                   : i < shape->bounds_n ? shape->bounds[i]
                                         : (double)INFINITY;
        f->bound_text[i] = bound_text(v);
        if (!f->bound_text[i]) {
            return false;
        }
    }
    return true;
}

void family_check_free_bounds(struct sonde_family *f)
{
    uint32_t n = f->shape.bounds_n ? f->shape.bounds_n + 1 : f->shape.quantiles_n;
    for (uint32_t i = 0; f->bound_text && i < n; i++) {
        free((char *)(uintptr_t)f->bound_text[i]);
    }
    free(f->bound_text);
}
