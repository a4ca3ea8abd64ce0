/* notify/kind.h - what most kinds of receivers do: a JSON body whose texts are templates, settings
 * that name either a secret or its file.
 *
 * Flow:    kind -> kind_begin(), kind_words() .. kind_end() -> post_start()
 * Threads: the outbox's; one body at a time.
 */
#ifndef NOTIFY_KIND_H
#define NOTIFY_KIND_H

#include "notify/post.h"
#include "text/json.h"

#define KIND_TEXT(type, member)                                                                    \
    {                                                                                              \
#member, YAML_STRUCT_TEXT, offsetof(struct type, member)                                   \
    }
#define KIND_BOOL(type, member)                                                                    \
    {                                                                                              \
#member, YAML_STRUCT_BOOL, offsetof(struct type, member)                                   \
    }
#define KIND_SHAPE(fields)                                                                         \
    static const struct yaml_struct SHAPE = {"config.plain", fields, COUNTOF(fields), NULL}

enum { KIND_BODY_MAX = 16 << 20 /* bytes */, KIND_HASH_MAX = 65 };

struct kind_body {
    struct buf buf;
    struct json_writer w;
    struct notify_send *s;
};

/* An object is begun. */
void kind_begin(struct kind_body *b, struct notify_send *s);

/* "key": text; some: only where there is one. */
void kind_text(struct kind_body *b, const char *key, struct str text);
void kind_some(struct kind_body *b, const char *key, struct str text);
void kind_bool(struct kind_body *b, const char *key, bool v);
void kind_whole(struct kind_body *b, const char *key, int64_t v);

/* The same of an expanded template, cut to max runes (0: as it is), where it is not empty. */
void kind_words(struct kind_body *b, const char *key, struct str template, size_t max);
void kind_plain(struct kind_body *b, const char *key, struct str template);

/* The expansion of a template, cut to max runes, or bytes; may be "". */
struct str kind_runes(struct notify_send *s, struct str template, size_t max);
struct str kind_bytes(struct notify_send *s, struct str template, size_t max);

/* Members whose values are templates. */
void kind_pairs(struct kind_body *b, const struct yaml_struct_pairs *pairs);

/* Begins an object or array below a key. */
void kind_open(struct kind_body *b, const char *key, char bracket);

/* The body, from the arena of the sending. */
struct str kind_end(struct kind_body *b);

/* Sends the body that put() makes of the settings to a URL that is a secret. */
void kind_send(struct notify_send *s, struct str url, struct str url_file,
               bool (*judge)(struct notify_send *s, const struct fetch_answer *a,
                             struct notify_outcome *o),
               void (*put)(struct kind_body *b, const void *settings));

/* The group of a message in a few letters: SHA-256 of its key, in hexadecimal, as Alertmanager
 * has it; for receivers that join what belongs together. */
struct str kind_group(const struct notify_send *s);

/* "at most one of x & x_file must be configured", "one of x or x_file must be configured"; or_none:
 * neither is fine. */
MUST_USE int kind_either(struct str text, struct str file, const char *name, bool or_none,
                         struct why *why);

/* Takes a secret and its file from the globals where the item has neither. False: there is none. */
bool kind_inherit(struct str *text, struct str *file, struct str global, struct str global_file);

/* What most rows say: the address, the secret or its file, and the template where there is one. */
void kind_row(const struct notify_row *row, struct str *url, struct str *secret,
              struct str *secret_file, struct str *template);

/* The same where the address is the secret. */
void kind_hook(const struct notify_row *row, struct str *url, struct str *url_file,
               struct str *template);

/* The only one of row->to, or a fault. */
MUST_USE int kind_one(const struct notify_row *row, const char *what, struct str *ret,
                      struct why *why);

/* A list of maps below a key of item: *ret is an array of structs of size, from r->arena. */
MUST_USE int kind_list(const struct notify_reading *r, const struct yaml_node *item,
                       const char *key, const struct yaml_struct *shape, size_t size, void *ret,
                       size_t *ret_n, struct yaml_place *ret_place, struct why *why);

/* true, yes, on, y; fallback where text is "". */
bool kind_truth(struct str text, bool fallback);

/* text, or fallback where it is "". */
struct str kind_or(struct str text, const char *fallback);

/* A URL as an API wants it: with one slash at its end. */
struct str kind_base(struct str url, struct arena *a);

#endif
