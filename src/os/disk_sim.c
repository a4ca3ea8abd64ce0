#include "os/disk_sim.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/vec.h"
#include "os/disk_sim_node.h"
#include "os/thread.h"

enum { BLOCK = 4096, GC_EVERY = 256 /* directory syncs */ };

static struct sim *sim_of(struct disk *d)
{
    return (struct sim *)(void *)d;
}

/* ---- space */
static uint64_t space_of(const struct node *node)
{
    uint64_t n = MAX((uint64_t)node->now.n, node->reserved);
    return (n + BLOCK - 1) / BLOCK * BLOCK;
}

static uint64_t used(const struct sim *s)
{
    uint64_t total = 0;
    for (const struct node *node = s->nodes; node; node = node->next)
        if (!node->is_dir && (node->links || node->handles))
            total += space_of(node);
    return total;
}

/* Bytes that the file may grow to. */
static uint64_t room_for(const struct sim *s, const struct node *node)
{
    if (s->capacity == 0)
        return UINT64_MAX;
    uint64_t others = used(s) - space_of(node);
    uint64_t room = s->capacity > others ? s->capacity - others : 0;
    return MAX(room / BLOCK * BLOCK, space_of(node));
}

/* ---- faults */
static int fire(struct fault *f)
{
    if (f->firing)
        return -(int)f->code;
    if (f->in == 0 || --f->in > 0)
        return 0;
    f->firing = f->lasting;
    return -(int)f->code;
}

/* Called at the start of every call that changes something: 0 or how it fails. */
static int begin_change(struct sim *s)
{
    s->stats.calls++;
    if (s->off)
        return -ERR_IO;
    if (s->off_in && --s->off_in == 0) {
        s->off = true;
        return -ERR_IO;
    }
    return fire(&s->any);
}

static int begin_look(struct sim *s)
{
    s->stats.calls++;
    return s->off ? -ERR_IO : 0;
}

static bool is_dead(const struct sim *s, const struct disk_file *f)
{
    return f->boot != s->boot;
}

static void crash_file(struct sim *s, struct node *node, enum disk_sim_crash how)
{
    if (how == DISK_SIM_TORN) {
        if (node->size_dirty && rand_below(&s->rand, 2))
            disk_sim_node_safe_size(node, node->now.n);
        uint64_t keep = rand_below(&s->rand, 5); /* of 4: whole files survive and vanish too */
        for (size_t i = 0; i < node->dirty.n; i++)
            if (node->dirty.v[i] && rand_below(&s->rand, 4) < keep)
                disk_sim_node_settle_sector(node, i);
    }
    node->reserved = 0;
    disk_sim_node_resize(node, node->safe.n);
    if (node->safe.n)
        memcpy(node->now.v, node->safe.v, node->safe.n);
    disk_sim_node_forget_dirt(node);
}

static void crash_dir(struct sim *s, struct node *node, enum disk_sim_crash how)
{
    size_t n = how == DISK_SIM_TORN ? (size_t)rand_below(&s->rand, node->changes.n + 1) : 0;
    disk_sim_node_settle_dir(node, n);
    disk_sim_node_copy_names(&node->names, &node->safe_names);
}

static void count_links(struct sim *s)
{
    for (struct node *node = s->nodes; node; node = node->next)
        node->links = 0;
    for (struct node *node = s->nodes; node; node = node->next)
        for (size_t i = 0; i < node->names.n; i++)
            node->names.v[i].node->links++;
}

/* ---- the table */
static int sim_open(struct disk *d, const char *path, int flags, struct disk_file **ret)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = flags & DISK_CREATE ? begin_change(s) : begin_look(s);
    struct str name = {0};
    struct node *dir = err ? NULL : disk_sim_node_walk(s, path, &name);
    if (!err && !dir)
        err = -ERR_NOENT;
    struct entry *e = err ? NULL : disk_sim_node_find(&dir->names, name);
    struct node *node = e ? e->node : NULL;
    if (!err && node && (flags & DISK_CREATE))
        err = -ERR_EXISTS;
    if (!err && !node && !(flags & DISK_CREATE))
        err = -ERR_NOENT;
    if (!err && node && node->is_dir && (flags & DISK_WRITE))
        err = -ERR_IO;
    if (!err) {
        if (!node) {
            node = disk_sim_node_new(s, false);
            disk_sim_node_change(dir, (struct str){0}, name, node);
        }
        struct disk_file *f = mem_new(sizeof *f);
        *f = (struct disk_file){node, s->boot, flags & DISK_WRITE};
        node->handles++;
        *ret = f;
    }
    thread_unlock(&s->lock);
    return err;
}

static void sim_close(struct disk *d, struct disk_file *f)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    f->node->handles--;
    mem_free(f);
    thread_unlock(&s->lock);
}

static int sim_read(struct disk *d, struct disk_file *f, uint64_t offset, void *p, size_t n,
                    size_t *ret_n)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_look(s);
    if (!err && (is_dead(s, f) || f->node->is_dir))
        err = -ERR_IO;
    if (!err) {
        size_t left = offset < f->node->now.n ? f->node->now.n - (size_t)offset : 0;
        size_t got = MIN(left, n);
        if (got)
            memcpy(p, f->node->now.v + offset, got);
        s->stats.bytes_read += got;
        *ret_n = got;
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_write(struct disk *d, struct disk_file *f, uint64_t offset, const void *p, size_t n)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    bool was_off = s->off;
    int err = begin_change(s);
    if (is_dead(s, f) || was_off)
        err = -ERR_IO;
    else if (!f->writable)
        err = -ERR_DENIED;
    else if (err) {
        disk_sim_node_put(f->node, offset, p, (size_t)rand_below(&s->rand, n + 1));
    } else {
        uint64_t room = room_for(s, f->node);
        size_t fits = offset >= room ? 0 : (size_t)MIN((uint64_t)n, room - offset);
        if (fits < n)
            err = -ERR_FULL;
        disk_sim_node_put(f->node, offset, p, fits);
        s->stats.writes++;
        s->stats.bytes_written += fits;
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_sync(struct disk *d, struct disk_file *f)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    bool was_off = s->off;
    int err = begin_change(s);
    if (!err)
        err = fire(&s->sync);
    s->stats.syncs++;
    if (is_dead(s, f)) {
        err = -ERR_IO;
    } else if (!err) {
        disk_sim_node_settle_file(f->node);
        disk_sim_node_forget_dirt(f->node);
    } else if (!was_off && !s->off) {
        disk_sim_node_forget_dirt(
            f->node); /* the kernel marks the pages clean: they are never written */
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_truncate(struct disk *d, struct disk_file *f, uint64_t size)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_change(s);
    if (!err && is_dead(s, f))
        err = -ERR_IO;
    if (!err) {
        f->node->reserved = 0;
        disk_sim_node_resize(f->node, (size_t)size);
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_allocate(struct disk *d, struct disk_file *f, uint64_t size)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_change(s);
    if (!err && is_dead(s, f))
        err = -ERR_IO;
    if (!err && size > room_for(s, f->node))
        err = -ERR_FULL;
    if (!err && size > f->node->now.n)
        disk_sim_node_resize(f->node, (size_t)size);
    if (!err)
        f->node->reserved = MAX(f->node->reserved, size);
    thread_unlock(&s->lock);
    return err;
}

static int sim_size(struct disk *d, struct disk_file *f, uint64_t *ret)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_look(s);
    if (!err && is_dead(s, f))
        err = -ERR_IO;
    if (!err)
        *ret = f->node->now.n;
    thread_unlock(&s->lock);
    return err;
}

/* Between two directories a rename is one transaction of the file system's journal: both are
 * settled at once, which is one of the legal outcomes. */
static void move_between(struct node *from, struct str name, struct node *to, struct str set,
                         struct node *node)
{
    disk_sim_node_change(to, (struct str){0}, set, node);
    disk_sim_node_change(from, name, (struct str){0}, NULL);
    disk_sim_node_settle_dir(to, to->changes.n);
    disk_sim_node_settle_dir(from, from->changes.n);
}

static int sim_rename(struct disk *d, const char *from, const char *to)
{
    struct sim *s = sim_of(d);
    struct str from_name, to_name;
    thread_lock(&s->lock);
    int err = begin_change(s);
    struct node *node = err ? NULL : disk_sim_node_look_up(s, from);
    struct node *source = node ? disk_sim_node_walk(s, from, &from_name) : NULL;
    struct node *target = node ? disk_sim_node_walk(s, to, &to_name) : NULL;
    if (!err && (!node || !source || !target))
        err = -ERR_NOENT;
    struct node *old = err ? NULL : disk_sim_node_look_up(s, to);
    if (old && old->is_dir && (!node->is_dir || old->names.n))
        err = -ERR_EXISTS;
    if (!err && old != node) {
        if (source == target)
            disk_sim_node_change(source, from_name, to_name, node);
        else
            move_between(source, from_name, target, to_name, node);
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_remove(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    struct str name;
    thread_lock(&s->lock);
    int err = begin_change(s);
    struct node *node = err ? NULL : disk_sim_node_look_up(s, path);
    if (!err && !node)
        err = -ERR_NOENT;
    if (!err && node->is_dir && node->names.n)
        err = -ERR_EXISTS;
    if (!err)
        disk_sim_node_change(disk_sim_node_walk(s, path, &name),
                             str_c(strrchr(path, '/') ? strrchr(path, '/') + 1 : path),
                             (struct str){0}, NULL);
    thread_unlock(&s->lock);
    return err;
}

static int sim_link(struct disk *d, const char *from, const char *to)
{
    struct sim *s = sim_of(d);
    struct str name;
    thread_lock(&s->lock);
    int err = begin_change(s);
    struct node *node = err ? NULL : disk_sim_node_look_up(s, from);
    struct node *dir = err ? NULL : disk_sim_node_walk(s, to, &name);
    if (!err && (!node || !dir))
        err = -ERR_NOENT;
    if (!err && node->is_dir)
        err = -ERR_DENIED;
    if (!err && disk_sim_node_find(&dir->names, name))
        err = -ERR_EXISTS;
    if (!err)
        disk_sim_node_change(dir, (struct str){0}, name, node);
    thread_unlock(&s->lock);
    return err;
}

static int sim_make_dir(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    struct str name;
    thread_lock(&s->lock);
    int err = begin_change(s);
    struct node *dir = err ? NULL : disk_sim_node_walk(s, path, &name);
    if (!err && !dir)
        err = -ERR_NOENT;
    if (!err && !disk_sim_node_find(&dir->names, name))
        disk_sim_node_change(dir, (struct str){0}, name, disk_sim_node_new(s, true));
    thread_unlock(&s->lock);
    return err;
}

static int sim_sync_dir(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_change(s);
    if (!err)
        err = fire(&s->sync);
    struct node *dir = err ? NULL : disk_sim_node_look_up(s, path);
    if (!err && (!dir || !dir->is_dir))
        err = -ERR_NOENT;
    if (!err) {
        disk_sim_node_settle_dir(dir, dir->changes.n);
        if (++s->stats.dir_syncs % GC_EVERY == 0)
            disk_sim_node_collect(s);
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_list(struct disk *d, const char *path,
                    int (*f)(void *context, const struct disk_entry *), void *context)
{
    struct sim *s = sim_of(d);
    struct entries copy = {0};
    thread_lock(&s->lock);
    int err = begin_look(s);
    struct node *dir = err ? NULL : disk_sim_node_look_up(s, path);
    if (!err && (!dir || !dir->is_dir))
        err = -ERR_NOENT;
    if (!err)
        disk_sim_node_copy_names(&copy, &dir->names);
    thread_unlock(&s->lock);

    for (size_t i = 0; !err && i < copy.n; i++) {
        struct disk_entry out = {copy.v[i].name, copy.v[i].node->is_dir};
        err = f(context, &out);
    }
    disk_sim_node_free_names(&copy);
    return err;
}

static int sim_space(struct disk *d, uint64_t *ret_free, uint64_t *ret_total)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    int err = begin_look(s);
    if (!err) {
        uint64_t total = s->capacity ? s->capacity : (uint64_t)1 << 40;
        uint64_t taken = used(s);
        *ret_total = total;
        *ret_free = total > taken ? total - taken : 0;
    }
    thread_unlock(&s->lock);
    return err;
}

static int sim_lock(struct disk *d, const char *path)
{
    struct sim *s = sim_of(d);
    struct str name;
    thread_lock(&s->lock);
    int err = begin_change(s);
    struct node *dir = err ? NULL : disk_sim_node_walk(s, path, &name);
    if (!err && !dir)
        err = -ERR_NOENT;
    if (!err && disk_sim_node_find(&s->locks, str_c(path)))
        err = -ERR_BUSY;
    if (!err && !disk_sim_node_find(&dir->names, name))
        disk_sim_node_change(dir, (struct str){0}, name, disk_sim_node_new(s, false));
    if (!err)
        disk_sim_node_set(&s->locks, path, NULL);
    thread_unlock(&s->lock);
    return err;
}

static void sim_free(struct disk *d)
{
    struct sim *s = sim_of(d);
    while (s->nodes) {
        struct node *node = s->nodes;
        s->nodes = node->next;
        disk_sim_node_free(node);
    }
    disk_sim_node_free_names(&s->locks);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static const struct disk_ops SIM_OPS = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .allocate = sim_allocate,
    .size = sim_size,
    .rename = sim_rename,
    .remove = sim_remove,
    .link = sim_link,
    .make_dir = sim_make_dir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .space = sim_space,
    .lock = sim_lock,
    .free = sim_free,
};

/* ---- what tests ask for */
struct disk *disk_sim_new(uint64_t seed, uint64_t capacity_bytes)
{
    struct sim *s = mem_new(sizeof *s);
    s->disk.ops = &SIM_OPS;
    s->capacity = capacity_bytes;
    thread_lock_init(&s->lock);
    rand_init(&s->rand, seed);
    s->root = disk_sim_node_new(s, true);
    return &s->disk;
}

void disk_sim_power_off(struct disk *d)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    s->off = true;
    thread_unlock(&s->lock);
}

void disk_sim_power_on(struct disk *d, enum disk_sim_crash how)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    if (how != DISK_SIM_KEEP) {
        for (struct node *node = s->nodes; node; node = node->next) {
            if (node->is_dir)
                crash_dir(s, node, how);
            else
                crash_file(s, node, how);
        }
        count_links(s);
        disk_sim_node_collect(s);
        count_links(s); /* without the names that only unreachable directories gave */
    }
    disk_sim_node_free_names(&s->locks);
    s->boot++;
    s->off = false;
    s->off_in = 0;
    s->any = s->sync = (struct fault){0};
    thread_unlock(&s->lock);
}

void disk_sim_crash(struct disk *d, enum disk_sim_crash how)
{
    disk_sim_power_off(d);
    disk_sim_power_on(d, how);
}

void disk_sim_power_off_at(struct disk *d, uint64_t n)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    s->off_in = n;
    thread_unlock(&s->lock);
}

bool disk_sim_is_off(struct disk *d)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    bool off = s->off;
    thread_unlock(&s->lock);
    return off;
}

void disk_sim_set_capacity(struct disk *d, uint64_t capacity_bytes)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    s->capacity = capacity_bytes;
    thread_unlock(&s->lock);
}

static void set_fault(struct disk *d, struct fault *f, uint64_t n, enum err code, bool lasting)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    *f = (struct fault){.in = n, .code = code, .lasting = lasting};
    thread_unlock(&s->lock);
}

void disk_sim_fail_at(struct disk *d, uint64_t n, enum err code, bool lasting)
{
    set_fault(d, &sim_of(d)->any, n, code, lasting);
}

void disk_sim_fail_sync_at(struct disk *d, uint64_t n, enum err code, bool lasting)
{
    set_fault(d, &sim_of(d)->sync, n, code, lasting);
}

void disk_sim_heal(struct disk *d)
{
    set_fault(d, &sim_of(d)->any, 0, ERR_NONE, false);
    set_fault(d, &sim_of(d)->sync, 0, ERR_NONE, false);
}

bool disk_sim_flip(struct disk *d, const char *path, uint64_t bit)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    struct node *node = disk_sim_node_look_up(s, path);
    bool there = node && !node->is_dir && bit / 8 < node->now.n;
    if (there) {
        node->now.v[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 < node->safe.n)
            node->safe.v[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    thread_unlock(&s->lock);
    return there;
}

struct disk_sim_stats disk_sim_stats(struct disk *d)
{
    struct sim *s = sim_of(d);
    thread_lock(&s->lock);
    struct disk_sim_stats stats = s->stats;
    thread_unlock(&s->lock);
    return stats;
}
