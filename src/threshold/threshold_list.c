#include "threshold/threshold_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "os/thread.h"
#include "text/json.h"

struct item {
    struct arena arena; /* of row; nothing in it where from_file */
    struct threshold_row row;
    bool from_file;
    int64_t created_ms, updated_ms;
};

struct threshold_list {
    struct threshold_list_config config;
    pthread_mutex_t lock;
    struct {
        struct item **v; /* by name */
        size_t n, capacity;
    } items;
};

static const char *const STEPS[] = {
    "CREATE TABLE threshold_rule (name TEXT PRIMARY KEY, body TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) WITHOUT ROWID;",
};

static const struct state_schema SCHEMA = {"threshold", STEPS, COUNTOF(STEPS)};

/* ---- items */

static void item_free(struct item *i)
{
    if (i == NULL)
        return;
    arena_done(&i->arena);
    mem_free(i);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct item *const *)a)->row.name, (*(struct item *const *)b)->row.name);
}

static void sort(struct threshold_list *l)
{
    if (l->items.n > 1)
        qsort(l->items.v, l->items.n, sizeof *l->items.v, by_name);
}

static struct item *find(const struct threshold_list *l, struct str name)
{
    for (size_t i = 0; i < l->items.n; i++)
        if (str_eq(str_c(l->items.v[i]->row.name), name))
            return l->items.v[i];
    return NULL;
}

static void take_out(struct threshold_list *l, struct item *item)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->items.n; i++)
        if (l->items.v[i] != item)
            l->items.v[kept++] = l->items.v[i];
    l->items.n = kept;
}

static void warn(const struct threshold_list *l, const char *text)
{
    if (l->config.warn != NULL)
        l->config.warn(l->config.context, text);
}

/* Reads what threshold_json_put() has written. */
static int item_of(struct str json, struct item **ret, struct why *why)
{
    struct item *i = mem_new(sizeof *i);
    const struct json_tree *tree;
    arena_init(&i->arena);
    int err = json_tree_parse(json, &i->arena, &tree, why);
    if (err == 0)
        err = threshold_json_read(tree, &i->arena, &i->row, why);
    if (err == 0)
        *ret = i;
    else
        item_free(i);
    return err;
}

static void put_file_rows(struct threshold_list *l, const struct option_rows *rows)
{
    for (size_t i = 0; rows != NULL && i < rows->n; i++) {
        const struct threshold_row *row = (const struct threshold_row *)rows->v + i;
        struct item *old = find(l, str_c(row->name));
        if (old != NULL) {
            char text[512];
            snprintf(text, sizeof text,
                     "the custom alert \"%.200s\" of sonde.toml takes the place "
                     "of the one that the API made",
                     row->name);
            warn(l, text);
            take_out(l, old);
            item_free(old);
        }
        struct item *item = mem_new(sizeof *item);
        arena_init(&item->arena);
        item->row = *row;
        item->from_file = true;
        vec_push(&l->items, item);
    }
    sort(l);
}

/* ---- into the rules */

static void apply(struct threshold_list *l)
{
    struct buf problems;
    const struct threshold_row **rows = mem_array(l->items.n + 1, sizeof(void *));
    for (size_t i = 0; i < l->items.n; i++)
        rows[i] = &l->items.v[i]->row;
    buf_init(&problems, THRESHOLD_JSON_MAX);
    struct rule_file *f = threshold_file(rows, l->items.n, &l->config.options, &problems);
    if (problems.n > 0) {
        buf_put_c(&problems, '\0');
        warn(l, problems.p);
    }
    rules_own_set(l->config.rules, f);
    buf_done(&problems);
    mem_free(rows);
}

/* ---- the database */

static int take_row(void *context, const struct state_value *c, size_t n)
{
    struct threshold_list *l = context;
    struct item *item = NULL;
    struct why why = {0};
    (void)n;
    if (item_of(c[1].bytes, &item, &why) != 0) {
        char text[WHY_MAX + 256];
        snprintf(text, sizeof text, "the custom alert \"" STR_FMT "\" is left out: %s",
                 STR_ARG(str_sub(c[0].bytes, 0, 200)), why.text);
        warn(l, text);
        return 0;
    }
    item->created_ms = c[2].integer;
    item->updated_ms = c[3].integer;
    vec_push(&l->items, item);
    return 0;
}

static int read_rows(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx,
                     "SELECT name, body, created_ms, updated_ms FROM threshold_rule ORDER BY name",
                     NULL, 0, take_row, context, why);
}

static int write_row(void *context, struct state_tx *tx, struct why *why)
{
    const struct item *i = context;
    struct buf body;
    struct json_writer w;
    buf_init(&body, THRESHOLD_JSON_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    threshold_json_put(&w, &i->row);
    json_end_object(&w);
    const struct state_value values[] = {state_text(str_c(i->row.name)), state_text(buf_str(&body)),
                                         state_int(i->created_ms), state_int(i->updated_ms)};
    int err = buf_failed(&body)
                  ? why_set(why, ERR_LIMIT, "the alert is larger than %d bytes", THRESHOLD_JSON_MAX)
                  : state_run(tx,
                              "INSERT OR REPLACE INTO threshold_rule"
                              " (name, body, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4)",
                              values, COUNTOF(values), NULL, NULL, why);
    buf_done(&body);
    return err;
}

static int drop_row(void *context, struct state_tx *tx, struct why *why)
{
    const struct state_value name = state_text(str_c(context));
    return state_run(tx, "DELETE FROM threshold_rule WHERE name = ?1", &name, 1, NULL, NULL, why);
}

/* ---- life */

int threshold_list_open(const struct threshold_list_config *config, struct threshold_list **ret,
                        struct why *why)
{
    struct threshold_list *l = mem_new(sizeof *l);
    l->config = *config;
    thread_lock_init(&l->lock);
    int err = state_prepare(config->state, &SCHEMA, why);
    if (err == 0)
        err = state_read(config->state, read_rows, l, why);
    if (err != 0) {
        threshold_list_free(l);
        return err;
    }
    put_file_rows(l, config->rows);
    apply(l);
    *ret = l;
    return 0;
}

void threshold_list_free(struct threshold_list *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->items.n; i++)
        item_free(l->items.v[i]);
    vec_free(&l->items);
    (void)pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void threshold_list_reload(struct threshold_list *l, const struct option_rows *rows)
{
    thread_lock(&l->lock);
    for (size_t i = 0; i < l->items.n;) {
        struct item *item = l->items.v[i];
        if (!item->from_file) {
            i++;
            continue;
        }
        take_out(l, item);
        item_free(item);
    }
    put_file_rows(l, rows);
    apply(l);
    thread_unlock(&l->lock);
}

size_t threshold_list_each(struct threshold_list *l, struct str name,
                           void (*f)(void *context, const struct threshold_list_row *row),
                           void *context)
{
    size_t n = 0;
    thread_lock(&l->lock);
    for (size_t i = 0; i < l->items.n; i++) {
        const struct item *item = l->items.v[i];
        struct threshold_list_row row = {&item->row, item->from_file, item->created_ms,
                                         item->updated_ms};
        if (name.n > 0 && !str_eq(name, str_c(item->row.name)))
            continue;
        f(context, &row);
        n++;
    }
    thread_unlock(&l->lock);
    return n;
}

/* ---- changes */

static int may_put(const struct threshold_list *l, const struct item *old,
                   enum threshold_list_how how, const char *name, struct why *why)
{
    if (old == NULL && how == THRESHOLD_LIST_CHANGE)
        return why_set(why, ERR_NOENT, "there is no custom alert \"%s\"", name);
    if (old != NULL && old->from_file)
        return why_set(why, ERR_DENIED, "\"%s\" stands in sonde.toml and is changed there", name);
    if (old != NULL && how == THRESHOLD_LIST_NEW)
        return why_set(why, ERR_EXISTS, "there is a custom alert \"%s\" already", name);
    if (old == NULL && l->items.n >= THRESHOLD_ROWS_MAX)
        return why_set(why, ERR_LIMIT, "there are %d custom alerts already", THRESHOLD_ROWS_MAX);
    return 0;
}

/* A copy with memory of its own, by way of JSON. */
static int copy(const struct threshold_row *row, struct item **ret, struct why *why)
{
    struct buf json;
    struct json_writer w;
    buf_init(&json, THRESHOLD_JSON_MAX);
    json_writer_init(&w, &json);
    json_begin_object(&w);
    threshold_json_put(&w, row);
    json_end_object(&w);
    int err = buf_failed(&json)
                  ? why_set(why, ERR_LIMIT, "the alert is larger than %d bytes", THRESHOLD_JSON_MAX)
                  : item_of(buf_str(&json), ret, why);
    buf_done(&json);
    return err;
}

int threshold_list_put(struct threshold_list *l, const struct threshold_row *row,
                       enum threshold_list_how how, struct why *why)
{
    struct item *item = NULL;
    int err = threshold_check(row, &l->config.options, why);
    if (err == 0)
        err = copy(row, &item, why);
    if (err != 0)
        return err;
    thread_lock(&l->lock);
    struct item *old = find(l, str_c(row->name));
    err = may_put(l, old, how, row->name, why);
    item->updated_ms = clock_wall_ms(l->config.clock);
    item->created_ms = old != NULL ? old->created_ms : item->updated_ms;
    if (err == 0)
        err = state_write(l->config.state, write_row, item, why);
    if (err == 0) {
        if (old != NULL)
            take_out(l, old);
        item_free(old);
        vec_push(&l->items, item);
        sort(l);
        apply(l);
    } else {
        item_free(item);
    }
    thread_unlock(&l->lock);
    return err;
}

int threshold_list_drop(struct threshold_list *l, struct str name, struct why *why)
{
    thread_lock(&l->lock);
    struct item *old = find(l, name);
    int err = 0;
    if (old == NULL)
        err = why_set(why, ERR_NOENT, "there is no custom alert \"" STR_FMT "\"",
                      STR_ARG(str_sub(name, 0, 200)));
    else if (old->from_file)
        err = why_set(why, ERR_DENIED, "\"%s\" stands in sonde.toml and is changed there",
                      old->row.name);
    else
        err = state_write(l->config.state, drop_row, (void *)(uintptr_t)old->row.name, why);
    if (err == 0) {
        take_out(l, old);
        item_free(old);
        apply(l);
    }
    thread_unlock(&l->lock);
    return err;
}
