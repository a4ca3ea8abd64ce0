#include "notify/kind.h"

/* Bytes that Teams takes are 28 KB for all of it; the rest is left for what stands around. */
enum { TEXT_BYTES = 24 * 1024, TITLE_RUNES = 1024 };

struct msteams {
    struct fetch_settings http;
    struct str webhook_url, webhook_url_file, title, summary, text;
};

/* Cards of the connectors of Office 365. */
static void put_card(struct kind_body *b, const struct msteams *t)
{
    struct notify_send *s = b->s;
    kind_text(b, "@context", STR("http://schema.org/extensions"));
    kind_text(b, "@type", STR("MessageCard"));
    kind_words(b, "title", t->title, TITLE_RUNES);
    kind_words(b, "summary", t->summary, TITLE_RUNES);
    kind_text(b, "text", wording_cut_bytes(wording_text(s->words, t->text), TEXT_BYTES, s->arena));
    kind_text(b, "themeColor", message_firing(s->message) ? STR("8C1A1A") : STR("2DC72D"));
}

static void put_block(struct kind_body *b, struct str text, bool title)
{
    json_begin_object(&b->w);
    kind_text(b, "type", STR("TextBlock"));
    kind_text(b, "text", text);
    if (title) {
        kind_text(b, "weight", STR("Bolder"));
        kind_text(b, "size", STR("Medium"));
    }
    kind_bool(b, "wrap", true);
    if (title) {
        kind_text(b, "style", STR("heading"));
        kind_text(b, "color", message_firing(b->s->message) ? STR("Attention") : STR("Good"));
    }
    json_end_object(&b->w);
}

/* Adaptive cards, as workflows take them. */
static void put_adaptive(struct kind_body *b, const struct msteams *t)
{
    struct notify_send *s = b->s;
    kind_text(b, "type", STR("message"));
    kind_open(b, "attachments", '[');
    json_begin_object(&b->w);
    kind_text(b, "contentType", STR("application/vnd.microsoft.card.adaptive"));
    json_key(&b->w, STR("contentUrl"));
    json_null(&b->w);
    kind_open(b, "content", '{');
    kind_text(b, "$schema", STR("http://adaptivecards.io/schemas/adaptive-card.json"));
    kind_text(b, "type", STR("AdaptiveCard"));
    kind_text(b, "version", STR("1.2"));
    kind_open(b, "body", '[');
    put_block(b, wording_cut(wording_text(s->words, t->title), TITLE_RUNES, s->arena), true);
    put_block(b, wording_cut_bytes(wording_text(s->words, t->text), TEXT_BYTES, s->arena), false);
    json_end_array(&b->w);
    kind_open(b, "msteams", '{');
    kind_text(b, "width", STR("full"));
    json_end_object(&b->w);
    json_end_object(&b->w);
    json_end_object(&b->w);
    json_end_array(&b->w);
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

static void send(struct notify_send *s, void (*put)(struct kind_body *b, const struct msteams *t))
{
    const struct msteams *t = s->integration->settings;
    struct post_request r = {.judge = judge};
    struct kind_body b;
    if (!post_secret(s, t->webhook_url, t->webhook_url_file, &r.url))
        return;
    kind_begin(&b, s);
    put(&b, t);
    r.body = kind_end(&b);
    post_start(s, &r);
}

static void start(struct notify_send *s)
{
    send(s, put_card);
}

static void start_v2(struct notify_send *s)
{
    send(s, put_adaptive);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct msteams *t = settings;
    t->title = STR("{{ template \"msteams.default.title\" . }}");
    t->summary = STR("{{ template \"msteams.default.summary\" . }}");
    t->text = STR("{{ template \"msteams.default.text\" . }}");
}

static void preset_v2(const struct notify_reading *r, void *settings)
{
    struct msteams *t = settings;
    t->title = STR("{{ template \"msteamsv2.default.title\" . }}");
    t->text = STR("{{ template \"msteamsv2.default.text\" . }}");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct msteams *t = settings;
    return kind_either(t->webhook_url, t->webhook_url_file, "webhook_url", false, why);
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct msteams *t = settings;
    t->webhook_url = str_c(row->url);
    t->webhook_url_file = str_c(row->secret_file);
    if (row->template_text[0])
        t->text = str_c(row->template_text);
    return 0;
}

#define COMMON                                                                                     \
    KIND_TEXT(msteams, webhook_url), KIND_TEXT(msteams, webhook_url_file),                         \
        KIND_TEXT(msteams, title), KIND_TEXT(msteams, text)

static const struct yaml_struct_field FIELDS[] = {COMMON, KIND_TEXT(msteams, summary)};
static const struct yaml_struct_field FIELDS_V2[] = {COMMON};
KIND_SHAPE(FIELDS);
static const struct yaml_struct SHAPE_V2 = {"config.plain", FIELDS_V2, COUNTOF(FIELDS_V2), NULL};

const struct notifier msteams_notifier = {
    .kind = "msteams",
    .yaml_key = "msteams_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct msteams),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};

const struct notifier msteamsv2_notifier = {
    .kind = "msteamsv2",
    .yaml_key = "msteamsv2_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct msteams),
    .shape = &SHAPE_V2,
    .preset = preset_v2,
    .check = check,
    .row = row,
    .start = start_v2,
    .cancel = post_cancel,
};
