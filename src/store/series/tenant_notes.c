#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/vec.h"
#include "os/thread.h"
#include "store/series/fields.h"
#include "store/series/store_inside.h"
#include "store/series/tenant.h"

/* Both files are: rows, then the CRC32C of the rows. They are replaced as a whole. */
enum { NOTES_BYTES_MAX = 64 << 20, PATH_BYTES = 128, HELP_MAX = 4096 };

static int save(struct tenant *t, const char *name, struct buf *rows, struct why *why)
{
    char path[PATH_BYTES];
    uint8_t sum[4];
    store32(sum, hash_crc32c(0, rows->p, rows->n));
    buf_put(rows, sum, sizeof sum);
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    int err = buf_failed(rows) ? -ERR_LIMIT
                               : disk_replace(store_place(t->store).disk, path, rows->p, rows->n);
    if (err)
        return why_set(why, (enum err) - err, "cannot write %s: %s", path, err_text(err));
    return 0;
}

/* The rows of a file, to be freed; no file gives none. */
static int load(struct tenant *t, const char *name, void **ret, struct str *ret_rows)
{
    char path[PATH_BYTES];
    void *p = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    int err = disk_slurp(store_place(t->store).disk, path, NOTES_BYTES_MAX, &p, &n);
    *ret = NULL;
    *ret_rows = (struct str){0};
    if (err == -ERR_NOENT)
        return 0;
    if (err)
        return err;
    if (n < 4 || hash_crc32c(0, p, n - 4) != load32((char *)p + n - 4)) {
        store_warn(t->store, "%s is damaged and left out", path);
        mem_free(p);
        return 0;
    }
    *ret = p;
    *ret_rows = str_of(p, n - 4);
    return 0;
}

/* ---- metadata */

static bool same_text(const char *a, struct str b)
{
    return str_eq(str_c(a), b);
}

void tenant_note_metadata(struct tenant *t, const struct metadata *m, bool *ret_new)
{
    bool is_new;
    struct str help = str_sub(m->help, 0, HELP_MAX);
    thread_lock(&t->notes_lock);
    union map_value *v = map_put(&t->metadata, m->metric, &is_new);
    if (is_new)
        v->p = mem_new(sizeof(struct stored_metadata));
    struct stored_metadata *stored = v->p;
    *ret_new = is_new || stored->type != m->type || !same_text(stored->help, help) ||
               !same_text(stored->unit, m->unit);
    if (*ret_new) {
        mem_free(stored->help);
        mem_free(stored->unit);
        *stored = (struct stored_metadata){m->type, mem_text(help.p, help.n),
                                           mem_text(m->unit.p, m->unit.n)};
        t->metadata_changed = true;
    }
    thread_unlock(&t->notes_lock);
}

int tenant_save_metadata(struct tenant *t, struct why *why)
{
    struct buf rows;
    buf_init(&rows, NOTES_BYTES_MAX);
    thread_lock(&t->notes_lock);
    bool changed = t->metadata_changed;
    size_t at = 0;
    for (struct map_slot *slot; changed && (slot = map_next(&t->metadata, &at)) != NULL;) {
        const struct stored_metadata *m = slot->value.p;
        fields_put_text(&rows, slot->key);
        fields_put_number(&rows, m->type);
        fields_put_text(&rows, str_c(m->help));
        fields_put_text(&rows, str_c(m->unit));
    }
    t->metadata_changed = false;
    thread_unlock(&t->notes_lock);

    int err = changed ? save(t, "metadata", &rows, why) : 0;
    buf_done(&rows);
    if (err) {
        thread_lock(&t->notes_lock);
        t->metadata_changed = true;
        thread_unlock(&t->notes_lock);
    }
    return err;
}

static int load_metadata(struct tenant *t)
{
    void *file;
    struct str rows;
    int err = load(t, "metadata", &file, &rows);
    while (!err && rows.n) {
        struct metadata m;
        uint64_t type;
        bool is_new;
        if (!fields_take_text(&rows, &m.metric) || !fields_take_number(&rows, &type) ||
            type > METRIC_STATESET || !fields_take_text(&rows, &m.help) ||
            !fields_take_text(&rows, &m.unit))
            break;
        m.type = (enum metric_type)type;
        tenant_note_metadata(t, &m, &is_new);
    }
    t->metadata_changed = false;
    mem_free(file);
    return err;
}

/* ---- exemplars */

void tenant_note_exemplar(struct tenant *t, const struct exemplar *e)
{
    if (t->exemplars_max == 0)
        return;
    thread_lock(&t->notes_lock);
    if (!t->exemplars)
        t->exemplars = mem_array(t->exemplars_max, sizeof *t->exemplars);
    struct stored_exemplar *slot = &t->exemplars[t->exemplars_end++ % t->exemplars_max];
    if (t->exemplars_end - t->exemplars_from > t->exemplars_max)
        t->exemplars_from++;
    mem_free(slot->bytes);
    *slot = (struct stored_exemplar){mem_raw(e->key.n + e->labels.n + 1), e->key.n, e->labels.n,
                                     e->ts_ms, e->value};
    memcpy(slot->bytes, e->key.p, e->key.n);
    if (e->labels.n)
        memcpy(slot->bytes + e->key.n, e->labels.p, e->labels.n);
    thread_unlock(&t->notes_lock);
}

static int by_key_and_time(const void *a, const void *b)
{
    const struct exemplar *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->ts_ms > y->ts_ms) - (x->ts_ms < y->ts_ms);
}

uint64_t tenant_exemplars(struct tenant *t, struct arena *a, struct exemplar **ret, size_t *ret_n)
{
    thread_lock(&t->notes_lock);
    size_t n = (size_t)(t->exemplars_end - t->exemplars_from);
    struct exemplar *list = arena_array(a, n, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const struct stored_exemplar *x = &t->exemplars[(t->exemplars_from + i) % t->exemplars_max];
        list[i] = (struct exemplar){
            .key = arena_str(a, str_of(x->bytes, x->key_n)),
            .labels = arena_str(a, str_of(x->bytes + x->key_n, x->labels_n)),
            .ts_ms = x->ts_ms,
            .value = x->value,
        };
    }
    uint64_t end = t->exemplars_end;
    thread_unlock(&t->notes_lock);
    if (n)
        qsort(list, n, sizeof *list, by_key_and_time);
    *ret = list;
    *ret_n = n;
    return end;
}

void tenant_drop_exemplars(struct tenant *t, uint64_t end)
{
    thread_lock(&t->notes_lock);
    t->exemplars_from = MAX(t->exemplars_from, end);
    thread_unlock(&t->notes_lock);
}

/* ---- tombstones */

static int add_tombstone(struct tenant *t, struct str text, int64_t from_ms, int64_t to_ms,
                         uint64_t sequence, struct why *why)
{
    struct matcher matchers[64];
    size_t n = 0;
    struct str rest = text;
    uint64_t type;
    while (rest.n && n < COUNTOF(matchers)) {
        if (!fields_take_number(&rest, &type) || type > MATCH_NOT_REGEX ||
            !fields_take_text(&rest, &matchers[n].name) ||
            !fields_take_text(&rest, &matchers[n].value))
            return why_set(why, ERR_CORRUPT, "a row of the tombstones is malformed");
        matchers[n++].type = (enum match_type)type;
    }
    struct tombstone row = {.from_ms = from_ms, .to_ms = to_ms, .sequence = sequence};
    int err = index_matchers_new(matchers, n, &row.matchers, why);
    if (err)
        return err;
    row.text = str_of(mem_text(text.p, text.n), text.n);
    thread_lock(&t->parts_lock);
    vec_push(&t->tombstones, row);
    thread_unlock(&t->parts_lock);
    return 0;
}

static int save_tombstones(struct tenant *t, struct why *why)
{
    struct buf rows;
    buf_init(&rows, NOTES_BYTES_MAX);
    thread_lock(&t->parts_lock);
    for (size_t i = 0; i < t->tombstones.n; i++) {
        const struct tombstone *row = &t->tombstones.v[i];
        fields_put_number(&rows, zigzag(row->from_ms));
        fields_put_number(&rows, zigzag(row->to_ms));
        fields_put_number(&rows, row->sequence);
        fields_put_text(&rows, row->text);
    }
    thread_unlock(&t->parts_lock);
    int err = save(t, "tombstones", &rows, why);
    buf_done(&rows);
    return err;
}

int tenant_add_tombstone(struct tenant *t, const struct matcher *matchers, size_t n,
                         int64_t from_ms, int64_t to_ms, struct why *why)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        fields_put_number(&text, matchers[i].type);
        fields_put_text(&text, matchers[i].name);
        fields_put_text(&text, matchers[i].value);
    }
    int err = buf_failed(&text)
                  ? why_set(why, ERR_LIMIT, "the selector of the deletion is too long")
                  : add_tombstone(t, buf_str(&text), from_ms, to_ms, t->sequence, why);
    buf_done(&text);
    return err ? err : save_tombstones(t, why);
}

/* A part made after the tombstone holds nothing of what it hides, whatever its samples' age. */
static bool needed(const struct tenant *t, const struct tombstone *row)
{
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (t->parts.v[i]->number <= row->sequence && info->first_ms <= row->to_ms &&
            info->last_ms >= row->from_ms)
            return true;
    }
    return false;
}

void tenant_drop_tombstones(struct tenant *t)
{
    size_t kept = 0;
    thread_lock(&t->parts_lock);
    size_t before = t->tombstones.n;
    if (t->cursors[0] || t->cursors[1]) { /* they hold the matchers */
        thread_unlock(&t->parts_lock);
        return;
    }
    for (size_t i = 0; i < before; i++) {
        struct tombstone *row = &t->tombstones.v[i];
        if (needed(t, row)) {
            t->tombstones.v[kept++] = *row;
            continue;
        }
        index_matchers_free(row->matchers);
        mem_free((void *)(uintptr_t)row->text.p);
    }
    t->tombstones.n = kept;
    thread_unlock(&t->parts_lock);
    if (kept != before) {
        /* A tombstone that comes back hides nothing that is still there. */
        int ignored UNUSED = save_tombstones(t, NULL);
    }
}

int tenant_load_notes(struct tenant *t, struct why *why)
{
    void *file;
    struct str rows, text;
    int err = load_metadata(t);
    if (!err)
        err = load(t, "tombstones", &file, &rows);
    if (err)
        return why_set(why, (enum err) - err, "cannot read %s: %s", t->dir, err_text(err));
    while (!err && rows.n) {
        uint64_t from, to, sequence;
        if (!fields_take_number(&rows, &from) || !fields_take_number(&rows, &to) ||
            !fields_take_number(&rows, &sequence) || !fields_take_text(&rows, &text))
            break;
        err = add_tombstone(t, text, unzigzag(from), unzigzag(to), sequence, why);
    }
    mem_free(file);
    return err;
}
