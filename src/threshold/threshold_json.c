#include <string.h>

#include "base/vec.h"
#include "text/json.h"
#include "threshold/threshold.h"

/* ---- reading: members are the keys of the option table */

static int refuse(const struct option *o, const char *expected, struct why *why)
{
    return why_set(why, ERR_FORMAT, "%s: expected %s", o->key, expected);
}

static bool is_choice(const struct option *o, struct str text)
{
    struct str rest = str_c(o->choices), choice;
    bool found = false;
    while (!found && str_split(&rest, '|', &choice))
        found = str_eq(choice, text);
    return found;
}

static int set_text(const struct option *o, const struct json_tree *node, struct arena *a, void *at,
                    struct why *why)
{
    if (node->type != JSON_TEXT || str_find(node->text, '\0') != node->text.n)
        return refuse(o, "a text", why);
    if (o->type == OPTION_CHOICE && !is_choice(o, node->text))
        return why_set(why, ERR_FORMAT, "%s: expected one of %s", o->key, o->choices);
    if (o->max > 0 && (double)node->text.n > o->max)
        return why_set(why, ERR_FORMAT, "%s: at most %.0f bytes", o->key, o->max);
    *(const char **)at = arena_str(a, node->text).p;
    return 0;
}

/* ["a=b"] or {"a": "b"} */
static int set_list(const struct option *o, const struct json_tree *node, struct arena *a, void *at,
                    struct why *why)
{
    bool object = node->type == JSON_OBJECT;
    if (!object && node->type != JSON_ARRAY)
        return refuse(o, "a list of texts, or an object of texts", why);
    struct option_list list = {arena_array(a, node->n + 1, sizeof *list.v), node->n};
    for (size_t i = 0; i < node->n; i++) {
        const struct json_tree *item = &node->children[i];
        if (item->type != JSON_TEXT || str_find(item->text, '\0') != item->text.n)
            return refuse(o, "texts", why);
        list.v[i] =
            object ? arena_printf(a, STR_FMT "=" STR_FMT, STR_ARG(item->key), STR_ARG(item->text)).p
                   : arena_str(a, item->text).p;
    }
    *(struct option_list *)at = list;
    return 0;
}

static int set_member(const struct option *o, const struct json_tree *node, struct arena *a,
                      struct threshold_row *ret, struct why *why)
{
    void *at = (char *)ret + o->offset;
    switch (o->type) {
    case OPTION_BOOL:
        if (node->type != JSON_TRUE && node->type != JSON_FALSE)
            return refuse(o, "true or false", why);
        *(bool *)at = node->type == JSON_TRUE;
        return 0;
    case OPTION_REAL:
        if (node->type != JSON_NUMBER)
            return refuse(o, "a number", why);
        *(double *)at = node->number;
        return 0;
    case OPTION_LIST:
        return set_list(o, node, a, at, why);
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_INT:
        break;
    }
    return set_text(o, node, a, at, why);
}

static const struct option *find(struct str key)
{
    for (size_t i = 0; i < threshold_options.n; i++)
        if (str_eq(str_c(threshold_options.rows[i].key), key))
            return &threshold_options.rows[i];
    return NULL;
}

int threshold_json_read(const struct json_tree *node, struct arena *a, struct threshold_row *ret,
                        struct why *why)
{
    int err = 0;
    option_defaults(&threshold_options, ret);
    if (node == NULL || node->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "an object is wanted");
    for (size_t i = 0; err == 0 && i < node->n; i++) {
        const struct json_tree *c = &node->children[i];
        const struct option *o = find(c->key);
        if (o == NULL)
            err = why_set(why, ERR_FORMAT, "there is no member \"" STR_FMT "\"",
                          STR_ARG(str_sub(c->key, 0, 100)));
        else if (c->type != JSON_NULL)
            err = set_member(o, c, a, ret, why);
    }
    return err;
}

/* ---- writing */

static void put_list(struct json_writer *w, const struct option_list *list)
{
    json_begin_array(w);
    for (size_t i = 0; i < list->n; i++)
        json_text(w, str_c(list->v[i]));
    json_end_array(w);
}

static void put_number(struct json_writer *w, double v)
{
    if (v >= THRESHOLD_NONE)
        json_null(w);
    else
        json_number(w, v);
}

void threshold_json_put(struct json_writer *w, const struct threshold_row *t)
{
    for (size_t i = 0; i < threshold_options.n; i++) {
        const struct option *o = &threshold_options.rows[i];
        const void *at = (const char *)t + o->offset;
        json_key(w, str_c(o->key));
        if (o->type == OPTION_BOOL)
            json_bool(w, *(const bool *)at);
        else if (o->type == OPTION_REAL)
            put_number(w, *(const double *)at);
        else if (o->type == OPTION_LIST)
            put_list(w, at);
        else
            json_text(w, str_c(*(const char *const *)at));
    }
}
