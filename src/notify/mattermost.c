#include "notify/kind.h"

enum { TEXT = 16383 /* runes that it takes */ };

struct mattermost {
    struct fetch_settings http;
    struct str webhook_url, webhook_url_file, channel, username, text, icon_url, icon_emoji;
};

static void start(struct notify_send *s)
{
    const struct mattermost *m = s->integration->settings;
    struct post_request r = {0};
    struct kind_body b;
    if (!post_secret(s, m->webhook_url, m->webhook_url_file, &r.url))
        return;
    kind_begin(&b, s);
    kind_plain(&b, "channel", m->channel);
    kind_words(&b, "username", m->username, 0);
    kind_plain(&b, "icon_url", m->icon_url);
    kind_plain(&b, "icon_emoji", m->icon_emoji);
    kind_text(&b, "text", wording_cut(wording_text(s->words, m->text), TEXT, s->arena));
    r.body = kind_end(&b);
    post_start(s, &r);
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
    if (m->webhook_url.n + m->webhook_url_file.n == 0) {
        m->webhook_url = r->globals->mattermost_webhook_url;
        m->webhook_url_file = r->globals->mattermost_webhook_url_file;
    }
    return kind_either(m->webhook_url, m->webhook_url_file, "webhook_url", false, why);
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct mattermost *m = settings;
    m->webhook_url = str_c(row->url);
    m->webhook_url_file = str_c(row->secret_file);
    if (row->from[0])
        m->username = str_c(row->from);
    if (row->template_text[0])
        m->text = str_c(row->template_text);
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
