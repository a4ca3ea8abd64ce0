#include "notify/msteams.h"

/* Cards of the connectors of Office 365. */
static void put_card(struct kind_body *b, const void *settings)
{
    const struct msteams *t = settings;
    struct notify_send *s = b->s;
    kind_text(b, "@context", STR("http://schema.org/extensions"));
    kind_text(b, "@type", STR("MessageCard"));
    kind_words(b, "title", t->title, MSTEAMS_TITLE_RUNES);
    kind_words(b, "summary", t->summary, MSTEAMS_TITLE_RUNES);
    kind_text(b, "text", kind_bytes(s, t->text, MSTEAMS_TEXT_BYTES));
    kind_text(b, "themeColor", message_firing(s->message) ? STR("8C1A1A") : STR("2DC72D"));
}

/* Connectors tell that they were asked too often by a text, with 200. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    struct str busy = STR("Microsoft Teams endpoint returned HTTP error 429");
    if (a->status / 100 != 2 || str_search(a->body, busy) == a->body.n)
        return false;
    *o = (struct notify_outcome){.err = -ERR_BUSY, .retry = true, .why = "it answered 429 as text"};
    return true;
}

void msteams_send(struct notify_send *s, void (*put)(struct kind_body *b, const void *settings))
{
    const struct msteams *t = s->integration->settings;
    kind_send(s, t->webhook_url, t->webhook_url_file, judge, put);
}

static void start(struct notify_send *s)
{
    msteams_send(s, put_card);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct msteams *t = settings;
    t->title = STR("{{ template \"msteams.default.title\" . }}");
    t->summary = STR("{{ template \"msteams.default.summary\" . }}");
    t->text = STR("{{ template \"msteams.default.text\" . }}");
}

int msteams_check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct msteams *t = settings;
    return kind_either(t->webhook_url, t->webhook_url_file, "webhook_url", false, why);
}

int msteams_row(const struct notify_reading *r, const struct notify_row *row, void *settings,
                struct why *why)
{
    struct msteams *t = settings;
    kind_hook(row, &t->webhook_url, &t->webhook_url_file, &t->text);
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {MSTEAMS_FIELDS, KIND_TEXT(msteams, summary)};
KIND_SHAPE(FIELDS);

const struct notifier msteams_notifier = {
    .kind = "msteams",
    .yaml_key = "msteams_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct msteams),
    .shape = &SHAPE,
    .preset = preset,
    .check = msteams_check,
    .row = msteams_row,
    .start = start,
    .cancel = post_cancel,
};
