#include "codec/collectd_types.h"

#include <stdio.h>

#include "base/buf.h"

static const struct {
    const char *name, *values;
} STANDARD[] = {
#define TYPE(name, values) {name, values},
#include "codec/collectd_types.tbl.h"
#undef TYPE
};

static void add(struct collectd_types *t, struct str name, struct str values)
{
    struct str *kept = arena_new(&t->arena, sizeof *kept);
    *kept = arena_str(&t->arena, values);
    map_put(&t->by_name, name, NULL)->p = kept;
}

void collectd_types_init(struct collectd_types *t)
{
    map_init(&t->by_name, 0);
    arena_init(&t->arena);
    for (size_t i = 0; i < COUNTOF(STANDARD); i++)
        add(t, str_c(STANDARD[i].name), str_c(STANDARD[i].values));
}

void collectd_types_done(struct collectd_types *t)
{
    map_done(&t->by_name);
    arena_done(&t->arena);
}

/* "NAME:KIND:MIN:MAX": the name, or nothing where it is not that. */
static struct str source_name(struct str s)
{
    static const char *const KINDS[] = {"GAUGE", "COUNTER", "DERIVE", "ABSOLUTE"};
    struct str rest = str_trim(s), name, kind, low, high, more;
    bool known = false;
    if (!str_split(&rest, ':', &name) || !str_split(&rest, ':', &kind) ||
        !str_split(&rest, ':', &low) || !str_split(&rest, ':', &high) ||
        str_split(&rest, ':', &more) || str_find(name, ' ') < name.n)
        return (struct str){0};
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        known |= str_eq(str_trim(kind), str_c(KINDS[i]));
    return known ? name : (struct str){0};
}

static bool read_line(struct collectd_types *t, struct str line)
{
    struct str type, source;
    if (!str_word(&line, &type))
        return true;
    struct buf values;
    buf_init(&values, COLLECTD_TYPES_FILE_MAX);
    size_t n = 0;
    bool fine = true;
    for (struct str rest = str_trim(line); fine && str_split(&rest, ',', &source); n++) {
        struct str name = source_name(source);
        fine = name.n > 0;
        if (n > 0)
            buf_put_c(&values, ' ');
        buf_put_str(&values, name);
    }
    fine = fine && n > 0 && t->by_name.n < COLLECTD_TYPES_MAX;
    if (fine)
        add(t, type, buf_str(&values));
    buf_done(&values);
    return fine;
}

int collectd_types_read(struct collectd_types *t, struct str text, struct why *why)
{
    struct str line;
    for (size_t number = 1; str_split(&text, '\n', &line); number++) {
        line = str_trim(line);
        if (line.n > 0 && line.p[0] == '#')
            continue;
        if (!read_line(t, line))
            return why_set(why, ERR_FORMAT,
                           "line %zu is not TYPE NAME:KIND:MIN:MAX, ... with a KIND of GAUGE, "
                           "COUNTER, DERIVE or ABSOLUTE: \"" STR_FMT "\"",
                           number, STR_ARG(str_sub(line, 0, 60)));
    }
    return 0;
}

struct str collectd_types_value(const struct collectd_types *t, struct str type, size_t i, size_t n,
                                char number[24])
{
    const union map_value *known = map_get(&t->by_name, type);
    struct str rest = known == NULL ? (struct str){0} : *(const struct str *)known->p;
    struct str name, found = {0};
    size_t all = 0;
    while (str_word(&rest, &name))
        if (all++ == i)
            found = name;
    if (all == n && found.n > 0)
        return found;
    if (n == 1)
        return STR("value");
    return str_of(number, (size_t)snprintf(number, 24, "%zu", i));
}
