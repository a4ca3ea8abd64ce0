#include "aggregate/rule.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/labels.h"

const char *const rule_output_names[RULE_OUTPUTS_N] = {
    "avg", "count", "increase", "last", "max", "min", "rate", "series", "sum", "total",
};

static int output_of(const char *name)
{
    for (int i = 0; i < RULE_OUTPUTS_N; i++)
        if (strcmp(rule_output_names[i], name) == 0)
            return i;
    return -ERR_NOENT;
}

/* A copy of a list whose texts are its own. */
static struct option_list copy_list(const struct option_list *from)
{
    struct option_list to = {mem_array(from->n + 1, sizeof *to.v), from->n};
    for (size_t i = 0; i < from->n; i++) {
        size_t n = strlen(from->v[i]) + 1;
        char *text = mem_raw(n);
        memcpy(text, from->v[i], n);
        to.v[i] = text;
    }
    return to;
}

static void free_list(struct option_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free((char *)(uintptr_t)list->v[i]);
    mem_free(list->v);
}

static bool list_has(const struct option_list *list, struct str name)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eq(str_c(list->v[i]), name))
            return true;
    return false;
}

/* "job=~a|b" into its parts. */
static int read_match(const char *text, struct rule_match *ret, struct why *why)
{
    struct str all = str_c(text);
    size_t at = MIN(str_find(all, '='), str_find(all, '!'));
    struct str op = str_sub(all, at, at + 2);
    bool regex = str_eq(op, STR("=~")) || str_eq(op, STR("!~"));
    bool negative = op.n > 0 && op.p[0] == '!';
    size_t op_n = regex || negative ? 2 : 1;
    if (at == 0 || at == all.n || (negative && !regex && !str_eq(op, STR("!="))))
        return why_set(why, ERR_FORMAT,
                       "labels: \"%s\" is none of NAME=VALUE, NAME!=VALUE, NAME=~REGEX, "
                       "NAME!~REGEX",
                       text);
    *ret = (struct rule_match){
        .name = str_sub(all, 0, at), .value = str_sub(all, at + op_n, all.n), .negative = negative};
    return regex ? regex_new(ret->value, &ret->regex, why) : 0;
}

static void make_suffix(struct rule *r)
{
    struct buf b;
    const struct option_list *list = r->by.n ? &r->by : &r->without;
    buf_init(&b, 1 << 16);
    int64_t s = r->interval_ms / 1000;
    if (r->interval_ms % 1000 != 0)
        buf_printf(&b, ":%lldms", (long long)r->interval_ms);
    else if (s % 3600 == 0)
        buf_printf(&b, ":%lldh", (long long)(s / 3600));
    else if (s % 60 == 0)
        buf_printf(&b, ":%lldm", (long long)(s / 60));
    else
        buf_printf(&b, ":%llds", (long long)s);
    if (list->n)
        buf_printf(&b, "_%s", r->by.n ? "by" : "without");
    for (size_t i = 0; i < list->n; i++)
        buf_printf(&b, "_%s", list->v[i]);
    buf_put(&b, "_", 2); /* with its NUL */
    r->suffix = b.p;
}

static int read_outputs(struct rule *r, const struct option_list *outputs, struct why *why)
{
    for (size_t i = 0; i < outputs->n; i++) {
        int output = output_of(outputs->v[i]);
        if (output < 0)
            return why_set(why, ERR_FORMAT,
                           "outputs: \"%s\" is none of avg, count, increase, last, max, min, rate, "
                           "series, sum, total",
                           outputs->v[i]);
        r->outputs[output] = true;
    }
    if (outputs->n == 0)
        return why_set(why, ERR_FORMAT, "outputs is empty: nothing would come of the rule");
    return 0;
}

int rule_new(const struct aggregate_row *row, struct rule **ret, struct why *why)
{
    struct rule *r = mem_new(sizeof *r);
    int err = 0;
    r->interval_ms = row->interval_ms;
    r->delay_ms = row->delay_ms;
    r->keep_input = row->keep_input;
    r->by = copy_list(&row->by);
    r->without = copy_list(&row->without);
    r->names = copy_list(&row->metrics);
    r->texts = copy_list(&row->labels);
    r->metrics = mem_array(row->metrics.n + 1, sizeof(struct regex *));
    r->matches = mem_array(row->labels.n + 1, sizeof *r->matches);
    for (size_t i = 0; i < row->metrics.n && err == 0; i++) {
        err = regex_new(str_c(r->names.v[i]), &r->metrics[i], why);
        r->metrics_n += err == 0;
    }
    for (size_t i = 0; i < row->labels.n && err == 0; i++) {
        err = read_match(r->texts.v[i], &r->matches[i], why);
        r->matches_n += err == 0;
    }
    if (err == 0 && row->by.n && row->without.n)
        err = why_set(why, ERR_FORMAT, "by and without exclude each other");
    if (err == 0 && row->metrics.n + row->labels.n == 0)
        err = why_set(why, ERR_FORMAT, "metrics and labels are empty: name what is aggregated");
    if (err == 0 && row->delay_ms > row->interval_ms)
        err = why_set(why, ERR_RANGE, "delay_ms is %lld, at most interval_ms (%lld)",
                      (long long)row->delay_ms, (long long)row->interval_ms);
    if (err == 0)
        err = read_outputs(r, &row->outputs, why);
    if (err != 0) {
        rule_free(r);
        return err;
    }
    make_suffix(r);
    *ret = r;
    return 0;
}

void rule_free(struct rule *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->metrics_n; i++)
        regex_free(r->metrics[i]);
    for (size_t i = 0; i < r->matches_n; i++)
        regex_free(r->matches[i].regex);
    free_list(&r->by);
    free_list(&r->without);
    free_list(&r->names);
    free_list(&r->texts);
    mem_free(r->metrics);
    mem_free(r->matches);
    mem_free(r->suffix);
    mem_free(r);
}

bool rule_takes_name(const struct rule *r, struct str name)
{
    for (size_t i = 0; i < r->metrics_n; i++)
        if (regex_match(r->metrics[i], name))
            return true;
    return r->metrics_n == 0;
}

bool rule_takes_labels(const struct rule *r, struct str key)
{
    for (size_t i = 0; i < r->matches_n; i++) {
        const struct rule_match *m = &r->matches[i];
        struct str value = labels_get(key, m->name);
        bool same = m->regex ? regex_match(m->regex, value) : str_eq(value, m->value);
        if (same == m->negative)
            return false;
    }
    return true;
}

void rule_group(const struct rule *r, struct str key, struct buf *out)
{
    struct label l, labels[LABELS_MAX];
    size_t n = 0;
    for (const char *at = key.p; n < LABELS_MAX && labels_next(key, &at, &l, NULL);) {
        bool named = str_eq(l.name, LABEL_METRIC);
        bool kept =
            r->by.n ? list_has(&r->by, l.name) : r->without.n && !list_has(&r->without, l.name);
        if (!named && kept && l.value.n)
            labels[n++] = l;
    }
    labels_sort(labels, n);
    for (size_t i = 0; i < n; i++)
        labels_put(out, labels[i].name, labels[i].value);
}
