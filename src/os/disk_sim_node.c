#include "os/disk_sim_node.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"

/* ---- nodes and names */
struct node *disk_sim_node_new(struct sim *s, bool is_dir)
{
    struct node *node = mem_new(sizeof *node);
    node->is_dir = is_dir;
    node->next = s->nodes;
    s->nodes = node;
    return node;
}

struct entry *disk_sim_node_find(const struct entries *e, struct str name)
{
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(str_c(e->v[i].name), name))
            return &e->v[i];
    return NULL;
}

void disk_sim_node_set(struct entries *e, const char *name, struct node *node)
{
    struct entry *old = disk_sim_node_find(e, str_c(name));
    if (old) {
        old->node = node;
        return;
    }
    struct entry entry = {mem_text(name, strlen(name)), node};
    vec_push(e, entry);
}

static void entries_drop(struct entries *e, const char *name)
{
    struct entry *old = disk_sim_node_find(e, str_c(name));
    if (!old)
        return;
    mem_free(old->name);
    *old = e->v[--e->n];
}

void disk_sim_node_free_names(struct entries *e)
{
    for (size_t i = 0; i < e->n; i++)
        mem_free(e->v[i].name);
    vec_free(e);
}

void disk_sim_node_copy_names(struct entries *to, const struct entries *from)
{
    disk_sim_node_free_names(to);
    for (size_t i = 0; i < from->n; i++)
        disk_sim_node_set(to, from->v[i].name, from->v[i].node);
}

static void changes_free(struct node *node)
{
    for (size_t i = 0; i < node->changes.n; i++) {
        mem_free(node->changes.v[i].drop);
        mem_free(node->changes.v[i].set);
    }
    vec_free(&node->changes);
}

void disk_sim_node_free(struct node *node)
{
    vec_free(&node->now);
    vec_free(&node->safe);
    vec_free(&node->dirty);
    disk_sim_node_free_names(&node->names);
    disk_sim_node_free_names(&node->safe_names);
    changes_free(node);
    mem_free(node);
}

static char *text_or_null(struct str s)
{
    return s.p ? mem_text(s.p, s.n) : NULL;
}

/* Changes a directory as seen now and remembers that it is not durable. */
void disk_sim_node_change(struct node *dir, struct str drop, struct str set, struct node *node)
{
    struct change change = {text_or_null(drop), text_or_null(set), node};
    if (change.drop) {
        struct entry *old = disk_sim_node_find(&dir->names, drop);
        must(old != NULL);
        old->node->links--;
        entries_drop(&dir->names, change.drop);
    }
    if (change.set) {
        struct entry *old = disk_sim_node_find(&dir->names, set);
        if (old)
            old->node->links--;
        disk_sim_node_set(&dir->names, change.set, node);
        node->links++;
    }
    vec_push(&dir->changes, change);
}

/* Makes the first n changes of a directory durable and forgets them. */
void disk_sim_node_settle_dir(struct node *dir, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct change *c = &dir->changes.v[i];
        if (c->drop)
            entries_drop(&dir->safe_names, c->drop);
        if (c->set)
            disk_sim_node_set(&dir->safe_names, c->set, c->node);
    }
    changes_free(dir);
}

/* The directory that holds path's last name, and that name; NULL where there is none. */
struct node *disk_sim_node_walk(struct sim *s, const char *path, struct str *ret_name)
{
    struct node *dir = s->root;
    struct str rest = str_c(path), name;
    if (rest.n == 0 || rest.p[0] == '/')
        return NULL;
    for (;;) {
        size_t slash = str_find(rest, '/');
        name = str_sub(rest, 0, slash);
        if (slash == rest.n)
            break;
        struct entry *e = disk_sim_node_find(&dir->names, name);
        if (!e || !e->node->is_dir)
            return NULL;
        dir = e->node;
        rest = str_sub(rest, slash + 1, rest.n);
    }
    *ret_name = name;
    return dir;
}

struct node *disk_sim_node_look_up(struct sim *s, const char *path)
{
    struct str name;
    if (strcmp(path, ".") == 0)
        return s->root;
    struct node *dir = disk_sim_node_walk(s, path, &name);
    struct entry *e = dir ? disk_sim_node_find(&dir->names, name) : NULL;
    return e ? e->node : NULL;
}

/* ---- garbage */
static void mark(struct node *node)
{
    if (node->marked)
        return;
    node->marked = true;
    for (size_t i = 0; i < node->names.n; i++)
        mark(node->names.v[i].node);
    for (size_t i = 0; i < node->safe_names.n; i++)
        mark(node->safe_names.v[i].node);
    for (size_t i = 0; i < node->changes.n; i++)
        if (node->changes.v[i].node)
            mark(node->changes.v[i].node);
}

void disk_sim_node_collect(struct sim *s)
{
    for (struct node *node = s->nodes; node; node = node->next)
        node->marked = false;
    mark(s->root);
    for (struct node *node = s->nodes; node; node = node->next)
        if (node->handles)
            mark(node);
    for (struct node **at = &s->nodes; *at;) {
        struct node *node = *at;
        if (node->marked) {
            at = &node->next;
            continue;
        }
        *at = node->next;
        disk_sim_node_free(node);
    }
}

/* ---- bytes */
void disk_sim_node_resize(struct node *node, size_t n)
{
    vec_reserve(&node->now, n);
    if (n > node->now.n)
        memset(node->now.v + node->now.n, 0, n - node->now.n);
    node->now.n = n;
    size_t sectors = (n + DISK_SIM_SECTOR - 1) / DISK_SIM_SECTOR;
    vec_reserve(&node->dirty, sectors);
    if (sectors > node->dirty.n)
        memset(node->dirty.v + node->dirty.n, 0, sectors - node->dirty.n);
    node->dirty.n = sectors;
    node->low = node->size_dirty ? MIN(node->low, n) : n;
    node->size_dirty = true;
}

void disk_sim_node_put(struct node *node, uint64_t offset, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (offset + n > node->now.n)
        disk_sim_node_resize(node, (size_t)offset + n);
    memcpy(node->now.v + offset, p, n);
    size_t first = (size_t)offset / DISK_SIM_SECTOR;
    size_t last = ((size_t)offset + n - 1) / DISK_SIM_SECTOR;
    memset(node->dirty.v + first, 1, last - first + 1);
}

/* Makes the present size durable; what was cut off meanwhile reads zeros. */
void disk_sim_node_safe_size(struct node *node, size_t n)
{
    node->safe.n = MIN(node->safe.n, node->low);
    vec_reserve(&node->safe, n);
    if (n > node->safe.n)
        memset(node->safe.v + node->safe.n, 0, n - node->safe.n);
    node->safe.n = n;
}

/* Makes one sector durable, as far as the durable size goes. */
void disk_sim_node_settle_sector(struct node *node, size_t i)
{
    size_t from = i * DISK_SIM_SECTOR;
    size_t to = MIN(from + DISK_SIM_SECTOR, MIN(node->now.n, node->safe.n));
    if (from < to)
        memcpy(node->safe.v + from, node->now.v + from, to - from);
}

void disk_sim_node_settle_file(struct node *node)
{
    if (node->size_dirty)
        disk_sim_node_safe_size(node, node->now.n);
    for (size_t i = 0; i < node->dirty.n; i++)
        if (node->dirty.v[i])
            disk_sim_node_settle_sector(node, i);
}

void disk_sim_node_forget_dirt(struct node *node)
{
    if (node->dirty.n)
        memset(node->dirty.v, 0, node->dirty.n);
    node->size_dirty = false;
}
