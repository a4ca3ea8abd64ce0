#include "codec/otlp_labels.h"

#include "base/must.h"

static struct label *find(struct otlp_labels *l, struct str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].name, name))
            return &l->v[i];
    return NULL;
}

static void add(struct otlp_labels *l, struct str name, struct str value)
{
    must(l->n < OTLP_LABELS_MAX); /* attributes of three places and a few more: each is limited */
    l->v[l->n++] = (struct label){name, value};
}

void otlp_labels_set(struct otlp_labels *l, struct str name, struct str value)
{
    struct label *there = find(l, name);
    if (there)
        there->value = value;
    else
        add(l, name, value);
}

void otlp_labels_default(struct otlp_labels *l, struct str name, struct str value)
{
    if (find(l, name) == NULL)
        add(l, name, value);
}

static int join_values(struct label *there, struct str more, struct arena *a, struct why *why)
{
    size_t n = there->value.n;
    if (n > LABEL_VALUE_MAX || more.n > LABEL_VALUE_MAX)
        return why_set(why, ERR_LIMIT, "the label \"" STR_FMT "\" is longer than %d bytes",
                       STR_ARG(there->name), LABEL_VALUE_MAX);
    char *to = arena_raw(a, n + 1 + more.n);
    memcpy(to, there->value.p, n);
    to[n] = ';';
    if (more.n)
        memcpy(to + n + 1, more.p, more.n);
    there->value = str_of(to, n + 1 + more.n);
    return 0;
}

int otlp_labels_attribute(struct otlp_labels *l, const struct otlp_name_rules *rules,
                          struct str before, const struct otlp_attribute *attribute, bool join,
                          struct arena *a, struct why *why)
{
    struct buf key, name;
    buf_init(&key, LABEL_NAME_MAX + 1);
    buf_init(&name, LABEL_NAME_MAX * 2);
    buf_put_str(&key, before);
    buf_put_str(&key, attribute->key);
    bool good = otlp_name_label(rules, buf_str(&key), &name);
    struct str made = good ? arena_str(a, buf_str(&name)) : (struct str){0};
    bool whole = !buf_failed(&key) && !buf_failed(&name);
    buf_done(&key);
    buf_done(&name);
    if (!whole)
        return why_set(why, ERR_LIMIT, "the key of an attribute has more than %d bytes",
                       LABEL_NAME_MAX);
    if (!good)
        return why_set(why, ERR_FORMAT,
                       "nothing of the attribute \"" STR_FMT "\" is left as a name",
                       STR_ARG(attribute->key));
    struct label *there = find(l, made);
    if (there && join && there->value.n)
        return join_values(there, attribute->value, a, why);
    otlp_labels_set(l, made, attribute->value);
    return 0;
}

int otlp_labels_key(struct otlp_labels *l, struct arena *a, struct str *ret, struct why *why)
{
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode(l->v, l->n, &key, why);
    if (err == 0)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}
