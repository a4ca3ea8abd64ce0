#include "custom/custom_tail.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/file.h"
#include "os/tail_file.h"
#include "text/json.h"
#include "text/json_tree.h"

enum {
    HEAD_BYTES = 256, /* that tell a file from another one with its inode */
    PIECE = 256 * 1024,
    PLACES_BYTES_MAX = 4 << 20,
    PATH_BYTES = 256,
};

/* A file that is followed. */
struct place {
    char *path;            /* owned */
    struct tail_file file; /* as it was opened: fd -1 while it is not */
    uint64_t offset;       /* of the first byte that was not given */
    uint64_t head;         /* hash of its first head_n bytes */
    size_t head_n;
    bool seen, skipping; /* named by the pattern now; within a line that is too long */
};

struct custom_tail {
    struct custom_tail_plan plan;
    struct {
        struct place **v; /* owned */
        size_t n, capacity;
    } places;
    char *piece; /* [PIECE + line_max] */
    bool first, moved;
    uint64_t long_lines;
    char file[PATH_BYTES];
};

/* ---- remembering */

static void save(struct custom_tail *t)
{
    struct json_writer w;
    struct buf b;
    buf_init(&b, PLACES_BYTES_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("pattern"));
    json_text(&w, str_c(t->plan.pattern));
    json_key(&w, STR("files"));
    json_begin_array(&w);
    for (size_t i = 0; i < t->places.n; i++) {
        const struct place *p = t->places.v[i];
        char head[32];
        snprintf(head, sizeof head, "%016llx", (unsigned long long)p->head);
        json_begin_object(&w);
        json_key(&w, STR("path"));
        json_text(&w, str_c(p->path));
        json_key(&w, STR("inode"));
        json_u64(&w, p->file.inode);
        json_key(&w, STR("offset"));
        json_u64(&w, p->offset);
        json_key(&w, STR("head_bytes"));
        json_u64(&w, p->head_n);
        json_key(&w, STR("head"));
        json_text(&w, str_c(head));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    int err = buf_failed(&b) ? -ERR_LIMIT : disk_make_dir(t->plan.disk, "custom");
    if (err == 0 || err == -ERR_EXISTS)
        err = disk_replace(t->plan.disk, t->file, b.p, b.n);
    if (err != 0)
        log_warn("custom", "places in log files cannot be written to DATA/%s: %s", t->file,
                 err_text(err));
    t->moved = err != 0;
    buf_done(&b);
}

static struct place *add(struct custom_tail *t, struct str path)
{
    struct place *p = mem_new(sizeof *p);
    p->path = mem_text(path.p, path.n);
    p->file.fd = -1;
    vec_push(&t->places, p);
    return p;
}

static uint64_t hex_of(struct str text)
{
    uint64_t v = 0;
    for (size_t i = 0; i < text.n && str_hex(text.p[i]) >= 0; i++)
        v = v << 4 | (unsigned)str_hex(text.p[i]);
    return v;
}

static void load(struct custom_tail *t)
{
    const struct json_tree *root;
    struct arena a;
    void *bytes;
    size_t n;
    int err = disk_slurp(t->plan.disk, t->file, PLACES_BYTES_MAX, &bytes, &n);
    if (err != 0)
        return; /* it is the first time, or the files are begun anew */
    arena_init(&a);
    if (json_tree_parse(str_of(bytes, n), &a, &root, NULL) == 0) {
        const struct json_tree *files = json_tree_get(root, "files");
        /* With another pattern they are other files. */
        t->first = !str_eq(json_tree_text(root, "pattern"), str_c(t->plan.pattern));
        for (size_t i = 0; !t->first && i < json_tree_n(files) && i < t->plan.files_max; i++) {
            const struct json_tree *node = &files->children[i];
            struct place *p = add(t, json_tree_text(node, "path"));
            p->file.inode = (uint64_t)json_tree_whole(node, "inode");
            p->offset = (uint64_t)MAX(json_tree_whole(node, "offset"), (int64_t)0);
            p->head_n = (size_t)json_tree_whole(node, "head_bytes");
            p->head = hex_of(json_tree_text(node, "head"));
        }
    } else {
        log_warn("custom", "DATA/%s is damaged: its log files are begun anew", t->file);
    }
    arena_done(&a);
    mem_free(bytes);
}

struct custom_tail *custom_tail_new(const struct custom_tail_plan *plan)
{
    struct custom_tail *t = mem_new(sizeof *t);
    t->plan = *plan;
    t->first = true;
    t->piece = mem_raw(PIECE + plan->line_max);
    snprintf(t->file, sizeof t->file, "custom/log-%s.json", plan->name);
    for (char *c = t->file; *c != '\0'; c++)
        *c = *c == ':' ? '-' : *c; /* of a metric's name */
    if (plan->disk != NULL)
        load(t);
    return t;
}

static void drop(struct custom_tail *t, size_t i)
{
    struct place *p = t->places.v[i];
    tail_file_close(&p->file);
    mem_free(p->path);
    mem_free(p);
    t->places.v[i] = t->places.v[--t->places.n];
}

void custom_tail_free(struct custom_tail *t)
{
    if (t == NULL)
        return;
    if (t->moved && t->plan.disk != NULL)
        save(t);
    while (t->places.n > 0)
        drop(t, 0);
    vec_free(&t->places);
    mem_free(t->piece);
    mem_free(t);
}

/* ---- reading */

struct reading {
    struct custom_tail *tail;
    void (*line)(void *context, struct str line);
    void *context;
    int64_t until_ns;
    bool over; /* the time */
    int err;
    struct why *why;
};

static void fail(struct reading *r, const struct place *p, int err)
{
    if (r->err == 0)
        r->err = why_set(r->why, (enum err) - err, "%s: %s", p->path, err_text(err));
}

/* Gives the lines of bytes; how many bytes they are. */
static size_t give(struct reading *r, struct place *p, struct str bytes)
{
    size_t at = 0;
    while (at < bytes.n) {
        struct str rest = str_sub(bytes, at, bytes.n);
        size_t end = str_find(rest, '\n');
        bool is_long = end > r->tail->plan.line_max;
        if (end == rest.n && !is_long)
            break;
        if (is_long && !p->skipping)
            r->tail->long_lines++;
        if (end == rest.n) {
            p->skipping = true;
            return bytes.n;
        }
        if (!is_long && !p->skipping) {
            size_t n = end > 0 && rest.p[end - 1] == '\r' ? end - 1 : end;
            r->line(r->context, str_sub(rest, 0, n));
        }
        p->skipping = false;
        at += end + 1;
    }
    return at;
}

/* What is there behind the offset. */
static void read_rest(struct reading *r, struct place *p)
{
    struct custom_tail *t = r->tail;
    for (;;) {
        size_t got;
        int err = tail_file_read(&p->file, p->offset, t->piece, PIECE + t->plan.line_max, &got);
        if (err != 0)
            fail(r, p, err);
        size_t taken = err == 0 ? give(r, p, str_of(t->piece, got)) : 0;
        p->offset += taken;
        t->moved = t->moved || taken > 0;
        if (taken == 0)
            return;
        r->over = clock_monotonic_ns(t->plan.clock) > r->until_ns;
        if (r->over)
            return;
    }
}

static uint64_t head_of(struct tail_file *f, size_t want, size_t *ret_n)
{
    char head[HEAD_BYTES];
    size_t n = 0;
    if (tail_file_read(f, 0, head, MIN(want, sizeof head), &n) != 0)
        n = 0;
    *ret_n = n;
    return hash_xxh3(head, n, 1);
}

/* Is the open file what was read up to the offset? */
static bool is_same(struct place *p, const struct tail_file *f)
{
    struct tail_file file = *f;
    size_t n;
    uint64_t size;
    return file.inode == p->file.inode && tail_file_size(&file, &size) == 0 && size >= p->offset &&
           head_of(&file, p->head_n, &n) == p->head && n == p->head_n;
}

static void note_head(struct place *p)
{
    if (p->head_n < HEAD_BYTES)
        p->head = head_of(&p->file, HEAD_BYTES, &p->head_n);
}

static void begin(struct custom_tail *t, struct place *p, const struct tail_file *f, uint64_t at)
{
    tail_file_close(&p->file);
    p->file = *f;
    p->offset = at;
    p->skipping = false;
    p->head_n = 0;
    t->moved = true;
}

/* Where the file of a new path was followed under another one, it goes on from there, and the other
 * path has no file any more: rotation within the pattern. */
static bool adopt(struct custom_tail *t, struct place *p, const struct tail_file *now)
{
    for (size_t i = 0; i < t->places.n; i++) {
        struct place *old = t->places.v[i];
        if (old == p || old->file.inode == 0 || !is_same(old, now))
            continue;
        p->offset = old->offset;
        p->head = old->head;
        p->head_n = old->head_n;
        p->skipping = old->skipping;
        p->file = *now;
        tail_file_close(&old->file);
        old->file.inode = 0;
        t->moved = true;
        return true;
    }
    return false;
}

/* The file of that path: the same as before, grown, or another one. */
static void read_path(struct reading *r, struct place *p, bool fresh)
{
    struct custom_tail *t = r->tail;
    struct tail_file now;
    uint64_t size = 0;
    int err = tail_file_open(p->path, &now);
    if (err != 0) {
        if (p->file.fd >= 0)
            read_rest(r, p);
        fail(r, p, err);
        return;
    }
    if (fresh && adopt(t, p, &now)) {
        /* it goes on */
    } else if (fresh) {
        bool from_end = t->first && !t->plan.from_beginning;
        if (from_end && tail_file_size(&now, &size) != 0)
            size = 0;
        begin(t, p, &now, size);
    } else if (is_same(p, &now)) {
        tail_file_close(&p->file);
        p->file = now;
    } else {
        if (p->file.fd >= 0 && p->file.inode != now.inode)
            read_rest(r, p); /* what came before it was moved away */
        begin(t, p, &now, 0);
    }
    read_rest(r, p);
    note_head(p);
}

static struct place *find(struct custom_tail *t, struct str path, bool *fresh)
{
    *fresh = false;
    for (size_t i = 0; i < t->places.n; i++)
        if (str_eq(str_c(t->places.v[i]->path), path))
            return t->places.v[i];
    *fresh = true;
    return add(t, path);
}

/* Files that the pattern does not name any more: their rest, and then nothing. */
static void end_unseen(struct reading *r)
{
    struct custom_tail *t = r->tail;
    for (size_t i = t->places.n; i-- > 0;) {
        struct place *p = t->places.v[i];
        if (p->seen)
            continue;
        if (p->file.fd >= 0)
            read_rest(r, p);
        drop(t, i);
        t->moved = true;
    }
}

int custom_tail_read(struct custom_tail *t, void (*line)(void *context, struct str line),
                     void *context, int64_t timeout_ms, struct why *why)
{
    struct reading r = {.tail = t,
                        .line = line,
                        .context = context,
                        .until_ns =
                            clock_monotonic_ns(t->plan.clock) + timeout_ms * INT64_C(1000000),
                        .why = why};
    struct arena a;
    struct str *paths;
    size_t n = 0;
    arena_init(&a);
    r.err = file_glob(t->plan.pattern, &a, &paths, &n, why);
    if (r.err == 0 && n == 0)
        r.err = why_set(why, ERR_NOENT, "there is no file %s", t->plan.pattern);
    if (n > t->plan.files_max) {
        r.err = why_set(why, ERR_LIMIT, "%s names more than files_max = %zu files", t->plan.pattern,
                        t->plan.files_max);
        n = t->plan.files_max;
    }
    for (size_t i = 0; i < t->places.n; i++)
        t->places.v[i]->seen = false;
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        struct place *p = find(t, paths[i], &fresh);
        p->seen = true;
        if (!r.over || fresh)
            read_path(&r, p, fresh);
    }
    end_unseen(&r);
    t->first = false;
    if (t->moved && t->plan.disk != NULL)
        save(t);
    arena_done(&a);
    return r.err;
}

uint64_t custom_tail_long(const struct custom_tail *t)
{
    return t->long_lines;
}
