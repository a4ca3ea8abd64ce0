#include "text/json_tree.h"

#include "base/mem.h"
#include "base/vec.h"

/* Children wait on a stack until their parent ends and are copied to the arena then. */
struct building {
    struct json_reader reader;
    struct arena *arena;
    struct {
        struct json_tree *v;
        size_t n, capacity;
    } stack;
    struct str key;
    size_t nodes;
};

static void end_parent(struct building *b, size_t first)
{
    size_t n = b->stack.n - first;
    struct json_tree *parent = &b->stack.v[first - 1];
    parent->children = arena_array(b->arena, n + 1, sizeof *parent->children);
    if (n)
        memcpy(parent->children, b->stack.v + first, n * sizeof *parent->children);
    parent->n = n;
    b->stack.n = first;
}

static int build(struct building *b, struct why *why)
{
    size_t first[JSON_DEPTH_MAX + 1], depth = 0;
    struct json_event e;
    struct str key = {0};
    int got;
    while ((got = json_next(&b->reader, &e, why)) > 0) {
        if (e.type == JSON_OBJECT_END || e.type == JSON_ARRAY_END) {
            end_parent(b, first[--depth]);
            continue;
        }
        if (e.type == JSON_KEY) {
            key = arena_str(b->arena, e.text);
            continue;
        }
        if (++b->nodes > JSON_TREE_NODES_MAX)
            return why_set(why, ERR_LIMIT, "more than %d values", JSON_TREE_NODES_MAX);
        struct json_tree node = {.type = e.type, .key = key, .number = e.number};
        key = (struct str){0};
        if (e.type == JSON_TEXT || e.type == JSON_NUMBER)
            node.text = arena_str(b->arena, e.text);
        vec_push(&b->stack, node);
        if (e.type == JSON_OBJECT || e.type == JSON_ARRAY)
            first[depth++] = b->stack.n;
    }
    return got;
}

int json_tree_parse(struct str text, struct arena *a, const struct json_tree **ret, struct why *why)
{
    struct building b = {.arena = a};
    json_reader_init(&b.reader, text, a);
    int err = build(&b, why);
    if (!err && b.stack.n != 1)
        err = why_set(why, ERR_FORMAT, "there is no JSON value");
    if (!err) {
        struct json_tree *root = arena_new(a, sizeof *root);
        *root = b.stack.v[0];
        *ret = root;
    }
    vec_free(&b.stack);
    return err;
}

/* ---- copies */
static bool kept(const struct json_tree *node, bool (*keep)(struct str key))
{
    return keep == NULL || node->key.n == 0 || keep(node->key);
}

/* Counts the nodes below node, and the bytes of their texts and its own. */
static void measure(const struct json_tree *node, bool (*keep)(struct str key), size_t *nodes,
                    size_t *bytes)
{
    *bytes += node->key.n + node->text.n + 2;
    for (size_t i = 0; i < node->n; i++) {
        if (!kept(&node->children[i], keep))
            continue;
        ++*nodes;
        measure(&node->children[i], keep, nodes, bytes);
    }
}

struct copying {
    bool (*keep)(struct str key);
    struct json_tree *nodes; /* where the next go */
    char *text;              /* likewise */
};

static struct str copy_text(struct copying *c, struct str s)
{
    struct str copied = str_of(c->text, s.n);
    if (s.n)
        memcpy(c->text, s.p, s.n);
    c->text[s.n] = '\0';
    c->text += s.n + 1;
    return copied;
}

static void copy_to(struct copying *c, const struct json_tree *node, struct json_tree *to)
{
    *to = *node;
    to->key = copy_text(c, node->key);
    to->text = copy_text(c, node->text);
    to->children = c->nodes;
    to->n = 0;
    for (size_t i = 0; i < node->n; i++)
        to->n += kept(&node->children[i], c->keep);
    c->nodes += to->n;
    struct json_tree *next = to->children;
    for (size_t i = 0; i < node->n; i++) {
        if (kept(&node->children[i], c->keep))
            copy_to(c, &node->children[i], next++);
    }
}

struct json_tree *json_tree_copy(const struct json_tree *node, bool (*keep)(struct str key),
                                 size_t *ret_bytes)
{
    size_t nodes = 1, bytes = 0;
    measure(node, keep, &nodes, &bytes);
    struct json_tree *block = mem_raw(nodes * sizeof *block + bytes);
    struct copying c = {keep, block + 1, (char *)(block + nodes)};
    copy_to(&c, node, block);
    if (ret_bytes)
        *ret_bytes = nodes * sizeof *block + bytes;
    return block;
}

static const struct json_tree *member(const struct json_tree *node, struct str key)
{
    if (!node || node->type != JSON_OBJECT)
        return NULL;
    for (size_t i = node->n; i-- > 0;) {
        if (str_eq(node->children[i].key, key))
            return &node->children[i];
    }
    return NULL;
}

const struct json_tree *json_tree_get(const struct json_tree *node, const char *key)
{
    return member(node, str_c(key));
}

const struct json_tree *json_tree_path(const struct json_tree *node, const char *path)
{
    struct str rest = str_c(path), step;
    while (node && rest.n > 0 && str_split(&rest, '.', &step))
        node = member(node, step);
    return node;
}

struct str json_tree_text(const struct json_tree *node, const char *path)
{
    node = json_tree_path(node, path);
    return node && node->type == JSON_TEXT ? node->text : STR("");
}

int64_t json_tree_whole(const struct json_tree *node, const char *path)
{
    int64_t v;
    node = json_tree_path(node, path);
    if (!node || node->type != JSON_NUMBER)
        return 0;
    if (str_i64(node->text, &v))
        return v;
    return node->number > -9e18 && node->number < 9e18 ? (int64_t)node->number : 0;
}

bool json_tree_true(const struct json_tree *node, const char *path)
{
    node = json_tree_path(node, path);
    return node && node->type == JSON_TRUE;
}

bool json_tree_is_null(const struct json_tree *node)
{
    return !node || node->type == JSON_NULL;
}

size_t json_tree_n(const struct json_tree *node)
{
    return node ? node->n : 0;
}

/* As deep as the reader lets a text be: JSON_DEPTH_MAX. */
void json_tree_put(const struct json_tree *node, struct buf *out)
{
    bool object = node->type == JSON_OBJECT;
    if (object || node->type == JSON_ARRAY) {
        buf_put_c(out, object ? '{' : '[');
        for (size_t i = 0; i < node->n; i++) {
            buf_put_str(out, i > 0 ? STR(",") : STR(""));
            if (object) {
                json_put_text(out, node->children[i].key);
                buf_put_c(out, ':');
            }
            json_tree_put(&node->children[i], out);
        }
        buf_put_c(out, object ? '}' : ']');
    } else if (node->type == JSON_TEXT) {
        json_put_text(out, node->text);
    } else if (node->type == JSON_NUMBER) {
        buf_put_str(out, node->text);
    } else {
        buf_put_str(out, node->type == JSON_TRUE    ? STR("true")
                         : node->type == JSON_FALSE ? STR("false")
                                                    : STR("null"));
    }
}
