#include "notify/kind.h"

enum { TITLE = 256, MESSAGE = 4096, CONTENT = 2000 /* runes that Discord takes */ };
enum { RED = 0x992d22, GREEN = 0x2ecc71 };

struct discord {
    struct fetch_settings http;
    struct str webhook_url, webhook_url_file, content, title, message, username, avatar_url;
};

static void put(struct kind_body *b, const void *settings)
{
    const struct discord *d = settings;
    kind_text(b, "content", kind_runes(b->s, d->content, CONTENT));
    kind_open(b, "embeds", '[');
    json_begin_object(&b->w);
    kind_text(b, "title", kind_runes(b->s, d->title, TITLE));
    kind_text(b, "description", kind_runes(b->s, d->message, MESSAGE));
    kind_whole(b, "color", message_firing(b->s->message) ? RED : GREEN);
    json_end_object(&b->w);
    json_end_array(&b->w);
    kind_plain(b, "username", d->username);
    kind_plain(b, "avatar_url", d->avatar_url);
}

static void start(struct notify_send *s)
{
    const struct discord *d = s->integration->settings;
    kind_send(s, d->webhook_url, d->webhook_url_file, NULL, put);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct discord *d = settings;
    d->title = STR("{{ template \"discord.default.title\" . }}");
    d->message = STR("{{ template \"discord.default.message\" . }}");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct discord *d = settings;
    return kind_either(d->webhook_url, d->webhook_url_file, "webhook_url", false, why);
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct discord *d = settings;
    kind_hook(row, &d->webhook_url, &d->webhook_url_file, &d->message);
    d->username = str_c(row->from);
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(discord, webhook_url), KIND_TEXT(discord, webhook_url_file),
    KIND_TEXT(discord, content),     KIND_TEXT(discord, title),
    KIND_TEXT(discord, message),     KIND_TEXT(discord, username),
    KIND_TEXT(discord, avatar_url),
};
KIND_SHAPE(FIELDS);

const struct notifier discord_notifier = {
    .kind = "discord",
    .yaml_key = "discord_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct discord),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
