#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/proto.h"
#include "client/debug/profile.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"

/* The name of a frame; the innermost one is a program counter, the others are return addresses. */
static const char *name_of(uintptr_t address, bool innermost, struct symbol *s)
{
    if (!symbol_of(address, !innermost, s) || !*s->name) {
        const char *file = s->module ? strrchr(s->module, '/') : NULL;
        snprintf(s->name, sizeof s->name, "[%.200s]", file ? file + 1 : "unknown");
    }
    return s->name;
}

void profile_folded(const struct profile_sum *p, struct text *ret)
{
    for (size_t i = 0; i < p->stacks_n; i++) {
        const struct profile_stack *k = &p->stacks[i];
        for (size_t f = k->frames_n; f-- > 0;) {
            struct symbol s = {0};
            const char *name = name_of(p->frames[k->frames_at + f], f == 0, &s);
            for (; *name; name++) {
                text_add_char(ret, *name == ';' || *name == '\n' ? ':' : *name);
            }
            text_add_char(ret, f ? ';' : ' ');
        }
        if (k->frames_n == 0) {
            text_add_string(ret, "[unknown] ");
        }
        text_add_u64(ret, k->count);
        text_add_char(ret, '\n');
    }
}

/* Field numbers of pprof's profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME = 9,
    PROFILE_DURATION = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12
};
/* Strings 0..4; those of mappings and functions come behind. */
enum { STRING_SAMPLES = 1, STRING_COUNT, STRING_CPU, STRING_NANOSECONDS, STRING_FIRST };

static void value_type(struct text *t, unsigned field, unsigned type, unsigned unit)
{
    size_t at = proto_open(t, field);
    proto_varint(t, 1, type);
    proto_varint(t, 2, unit);
    proto_close(t, at);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

/* All different addresses, sorted: location number i + 1 is that of [i]. NULL: no memory. Functions
 * are looked up one byte before, right for return addresses; an innermost address is wrong by that
 * only where a function's very first byte was interrupted. */
static uintptr_t *addresses(const struct profile_sum *p, size_t *ret_n)
{
    uintptr_t *a = malloc((p->frames_n + 1) * sizeof *a);
    if (!a) {
        return NULL;
    }
    size_t n = 0;
    if (p->frames_n) {
        memcpy(a, p->frames, p->frames_n * sizeof *a);
        qsort(a, p->frames_n, sizeof *a, by_address);
        for (size_t i = 0; i < p->frames_n; i++) {
            if (n == 0 || a[n - 1] != a[i]) {
                a[n++] = a[i];
            }
        }
    }
    *ret_n = n;
    return a;
}

static void sample(struct text *t, const struct profile_sum *p, const struct profile_stack *k,
                   const uintptr_t *a, size_t n)
{
    size_t at = proto_open(t, PROFILE_SAMPLE), list = proto_open(t, 1);
    for (size_t f = 0; f < k->frames_n; f++) {
        const uintptr_t *found = bsearch(&p->frames[k->frames_at + f], a, n, sizeof *a, by_address);
        proto_packed_varint(t, found ? (uint64_t)(found - a) + 1 : 1);
    }
    proto_close(t, list);
    list = proto_open(t, 2);
    proto_packed_varint(t, k->count);
    proto_packed_varint(t, k->count * p->period_ns);
    proto_close(t, list);
    proto_close(t, at);
}

static size_t mapping_of(const struct module_list *l, uintptr_t address)
{
    const struct loaded_module *m = module_list_find(l, address);
    return m ? (size_t)(m - l->module) + 1 : 0;
}

/* Location and function i + 1 belong to a[i]; their strings follow those of the mappings. */
static void locations(struct text *t, const struct module_list *l, const uintptr_t *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = proto_open(t, PROFILE_LOCATION);
        proto_varint(t, 1, i + 1);
        proto_varint(t, 2, mapping_of(l, a[i]));
        proto_varint(t, 3, a[i]);
        size_t line = proto_open(t, 4);
        proto_varint(t, 1, i + 1);
        proto_close(t, line);
        proto_close(t, at);
        at = proto_open(t, PROFILE_FUNCTION);
        proto_varint(t, 1, i + 1);
        proto_varint(t, 2, STRING_FIRST + l->n + i);
        proto_varint(t, 3, STRING_FIRST + l->n + i);
        proto_close(t, at);
    }
}

static void mappings(struct text *t, const struct module_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t at = proto_open(t, PROFILE_MAPPING);
        proto_varint(t, 1, i + 1);
        proto_varint(t, 2, l->module[i].start);
        proto_varint(t, 3, l->module[i].end);
        proto_varint(t, 5, STRING_FIRST + i);
        proto_varint(t, 7, 1);
        proto_close(t, at);
    }
}

static void strings(struct text *t, const struct module_list *l, const uintptr_t *a, size_t n)
{
    static const char *const fixed[] = {"", "samples", "count", "cpu", "nanoseconds"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        proto_string(t, PROFILE_STRING, fixed[i]);
    }
    for (size_t i = 0; i < l->n; i++) {
        proto_string(t, PROFILE_STRING, l->module[i].path);
    }
    for (size_t i = 0; i < n; i++) {
        struct symbol s = {0};
        proto_string(t, PROFILE_STRING, name_of(a[i], false, &s));
    }
}

void profile_pprof(const struct profile_sum *p, struct text *ret)
{
    size_t n = 0;
    uintptr_t *a = addresses(p, &n);
    if (!a) {
        ret->cut = true;
        return;
    }
    module_list_refresh();
    const struct module_list *l = module_list_get();
    value_type(ret, PROFILE_SAMPLE_TYPE, STRING_SAMPLES, STRING_COUNT);
    value_type(ret, PROFILE_SAMPLE_TYPE, STRING_CPU, STRING_NANOSECONDS);
    for (size_t i = 0; i < p->stacks_n; i++) {
        sample(ret, p, &p->stacks[i], a, n);
    }
    mappings(ret, l);
    locations(ret, l, a, n);
    strings(ret, l, a, n);
    proto_varint(ret, PROFILE_TIME, (uint64_t)p->started_unix_ns);
    proto_varint(ret, PROFILE_DURATION, p->duration_ns);
    value_type(ret, PROFILE_PERIOD_TYPE, STRING_CPU, STRING_NANOSECONDS);
    proto_varint(ret, PROFILE_PERIOD, p->period_ns);
    free(a);
}
