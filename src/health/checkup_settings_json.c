/* Rows of the option tables as JSON objects: what the API takes and shows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/member.h"
#include "health/checkup_settings.h"

static const struct option *row_of(const struct option_table *t, struct str key)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(str_c(t->rows[i].key), key))
            return &t->rows[i];
    return NULL;
}

static int read_list(const struct option *o, const struct json_tree *node, struct arena *a,
                     void *row, struct why *why)
{
    struct option_list *list = (void *)((char *)row + o->offset);
    if (node->type != JSON_ARRAY)
        return why_set(why, ERR_FORMAT, "%s: an array of texts is expected", o->key);
    if (node->n > 1000)
        return why_set(why, ERR_LIMIT, "%s has more than 1000 texts", o->key);
    const char **v = arena_array(a, node->n + 1, sizeof *v);
    for (size_t i = 0; i < node->n; i++) {
        if (node->children[i].type != JSON_TEXT ||
            strlen(node->children[i].text.p) != node->children[i].text.n)
            return why_set(why, ERR_FORMAT, "%s: an array of texts is expected", o->key);
        v[i] = arena_str(a, node->children[i].text).p;
    }
    *list = (struct option_list){v, node->n};
    return 0;
}

static int read_member(const struct option *o, const struct json_tree *node, struct arena *a,
                       void *row, struct why *why)
{
    static const enum json_type WANTED[] = {[OPTION_INT] = JSON_NUMBER,
                                            [OPTION_REAL] = JSON_NUMBER,
                                            [OPTION_TEXT] = JSON_TEXT,
                                            [OPTION_CHOICE] = JSON_TEXT};
    struct str text = node->text;
    if (o->type == OPTION_LIST)
        return read_list(o, node, a, row, why);
    bool is_bool = node->type == JSON_TRUE || node->type == JSON_FALSE;
    bool good = o->type == OPTION_BOOL ? is_bool : node->type == WANTED[o->type];
    if (good && node->type == JSON_TEXT)
        good = strlen(text.p) == text.n;
    if (is_bool)
        text = node->type == JSON_TRUE ? STR("true") : STR("false");
    int err = good ? member_set_text(o, arena_str(a, text), a, row, why) : -ERR_FORMAT;
    if (err != 0) {
        struct buf b;
        buf_init(&b, 400);
        member_expected(o, &b);
        err = why_set(why, ERR_FORMAT, "%s: expected " STR_FMT, o->key, STR_ARG(buf_str(&b)));
        buf_done(&b);
    }
    return err;
}

static bool is_skipped(struct str key, const char *const *skip, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(key, str_c(skip[i])))
            return true;
    return false;
}

int checkup_settings_read(const struct option_table *table, const struct json_tree *json,
                          const char *const *skip, size_t skip_n, struct arena *a, void *ret,
                          struct why *why)
{
    if (json->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "a JSON object is expected");
    member_defaults(table, a, ret);
    for (size_t i = 0; i < json->n; i++) {
        const struct json_tree *node = &json->children[i];
        const struct option *o = row_of(table, node->key);
        if (is_skipped(node->key, skip, skip_n) || node->type == JSON_NULL)
            continue;
        if (o == NULL)
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no setting of a %s",
                           STR_ARG(str_sub(node->key, 0, 100)), table->section);
        int err = read_member(o, node, a, ret, why);
        if (err != 0)
            return err;
    }
    return 0;
}

static void write_member(const struct option *o, const void *row, bool hide, struct json_writer *w)
{
    const char *at = (const char *)row + o->offset;
    bool hidden = hide && (o->flags & OPTION_SECRET);
    json_key(w, str_c(o->key));
    switch (o->type) {
    case OPTION_BOOL:
        json_bool(w, *(const bool *)(const void *)at);
        break;
    case OPTION_INT:
        json_i64(w, *(const int64_t *)(const void *)at);
        break;
    case OPTION_REAL:
        json_number(w, *(const double *)(const void *)at);
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        json_text(w, hidden ? STR("(hidden)") : str_c(*(const char *const *)(const void *)at));
        break;
    case OPTION_LIST: {
        const struct option_list *list = (const void *)at;
        json_begin_array(w);
        for (size_t i = 0; i < list->n; i++)
            json_text(w, hidden ? STR("(hidden)") : str_c(list->v[i]));
        json_end_array(w);
        break;
    }
    }
}

void checkup_settings_write(const struct option_table *table, const void *row, bool hide,
                            struct json_writer *w)
{
    struct arena a;
    arena_init(&a);
    void *fallback = arena_new(&a, table->size);
    member_defaults(table, &a, fallback);
    for (size_t i = 0; i < table->n; i++) {
        const struct option *o = &table->rows[i];
        if (!member_equal(o, row, fallback))
            write_member(o, row, hide, w);
    }
    arena_done(&a);
}
