#include "notify/kind.h"

enum { TEXT = 16383 /* runes that it takes */ };

struct mattermost {
    struct fetch_settings http;
    struct str webhook_url, webhook_url_file, channel, username, text, icon_url, icon_emoji;
};

static void put(struct kind_body *b, const void *settings)
{
    const struct mattermost *m = settings;
    kind_plain(b, "channel", m->channel);
    kind_words(b, "username", m->username, 0);
    kind_plain(b, "icon_url", m->icon_url);
    kind_plain(b, "icon_emoji", m->icon_emoji);
    kind_text(b, "text", kind_runes(b->s, m->text, TEXT));
}

static void start(struct notify_send *s)
{
    const struct mattermost *m = s->integration->settings;
    kind_send(s, m->webhook_url, m->webhook_url_file, NULL, put);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct mattermost *m = settings;
    m->username = STR("{{ template \"mattermost.default.username\" . }}");
    m->text = STR("{{ template \"mattermost.default.text\" . }}");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct mattermost *m = settings;
    /* That there is one is told below. */
    (void)kind_inherit(&m->webhook_url, &m->webhook_url_file, r->globals->mattermost_webhook_url,
                       r->globals->mattermost_webhook_url_file);
    return kind_either(m->webhook_url, m->webhook_url_file, "webhook_url", false, why);
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct mattermost *m = settings;
    kind_hook(row, &m->webhook_url, &m->webhook_url_file, &m->text);
    if (row->from[0])
        m->username = str_c(row->from);
    return row->to.n == 0 ? 0 : kind_one(row, "channel", &m->channel, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(mattermost, webhook_url), KIND_TEXT(mattermost, webhook_url_file),
    KIND_TEXT(mattermost, channel),     KIND_TEXT(mattermost, username),
    KIND_TEXT(mattermost, text),        KIND_TEXT(mattermost, icon_url),
    KIND_TEXT(mattermost, icon_emoji),
};
KIND_SHAPE(FIELDS);

const struct notifier mattermost_notifier = {
    .kind = "mattermost",
    .yaml_key = "mattermost_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct mattermost),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
