#include "serve/member.h"

#include "model/labels.h"

void member_text(struct json_writer *w, const char *name, struct str text)
{
    json_key(w, str_c(name));
    json_text(w, text);
}

void member_whole(struct json_writer *w, const char *name, int64_t v)
{
    json_key(w, str_c(name));
    json_i64(w, v);
}

void member_number(struct json_writer *w, const char *name, double v)
{
    json_key(w, str_c(name));
    json_number(w, v);
}

void member_known(struct json_writer *w, const char *name, int64_t v, bool known)
{
    json_key(w, str_c(name));
    if (known)
        json_i64(w, v);
    else
        json_null(w);
}

void member_time(struct json_writer *w, const char *name, int64_t ms)
{
    member_known(w, name, ms, ms != 0);
}

void member_labels(struct json_writer *w, const char *name, struct str key)
{
    struct label one;
    json_key(w, str_c(name));
    json_begin_object(w);
    for (const char *at = key.p; key.n > 0 && labels_next(key, &at, &one, NULL);) {
        json_key(w, one.name);
        json_text(w, one.value);
    }
    json_end_object(w);
}

void member_texts(struct json_writer *w, const char *name, const struct str *v, size_t n)
{
    json_key(w, str_c(name));
    json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        json_text(w, v[i]);
    json_end_array(w);
}
