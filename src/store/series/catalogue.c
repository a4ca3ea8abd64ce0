#include "store/series/catalogue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/vec.h"
#include "model/labels.h"
#include "store/disk/page.h"

/* Tags of the rows. */
enum { ROW_END = 0, ROW_PAIR = 1, ROW_SERIES = 2, ROW_BEGIN = 3 };
static const uint32_t PAIR_LOST = UINT32_MAX;
enum { PATH_MAX_BYTES = 256, ROW_MAX = LABELS_KEY_MAX + 64 };

void catalogue_init(struct catalogue *c, struct disk *disk, const struct keyring *ring,
                    const char *dir)
{
    *c = (struct catalogue){.disk = disk, .ring = ring, .first = 1};
    c->dir = mem_text(dir, strlen(dir));
}

void catalogue_done(struct catalogue *c)
{
    mem_free(c->dir);
    vec_free(&c->numbers);
    *c = (struct catalogue){0};
}

static void file_path(const struct catalogue *c, uint64_t number, char path[PATH_MAX_BYTES])
{
    snprintf(path, PATH_MAX_BYTES, "%s/catalogue-%llu", c->dir, (unsigned long long)number);
}

/* ---- loading */

struct loader {
    struct head *head;
    struct page_file *file;
    uint64_t offset;
    struct catalogue_numbers pairs; /* number -> head's pair */
    uint32_t before[LABELS_MAX];    /* pairs of the series before, as numbers */
    uint8_t before_n;
    uint32_t next_id;
    bool begun;     /* the row that begins the file was there */
    struct buf row; /* bytes not yet taken */
    size_t at;      /* in row */
};

/* Makes at least n unread bytes available, or as many as there are. */
static int fill(struct loader *l, size_t n, struct why *why)
{
    while (l->row.n - l->at < n) {
        struct page_ref ref = {0};
        int err = page_read_some(l->file, l->offset, &ref, why);
        if (err == -ERR_END)
            return 0;
        if (err)
            return err;
        buf_shift(&l->row, l->at);
        l->at = 0;
        buf_put(&l->row, ref.p, ref.n);
        l->offset += ref.n;
        page_release(&ref);
    }
    return 0;
}

static const uint8_t *unread(const struct loader *l, const uint8_t **ret_end)
{
    *ret_end = (const uint8_t *)l->row.p + l->row.n;
    return (const uint8_t *)l->row.p + l->at;
}

/* Pairs that the files before should have had and have not are lost; a file that has none before it
 * begins anew. */
static const uint8_t *load_begin(struct loader *l, const uint8_t *p, const uint8_t *end)
{
    uint64_t before;
    p = varint_get(p, end, &before);
    if (!p || before > UINT32_MAX || (before && before < l->pairs.n))
        return NULL;
    if (before == 0)
        l->pairs.n = 0;
    while (l->pairs.n < before)
        vec_push(&l->pairs, PAIR_LOST);
    l->begun = true;
    return p;
}

static const uint8_t *load_pair(struct loader *l, const uint8_t *p, const uint8_t *end)
{
    uint64_t n;
    p = varint_get(p, end, &n);
    if (!p || n > (size_t)(end - p))
        return NULL;
    struct str bytes = str_of((const char *)p, n);
    struct label label;
    bool bad = false;
    const char *at = bytes.p;
    if (!labels_next(bytes, &at, &label, &bad) || at != bytes.p + bytes.n)
        return NULL;
    vec_push(&l->pairs, pairs_intern(&l->head->pairs, bytes));
    return p + n;
}

static const uint8_t *load_series(struct loader *l, const uint8_t *p, const uint8_t *end)
{
    uint64_t jump, shared, rest, number;
    if (!(p = varint_get(p, end, &jump)) || !(p = varint_get(p, end, &shared)) ||
        !(p = varint_get(p, end, &rest)))
        return NULL;
    if (shared > l->before_n || rest > LABELS_MAX || shared + rest > LABELS_MAX)
        return NULL;
    l->before_n = (uint8_t)(shared + rest);
    for (uint64_t i = shared; i < shared + rest; i++) {
        if (!(p = varint_get(p, end, &number)) || number >= l->pairs.n)
            return NULL;
        l->before[i] = (uint32_t)number;
    }

    uint32_t id = l->next_id + (uint32_t)unzigzag(jump), pairs[LABELS_MAX];
    l->next_id = id + 1;
    bool lost = false;
    for (uint8_t i = 0; i < l->before_n; i++) {
        pairs[i] = l->pairs.v[l->before[i]];
        lost |= pairs[i] == PAIR_LOST;
    }
    if (id > l->head->series.n + HEAD_ID_JUMP_MAX)
        return NULL;
    if (lost) {
        head_reserve(l->head, id);
        return p;
    }
    if (id < l->head->series.n && head_series_at(l->head, id)->pairs)
        return p; /* written twice: the first stands */
    head_define_pairs(l->head, id, pairs, l->before_n);
    head_series_at(l->head, id)->catalogued = HEAD_SAVED;
    return p;
}

static int load_rows(struct loader *l, struct why *why)
{
    for (;;) {
        const uint8_t *end, *p;
        int err = fill(l, ROW_MAX, why);
        if (err)
            return err;
        p = unread(l, &end);
        if (p == end)
            return 0;
        uint8_t tag = *p++;
        if (tag == ROW_END)
            return 0;
        if (tag == ROW_BEGIN)
            p = load_begin(l, p, end);
        else if (!l->begun)
            p = NULL;
        else
            p = tag == ROW_PAIR     ? load_pair(l, p, end)
                : tag == ROW_SERIES ? load_series(l, p, end)
                                    : NULL;
        if (!p)
            return why_set(why, ERR_CORRUPT, "a row of the series catalogue is malformed");
        l->at = (size_t)(p - (const uint8_t *)l->row.p);
    }
}

static int load_file(struct catalogue *c, uint64_t number, struct loader *l, struct why *why)
{
    char path[PATH_MAX_BYTES];
    file_path(c, number, path);
    int err = page_file_open(c->disk, path, PAGE_KIND_CATALOGUE, c->ring, NULL, &l->file, why);
    if (err)
        return err;
    l->offset = l->at = 0;
    l->before_n = 0;
    l->next_id = 0;
    l->begun = false;
    buf_clear(&l->row);
    err = load_rows(l, why);
    page_file_close(l->file);
    return err;
}

/* ---- which files count */

struct choice {
    struct catalogue *c;
    struct {
        uint64_t *v;
        size_t n, capacity;
    } numbers;
};

static int note_file(void *context, const struct disk_entry *e)
{
    struct choice *choice = context;
    struct str name = str_c(e->name);
    uint64_t number;
    if (str_starts(name, STR("catalogue-")) && str_u64(str_sub(name, 10, name.n), &number))
        vec_push(&choice->numbers, number);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Does this file begin a catalogue anew? Not where that cannot be read. */
static bool is_whole(const struct catalogue *c, uint64_t number)
{
    char path[PATH_MAX_BYTES];
    struct page_file *file;
    uint8_t begin[2] = {0};
    file_path(c, number, path);
    if (page_file_open(c->disk, path, PAGE_KIND_CATALOGUE, c->ring, NULL, &file, NULL))
        return false;
    int err = page_copy(file, 0, sizeof begin, begin, NULL);
    page_file_close(file);
    return !err && begin[0] == ROW_BEGIN && begin[1] == 0;
}

/* The manifest does not say: all from the newest file on that begins anew, or all there are. */
static int choose_files(struct catalogue *c)
{
    struct choice choice = {.c = c};
    int err = disk_list(c->disk, c->dir, note_file, &choice);
    size_t n = choice.numbers.n;
    if (!err && n) {
        qsort(choice.numbers.v, n, sizeof *choice.numbers.v, by_number);
        c->first = choice.numbers.v[0];
        c->last = choice.numbers.v[n - 1];
        while (n && !is_whole(c, choice.numbers.v[n - 1]))
            n--;
        if (n)
            c->first = choice.numbers.v[n - 1];
        c->lost = true; /* not known, but all is to be written anew */
    }
    vec_free(&choice.numbers);
    return err;
}

PRINTF(2, 3) static void warn(struct catalogue *c, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (c->warn)
        c->warn(c->warn_context, text);
}

static int remove_stray(void *context, const struct disk_entry *e)
{
    struct catalogue *c = context;
    uint64_t number;
    struct str name = str_c(e->name);
    if (!str_starts(name, STR("catalogue-")))
        return 0;
    if (str_u64(str_sub(name, 10, name.n), &number) && number >= c->first && number <= c->last)
        return 0;
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s/%s", c->dir, e->name);
    int ignored UNUSED = disk_remove(c->disk, path); /* tried again at the next start */
    return 0;
}

static void number_pairs(struct catalogue *c, const uint32_t *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pairs[i] == PAIR_LOST)
            continue;
        while (c->numbers.n <= pairs[i])
            vec_push(&c->numbers, 0);
        c->numbers.v[pairs[i]] = (uint32_t)i + 1;
    }
    c->pairs = (uint32_t)n;
}

/* False where there is no such note, or none that makes sense. */
static bool read_note(struct catalogue *c, const struct manifest *m)
{
    struct str note, first, last;
    uint64_t from, to;
    if (!manifest_note(m, STR("catalogue"), &note) || !str_split(&note, ' ', &first) ||
        !str_split(&note, ' ', &last) || !str_u64(first, &from) || !str_u64(last, &to))
        return false;
    c->first = from;
    c->last = to;
    return true;
}

int catalogue_load(struct catalogue *c, const struct manifest *m, struct head *h, struct why *why)
{
    int err = 0;
    if (manifest_doubt(m) != MANIFEST_SOUND || !read_note(c, m))
        err = choose_files(c);
    if (err)
        return why_set(why, (enum err) - err, "cannot list %s: %s", c->dir, err_text(err));
    int ignored UNUSED = disk_list(c->disk, c->dir, remove_stray, c); /* strays do no harm */

    struct loader l = {.head = h};
    buf_init(&l.row, ROW_MAX + (size_t)2 * PAGE_BYTES);
    for (uint64_t number = c->first; number <= c->last && !err; number++) {
        struct why own = {0};
        uint64_t before = h->alive;
        err = load_file(c, number, &l, &own);
        if (err == -ERR_CORRUPT || err == -ERR_NOENT) {
            warn(c,
                 "%s/catalogue-%llu is damaged: %llu of its series were read, the others come "
                 "back when they are written again (%s)",
                 c->dir, (unsigned long long)number, (unsigned long long)(h->alive - before),
                 own.text);
            c->lost = true;
            err = 0;
        } else if (err) {
            why_set(why, (enum err) - err, "%s", own.text);
        }
    }
    number_pairs(c, l.pairs.v, l.pairs.n);
    c->series = h->alive;
    buf_done(&l.row);
    vec_free(&l.pairs);
    return err;
}

/* ---- saving */

struct saver {
    struct catalogue *c;
    struct head *head;
    struct page_writer *writer;
    uint32_t before[LABELS_MAX];
    uint8_t before_n;
    uint32_t next_id;
    uint64_t series;
};

static uint32_t number_of(struct saver *s, uint32_t pair)
{
    struct catalogue *c = s->c;
    while (c->numbers.n <= pair)
        vec_push(&c->numbers, 0);
    if (c->numbers.v[pair] == 0) {
        struct str bytes = pairs_at(&s->head->pairs, pair)->bytes;
        uint8_t row[1 + VARINT_MAX] = {ROW_PAIR};
        uint8_t *end = varint_put(row + 1, bytes.n);
        page_writer_put(s->writer, row, (size_t)(end - row));
        page_writer_put(s->writer, bytes.p, bytes.n);
        c->numbers.v[pair] = ++c->pairs;
    }
    return c->numbers.v[pair] - 1;
}

static void save_series(struct saver *s, uint32_t id)
{
    const struct head_series *series = head_series_at(s->head, id);
    uint32_t numbers[LABELS_MAX];
    uint8_t shared = 0, row[1 + (LABELS_MAX + 3) * 5 + 8] = {ROW_SERIES};
    for (uint8_t i = 0; i < series->pairs_n; i++)
        numbers[i] = number_of(s, series->pairs[i]);
    while (shared < s->before_n && shared < series->pairs_n && numbers[shared] == s->before[shared])
        shared++;

    uint8_t *p = varint_put(row + 1, zigzag((int32_t)(id - s->next_id)));
    p = varint_put(p, shared);
    p = varint_put(p, (uint64_t)series->pairs_n - shared);
    for (uint8_t i = shared; i < series->pairs_n; i++)
        p = varint_put(p, numbers[i]);
    page_writer_put(s->writer, row, (size_t)(p - row));
    memcpy(s->before, numbers, series->pairs_n * sizeof *numbers);
    s->before_n = series->pairs_n;
    s->next_id = id + 1;
    s->series++;
}

/* Writes the series in the order of their ids, those of one target beside each other. */
static void save_all(struct saver *s, bool whole)
{
    must(pthread_rwlock_rdlock(&s->head->index_lock) == 0);
    for (uint32_t id = 0; id < s->head->series.n; id++) {
        struct head_series *series = head_series_at(s->head, id);
        if (!series->pairs || (!whole && series->catalogued == HEAD_SAVED))
            continue;
        save_series(s, id);
        if (series->catalogued != HEAD_SAVED)
            series->catalogued = HEAD_SAVING;
    }
    must(pthread_rwlock_unlock(&s->head->index_lock) == 0);
}

bool catalogue_unsaved(struct head *h)
{
    bool any = false;
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    for (uint32_t id = 0; id < h->series.n && !any; id++) {
        const struct head_series *s = head_series_at(h, id);
        any = s->pairs && s->catalogued != HEAD_SAVED;
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    return any;
}

int catalogue_save(struct catalogue *c, struct head *h, struct manifest_edit *edit, bool *ret_any,
                   struct why *why)
{
    bool whole = c->last - c->first + 1 >= CATALOGUE_FILES_MAX && c->last >= c->first;
    whole |= c->lost || (c->dead > 1024 && c->dead > c->series / 2);
    *ret_any = false;
    if (!whole && !catalogue_unsaved(h))
        return 0;

    char path[PATH_MAX_BYTES], note[64];
    struct saver s = {.c = c, .head = h};
    c->saved_first = c->first;
    c->saved_last = c->last + 1;
    file_path(c, c->saved_last, path);
    int err = page_writer_new(c->disk, path, PAGE_KIND_CATALOGUE, c->ring, &s.writer);
    if (err == -ERR_EXISTS) { /* what a failed attempt left behind */
        err = disk_remove(c->disk, path);
        if (!err)
            err = page_writer_new(c->disk, path, PAGE_KIND_CATALOGUE, c->ring, &s.writer);
    }
    if (err)
        return why_set(why, (enum err) - err, "cannot write %s: %s", path, err_text(err));
    if (whole) {
        c->saved_first = c->saved_last;
        c->pairs = 0;
        for (size_t i = 0; i < c->numbers.n; i++)
            c->numbers.v[i] = 0;
    }
    uint8_t begin[1 + VARINT_MAX] = {ROW_BEGIN};
    page_writer_put(s.writer, begin, (size_t)(varint_put(begin + 1, c->pairs) - begin));
    save_all(&s, whole);
    page_writer_put(s.writer, &(uint8_t){ROW_END}, 1);
    err = page_writer_finish(s.writer);
    page_writer_free(s.writer);
    if (!err)
        err = disk_sync_dir(c->disk, c->dir);
    if (err) {
        catalogue_settle(c, h, false);
        return why_set(why, (enum err) - err, "cannot write %s: %s", path, err_text(err));
    }
    snprintf(note, sizeof note, "%llu %llu", (unsigned long long)c->saved_first,
             (unsigned long long)c->saved_last);
    manifest_edit_note(edit, STR("catalogue"), str_c(note));
    c->saved_series = whole ? s.series : c->series + s.series;
    *ret_any = true;
    return 0;
}

static void remove_files(struct catalogue *c, uint64_t from, uint64_t to)
{
    char path[PATH_MAX_BYTES];
    for (uint64_t number = from; number < to; number++) {
        file_path(c, number, path);
        int ignored UNUSED = disk_remove(c->disk, path); /* removed at the next start otherwise */
    }
}

void catalogue_settle(struct catalogue *c, struct head *h, bool applied)
{
    must(pthread_rwlock_rdlock(&h->index_lock) == 0);
    for (uint32_t id = 0; id < h->series.n; id++) {
        struct head_series *s = head_series_at(h, id);
        if (s->catalogued == HEAD_SAVING)
            s->catalogued = applied ? HEAD_SAVED : HEAD_UNSAVED;
    }
    must(pthread_rwlock_unlock(&h->index_lock) == 0);
    if (!applied) {
        /* Which numbers the file on disk really holds is not known: the next save starts over. */
        c->dead = c->series + 2048; /* a whole file, then */
        return;
    }
    if (c->saved_first == c->saved_last) { /* written as a whole */
        c->dead = 0;
        c->lost = false;
    }
    remove_files(c, c->first, c->saved_first);
    c->first = c->saved_first;
    c->last = c->saved_last;
    c->series = c->saved_series;
}

void catalogue_note_dead(struct catalogue *c, uint64_t n)
{
    c->dead += n;
}
