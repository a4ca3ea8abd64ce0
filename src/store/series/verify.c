#include "store/series/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/vec.h"
#include "store/disk/log_check.h"
#include "store/disk/page_check.h"
#include "store/series/store_inside.h"

enum { PATH_BYTES = 600, SMALL_FILE_MAX = 128 << 20 };

struct names {
    char **v; /* owned */
    size_t n, capacity;
};

struct state {
    const struct verify *v;
    struct verify_result result;
    const char *root; /* "" or "snapshots/NAME/" */
    const char *path; /* what is being looked at */
    const struct manifest *manifest;
    struct why *why;
    uint64_t log_from;
    char last[WHY_MAX + PATH_BYTES]; /* sentence that was told */
};

/* A sentence that comes again and again (a page with many chunks) is told once. */
static void tell(void *context, const char *text)
{
    struct state *s = context;
    s->result.problems++;
    if (strncmp(s->last, text, sizeof s->last - 1) == 0)
        return;
    snprintf(s->last, sizeof s->last, "%s", text);
    if (s->v->problem)
        s->v->problem(s->v->context, s->path, text);
}

PRINTF(2, 3) static void problem(struct state *s, const char *format, ...)
{
    char text[WHY_MAX + PATH_BYTES];
    va_list args;
    va_start(args, format);
    int n = snprintf(text, sizeof text, "%s: ", s->path);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    tell(s, text);
}

/* ---- names */

struct wanted {
    struct names *names;
    const char *prefix;
    bool dirs;
};

static int take_name(void *context, const struct disk_entry *e)
{
    struct wanted *w = context;
    if (e->is_dir == w->dirs && str_starts(str_c(e->name), str_c(w->prefix)) &&
        !str_ends(str_c(e->name), STR(".tmp")))
        vec_push(w->names, mem_text(e->name, strlen(e->name)));
    return 0;
}

/* What is in a directory; a missing one is empty. */
static int list(struct state *s, const char *dir, const char *prefix, bool dirs, struct names *ret)
{
    struct wanted w = {ret, prefix, dirs};
    int err = disk_list(s->v->disk, dir, take_name, &w);
    if (err == -ERR_NOENT)
        err = 0;
    return err ? why_set(s->why, (enum err) - err, "cannot list %s: %s", dir, err_text(err)) : 0;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->v[i]);
    vec_free(names);
}

/* ---- small files */

/* Reads s->path. 1: it is there (free *ret), 0: it is not. */
static int read_small(struct state *s, void **ret, size_t *ret_n)
{
    int err = disk_slurp(s->v->disk, s->path, SMALL_FILE_MAX, ret, ret_n);
    if (err == -ERR_NOENT)
        return 0;
    if (err)
        return why_set(s->why, (enum err) - err, "cannot read %s: %s", s->path, err_text(err));
    return 1;
}

static int check_list(struct state *s, bool needed)
{
    char path[PATH_BYTES];
    void *p;
    size_t n;
    snprintf(path, sizeof path, "%stenants/list", s->root);
    s->path = path;
    int got = read_small(s, &p, &n);
    if (got == 0 && needed)
        problem(s, "it is missing; it can be rebuilt from the tenants' manifests");
    if (got != 1)
        return got;
    struct str text = str_of(p, n);
    if (!store_list_text(&text))
        problem(s, "it is damaged; it can be rebuilt from the tenants' manifests");
    mem_free(p);
    return 0;
}

static int check_replay_from(struct state *s)
{
    void *p;
    size_t n;
    s->path = "replay-from";
    int got = read_small(s, &p, &n);
    if (got != 1)
        return got;
    if (!store_replay_from(str_of(p, n), &s->log_from))
        problem(s, "it is damaged; the whole log is replayed instead");
    mem_free(p);
    return 0;
}

/* metadata, tombstones: rows, then their CRC32C. */
static int check_notes(struct state *s, const char *dir, const char *name, const char *loss)
{
    char path[PATH_BYTES];
    void *p;
    size_t n;
    int err = disk_join(path, sizeof path, dir, name);
    if (err)
        return err;
    s->path = path;
    int got = read_small(s, &p, &n);
    if (got != 1)
        return got;
    if (n < 4 || hash_crc32c(0, p, n - 4) != load32((char *)p + n - 4))
        problem(s, "it is damaged: %s", loss);
    mem_free(p);
    return 0;
}

/* ---- page files */

static void damaged_page(void *context, uint64_t page, uint64_t offset, size_t n)
{
    problem(context, "page %" PRIu64 " (bytes %" PRIu64 " to %" PRIu64 " of its stream) is damaged",
            page, offset, offset + n);
}

static int check_header(struct state *s, const char *path)
{
    int got = page_check(s->v->disk, path, tell, s);
    return got == -ERR_IO ? why_set(s->why, ERR_IO, "cannot read %s", path) : 0;
}

static int check_catalogue_file(struct state *s, const char *path)
{
    struct page_file *file;
    struct why why = {0};
    s->path = path;
    s->result.catalogues++;
    int err = check_header(s, path);
    if (err)
        return err;
    err = page_file_open(s->v->disk, path, PAGE_KIND_CATALOGUE, s->v->ring, NULL, &file, &why);
    if (err == -ERR_KEY || err == -ERR_IO)
        return why_set(s->why, (enum err) - err, "%s", why.text);
    if (err) {
        problem(s, "%s; series that only the log has samples of are lost", why.text);
        return 0;
    }
    err = page_verify(file, damaged_page, s, &why);
    page_file_close(file);
    return err == 0 || err == -ERR_CORRUPT ? 0 : why_set(s->why, (enum err) - err, "%s", why.text);
}

/* The files that the manifest's note says count. */
static int check_catalogue(struct state *s, const char *dir)
{
    char path[PATH_BYTES];
    struct str note, first, last;
    uint64_t from = 1, to = 0;
    if (!manifest_note(s->manifest, STR("catalogue"), &note) || !str_split(&note, ' ', &first) ||
        !str_split(&note, ' ', &last) || !str_u64(first, &from) || !str_u64(last, &to))
        return 0;
    int err = 0;
    for (uint64_t i = from; i <= to && !err; i++) {
        snprintf(path, sizeof path, "%.500s/catalogue-%" PRIu64, dir, i);
        err = check_catalogue_file(s, path);
    }
    return err;
}

/* ---- parts */

static int check_headers(struct state *s, const char *dir)
{
    static const char *const FILES[] = {"idx", "ts", "data"};
    int err = 0;
    for (size_t i = 0; i < COUNTOF(FILES) && !err; i++) {
        char path[PATH_BYTES];
        err = disk_join(path, sizeof path, dir, FILES[i]);
        if (!err)
            err = check_header(s, path);
    }
    return err;
}

static int check_part(struct state *s, const char *dir, const struct manifest_part *row)
{
    struct part_place at = {s->v->disk, NULL, s->v->ring};
    struct part *part;
    struct why why = {0};
    s->path = dir;
    s->result.parts++;
    int err = part_open(&at, dir, &part, &why);
    if (err == -ERR_KEY || err == -ERR_IO)
        return why_set(s->why, (enum err) - err, "%s", why.text);
    if (err) {
        problem(s,
                "it cannot be opened, its samples from %" PRId64 " to %" PRId64 " ms are lost: %s",
                row->min_ms, row->max_ms, why.text);
        return 0;
    }
    err = check_headers(s, dir);
    part_verify(part, tell, s);
    part_free(part);
    return err;
}

/* A snapshot's parts are links: those that the store still has were looked at there. */
static bool is_known(struct state *s, const char *dir)
{
    char path[PATH_BYTES];
    struct disk_file *file;
    size_t skip = strlen(s->root);
    if (skip == 0 || disk_join(path, sizeof path, dir + skip, "meta") ||
        disk_open(s->v->disk, path, DISK_READ, &file))
        return false;
    disk_close(s->v->disk, file);
    return true;
}

static int check_parts(struct state *s, const char *tenant)
{
    int err = 0;
    for (size_t i = 0; i < manifest_parts(s->manifest) && !err; i++) {
        const struct manifest_part *row = manifest_part(s->manifest, i);
        char dir[PATH_BYTES];
        snprintf(dir, sizeof dir, "%.300s/%.*s", tenant, STR_ARG(row->name));
        if (!is_known(s, dir))
            err = check_part(s, dir, row);
    }
    return err;
}

/* ---- tenants */

static int check_manifest(struct state *s, const char *dir, struct manifest **ret)
{
    char path[PATH_BYTES];
    struct why why = {0};
    int err = disk_join(path, sizeof path, dir, "manifest");
    if (err)
        return err;
    s->path = path;
    *ret = NULL;
    err = manifest_read(s->v->disk, path, ret, &why);
    if (err == -ERR_NOENT)
        problem(s, "it is missing; it can be rebuilt from the directories of the parts");
    else if (err)
        return why_set(s->why, (enum err) - err, "%s", why.text);
    else if (manifest_doubt(*ret) == MANIFEST_TORN)
        problem(s, "its end is no record: torn by a crash, or the last change is damaged");
    else if (manifest_doubt(*ret) == MANIFEST_DAMAGED)
        problem(s, "it is damaged; what it lost can be found in the directories of the parts");
    return 0;
}

static int check_tenant(struct state *s, const char *dir)
{
    struct manifest *manifest;
    s->result.tenants++;
    int err = check_manifest(s, dir, &manifest);
    s->manifest = manifest;
    if (!err && manifest)
        err = check_parts(s, dir);
    if (!err && manifest)
        err = check_catalogue(s, dir);
    if (!err)
        err = check_notes(s, dir, "metadata",
                          "help, unit and type of metrics come back as they are "
                          "written again");
    if (!err)
        err = check_notes(s, dir, "tombstones",
                          "deleted samples that no merge has removed yet are "
                          "visible again");
    manifest_free(manifest);
    s->manifest = NULL;
    return err;
}

static int check_tenants(struct state *s)
{
    struct names names = {0};
    char dir[PATH_BYTES], tenant[PATH_BYTES];
    snprintf(dir, sizeof dir, "%stenants", s->root);
    int err = list(s, dir, "", true, &names);
    if (!err)
        err = check_list(s, names.n > 0);
    for (size_t i = 0; i < names.n && !err; i++) {
        err = disk_join(tenant, sizeof tenant, dir, names.v[i]);
        if (!err)
            err = check_tenant(s, tenant);
    }
    free_names(&names);
    return err;
}

static int check_snapshots(struct state *s)
{
    struct names names = {0};
    char root[PATH_BYTES];
    int err = list(s, "snapshots", "", true, &names);
    for (size_t i = 0; i < names.n && !err; i++) {
        snprintf(root, sizeof root, "snapshots/%.200s/", names.v[i]);
        s->root = root;
        s->result.snapshots++;
        struct verify_result counts = s->result;
        err = check_tenants(s);
        counts.problems = s->result.problems;
        s->result = counts; /* its tenants and parts are counted already */
    }
    s->root = "";
    free_names(&names);
    return err;
}

static int check_log(struct state *s)
{
    struct log_check counts = {0};
    s->path = "log";
    int err = log_check(s->v->disk, "log", s->v->ring, s->log_from, tell, s, &counts, s->why);
    s->result.segments = counts.segments;
    return err;
}

int verify_run(const struct verify *v, struct verify_result *ret, struct why *why)
{
    struct state s = {.v = v, .root = "", .why = why};
    int err = check_replay_from(&s);
    if (!err)
        err = check_tenants(&s);
    if (!err)
        err = check_log(&s);
    if (!err)
        err = check_snapshots(&s);
    if (!err)
        *ret = s.result;
    return err;
}
