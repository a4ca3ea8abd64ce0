#include "tool/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "store/disk/page.h"
#include "tool/backup_index.h"

enum {
    PATH_BYTES = 800,
    COPY_BYTES = 1 << 20,
    META_MAX = 1 << 16,
    NAMES_MAX = 1000, /* backups of one second */
};

struct names {
    char **v; /* owned */
    size_t n, capacity;
};

struct making {
    const struct backup_job *job;
    struct backup_result *result;
    struct backup_index index;
    uint8_t *room;         /* [COPY_BYTES] */
    char root[PATH_BYTES]; /* "backups/NAME.tmp" */
    struct why *why;
};

/* ---- names */

static int take_name(void *context, const struct disk_entry *e)
{
    struct names *names = context;
    if (!str_ends(str_c(e->name), STR(".tmp")))
        vec_push(names, mem_text(e->name, strlen(e->name)));
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->v[i]);
    vec_free(names);
}

/* Sorted; a missing directory is empty. */
static int list(struct disk *d, const char *dir, struct names *ret)
{
    int err = disk_list(d, dir, take_name, ret);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    return err == -ERR_NOENT ? 0 : err;
}

/* ---- copying one file */

/* Copies and syncs; *ret has size and checksum. */
static int copy(struct disk *from, const char *a, struct disk *to, const char *b, uint8_t *room,
                struct backup_file *ret)
{
    struct disk_file *in = NULL, *out = NULL;
    size_t n = COPY_BYTES;
    *ret = (struct backup_file){0};
    int err = disk_open(from, a, DISK_READ, &in);
    if (!err)
        err = disk_open(to, b, DISK_WRITE | DISK_CREATE, &out);
    while (!err && n == COPY_BYTES) {
        err = disk_read(from, in, ret->bytes, room, COPY_BYTES, &n);
        if (!err && n)
            err = disk_write(to, out, ret->bytes, room, n);
        if (!err) {
            ret->crc = hash_crc32c(ret->crc, room, n);
            ret->bytes += n;
        }
    }
    if (!err)
        err = disk_sync(to, out);
    disk_close(from, in);
    disk_close(to, out);
    return err;
}

static bool kind_of(struct str name, enum page_kind *ret)
{
    if (str_eq(name, STR("data")))
        *ret = PAGE_KIND_DATA;
    else if (str_eq(name, STR("ts")))
        *ret = PAGE_KIND_TIMES;
    else if (str_eq(name, STR("idx")))
        *ret = PAGE_KIND_INDEX;
    else if (str_starts(name, STR("catalogue-")))
        *ret = PAGE_KIND_CATALOGUE;
    else
        return false;
    return true;
}

/* Reads the copy back and checks its pages. */
static int check_copy(struct making *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct page_file *file;
    enum page_kind kind;
    struct why why = {0};
    if (!kind_of(str_c(slash + 1), &kind))
        return 0;
    int err = page_file_open(m->job->to, path, kind, m->job->ring, NULL, &file, &why);
    if (err == -ERR_KEY) {
        m->result->unchecked++;
        return 0;
    }
    if (!err) {
        err = page_verify(file, NULL, NULL, &why);
        page_file_close(file);
    }
    if (err != -ERR_CORRUPT)
        return err;
    m->result->problems++;
    if (m->job->say)
        m->job->say(m->job->context, why.text);
    return 0;
}

static int copy_and_check(struct making *m, const char *from, const char *to,
                          struct backup_file *ret)
{
    int err = copy(m->job->from, from, m->job->to, to, m->room, ret);
    if (!err)
        err = check_copy(m, to);
    if (err)
        return why_set(m->why, (enum err) - err, "cannot copy %s: %s", from, err_text(err));
    m->result->bytes_copied += ret->bytes;
    return 0;
}

/* ---- parts */

/* What a part is called in parts/: its meta and the random ids of its files tell it from all
 * others. */
static int key_of(struct making *m, const char *dir, const char *tenant, const char *part,
                  char ret[BACKUP_KEY_MAX])
{
    static const char *const FILES[] = {"meta", "idx", "ts", "data"};
    uint32_t crc = 0;
    int err = 0;
    for (size_t i = 0; i < COUNTOF(FILES) && !err; i++) {
        char path[PATH_BYTES];
        struct disk_file *file = NULL;
        size_t n = 0;
        err = disk_join(path, sizeof path, dir, FILES[i]);
        if (!err)
            err = disk_open(m->job->from, path, DISK_READ, &file);
        /* Of page files what a rotation of keys leaves alone. */
        if (!err)
            err = disk_read(m->job->from, file, 0, m->room, i ? 40 : META_MAX, &n);
        disk_close(m->job->from, file);
        crc = hash_crc32c(crc, m->room, n);
    }
    if (!err && snprintf(ret, BACKUP_KEY_MAX, "%s-%s-%08x", tenant, part, crc) >= BACKUP_KEY_MAX)
        err = -ERR_LIMIT;
    return err;
}

/* Copies the part's files to parts/KEY.tmp with their sums, then renames. */
static int copy_part(struct making *m, const char *dir, const char *to, struct backup_index *sums)
{
    struct disk *d = m->job->to;
    char temporary[PATH_BYTES], from[PATH_BYTES], copied[PATH_BYTES];
    struct names files = {0};
    snprintf(temporary, sizeof temporary, "%.700s.tmp", to);
    int err = disk_remove_tree(d, temporary);
    err = err == -ERR_NOENT ? 0 : err;
    if (!err)
        err = disk_make_dir(d, temporary);
    if (!err)
        err = list(m->job->from, dir, &files);
    for (size_t i = 0; i < files.n && !err; i++) {
        struct backup_file file;
        err = disk_join(from, sizeof from, dir, files.v[i]);
        if (!err)
            err = disk_join(copied, sizeof copied, temporary, files.v[i]);
        if (!err)
            err = copy_and_check(m, from, copied, &file);
        if (!err)
            backup_index_put(sums, &file, "", files.v[i]);
    }
    free_names(&files);
    if (!err)
        err = backup_index_write(sums, d, temporary, "sums");
    if (!err)
        err = disk_remove_tree(d, to); /* without sums it is in no backup */
    err = err == -ERR_NOENT ? 0 : err;
    if (!err)
        err = disk_rename(d, temporary, to);
    if (!err)
        err = disk_sync_dir(d, "parts");
    m->result->parts_copied += !err;
    return err;
}

struct entering {
    struct making *m;
    const char *key, *part; /* "tenants/NNNN/part-N" */
};

static void enter_file(void *context, const struct backup_file *f)
{
    struct entering *e = context;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%.*s", e->part, STR_ARG(f->path));
    backup_index_put(&e->m->index, f, e->key, path);
}

static int take_part(struct making *m, const char *dir, const char *tenant, const char *part)
{
    char key[BACKUP_KEY_MAX], to[PATH_BYTES], path[PATH_BYTES];
    struct backup_index sums;
    int err = key_of(m, dir, tenant, part, key);
    if (err == -ERR_NOENT)
        return 0; /* lost in the store itself, which told of it */
    if (err)
        return err;
    snprintf(to, sizeof to, "parts/%s", key);
    snprintf(path, sizeof path, "tenants/%s/%s", tenant, part);
    backup_index_init(&sums);
    m->result->parts++;
    err = m->job->full ? -ERR_CORRUPT : backup_index_read(&sums, m->job->to, to, "sums", NULL);
    if (err == -ERR_CORRUPT) {
        /* Beside the one that is there, which other backups need. */
        size_t n = strlen(key);
        snprintf(key + n, sizeof key - n, "-%s", m->result->name);
        snprintf(to, sizeof to, "parts/%s", key);
        err = -ERR_NOENT;
    }
    if (err == -ERR_NOENT)
        err = copy_part(m, dir, to, &sums);
    if (!err) {
        struct entering e = {m, key, path};
        err = backup_index_each(&sums, enter_file, &e);
    }
    backup_index_done(&sums);
    return err;
}

/* ---- a whole backup */

static int take_file(struct making *m, const char *from, const char *path)
{
    char to[PATH_BYTES];
    struct backup_file file;
    int err = disk_join(to, sizeof to, m->root, path);
    if (!err)
        err = copy_and_check(m, from, to, &file);
    if (!err)
        backup_index_put(&m->index, &file, "", path);
    return err;
}

static int take_tenant(struct making *m, const char *number)
{
    char dir[PATH_BYTES], to[PATH_BYTES], from[PATH_BYTES], path[PATH_BYTES];
    struct names names = {0};
    snprintf(dir, sizeof dir, "%.500s/tenants/%.60s", m->job->snapshot, number);
    snprintf(to, sizeof to, "%.500s/tenants/%.60s", m->root, number);
    int err = disk_make_dir(m->job->to, to);
    if (!err)
        err = list(m->job->from, dir, &names);
    for (size_t i = 0; i < names.n && !err; i++) {
        const char *name = names.v[i];
        err = disk_join(from, sizeof from, dir, name);
        snprintf(path, sizeof path, "tenants/%.60s/%.255s", number, name);
        if (err)
            break;
        if (str_starts(str_c(name), STR("part-")))
            err = take_part(m, from, number, name);
        else
            err = take_file(m, from, path);
    }
    free_names(&names);
    return err ? err : disk_sync_dir(m->job->to, to);
}

/* What people and the daemon decided; snapshots of programs before it have none. */
static int take_state(struct making *m)
{
    char from[PATH_BYTES];
    struct disk_file *f;
    int err = disk_join(from, sizeof from, m->job->snapshot, "state.db");
    if (!err)
        err = disk_open(m->job->from, from, DISK_READ, &f);
    if (err)
        return err == -ERR_NOENT ? 0 : err;
    disk_close(m->job->from, f);
    return take_file(m, from, "state.db");
}

/* One folder of it, as far as it is written now: a block that is torn at the end of a segment is
 * known as such, and a segment may go at any time since the spool is full. */
static int take_spool_folder(struct making *m, const char *folder)
{
    char path[PATH_BYTES];
    struct names names = {0};
    int err = list(m->job->from, folder, &names);
    if (!err && names.n > 0)
        err = disk_join(path, sizeof path, m->root, folder);
    if (!err && names.n > 0)
        err = disk_make_dir(m->job->to, path);
    for (size_t i = 0; i < names.n && !err; i++) {
        struct disk_file *f;
        bool whole = str_ends(str_c(names.v[i]), STR(".log")) ||
                     str_ends(str_c(names.v[i]), STR(".cursor"));
        err = disk_join(path, sizeof path, folder, names.v[i]);
        if (err || !whole || disk_open(m->job->from, path, DISK_READ, &f) != 0)
            continue;
        disk_close(m->job->from, f);
        err = take_file(m, path, path);
    }
    free_names(&names);
    return err;
}

/* Spans, logs and errors of applications, which no snapshot has. */
static int take_spool(struct making *m)
{
    static const char *const FOLDERS[] = {"spool", "spool/spans", "spool/logs", "spool/errors"};
    int err = 0;
    for (size_t i = 0; i < COUNTOF(FOLDERS) && !err; i++)
        err = take_spool_folder(m, FOLDERS[i]);
    return err;
}

static int take_all(struct making *m)
{
    char dir[PATH_BYTES], to[PATH_BYTES], path[PATH_BYTES];
    struct names names = {0};
    int err = disk_join(dir, sizeof dir, m->job->snapshot, "tenants");
    if (!err)
        err = disk_join(to, sizeof to, m->root, "tenants");
    if (!err)
        err = disk_make_dir(m->job->to, m->root);
    if (!err)
        err = disk_make_dir(m->job->to, to);
    if (!err)
        err = list(m->job->from, dir, &names);
    for (size_t i = 0; i < names.n && !err; i++) {
        if (strcmp(names.v[i], "list") != 0) {
            err = take_tenant(m, names.v[i]);
            continue;
        }
        err = disk_join(path, sizeof path, dir, "list");
        if (!err)
            err = take_file(m, path, "tenants/list");
    }
    free_names(&names);
    if (!err)
        err = take_state(m);
    if (!err)
        err = take_spool(m);
    if (!err)
        err = disk_sync_dir(m->job->to, to);
    if (!err)
        err = backup_index_write(&m->index, m->job->to, m->root, "index");
    return err;
}

/* The snapshot's name, and a number where the directory has it already. */
static int choose_name(struct making *m)
{
    const char *slash = strrchr(m->job->snapshot, '/');
    struct names names = {0};
    bool taken = true;
    int err = list(m->job->to, "backups", &names);
    for (int i = 0; i < NAMES_MAX && taken && !err; i++) {
        const char *base = slash ? slash + 1 : m->job->snapshot;
        snprintf(m->result->name, sizeof m->result->name, i ? "%.100s-%d" : "%.100s", base, i);
        taken = false;
        for (size_t k = 0; k < names.n; k++)
            taken |= strcmp(names.v[k], m->result->name) == 0;
    }
    free_names(&names);
    return err ? err : taken ? -ERR_EXISTS : 0;
}

static int make(struct making *m)
{
    struct disk *d = m->job->to;
    char path[PATH_BYTES];
    int err = disk_make_dir(d, "parts");
    if (!err)
        err = disk_make_dir(d, "backups");
    if (!err)
        err = disk_sync_dir(d, ".");
    if (!err)
        err = choose_name(m);
    if (err)
        return err;
    snprintf(m->root, sizeof m->root, "backups/%s.tmp", m->result->name);
    snprintf(path, sizeof path, "backups/%s", m->result->name);
    err = disk_remove_tree(d, m->root);
    err = err == -ERR_NOENT ? 0 : err;
    if (!err)
        err = take_all(m);
    if (!err)
        err = disk_rename(d, m->root, path);
    return err ? err : disk_sync_dir(d, "backups");
}

int backup_make(const struct backup_job *job, struct backup_result *ret, struct why *why)
{
    struct why own = {0};
    struct making m = {
        .job = job, .result = ret, .room = mem_raw(COPY_BYTES), .why = why ? why : &own};
    *ret = (struct backup_result){0};
    m.why->text[0] = 0;
    backup_index_init(&m.index);
    int err = make(&m);
    backup_index_done(&m.index);
    mem_free(m.room);
    if (err && !m.why->text[0])
        why_set(m.why, (enum err) - err, "the backup cannot be written: %s", err_text(err));
    return err;
}

/* ---- what there is */

struct counting {
    struct backup_info info;
    struct map parts;
};

static void count_file(void *context, const struct backup_file *f)
{
    struct counting *c = context;
    bool is_new;
    c->info.files++;
    c->info.bytes += f->bytes;
    if (f->key.n == 0)
        return;
    map_put(&c->parts, f->key, &is_new)->u = 1;
    c->info.parts += is_new;
}

/* Calls f for each backup with its index (NULL: it is damaged). */
static int each_backup(struct disk *d,
                       int (*f)(void *context, const char *name, const struct backup_index *index),
                       void *context)
{
    struct names names = {0};
    int err = list(d, "backups", &names);
    for (size_t i = 0; i < names.n && !err; i++) {
        char path[PATH_BYTES];
        struct backup_index index;
        backup_index_init(&index);
        err = disk_join(path, sizeof path, "backups", names.v[i]);
        if (!err)
            err = backup_index_read(&index, d, path, "index", NULL);
        if (!err)
            err = f(context, names.v[i], &index);
        else if (err == -ERR_CORRUPT || err == -ERR_NOENT)
            err = f(context, names.v[i], NULL);
        backup_index_done(&index);
    }
    free_names(&names);
    return err;
}

struct listing {
    void (*f)(void *context, const struct backup_info *);
    void *context;
};

static int list_one(void *context, const char *name, const struct backup_index *index)
{
    struct listing *l = context;
    struct counting c = {.info = {.name = name, .sound = index != NULL}};
    map_init(&c.parts, 0);
    int err = index ? backup_index_each(index, count_file, &c) : 0;
    l->f(l->context, &c.info);
    map_done(&c.parts);
    return err;
}

int backup_list(struct disk *d, void (*f)(void *context, const struct backup_info *), void *context,
                struct why *why)
{
    struct listing l = {f, context};
    int err = each_backup(d, list_one, &l);
    return err ? why_set(why, (enum err) - err, "cannot read the backups: %s", err_text(err)) : 0;
}

static int collect_keys(void *context, const char *name, const struct backup_index *index)
{
    (void)name;
    return index ? backup_index_each(index, count_file, context) : -ERR_CORRUPT;
}

static int remove_unneeded(struct disk *d, struct map *needed)
{
    struct names names = {0};
    int err = list(d, "parts", &names);
    for (size_t i = 0; i < names.n && !err; i++) {
        char path[PATH_BYTES];
        if (map_get(needed, str_c(names.v[i])))
            continue;
        err = disk_join(path, sizeof path, "parts", names.v[i]);
        if (!err)
            err = disk_remove_tree(d, path);
    }
    free_names(&names);
    return err;
}

/* Without its index it is no backup any more, whatever else stays for now. */
static int remove_backup(struct disk *d, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "backups/%.255s/index", name);
    int err = disk_remove(d, path);
    err = err == -ERR_NOENT ? 0 : err;
    snprintf(path, sizeof path, "backups/%.255s", name);
    if (!err)
        err = disk_sync_dir(d, path);
    return err ? err : disk_remove_tree(d, path);
}

int backup_prune(struct disk *d, size_t keep, uint64_t *ret_removed, struct why *why)
{
    struct names names = {0};
    struct counting c = {0};
    *ret_removed = 0;
    int err = list(d, "backups", &names);
    for (size_t i = 0; i + keep < names.n && !err; i++) {
        err = remove_backup(d, names.v[i]);
        *ret_removed += !err;
    }
    free_names(&names);
    map_init(&c.parts, 0);
    if (!err)
        err = each_backup(d, collect_keys, &c);
    if (!err)
        err = remove_unneeded(d, &c.parts);
    map_done(&c.parts);
    if (err == -ERR_CORRUPT)
        return why_set(why, ERR_CORRUPT,
                       "the index of a backup that stays is damaged, so no part "
                       "was removed (sonde backup --list says which)");
    return err ? why_set(why, (enum err) - err, "cannot remove: %s", err_text(err)) : 0;
}

/* ---- restoring */

struct restoring {
    struct disk *from, *to;
    const char *name;
    char root[PATH_BYTES]; /* "DIR.restore" */
    uint8_t *room;
    struct map dirs; /* that were made */
    int err;
    struct why *why;
};

/* Makes the directories above path. */
static int make_dirs(struct restoring *r, const char *path)
{
    int err = 0;
    for (const char *slash = strchr(path + strlen(r->root) + 1, '/'); slash && !err;
         slash = strchr(slash + 1, '/')) {
        char dir[PATH_BYTES];
        bool is_new;
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
        map_put(&r->dirs, str_c(dir), &is_new)->u = 1;
        if (is_new)
            err = disk_make_dir(r->to, dir);
    }
    return err;
}

static void restore_file(void *context, const struct backup_file *f)
{
    struct restoring *r = context;
    struct backup_file got;
    char from[PATH_BYTES], to[PATH_BYTES];
    if (r->err)
        return;
    size_t slash = f->path.n;
    while (slash && f->path.p[slash - 1] != '/')
        slash--;
    struct str name = str_sub(f->path, slash, f->path.n);
    if (f->key.n)
        snprintf(from, sizeof from, "parts/%.*s/%.*s", STR_ARG(f->key), STR_ARG(name));
    else
        snprintf(from, sizeof from, "backups/%.200s/%.*s", r->name, STR_ARG(f->path));
    int n = snprintf(to, sizeof to, "%.400s/%.*s", r->root, STR_ARG(f->path));
    r->err = n < 0 || (size_t)n >= sizeof to ? -ERR_LIMIT : make_dirs(r, to);
    if (!r->err)
        r->err = copy(r->from, from, r->to, to, r->room, &got);
    if (!r->err && (got.crc != f->crc || got.bytes != f->bytes))
        r->err = -ERR_CORRUPT;
    if (r->err)
        why_set(r->why, (enum err) - r->err, "cannot restore %s: %s", from, err_text(r->err));
}

static int sync_dirs(struct restoring *r)
{
    size_t at = 0;
    int err = disk_sync_dir(r->to, r->root);
    for (struct map_slot *slot; !err && (slot = map_next(&r->dirs, &at)) != NULL;) {
        char dir[PATH_BYTES];
        snprintf(dir, sizeof dir, STR_FMT, STR_ARG(slot->key));
        err = disk_sync_dir(r->to, dir);
    }
    return err;
}

static int write_tree(struct restoring *r, const char *dir)
{
    char path[PATH_BYTES];
    struct backup_index index;
    backup_index_init(&index);
    snprintf(path, sizeof path, "backups/%.255s", r->name);
    int err = backup_index_read(&index, r->from, path, "index", r->why);
    if (!err)
        err = disk_remove_tree(r->to, r->root);
    err = err == -ERR_NOENT && !r->why->text[0] ? 0 : err;
    if (!err)
        err = disk_make_dir(r->to, r->root);
    if (!err)
        err = backup_index_each(&index, restore_file, r);
    if (!err)
        err = r->err;
    if (!err)
        err = sync_dirs(r);
    if (!err)
        err = disk_rename(r->to, r->root, dir);
    if (!err)
        err = disk_sync_parent(r->to, dir);
    backup_index_done(&index);
    return err;
}

static int is_entry(void *context, const struct disk_entry *e)
{
    (void)context, (void)e;
    return 1;
}

/* An empty directory makes room for the restored one. */
static int make_room(struct disk *d, const char *dir, struct why *why)
{
    int got = disk_list(d, dir, is_entry, NULL);
    if (got == -ERR_NOENT)
        return 0;
    if (got > 0)
        return why_set(why, ERR_EXISTS,
                       "%s is not empty: a backup is restored into an empty or new "
                       "directory only",
                       dir);
    return got < 0 ? got : disk_remove(d, dir);
}

static int newest(struct disk *d, char ret[128], struct why *why)
{
    struct names names = {0};
    int err = list(d, "backups", &names);
    if (!err && names.n == 0)
        err = why_set(why, ERR_NOENT, "there is no backup");
    if (!err)
        snprintf(ret, 128, "%s", names.v[names.n - 1]);
    free_names(&names);
    return err;
}

int backup_restore(struct disk *from, const char *name, struct disk *to, const char *dir,
                   char ret_name[128], struct why *why)
{
    struct why own = {0};
    struct restoring r = {.from = from,
                          .to = to,
                          .name = ret_name,
                          .room = mem_raw(COPY_BYTES),
                          .why = why ? why : &own};
    int err = 0;
    r.why->text[0] = 0;
    map_init(&r.dirs, 0);
    snprintf(r.root, sizeof r.root, "%.300s.restore", dir);
    if (name)
        snprintf(ret_name, 128, "%s", name);
    else
        err = newest(from, ret_name, r.why);
    if (!err)
        err = make_room(to, dir, r.why);
    if (!err)
        err = write_tree(&r, dir);
    if (err && !r.why->text[0])
        why_set(r.why, (enum err) - err, "cannot restore %s: %s", ret_name, err_text(err));
    map_done(&r.dirs);
    mem_free(r.room);
    return err;
}
