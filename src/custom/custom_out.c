#include "custom/custom_out.h"

#include <ctype.h>
#include <string.h>

enum { NAME_BYTES = 512, VALUE_LABELS_MAX = EMIT_LABELS_MAX };

void custom_out_init(struct custom_out *o, struct emit *e, const struct custom_settings_row *row,
                     bool expressions)
{
    *o = (struct custom_out){.emit = e, .row = row};
    for (size_t i = 0; i < row->labels.n && i < CUSTOM_SETTINGS_LABELS_MAX; i++) {
        struct str text = str_c(row->labels.v[i]);
        size_t equals = str_find(text, '=');
        struct str value = str_sub(text, equals + 1, text.n);
        if (!expressions || value.n == 0 || value.p[0] != '$')
            o->constant[o->constant_n++] = (struct label){str_sub(text, 0, equals), value};
    }
}

static bool of_name(char c, bool colon)
{
    return isalnum((unsigned char)c) || c == '_' || (colon && c == ':');
}

/* s with what no name may have replaced, at most NAME_BYTES; to has room. */
static size_t put_name(struct str s, bool colon, char *to, size_t room)
{
    size_t n = 0;
    if (s.n > 0 && isdigit((unsigned char)s.p[0]) && n < room)
        to[n++] = '_';
    for (size_t i = 0; i < s.n && n < room; i++)
        to[n++] = of_name(s.p[i], colon) ? s.p[i] : '_';
    return n;
}

static struct str full_name(const struct custom_out *o, struct str name, char room[NAME_BYTES])
{
    struct str before = str_c(o->row->name);
    size_t n = before.n;
    memcpy(room, before.p, n); /* the settings hold its length */
    if (name.n > 0) {
        room[n++] = '_';
        for (size_t i = 0; i < name.n && n < NAME_BYTES; i++)
            room[n++] = of_name(name.p[i], true) ? name.p[i] : '_';
    }
    return str_of(room, n);
}

static bool is_there(const struct label *labels, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(labels[i].name, name))
            return true;
    return false;
}

enum metric_type custom_out_type(const struct custom_settings_row *row)
{
    return strcmp(row->type, "counter") == 0 ? METRIC_COUNTER : METRIC_GAUGE;
}

void custom_out_put(struct custom_out *o, const struct custom_out_value *v)
{
    char name[NAME_BYTES], names[VALUE_LABELS_MAX][NAME_BYTES];
    struct label labels[VALUE_LABELS_MAX];
    size_t n = 0;
    memcpy(labels, o->constant, o->constant_n * sizeof labels[0]);
    n = o->constant_n;
    for (size_t i = 0; i < v->labels_n; i++) {
        if (n == VALUE_LABELS_MAX) {
            o->over++;
            return;
        }
        struct str own = str_of(names[n], put_name(v->labels[i].name, false, names[n], NAME_BYTES));
        if (own.n > 0 && v->labels[i].value.n > 0 && !is_there(labels, n, own))
            labels[n++] = (struct label){own, v->labels[i].value};
    }
    if (o->emit->emitted >= (uint64_t)o->row->series_max) {
        o->over++;
        return;
    }
    struct emit_foreign series = {.name = full_name(o, v->name, name),
                                  .help = STR("A custom metric of the configuration."),
                                  .type = v->type,
                                  .labels = labels,
                                  .labels_n = n};
    series.base = v->type == METRIC_HISTOGRAM ? str_c(o->row->name) : series.name;
    uint64_t dropped = o->emit->dropped;
    o->over += !emit_foreign(o->emit, &series, v->value) || o->emit->dropped > dropped;
}

int custom_out_result(const struct custom_out *o, struct why *why)
{
    if (o->over == 0)
        return 0;
    return why_set(why, ERR_LIMIT,
                   "%zu values were left out: more than series_max = %lld series, the same series "
                   "twice, or too many labels",
                   o->over, (long long)o->row->series_max);
}
