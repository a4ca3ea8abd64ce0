#include "tool/store_tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/disk/manifest.h"
#include "store/face/selector.h"
#include "store/series/part.h"
#include "store/series/part_meta.h"
#include "store/series/repair.h"
#include "store/series/rotate.h"
#include "store/series/verify.h"
#include "tool/offline.h"
#include "text/template.h"

enum { PATH_BYTES = 600, TENANT_FILES_MAX = 1 << 20 };

/* ---- verify, repair, rotate-key */

static void put_problem(void *context, const char *path, const char *text)
{
    (void)context, (void)path;
    printf("%s\n", text);
}

static void put_line(void *context, const char *text)
{
    (void)context;
    printf("%s\n", text);
}

static int verify(struct offline *o, struct arguments *a)
{
    struct verify_result r;
    struct why why = {0};
    if (!arguments_end(a, "store verify"))
        return 2;
    if (!offline_alone(o) || !offline_disk(o))
        return 1;
    struct verify v = {o->disk, o->ring, put_problem, NULL};
    if (verify_run(&v, &r, &why))
        return offline_fail(o, why.text);
    printf("%" PRIu64 " tenants, %" PRIu64 " parts, %" PRIu64 " catalogues, %" PRIu64
           " segments of the log, %" PRIu64 " snapshots: %" PRIu64 " problems\n",
           r.tenants, r.parts, r.catalogues, r.segments, r.snapshots, r.problems);
    return r.problems > 0;
}

static int repair(struct offline *o, struct arguments *a)
{
    struct repair_result r;
    struct why why = {0};
    if (!arguments_end(a, "store repair"))
        return 2;
    if (!offline_alone(o) || !offline_disk(o))
        return 1;
    struct repair how = {o->disk, &clock_real, &o->settings, put_line, NULL};
    if (repair_run(&how, &r, &why))
        return offline_fail(o, why.text);
    printf("%" PRIu64 " problems found; %" PRIu64 " parts written anew, %" PRIu64
           " that cannot be opened taken out\n",
           r.problems, r.rewritten, r.dropped);
    if (r.quarantine[0])
        printf("what was damaged is kept in %s/%s\n", o->data, r.quarantine);
    return 0;
}

static int count_queue(void *context, const struct disk_entry *e)
{
    size_t n = strlen(e->name);
    if (e->is_dir || (n > 4 && strcmp(e->name + n - 4, ".log") == 0))
        ++*(size_t *)context;
    return 0;
}

/* Queues keep their keys: what waits to be sent on, and the spool of applications' signals. */
static bool queues_there(struct disk *d)
{
    static const char *const FOLDERS[] = {"forward", "spool/spans", "spool/logs", "spool/errors"};
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(FOLDERS); i++) {
        int err = disk_list(d, FOLDERS[i], count_queue, &n);
        if (err != 0 && err != -ERR_NOENT)
            n++; /* who knows */
    }
    return n > 0;
}

static int rotate(struct offline *o, struct arguments *a)
{
    struct rotate_result r;
    struct why why = {0};
    if (!arguments_end(a, "store rotate-key"))
        return 2;
    if (!offline_alone(o) || !offline_disk(o))
        return 1;
    if (rotate_run(o->disk, &clock_real, &o->settings, put_line, NULL, &r, &why))
        return offline_fail(o, why.text);
    printf("%" PRIu64 " of %" PRIu64 " files were wrapped by key %s anew; older keys %s\n",
           r.wrapped, r.files, keyring_newest(o->ring),
           queues_there(o->disk) ? "are needed until what is in forward/ and spool/ has gone"
                                 : "may leave the key file");
    if (r.clear)
        printf("%" PRIu64 " files are not encrypted: they were written without a key file, and "
               "merges will encrypt them\n",
               r.clear);
    return 0;
}

/* ---- info */

/* Metas are never encrypted: no key is needed. */
static bool read_meta(struct offline *o, const char *dir, struct part_meta *ret)
{
    char path[PATH_BYTES];
    void *p;
    size_t n;
    if (disk_join(path, sizeof path, dir, "meta") ||
        disk_slurp(o->disk, path, PART_META_BYTES_MAX, &p, &n))
        return false;
    int err = part_meta_decode(p, n, ret);
    mem_free(p);
    return err == 0;
}

static void put_part(struct offline *o, const char *tenant, const struct manifest_part *row)
{
    static const char *const TIERS[] = {"raw", "5m", "1h"};
    char dir[PATH_BYTES], from[32], to[32];
    struct part_meta meta;
    offline_time_text(row->min_ms, from);
    offline_time_text(row->max_ms, to);
    printf("  %-12.*s %s .. %s %12" PRIu64 " bytes", STR_ARG(row->name), from, to, row->size_bytes);
    snprintf(dir, sizeof dir, "%.300s/%.*s", tenant, STR_ARG(row->name));
    if (read_meta(o, dir, &meta))
        printf("  %s, level %u, %" PRIu64 " series, %" PRIu64 " samples%s%s\n",
               TIERS[MIN((size_t)meta.info.tier, COUNTOF(TIERS) - 1)], row->level, meta.info.series,
               meta.info.samples, row->class.n ? ", kept by " : "", meta.info.retention_class);
    else
        printf("  cannot be read\n");
}

static int put_tenant(struct offline *o, const char *number)
{
    char dir[PATH_BYTES], path[PATH_BYTES];
    struct manifest *m;
    struct str name = STR("?");
    struct why why = {0};
    uint64_t bytes = 0;
    snprintf(dir, sizeof dir, "tenants/%.60s", number);
    int err = disk_join(path, sizeof path, dir, "manifest");
    if (!err)
        err = manifest_read(o->disk, path, &m, &why);
    if (err) {
        printf("tenant %s: %s\n", number, why.text);
        return 1;
    }
    for (size_t i = 0; i < manifest_parts(m); i++)
        bytes += manifest_part(m, i)->size_bytes;
    if (!manifest_note(m, STR("tenant"), &name))
        name = STR("?");
    printf("tenant " STR_FMT " (%s): %zu parts, %" PRIu64 " bytes\n", STR_ARG(name), dir,
           manifest_parts(m), bytes);
    for (size_t i = 0; i < manifest_parts(m); i++)
        put_part(o, dir, manifest_part(m, i));
    manifest_free(m);
    return 0;
}

struct infos {
    struct offline *o;
    int status;
};

static int put_entry(void *context, const struct disk_entry *e)
{
    struct infos *infos = context;
    if (e->is_dir)
        infos->status |= put_tenant(infos->o, e->name);
    return 0;
}

static int put_snapshot(void *context, const struct disk_entry *e)
{
    (void)context;
    printf("snapshot %s\n", e->name);
    return 0;
}

static int info(struct offline *o, struct arguments *a)
{
    struct infos infos = {o, 0};
    if (!arguments_end(a, "store info"))
        return 2;
    if (!offline_disk(o))
        return 1;
    int err = disk_list(o->disk, "tenants", put_entry, &infos);
    if (err)
        return offline_fail(o, err == -ERR_NOENT ? "there is no store here" : err_text(err));
    err = disk_list(o->disk, "snapshots", put_snapshot, NULL);
    return err && err != -ERR_NOENT ? offline_fail(o, err_text(err)) : infos.status;
}

/* ---- delete */

/* "2026-11-22T05:00:00Z" or seconds since 1970, with or without a fraction of milliseconds. */
static bool parse_time(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end && *end == 0) {
        *ret_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    int64_t s;
    if (!str_i64(str_c(text), &s) || s > INT64_MAX / 1000 || s < INT64_MIN / 1000)
        return false;
    *ret_ms = s * 1000;
    return true;
}

struct deletion {
    const char *selector, *tenant;
    int64_t from_ms, to_ms;
};

static int delete_here(struct offline *o, const struct deletion *d)
{
    struct arena arena;
    struct matcher *matchers;
    struct why why = {0};
    size_t n;
    struct store *s = offline_store(o);
    if (!s)
        return 1;
    struct series_store *face = store_face(s);
    struct tenant *t = face->ops->tenant(face, str_c(d->tenant));
    arena_init(&arena);
    int err = selector_parse(str_c(d->selector), &arena, &matchers, &n, &why);
    if (!err && !t)
        err = why_set(&why, ERR_NOENT, "there is no tenant %s", d->tenant);
    if (!err)
        err = face->ops->remove(face, t, matchers, n, d->from_ms, d->to_ms, &why);
    if (!err)
        err = store_merge(s, false, &why); /* takes what is hidden off the disk */
    arena_done(&arena);
    store_close(s);
    return err ? offline_fail(o, why.text) : 0;
}

/* The daemon's API takes the default tenant's series only, unless a header names another. */
static int delete_there(struct offline *o, const struct deletion *d)
{
    struct buf path, answer;
    if (strcmp(d->tenant, "default") != 0)
        return offline_fail(o, "a daemon is using the data directory: stop it to delete series of "
                               "another tenant than default");
    buf_init(&path, 8192);
    buf_printf(&path, "/api/v1/admin/tsdb/delete_series?match%%5B%%5D=");
    template_escape_query(str_c(d->selector), &path);
    if (d->from_ms != INT64_MIN)
        buf_printf(&path, "&start=%" PRId64, d->from_ms / 1000);
    if (d->to_ms != INT64_MAX)
        buf_printf(&path, "&end=%" PRId64, d->to_ms / 1000);
    buf_put_c(&path, 0);
    int status = buf_failed(&path) ? offline_fail(o, "the selector is too long")
                                   : offline_ask(o, path.p, &answer);
    if (status == 0)
        buf_done(&answer);
    buf_done(&path);
    return status;
}

static int delete (struct offline *o, struct arguments *a)
{
    struct deletion d = {.tenant = "default", .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    const char *from = arguments_value(a, "from"), *to = arguments_value(a, "to");
    const char *tenant = arguments_value(a, "tenant");
    d.selector = arguments_word(a);
    if (tenant)
        d.tenant = tenant;
    if (!arguments_end(a, "store delete"))
        return 2;
    if (!d.selector)
        return offline_fail(o, "name the series: sonde store delete 'up{job=\"x\"}'");
    if ((from && !parse_time(from, &d.from_ms)) || (to && !parse_time(to, &d.to_ms)))
        return offline_fail(o, "--from and --to take 2026-11-22T05:00:00Z or seconds since 1970");
    int busy = o->server_named ? 1 : offline_busy(o);
    if (busy < 0 || (!busy && !offline_disk(o)))
        return 1;
    int status = busy ? delete_there(o, &d) : delete_here(o, &d);
    if (status == 0)
        printf("deleted\n");
    return status;
}

/* ---- which */

static const struct verb {
    const char *name;
    int (*run)(struct offline *o, struct arguments *a);
} VERBS[] = {
    {"verify", verify}, {"repair", repair}, {"rotate-key", rotate},
    {"info", info},     {"delete", delete},
};

int store_tool_run(int argc, char **argv)
{
    struct arguments a;
    struct offline o = {0};
    int status = 2;
    if (!arguments_init(&a, argc, argv))
        return 2;
    const char *name = argc > 0 ? argv[0] : "";
    const struct verb *verb = NULL;
    for (size_t i = 0; i < COUNTOF(VERBS); i++)
        if (strcmp(VERBS[i].name, name) == 0)
            verb = &VERBS[i];
    if (!verb) {
        fprintf(stderr, "sonde store: say verify, repair, rotate-key, info or delete; see: sonde "
                        "help store\n");
        return 2;
    }
    a.v[0] = NULL;
    if (offline_init(&o, "sonde store", &a))
        status = verb->run(&o, &a);
    offline_done(&o);
    return status;
}
