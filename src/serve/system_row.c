#include "serve/system_row.h"

#include <math.h>
#include <stdio.h>

#include "base/vec.h"

/* Of the host and the process alone: that is what is asked for. */
static bool is_wanted(struct str family)
{
    return str_starts(family, STR("node_")) || str_starts(family, STR("process_")) ||
           str_starts(family, STR("sonde_host_"));
}

static void take(void *context, const struct serve_row *row)
{
    struct system_rows *r = context;
    if (!is_wanted(row->family))
        return;
    struct serve_row own = *row;
    own.text = arena_str(&r->arena, row->text);
    own.family = arena_str(&r->arena, row->family);
    vec_push(r, own);
}

void system_row_read(const struct serve_source *source, struct system_rows *ret)
{
    *ret = (struct system_rows){0};
    arena_init(&ret->arena);
    if (source->each)
        source->each(source->context, take, ret);
}

void system_row_done(struct system_rows *r)
{
    vec_free(r);
    arena_done(&r->arena);
}

double system_row_value(const struct system_rows *r, const char *name, const char *label)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->v[i].family, str_c(name)) &&
            str_search(r->v[i].text, str_c(label)) < r->v[i].text.n)
            return r->v[i].value;
    return NAN;
}

struct str system_row_label(const struct system_rows *r, size_t i, const char *label)
{
    char begin[100];
    int n = snprintf(begin, sizeof begin, "%s=\"", label);
    struct str text = r->v[i].text;
    size_t at = str_search(text, str_of(begin, (size_t)n));
    if (at == text.n)
        return STR("");
    struct str rest = str_sub(text, at + (size_t)n, text.n);
    return str_sub(rest, 0, str_find(rest, '"'));
}

bool system_row_next(const struct system_rows *r, const char *name, const char *label, size_t *at,
                     struct str *ret_label, double *ret)
{
    while (*at < r->n) {
        size_t i = (*at)++;
        if (!str_eq(r->v[i].family, str_c(name)))
            continue;
        *ret_label = system_row_label(r, i, label);
        *ret = r->v[i].value;
        return true;
    }
    return false;
}
