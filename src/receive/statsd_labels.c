#include "receive/statsd_labels.h"

#include "codec/plain_name.h"
#include "codec/statsd.h"

void statsd_labels_begin(struct statsd_labels *l, struct arena *a, struct str name)
{
    l->n = 0;
    l->failed = false;
    l->arena = a;
    l->v[l->n++] = (struct label){LABEL_METRIC, name};
}

void statsd_labels_set(struct statsd_labels *l, struct str name, struct str value)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].name, name)) {
            l->failed |= i == 0;
            l->v[i].value = value;
            return;
        }
    if (l->n == LABELS_MAX)
        l->failed = true;
    else
        l->v[l->n++] = (struct label){name, value};
}

void statsd_labels_tags(struct statsd_labels *l, struct str tags, char separator)
{
    struct str name, value;
    while (!l->failed && statsd_tag(&tags, separator, &name, &value)) {
        struct buf plain;
        buf_init(&plain, LABEL_NAME_MAX);
        plain_name_label(name, &plain);
        l->failed |= buf_failed(&plain) || plain.n == 0;
        statsd_labels_set(l, arena_str(l->arena, buf_str(&plain)), value);
        buf_done(&plain);
    }
}

int statsd_labels_key(struct statsd_labels *l, struct buf *out)
{
    return l->failed ? -ERR_FORMAT : labels_encode(l->v, l->n, out, NULL);
}
