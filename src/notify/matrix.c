#include "notify/kind.h"

enum { TEXT = 30000 /* bytes; an event holds 65,536 with all that is around it */ };

/* Only by [[notify]]: Alertmanager does not know it. */
struct matrix {
    struct fetch_settings http;
    struct str url, room, token, token_file, text;
};

static void put_escaped(struct str s, struct buf *out)
{
    static const char HEX[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~') {
            buf_put_c(out, (char)c);
        } else {
            buf_put_c(out, '%');
            buf_put_c(out, HEX[c >> 4]);
            buf_put_c(out, HEX[c & 15]);
        }
    }
}

/* The number of the transaction is the message's id: what is sent twice appears once. */
static struct str url_of(struct notify_send *s, const struct matrix *m)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    buf_printf(&b, STR_FMT "_matrix/client/v3/rooms/", STR_ARG(m->url));
    put_escaped(m->room, &b);
    buf_put_str(&b, STR("/send/m.room.message/"));
    put_escaped(s->message->id, &b);
    struct str ret = arena_str(s->arena, buf_str(&b));
    buf_done(&b);
    return ret;
}

static void start(struct notify_send *s)
{
    const struct matrix *m = s->integration->settings;
    struct post_request r = {.method = "PUT", .url = url_of(s, m)};
    struct kind_body b;
    struct str token;
    if (!post_secret(s, m->token, m->token_file, &token))
        return;
    post_bearer(s, &r, token);
    kind_begin(&b, s);
    kind_text(&b, "msgtype", STR("m.text"));
    kind_text(&b, "body", kind_bytes(s, m->text, TEXT));
    r.body = kind_end(&b);
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct matrix *m = settings;
    m->text = STR("{{ template \"matrix.default.text\" . }}");
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct matrix *m = settings;
    kind_row(row, &m->url, &m->token, &m->token_file, &m->text);
    m->url = kind_base(kind_or(m->url, "https://matrix.org/"), r->arena);
    if (m->token.n + m->token_file.n == 0)
        return why_set(why, ERR_FORMAT, "secret or secret_file must hold an access token");
    return kind_one(row, "room", &m->room, why);
}

static const struct yaml_struct_field FIELDS[] = {KIND_TEXT(matrix, token_file)};
KIND_SHAPE(FIELDS);

const struct notifier matrix_notifier = {
    .kind = "matrix",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct matrix),
    .shape = &SHAPE,
    .preset = preset,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
