#include "notify/msteams.h"

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
static void put_adaptive(struct kind_body *b, const void *settings)
{
    const struct msteams *t = settings;
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
    put_block(b, kind_runes(s, t->title, MSTEAMS_TITLE_RUNES), true);
    put_block(b, kind_bytes(s, t->text, MSTEAMS_TEXT_BYTES), false);
    json_end_array(&b->w);
    kind_open(b, "msteams", '{');
    kind_text(b, "width", STR("full"));
    json_end_object(&b->w);
    json_end_object(&b->w);
    json_end_object(&b->w);
    json_end_array(&b->w);
}

static void start(struct notify_send *s)
{
    msteams_send(s, put_adaptive);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct msteams *t = settings;
    t->title = STR("{{ template \"msteamsv2.default.title\" . }}");
    t->text = STR("{{ template \"msteamsv2.default.text\" . }}");
}

static const struct yaml_struct_field FIELDS[] = {MSTEAMS_FIELDS};
KIND_SHAPE(FIELDS);

const struct notifier msteamsv2_notifier = {
    .kind = "msteamsv2",
    .yaml_key = "msteamsv2_configs",
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
