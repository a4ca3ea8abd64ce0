#include "notify/kind.h"

#include "crypt/digest.h"

void kind_begin(struct kind_body *b, struct notify_send *s)
{
    b->s = s;
    buf_init(&b->buf, KIND_BODY_MAX);
    json_writer_init(&b->w, &b->buf);
    json_begin_object(&b->w);
}

void kind_text(struct kind_body *b, const char *key, struct str text)
{
    json_key(&b->w, str_c(key));
    json_text(&b->w, text);
}

void kind_some(struct kind_body *b, const char *key, struct str text)
{
    if (text.n > 0)
        kind_text(b, key, text);
}

void kind_bool(struct kind_body *b, const char *key, bool v)
{
    json_key(&b->w, str_c(key));
    json_bool(&b->w, v);
}

void kind_whole(struct kind_body *b, const char *key, int64_t v)
{
    json_key(&b->w, str_c(key));
    json_i64(&b->w, v);
}

void kind_words(struct kind_body *b, const char *key, struct str template, size_t max)
{
    struct str text = wording_text(b->s->words, template);
    kind_some(b, key, max ? wording_cut(text, max, b->s->arena) : text);
}

void kind_plain(struct kind_body *b, const char *key, struct str template)
{
    kind_some(b, key, wording_plain(b->s->words, template));
}

struct str kind_runes(struct notify_send *s, struct str template, size_t max)
{
    return wording_cut(wording_text(s->words, template), max, s->arena);
}

struct str kind_bytes(struct notify_send *s, struct str template, size_t max)
{
    return wording_cut_bytes(wording_text(s->words, template), max, s->arena);
}

void kind_pairs(struct kind_body *b, const struct yaml_struct_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++)
        kind_text(b, arena_str(b->s->arena, pairs->v[i].name).p,
                  wording_text(b->s->words, pairs->v[i].value));
}

void kind_open(struct kind_body *b, const char *key, char bracket)
{
    json_key(&b->w, str_c(key));
    if (bracket == '[')
        json_begin_array(&b->w);
    else
        json_begin_object(&b->w);
}

struct str kind_end(struct kind_body *b)
{
    json_end_object(&b->w);
    buf_put_c(&b->buf, '\n');
    struct str ret = arena_str(b->s->arena, buf_str(&b->buf));
    buf_done(&b->buf);
    return ret;
}

void kind_send(struct notify_send *s, struct str url, struct str url_file,
               bool (*judge)(struct notify_send *s, const struct fetch_answer *a,
                             struct notify_outcome *o),
               void (*put)(struct kind_body *b, const void *settings))
{
    struct post_request r = {.judge = judge};
    struct kind_body b;
    if (!post_secret(s, url, url_file, &r.url))
        return;
    kind_begin(&b, s);
    put(&b, s->integration->settings);
    r.body = kind_end(&b);
    post_start(s, &r);
}

struct str kind_group(const struct notify_send *s)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    char text[KIND_HASH_MAX];
    if (digest_sha256(s->message->group_key, digest) != 0)
        return arena_printf(s->arena, "%016llx",
                            (unsigned long long)message_fingerprint(s->message->group_labels));
    digest_hex(digest, sizeof digest, text);
    return arena_str(s->arena, str_of(text, 2 * sizeof digest));
}

int kind_either(struct str text, struct str file, const char *name, bool or_none, struct why *why)
{
    if (text.n > 0 && file.n > 0)
        return why_set(why, ERR_FORMAT, "at most one of %s & %s_file must be configured", name,
                       name);
    if (text.n == 0 && file.n == 0 && !or_none)
        return why_set(why, ERR_FORMAT, "one of %s or %s_file must be configured", name, name);
    return 0;
}

bool kind_inherit(struct str *text, struct str *file, struct str global, struct str global_file)
{
    if (text->n + file->n == 0) {
        *text = global;
        *file = global_file;
    }
    return text->n + file->n > 0;
}

void kind_row(const struct notify_row *row, struct str *url, struct str *secret,
              struct str *secret_file, struct str *template)
{
    *url = str_c(row->url);
    *secret = str_c(row->secret);
    *secret_file = str_c(row->secret_file);
    if (row->template_text[0])
        *template = str_c(row->template_text);
}

void kind_hook(const struct notify_row *row, struct str *url, struct str *url_file,
               struct str *template)
{
    *url = str_c(row->url);
    *url_file = str_c(row->secret_file);
    if (row->template_text[0])
        *template = str_c(row->template_text);
}

int kind_one(const struct notify_row *row, const char *what, struct str *ret, struct why *why)
{
    if (row->to.n != 1 || row->to.v[0][0] == '\0')
        return why_set(why, ERR_FORMAT, "to must name one %s (another one is another [[notify]])",
                       what);
    *ret = str_c(row->to.v[0]);
    return 0;
}

struct str kind_or(struct str text, const char *fallback)
{
    return text.n > 0 ? text : str_c(fallback);
}

int kind_list(const struct notify_reading *r, const struct yaml_node *item, const char *key,
              const struct yaml_struct *shape, size_t size, void *ret, size_t *ret_n,
              struct yaml_place *ret_place, struct why *why)
{
    const struct yaml_node *list = yaml_get(item, key);
    if (yaml_is_null(list))
        return 0;
    int err = yaml_expect(list, YAML_SEQUENCE, shape->name, why);
    if (err) {
        *ret_place = list->place;
        return err;
    }
    char *v = arena_array(r->arena, list->n, size);
    for (size_t i = 0; i < list->n && !err; i++)
        err =
            yaml_struct_read(list->members[i].value, shape, r->arena, v + i * size, ret_place, why);
    if (err)
        return err;
    *(void **)ret = v;
    *ret_n = list->n;
    return 0;
}

bool kind_truth(struct str text, bool fallback)
{
    static const char *const TRUE[] = {"true", "yes", "on", "y", "True", "Yes", "On", "TRUE"};
    for (size_t i = 0; i < COUNTOF(TRUE); i++)
        if (str_eq(text, str_c(TRUE[i])))
            return true;
    return text.n == 0 && fallback;
}

struct str kind_base(struct str url, struct arena *a)
{
    return url.n == 0 || str_ends(url, STR("/")) ? url : arena_printf(a, STR_FMT "/", STR_ARG(url));
}
