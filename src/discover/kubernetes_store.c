#include "discover/kubernetes_store.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/vec.h"
#include "net/http.h"
#include "text/template.h"

enum {
    PAGE_OBJECTS = 500,
    LIST_TIMEOUT_MS = 60 * 1000,
    WATCH_S = 5 * 60, /* that the server keeps a watch open */
    WATCH_TIMEOUT_MS = (WATCH_S + 30) * 1000,
    PAUSE_FIRST_MS = 500, /* after a failure; doubled each time */
    PAUSE_MAX_MS = 30 * 1000,
    WATCH_PAUSE_MS = 1000, /* at least, from the beginning of one watch to that of the next */
    URL_MAX = 64 * 1024,
};

struct object {
    struct json_tree *tree; /* owned */
    uint64_t round;         /* of the list that had it */
};

struct kubernetes_store {
    struct kubernetes_store_plan plan;
    struct fetch *fetch;
    struct timer *timer;
    struct map objects;       /* key -> struct object * */
    uint64_t round;           /* of lists */
    struct buf version, next; /* resourceVersion; the list's next page, "" where there is none */
    struct buf line;          /* what has come of an event */
    int64_t pause_ms, begun_ms;
    bool listed; /* the watch may go on from version */
    bool synced, failed;
    bool relist;    /* the watch says that it is of no use */
    struct why why; /* of that */
};

/* Parts of objects that say nothing to a discovery and are large. */
static bool keep(struct str key)
{
    static const char *const LARGE[] = {"managedFields", "volumes",         "volumeMounts",
                                        "env",           "envFrom",         "resources",
                                        "livenessProbe", "readinessProbe",  "startupProbe",
                                        "args",          "command",         "tolerations",
                                        "affinity",      "securityContext", "lifecycle",
                                        "images",        "volumesAttached", "volumesInUse",
                                        "capacity",      "allocatable"};
    for (size_t i = 0; i < COUNTOF(LARGE); i++) {
        if (str_eq(key, str_c(LARGE[i])))
            return false;
    }
    return true;
}

/* ---- objects */
static void object_free(struct object *o)
{
    mem_free(o->tree);
    mem_free(o);
}

/* "NAMESPACE/NAME" into key; "" where it has no name. */
static struct str key_of(const struct json_tree *object, struct buf *key)
{
    struct str namespace = json_tree_text(object, "metadata.namespace");
    struct str name = json_tree_text(object, "metadata.name");
    buf_clear(key);
    if (name.n == 0)
        return STR("");
    buf_put_str(key, namespace);
    if (namespace.n)
        buf_put_c(key, '/');
    buf_put_str(key, name);
    return buf_failed(key) ? STR("") : buf_str(key);
}

static bool same_version(const struct json_tree *a, const struct json_tree *b)
{
    struct str version = json_tree_text(a, "metadata.resourceVersion");
    return version.n && str_eq(version, json_tree_text(b, "metadata.resourceVersion"));
}

static void set(struct kubernetes_store *s, const struct json_tree *tree)
{
    struct buf buf;
    buf_init(&buf, 4096);
    struct str key = key_of(tree, &buf);
    union map_value *slot = key.n ? map_get(&s->objects, key) : NULL;
    if (key.n && (slot || s->objects.n < KUBERNETES_STORE_OBJECTS_MAX)) {
        if (!slot) {
            slot = map_put(&s->objects, key, NULL);
            slot->p = mem_new(sizeof(struct object));
        }
        struct object *o = slot->p;
        bool same = o->tree && same_version(o->tree, tree);
        o->round = s->round;
        if (!same) {
            mem_free(o->tree);
            o->tree = json_tree_copy(tree, keep, NULL);
            s->plan.changed(s->plan.context, s, key);
        }
    }
    buf_done(&buf);
}

static void drop(struct kubernetes_store *s, struct str key)
{
    union map_value *slot = map_get(&s->objects, key);
    if (!slot)
        return;
    object_free(slot->p);
    map_drop(&s->objects, key);
    s->plan.changed(s->plan.context, s, key);
}

/* Those that the list has no more. */
static void drop_unlisted(struct kubernetes_store *s)
{
    const struct map_slot *slot;
    struct arena arena;
    struct {
        struct str *v;
        size_t n, capacity;
    } gone = {0};
    arena_init(&arena);
    for (size_t at = 0; (slot = map_next(&s->objects, &at));) {
        if (((const struct object *)slot->value.p)->round != s->round)
            vec_push(&gone, arena_str(&arena, slot->key));
    }
    for (size_t i = 0; i < gone.n; i++)
        drop(s, gone.v[i]);
    vec_free(&gone);
    arena_done(&arena);
}

/* ---- asking */
static void listed(void *context, const struct fetch_answer *a);
static int on_piece(void *context, struct str bytes);
static void watched(void *context, const struct fetch_answer *a);

static void put_param(struct buf *url, const char *name, struct str value)
{
    if (value.n == 0)
        return;
    buf_put_c(url, str_find(buf_str(url), '?') < url->n ? '&' : '?');
    buf_put_str(url, str_c(name));
    buf_put_c(url, '=');
    template_escape_query(value, url);
}

static void ask(struct kubernetes_store *s, bool watch)
{
    static const char *const headers[] = {"Accept: application/json"};
    struct buf url;
    char number[32];
    buf_init(&url, URL_MAX);
    buf_put_str(&url, s->plan.url);
    put_param(&url, "labelSelector", s->plan.label);
    put_param(&url, "fieldSelector", s->plan.field);
    if (watch) {
        snprintf(number, sizeof number, "%d", WATCH_S);
        put_param(&url, "watch", STR("true"));
        put_param(&url, "allowWatchBookmarks", STR("true"));
        put_param(&url, "resourceVersion", buf_str(&s->version));
        put_param(&url, "timeoutSeconds", str_c(number));
    } else {
        snprintf(number, sizeof number, "%d", PAGE_OBJECTS);
        put_param(&url, "limit", str_c(number));
        put_param(&url, "continue", buf_str(&s->next));
    }
    buf_put_c(&url, '\0');
    struct fetch_request request = {.url = url.p,
                                    .headers = headers,
                                    .headers_n = COUNTOF(headers),
                                    .timeout_ms = watch ? WATCH_TIMEOUT_MS : LIST_TIMEOUT_MS,
                                    .body_max = (size_t)1 << 30,
                                    .gzip = !watch,
                                    .piece = watch ? on_piece : NULL,
                                    .done = watch ? watched : listed,
                                    .context = s};
    fetch_start(s->plan.client, &request, &s->fetch);
    buf_done(&url);
}

static void begin(void *context)
{
    struct kubernetes_store *s = context;
    timer_free(s->timer);
    s->timer = NULL;
    buf_clear(&s->line);
    s->relist = false;
    s->begun_ms = loop_now_ms(s->plan.loop);
    if (!s->listed) {
        s->round++;
        buf_clear(&s->next);
    }
    ask(s, s->listed);
}

static void begin_later(struct kubernetes_store *s, int64_t wait_ms)
{
    timer_free(s->timer);
    s->timer = timer_new(s->plan.loop, wait_ms, 0, begin, s);
}

/* After a watch that did no harm. */
static void begin_again(struct kubernetes_store *s)
{
    int64_t passed = loop_now_ms(s->plan.loop) - s->begun_ms;
    begin_later(s, MAX(WATCH_PAUSE_MS - passed, 0));
}

static void fail(struct kubernetes_store *s, const struct why *why)
{
    s->listed = false;
    s->failed = true;
    s->plan.state(s->plan.context, s, why->text);
    begin_later(s, s->pause_ms);
    s->pause_ms = MIN(s->pause_ms * 2, (int64_t)PAUSE_MAX_MS);
}

static void succeed(struct kubernetes_store *s)
{
    s->pause_ms = PAUSE_FIRST_MS;
    s->failed = false;
    s->plan.state(s->plan.context, s, "");
}

static int judge(const struct kubernetes_store *s, const struct fetch_answer *a, struct why *why)
{
    if (a->err)
        why_set(why, (enum err) - a->err, "%s", a->why);
    else if (a->status != 200)
        why_set(why, ERR_CLOSED, "the API server answers %d %s", a->status, http_reason(a->status));
    else
        return 0;
    return why_prefix(why, STR_FMT, STR_ARG(s->plan.url));
}

/* ---- lists */
static int take_page(struct kubernetes_store *s, struct str body, struct why *why)
{
    struct arena arena;
    const struct json_tree *tree;
    arena_init(&arena);
    int err = json_tree_parse(body, &arena, &tree, why);
    if (err == 0) {
        const struct json_tree *items = json_tree_get(tree, "items");
        for (size_t i = 0; i < json_tree_n(items); i++)
            set(s, &items->children[i]);
        buf_clear(&s->version);
        buf_clear(&s->next);
        buf_put_str(&s->version, json_tree_text(tree, "metadata.resourceVersion"));
        buf_put_str(&s->next, json_tree_text(tree, "metadata.continue"));
    }
    arena_done(&arena);
    return err;
}

static void listed(void *context, const struct fetch_answer *a)
{
    struct kubernetes_store *s = context;
    struct why why = {0};
    s->fetch = NULL;
    int err = judge(s, a, &why);
    if (err == 0)
        err = take_page(s, a->body, &why);
    if (err) {
        fail(s, &why);
    } else if (s->next.n) {
        ask(s, false);
    } else {
        drop_unlisted(s);
        s->listed = s->synced = true;
        succeed(s);
        begin_later(s, 0);
    }
}

/* ---- watches */
static void give_up(struct kubernetes_store *s, const struct json_tree *status)
{
    struct str message = json_tree_text(status, "message");
    why_set(&s->why, json_tree_whole(status, "code") == 410 ? ERR_OLD : ERR_CLOSED,
            STR_FMT ": the watch ended with %" PRId64 " " STR_FMT, STR_ARG(s->plan.url),
            json_tree_whole(status, "code"), STR_ARG(message));
    s->relist = true;
}

static void take_event(struct kubernetes_store *s, const struct json_tree *event)
{
    const struct json_tree *object = json_tree_get(event, "object");
    struct str type = json_tree_text(event, "type");
    struct str version = json_tree_text(object, "metadata.resourceVersion");
    struct buf key;
    if (str_eq(type, STR("ERROR"))) {
        give_up(s, object);
        return;
    }
    if (type.n == 0 && str_eq(json_tree_text(event, "kind"), STR("Status"))) {
        give_up(s, event);
        return;
    }
    if (str_eq(type, STR("ADDED")) || str_eq(type, STR("MODIFIED"))) {
        set(s, object);
    } else if (str_eq(type, STR("DELETED"))) {
        buf_init(&key, 4096);
        drop(s, key_of(object, &key));
        buf_done(&key);
    }
    if (version.n) {
        buf_clear(&s->version);
        buf_put_str(&s->version, version);
    }
}

void kubernetes_store_line(struct kubernetes_store *s, struct str line)
{
    struct arena arena;
    struct why why = {0};
    const struct json_tree *event;
    if (str_trim(line).n == 0 || s->relist)
        return;
    arena_init(&arena);
    if (json_tree_parse(line, &arena, &event, &why) == 0) {
        take_event(s, event);
    } else {
        s->relist = true;
        s->why = why;
        why_prefix(&s->why, STR_FMT ": an event of the watch", STR_ARG(s->plan.url));
    }
    arena_done(&arena);
}

static int on_piece(void *context, struct str bytes)
{
    struct kubernetes_store *s = context;
    while (bytes.n && !s->relist) {
        size_t end = str_find(bytes, '\n');
        struct str part = str_sub(bytes, 0, end);
        if (end == bytes.n || s->line.n)
            buf_put_str(&s->line, part);
        if (end < bytes.n) {
            kubernetes_store_line(s, s->line.n ? buf_str(&s->line) : part);
            buf_clear(&s->line);
        }
        bytes = str_sub(bytes, end + 1, bytes.n);
    }
    return s->relist || buf_failed(&s->line) ? -ERR_FORMAT : 0;
}

static void watched(void *context, const struct fetch_answer *a)
{
    struct kubernetes_store *s = context;
    struct why why = {0};
    bool gone = a->status == 410 || (s->relist && s->why.err == -ERR_OLD);
    s->fetch = NULL;
    if (a->status == 200 && s->line.n && !s->relist)
        kubernetes_store_line(s, buf_str(&s->line)); /* without an end of line, but whole? */
    if (gone) {
        s->listed = false;
        begin_again(s);
    } else if (s->relist) {
        fail(s, &s->why);
    } else if (a->err == -ERR_TIMEOUT && a->status == 200) {
        begin_again(s); /* the server should have ended it; go on all the same */
    } else if (judge(s, a, &why) != 0) {
        fail(s, &why);
    } else {
        succeed(s);
        begin_again(s);
    }
}

/* ---- the store */
struct kubernetes_store *kubernetes_store_new(const struct kubernetes_store_plan *plan)
{
    struct kubernetes_store *s = mem_new(sizeof *s);
    s->plan = *plan;
    s->pause_ms = PAUSE_FIRST_MS;
    map_init(&s->objects, 0);
    buf_init(&s->version, 1024);
    buf_init(&s->next, 16 * 1024);
    buf_init(&s->line, KUBERNETES_STORE_LINE_MAX);
    if (plan->client) /* none: the fuzz target's */
        begin_later(s, 0);
    return s;
}

void kubernetes_store_free(struct kubernetes_store *s)
{
    const struct map_slot *slot;
    if (!s)
        return;
    fetch_cancel(s->fetch);
    timer_free(s->timer);
    for (size_t at = 0; (slot = map_next(&s->objects, &at));)
        object_free(slot->value.p);
    map_done(&s->objects);
    buf_done(&s->version);
    buf_done(&s->next);
    buf_done(&s->line);
    mem_free(s);
}

bool kubernetes_store_synced(const struct kubernetes_store *s)
{
    return s->synced;
}

bool kubernetes_store_failed(const struct kubernetes_store *s)
{
    return s->failed;
}

const struct json_tree *kubernetes_store_get(const struct kubernetes_store *s, struct str key)
{
    const union map_value *slot = map_get(&s->objects, key);
    return slot ? ((const struct object *)slot->p)->tree : NULL;
}

const struct json_tree *kubernetes_store_next(const struct kubernetes_store *s, size_t *at,
                                              struct str *ret_key)
{
    const struct map_slot *slot = map_next(&s->objects, at);
    if (!slot)
        return NULL;
    *ret_key = slot->key;
    return ((const struct object *)slot->value.p)->tree;
}
