#include "checkin/checkin_alert.h"

#include "base/attr.h"
#include "base/buf.h"
#include "model/labels.h"

enum {
    RESEND_MS = 60 * 1000,
    BELIEVED_MS = 4 * RESEND_MS, /* a firing one without a resend */
    RESOLVED_MS = 15 * 60 * 1000,
    KEY_MAX = 64 * 1024,
    LABELS_N_MAX = 72,
};

void checkin_alert_set(struct checkin_alert *a, bool firing, int64_t starts_ms, int64_t now_ms)
{
    if (firing == a->firing)
        return;
    a->firing = firing;
    a->sent_ms = 0;
    a->resolved_ms = firing ? 0 : now_ms;
    if (firing)
        a->starts_ms = starts_ms;
}

bool checkin_alert_due(const struct checkin_alert *a, int64_t now_ms)
{
    if (!a->firing && a->resolved_ms == 0)
        return false;
    return a->sent_ms == 0 || now_ms - a->sent_ms >= RESEND_MS || now_ms < a->sent_ms;
}

static void put_labels(const struct checkin_alert_words *w, struct buf *out)
{
    struct label all[LABELS_N_MAX], l;
    size_t n = 0;
    all[n++] = (struct label){STR("alertname"), w->name};
    all[n++] = (struct label){w->subject, w->value};
    if (labels_get(w->labels, STR("severity")).n == 0)
        all[n++] = (struct label){STR("severity"), w->severity};
    for (const char *at = w->labels.p; n < LABELS_N_MAX && labels_next(w->labels, &at, &l, NULL);)
        if (!str_eq(l.name, STR("alertname")) && !str_eq(l.name, w->subject))
            all[n++] = l;
    struct why why;
    if (labels_encode_bare(all, n, out, &why) != 0) /* only of a label that is too long */
        buf_clear(out);
}

static void put_annotations(const struct checkin_alert_words *w, struct buf *out)
{
    if (w->description.n)
        labels_put(out, STR("description"), w->description);
    labels_put(out, STR("summary"), w->summary);
}

void checkin_alert_send(struct checkin_alert *a, const struct checkin_alert_words *words,
                        struct alert_sink *sink, int64_t now_ms)
{
    struct buf labels, annotations;
    buf_init(&labels, KEY_MAX);
    buf_init(&annotations, KEY_MAX);
    put_labels(words, &labels);
    put_annotations(words, &annotations);
    struct alert alert = {.labels = buf_str(&labels),
                          .annotations = buf_str(&annotations),
                          .starts_ms = a->starts_ms,
                          .ends_ms = a->firing ? now_ms + BELIEVED_MS : a->resolved_ms,
                          .resolved = !a->firing,
                          .first = a->sent_ms == 0,
                          .value = a->firing ? 1 : 0,
                          .generator_url = words->url};
    if (sink && labels.n)
        sink->ops->send(sink, &alert, 1);
    a->sent_ms = now_ms;
    if (!a->firing && now_ms - a->resolved_ms >= RESOLVED_MS)
        a->resolved_ms = 0;
    buf_done(&labels);
    buf_done(&annotations);
}
