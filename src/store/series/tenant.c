#include "store/series/tenant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "os/thread.h"
#include "store/series/store_inside.h"

enum { PATH_BYTES = 512 };

/* ---- parts */

static struct str base_name(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    return str_c(slash ? slash + 1 : dir);
}

static int by_sequence(const void *a, const void *b)
{
    const struct part_info *x = part_info((*(struct tenant_part *const *)a)->part),
                           *y = part_info((*(struct tenant_part *const *)b)->part);
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int open_part(struct tenant *t, const char *dir, struct tenant_part **ret, struct why *why)
{
    struct part *part;
    struct part_place at = store_place(t->store);
    int err = part_open(&at, dir, &part, why);
    if (err)
        return err;
    struct tenant_part *p = mem_new(sizeof *p);
    p->part = part;
    p->dir = mem_text(dir, strlen(dir));
    p->disk = at.disk;
    must(str_u64(str_sub(base_name(dir), 5, SIZE_MAX), &p->number));
    atomic_store(&p->uses, 1);
    *ret = p;
    return 0;
}

/* "0001" of "tenants/0001/part-7". */
static struct str tenant_number(const char *dir)
{
    struct str rest = str_c(dir + strlen("tenants/"));
    return str_sub(rest, 0, str_find(rest, '/'));
}

static void drop_part(struct tenant_part *p)
{
    if (atomic_fetch_sub(&p->uses, 1) > 1)
        return;
    bool doomed = atomic_load(&p->doomed);
    part_free(p->part);
    if (doomed && atomic_load(&p->damaged)) {
        char kept[PATH_BYTES];
        snprintf(kept, sizeof kept, "quarantine/%.*s-%s", STR_ARG(tenant_number(p->dir)),
                 strrchr(p->dir, '/') + 1);
        /* Where it cannot be moved it is an orphan that the next start removes. */
        int ignored UNUSED = disk_make_dir(p->disk, "quarantine");
        ignored = disk_rename(p->disk, p->dir, kept);
    } else if (doomed) {
        /* What stays is an orphan that the next start removes. */
        int ignored UNUSED = disk_remove_tree(p->disk, p->dir);
    }
    mem_free(p->dir);
    mem_free(p);
}

uint64_t tenant_read_begin(struct tenant *t)
{
    thread_lock(&t->parts_lock);
    uint64_t generation = t->generation;
    t->cursors[generation % 2]++;
    thread_unlock(&t->parts_lock);
    return generation;
}

void tenant_read_end(struct tenant *t, uint64_t generation)
{
    thread_lock(&t->parts_lock);
    must(t->cursors[generation % 2] > 0);
    t->cursors[generation % 2]--;
    thread_unlock(&t->parts_lock);
}

int tenant_read_barrier(struct tenant *t, int64_t timeout_ms)
{
    thread_lock(&t->parts_lock);
    size_t *old = &t->cursors[t->generation % 2], *other = &t->cursors[(t->generation + 1) % 2];
    /* The other parity is empty but for stragglers of a barrier that ran out of time; new readers
     * join it only when they are gone too. */
    while (*other && timeout_ms > 0) {
        thread_unlock(&t->parts_lock);
        usleep(1000);
        timeout_ms--;
        thread_lock(&t->parts_lock);
    }
    if (*other == 0)
        t->generation++;
    while (*old && timeout_ms > 0) {
        thread_unlock(&t->parts_lock);
        usleep(1000);
        timeout_ms--;
        thread_lock(&t->parts_lock);
    }
    bool done = *old == 0 && timeout_ms > 0;
    thread_unlock(&t->parts_lock);
    return done ? 0 : -ERR_BUSY;
}

struct tenant_part **tenant_hold(struct tenant *t, int64_t from_ms, int64_t to_ms, size_t *ret_n)
{
    thread_lock(&t->parts_lock);
    struct tenant_part **held = mem_array(t->parts.n, sizeof *held);
    size_t n = 0;
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->first_ms > to_ms || info->last_ms < from_ms)
            continue;
        atomic_fetch_add(&t->parts.v[i]->uses, 1);
        held[n++] = t->parts.v[i];
    }
    thread_unlock(&t->parts_lock);
    *ret_n = n;
    return held;
}

void tenant_release(struct tenant_part **parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_part(parts[i]);
    mem_free(parts);
}

char *tenant_new_dir(struct tenant *t)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/part-%llu", t->dir, (unsigned long long)++t->sequence);
    return mem_text(path, strlen(path));
}

static void add_to_edit(struct manifest_edit *edit, const struct tenant_part *p)
{
    const struct part_info *info = part_info(p->part);
    struct manifest_part row = {
        .name = base_name(p->dir),
        .class = str_c(info->retention_class),
        .level = info->level,
        .min_ms = info->first_ms,
        .max_ms = info->last_ms,
        .size_bytes = info->disk_bytes,
    };
    manifest_edit_add(edit, &row);
}

/* Takes the old parts out of the list and puts the new ones in. */
static void swap_parts(struct tenant *t, struct tenant_part **fresh, size_t fresh_n,
                       struct tenant_part *const *old, size_t old_n)
{
    thread_lock(&t->parts_lock);
    size_t n = 0;
    for (size_t i = 0; i < t->parts.n; i++) {
        bool gone = false;
        for (size_t k = 0; k < old_n; k++)
            gone |= t->parts.v[i] == old[k];
        if (!gone)
            t->parts.v[n++] = t->parts.v[i];
    }
    t->parts.n = n;
    for (size_t i = 0; i < fresh_n; i++)
        vec_push(&t->parts, fresh[i]);
    if (t->parts.n)
        qsort(t->parts.v, t->parts.n, sizeof *t->parts.v, by_sequence);
    thread_unlock(&t->parts_lock);
}

int tenant_publish(struct tenant *t, const char *const *dirs, size_t dirs_n,
                   struct tenant_part *const *old, size_t old_n, struct manifest_edit *edit,
                   struct why *why)
{
    struct tenant_part **fresh = mem_array(dirs_n, sizeof *fresh);
    size_t n = 0;
    int err = 0;
    for (; n < dirs_n && !err; n++) {
        err = open_part(t, dirs[n], &fresh[n], why);
        if (err)
            break;
        add_to_edit(edit, fresh[n]);
    }
    for (size_t i = 0; i < old_n; i++)
        manifest_edit_remove(edit, base_name(old[i]->dir));
    if (!err)
        err = disk_sync_dir(store_place(t->store).disk, t->dir);
    if (!err)
        err = manifest_apply(t->manifest, edit, why);
    if (err) {
        /* Whether the edit holds is not known, so the directories stay; an orphan goes at the next
         * start. */
        for (size_t i = 0; i < n; i++)
            drop_part(fresh[i]);
        mem_free(fresh);
        return err;
    }
    swap_parts(t, fresh, n, old, old_n);
    for (size_t i = 0; i < old_n; i++) {
        /* What takes their place may be less: without what has expired, or a tier. */
        const struct part_info *info = part_info(old[i]->part);
        written_note_range(&t->written, info->first_ms, info->last_ms);
        atomic_store(&old[i]->doomed, true);
        drop_part(old[i]);
    }
    mem_free(fresh);
    return 0;
}

/* ---- opening */

static bool note_sequence(struct tenant *t, struct str name)
{
    uint64_t number;
    if (!str_starts(name, STR("part-")) || !str_u64(str_sub(name, 5, name.n), &number))
        return false;
    t->sequence = MAX(t->sequence, number);
    return true;
}

/* What opening finds out about a tenant's directory. */
struct opening {
    struct tenant *t;
    enum manifest_doubt doubt;
    uint64_t newest;           /* number of the newest part that the manifest names */
    struct manifest_edit edit; /* what sets it right */
};

static uint64_t number_of(struct str name)
{
    uint64_t number;
    if (!str_starts(name, STR("part-")) || !str_u64(str_sub(name, 5, name.n), &number))
        return 0;
    return number;
}

/* A part that the manifest may have lost. True where its directory is to stay. */
static bool take_in(struct opening *o, const char *path)
{
    struct tenant *t = o->t;
    struct tenant_part *p;
    struct why why = {0};
    if (o->doubt == MANIFEST_SOUND ||
        (o->doubt == MANIFEST_TORN && number_of(base_name(path)) <= o->newest))
        return false;
    int err = open_part(t, path, &p, &why);
    if (err == -ERR_NOENT)
        return false; /* it was never finished */
    if (err) {
        store_warn(t->store, "%s is left out, its samples are missing: %s", path, why.text);
        return true;
    }
    vec_push(&t->parts, p);
    add_to_edit(&o->edit, p);
    store_warn(t->store,
               o->doubt == MANIFEST_TORN
                   ? "%s is taken in: its entry in the manifest was torn by a crash, or is damaged"
                   : "%s is taken in: the manifest is damaged and may have lost it",
               path);
    return true;
}

/* A directory that the manifest does not name: a crash left it, or the manifest has lost it. */
static int look_at_dir(void *context, const struct disk_entry *e)
{
    struct opening *o = context;
    struct tenant *t = o->t;
    struct str name = str_c(e->name);
    char path[PATH_BYTES];
    if (!note_sequence(t, name) || manifest_find(t->manifest, name))
        return 0;
    snprintf(path, sizeof path, "%s/%s", t->dir, e->name);
    if (take_in(o, path))
        return 0;
    /* An orphan that cannot be removed is looked at again at the next start. */
    int ignored UNUSED = disk_remove_tree(store_place(t->store).disk, path);
    return 0;
}

static int open_parts(struct opening *o, struct why *why)
{
    struct tenant *t = o->t;
    char path[PATH_BYTES];
    for (size_t i = 0; i < manifest_parts(t->manifest); i++) {
        const struct manifest_part *row = manifest_part(t->manifest, i);
        struct tenant_part *p;
        snprintf(path, sizeof path, "%s/%.*s", t->dir, STR_ARG(row->name));
        o->newest = MAX(o->newest, number_of(row->name));
        int err = open_part(t, path, &p, why);
        if (err == -ERR_NOENT && o->doubt != MANIFEST_SOUND)
            manifest_edit_remove(&o->edit, row->name); /* the edit that said so was lost */
        if (err == -ERR_CORRUPT || err == -ERR_NOENT || err == -ERR_FORMAT) {
            store_warn(t->store, "%s is left out, its samples are missing: %s", path,
                       why ? why->text : err_text(err));
            continue;
        }
        if (err)
            return err;
        vec_push(&t->parts, p);
    }
    int err = disk_list(store_place(t->store).disk, t->dir, look_at_dir, o);
    if (t->parts.n)
        qsort(t->parts.v, t->parts.n, sizeof *t->parts.v, by_sequence);
    return err;
}

/* Sets the manifest right; its note of the tenant's name is what tenants/list can be rebuilt from.
 */
static void settle_manifest(struct opening *o)
{
    struct tenant *t = o->t;
    struct str name;
    struct why why = {0};
    if (o->doubt != MANIFEST_SOUND)
        manifest_edit_note(&o->edit, STR(MANIFEST_DOUBT), STR(""));
    if (!manifest_note(t->manifest, STR("tenant"), &name) || !str_eq(name, str_c(t->name)))
        manifest_edit_note(&o->edit, STR("tenant"), str_c(t->name));
    if (manifest_apply(t->manifest, &o->edit, &why))
        store_warn(t->store, "%s (it is tried again at the next start)", why.text);
}

static void warn_catalogue(void *context, const char *text)
{
    struct tenant *t = context;
    store_warn(t->store, "tenant %s: %s", t->name, text);
}

static int open_files(struct tenant *t, struct why *why)
{
    struct part_place at = store_place(t->store);
    char path[PATH_BYTES];
    int err = disk_make_dir(at.disk, t->dir);
    if (err)
        return why_set(why, (enum err) - err, "cannot make directory %s: %s", t->dir,
                       err_text(err));
    snprintf(path, sizeof path, "%s/manifest", t->dir);
    err = manifest_open(at.disk, path, &t->manifest, why);
    if (err)
        return err;
    struct opening o = {.t = t, .doubt = manifest_doubt(t->manifest)};
    manifest_edit_init(&o.edit);
    err = open_parts(&o, why);
    t->catalogue.warn = warn_catalogue;
    t->catalogue.warn_context = t;
    if (!err)
        err = catalogue_load(&t->catalogue, t->manifest, t->head, why);
    if (!err)
        settle_manifest(&o);
    manifest_edit_done(&o.edit);
    if (!err)
        err = tenant_load_notes(t, why);
    return err;
}

int tenant_open(struct store *s, uint32_t number, struct str name, bool opening,
                struct tenant **ret, struct why *why)
{
    struct tenant *t = mem_new(sizeof *t);
    t->store = s;
    t->number = number;
    memcpy(t->name, name.p, name.n);
    snprintf(t->dir, sizeof t->dir, "tenants/%04u", number);
    thread_lock_init(&t->parts_lock);
    thread_lock_init(&t->notes_lock);
    map_init(&t->metadata, 0);
    struct head_limits limits = store_limits(s, t);
    t->head = head_new(number, &limits, store_define, t);
    atomic_store(&t->head->minute, store_minute(s));
    t->head->opening = true;
    catalogue_init(&t->catalogue, store_place(s).disk, store_place(s).ring, t->dir);
    t->exemplars_max = store_exemplars_max(s);
    t->flushed_ms = clock_monotonic_ns(&clock_real) / 1000000;

    int err = open_files(t, why);
    if (err) {
        why_prefix(why, "tenant %s", t->name);
        tenant_free(t);
        return err;
    }
    if (!opening)
        head_index_all(t->head);
    *ret = t;
    return 0;
}

static void free_metadata(struct tenant *t)
{
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&t->metadata, &at)) != NULL;) {
        struct stored_metadata *m = slot->value.p;
        mem_free(m->help);
        mem_free(m->unit);
        mem_free(m);
    }
    map_done(&t->metadata);
}

void tenant_free(struct tenant *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->parts.n; i++)
        drop_part(t->parts.v[i]);
    vec_free(&t->parts);
    for (size_t i = 0; i < t->tombstones.n; i++) {
        index_matchers_free(t->tombstones.v[i].matchers);
        mem_free((void *)(uintptr_t)t->tombstones.v[i].text.p);
    }
    vec_free(&t->tombstones);
    free_metadata(t);
    for (size_t i = 0; t->exemplars && i < t->exemplars_max; i++)
        mem_free(t->exemplars[i].bytes);
    mem_free(t->exemplars);
    vec_free(&t->dead_ids);
    catalogue_done(&t->catalogue);
    manifest_free(t->manifest);
    head_free(t->head);
    must(pthread_mutex_destroy(&t->parts_lock) == 0);
    must(pthread_mutex_destroy(&t->notes_lock) == 0);
    mem_free(t);
}
