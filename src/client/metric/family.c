#include "client/metric/family.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/problem.h"
#include "client/core/setting.h"
#include "client/metric/export.h"
#include "client/metric/family_check.h"

enum { NAMES = 1024, TABLE_LEAST = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sonde_family *by_name[NAMES];
static struct sonde_family *_Atomic families; /* by name */
static size_t families_n, series_n;
static uint64_t seeds = 1;

/* Copies of settings: those are written anew at the next start, while threads may still be here. */
static _Atomic uint64_t series_max, series_total;

void family_start(void)
{
    atomic_store(&series_max, setting.metric_series_max);
    atomic_store(&series_total, setting.metric_series_total);
    exemplar_start();
}

struct sonde_family *family_first(void)
{
    return atomic_load_explicit(&families, memory_order_acquire);
}

size_t family_count(size_t *ret_series)
{
    pthread_mutex_lock(&lock);
    size_t n = families_n;
    *ret_series = series_n;
    pthread_mutex_unlock(&lock);
    return n;
}

void family_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* The metric of that name; one that was removed only where there is no other. */
static struct sonde_family *find(const char *name)
{
    uint64_t h = id_hash(name, strlen(name), 0);
    struct sonde_family *hidden = NULL;
    for (struct sonde_family *f = by_name[h % NAMES]; f; f = f->same) {
        if (strcmp(f->name, name) == 0) {
            if (!atomic_load_explicit(&f->hidden, memory_order_relaxed)) {
                return f;
            }
            hidden = f;
        }
    }
    return hidden;
}

/* One that was removed and is what is asked for again. */
static struct sonde_family *find_hidden(const char *name, const char *const *label_names,
                                        const struct family_shape *shape)
{
    uint64_t h = id_hash(name, strlen(name), 0);
    struct sonde_family *f = by_name[h % NAMES];
    while (f && (strcmp(f->name, name) != 0 || !family_check_same(f, label_names, shape))) {
        f = f->same;
    }
    return f;
}

/* The name that a metric has: a counter's with "_total". */
static bool full_name(const char *name, enum family_kind kind, char ret[FAMILY_NAME_MAX])
{
    size_t n = strlen(name);
    bool total = kind == FAMILY_COUNTER && writer_base(name, SOURCE_COUNTER) == n;
    if (n + (total ? 6 : 0) >= FAMILY_NAME_MAX) {
        return false;
    }
    memcpy(ret, name, n + 1);
    if (total) {
        memcpy(ret + n, "_total", 7);
    }
    return true;
}

bool family_taken(const char *name)
{
    char total[FAMILY_NAME_MAX];
    pthread_mutex_lock(&lock);
    const struct sonde_family *f = find(name);
    if (!f && full_name(name, FAMILY_COUNTER, total)) {
        f = find(total);
    }
    bool taken = f && !atomic_load_explicit(&f->hidden, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    return taken;
}

static char *copy(const char *s)
{
    size_t n = strlen(s);
    char *c = malloc(n + 1);
    if (c) {
        memcpy(c, s, n + 1);
    }
    return c;
}

/* Into the table and, by name, into the list: its next first, so that a reader sees a whole list.
 */
static void enter(struct sonde_family *f)
{
    uint64_t h = id_hash(f->name, strlen(f->name), 0);
    f->same = by_name[h % NAMES];
    by_name[h % NAMES] = f;
    struct sonde_family *_Atomic *at = &families;
    struct sonde_family *next = atomic_load_explicit(at, memory_order_relaxed);
    while (next && strcmp(next->name, f->name) < 0) {
        at = &next->next;
        next = atomic_load_explicit(at, memory_order_relaxed);
    }
    atomic_store_explicit(&f->next, next, memory_order_relaxed);
    atomic_store_explicit(at, f, memory_order_release);
    families_n++;
}

static void free_family(struct sonde_family *f)
{
    if (f) {
        for (uint32_t i = 0; i < FAMILY_LABELS_MAX; i++) {
            free((char *)(uintptr_t)f->label[i]);
        }
        free((char *)(uintptr_t)f->name);
        free((char *)(uintptr_t)f->help);
        free((double *)(uintptr_t)f->shape.bounds);
        family_check_free_bounds(f);
        free(f->table);
        free(f);
    }
}

static struct sonde_family *make(const char *name, const char *help, const char *const *label_names,
                                 const struct family_shape *shape)
{
    struct sonde_family *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    f->shape = *shape;
    f->shape.bounds = NULL;
    f->name = copy(name);
    f->help = copy(help ? help : "");
    bool whole = f->name && f->help && family_check_copy_bounds(f, shape);
    for (; whole && label_names && label_names[f->labels_n]; f->labels_n++) {
        f->label[f->labels_n] = copy(label_names[f->labels_n]);
        whole = f->label[f->labels_n] != NULL;
    }
    f->table_size = f->labels_n ? TABLE_LEAST : 1;
    f->table = whole ? calloc(f->table_size, sizeof(struct series *)) : NULL;
    if (!f->table) {
        free_family(f);
        return NULL;
    }
    f->seed = seeds++ * 0x9e3779b97f4a7c15u;
    return f;
}

/* Is there another metric, some of whose samples would have the same names? */
static const char *clash(const char *name, enum family_kind kind)
{
    char other[FAMILY_NAME_MAX + 8];
    const char *found;
    for (size_t i = 0; (found = family_check_relative(name, kind, i, other)) != NULL; i++) {
        const struct sonde_family *f = find(found);
        if (f && !atomic_load_explicit(&f->hidden, memory_order_relaxed) &&
            family_check_clash(f->name, f->shape.kind, name, kind)) {
            return f->name;
        }
    }
    return NULL;
}

static struct sonde_family *get_new(const char *name, const char *help,
                                    const char *const *label_names,
                                    const struct family_shape *shape)
{
    const char *other = clash(name, shape->kind);
    if (other) {
        problem_set("metric %s: its samples would have the names of those of %s", name, other);
        return NULL;
    }
    if (families_n >= FAMILY_MAX) {
        problem_set("metric %s: there are %d metrics already", name, FAMILY_MAX);
        return NULL;
    }
    struct sonde_family *f = make(name, help, label_names, shape);
    if (!f) {
        problem_set("metric %s: no memory", name);
        return NULL;
    }
    enter(f);
    return f;
}

/* Under the registry's lock. */
static struct sonde_family *get(const char *given, const char *help, const char *const *label_names,
                                const struct family_shape *shape)
{
    char name[FAMILY_NAME_MAX];
    if (!given || !family_check_name(given) || !full_name(given, shape->kind, name)) {
        problem_set(
            "\"%.100s\" is no name of a metric: letters, digits, _ and :, not a digit first",
            given ? given : "");
        return NULL;
    }
    if (!family_check_labels(name, label_names, shape->kind)) {
        return NULL;
    }
    struct sonde_family *f = find(name);
    if (f && atomic_load_explicit(&f->hidden, memory_order_relaxed)) {
        f = find_hidden(name, label_names, shape);
        return f ? f : get_new(name, help, label_names, shape);
    }
    if (!f) {
        return get_new(name, help, label_names, shape);
    }
    return family_check_same(f, label_names, shape) ? f : NULL;
}

/* What was hidden counts from zero when it is got again. */
static void show(struct sonde_family *f)
{
    if (!atomic_load_explicit(&f->hidden, memory_order_relaxed)) {
        return;
    }
    bool locked = export_lock();
    if (atomic_exchange(&f->hidden, false)) {
        atomic_store(&f->told, false);
        for (struct series *s = atomic_load(&f->first); s; s = atomic_load(&s->next)) {
            family_rebase(s);
            atomic_store(&s->hidden, true); /* each comes back when it is asked for */
        }
    }
    if (locked) {
        export_unlock();
    }
}

static void show_series(struct series *s)
{
    if (!atomic_load_explicit(&s->hidden, memory_order_relaxed)) {
        return;
    }
    bool locked = export_lock();
    if (atomic_load(&s->hidden)) {
        family_rebase(s);
        atomic_store(&s->hidden, false);
    }
    if (locked) {
        export_unlock();
    }
}

struct sonde_family *family_get(const char *name, const char *help, const char *const *label_names,
                                const struct family_shape *shape)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        problem_set("libsonde does not run: sonde_init() comes first");
        return NULL;
    }
    module_wake();
    pthread_mutex_lock(&lock);
    struct sonde_family *f = get(name, help, label_names, shape);
    pthread_mutex_unlock(&lock);
    if (f) {
        show(f);
    }
    return f;
}

int family_hide(const char *name)
{
    char total[FAMILY_NAME_MAX];
    pthread_mutex_lock(&lock);
    struct sonde_family *f = find(name);
    if (!f && full_name(name, FAMILY_COUNTER, total)) {
        f = find(total);
    }
    pthread_mutex_unlock(&lock);
    return f && !atomic_exchange(&f->hidden, true) ? 0 : SONDE_ERROR_NOT_FOUND;
}

/* What a set of values hashes to: a few bytes each, so read by words that may overlap. */
static inline uint64_t hash_value(uint64_t h, const char *s, size_t n)
{
    uint64_t a = 0, b = 0;
    if (n > 16) {
        return id_hash(s, n, h);
    }
    if (n >= 8) {
        memcpy(&a, s, 8);
        memcpy(&b, s + n - 8, 8);
    } else if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        a = (uint64_t)low << 32 | high;
    } else if (n) {
        a = (uint64_t)(uint8_t)s[0] << 16 | (uint64_t)(uint8_t)s[n / 2] << 8 | (uint8_t)s[n - 1];
    }
    h ^= a * 0x9e3779b97f4a7c15u + b * 0xe7037ed1a0b428dbu + n;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static inline uint64_t hash_values(const struct sonde_family *f, const char *const *values)
{
    uint64_t h = f->seed;
    for (uint32_t i = 0; i < f->labels_n; i++) {
        const char *v = values[i] ? values[i] : "";
        h = hash_value(h, v, strlen(v));
    }
    return h;
}

static inline bool has_values(const struct series *s, const char *const *values)
{
    for (uint32_t i = 0; i < s->family->labels_n; i++) {
        if (strcmp(s->labels[i].value, values[i] ? values[i] : "") != 0) {
            return false;
        }
    }
    return true;
}

static struct series *find_series(const struct sonde_family *f, uint64_t hash,
                                  const char *const *values)
{
    struct series *s = f->table[hash & (f->table_size - 1)];
    while (s && (s->hash != hash || !has_values(s, values))) {
        s = s->same;
    }
    return s;
}

static void grow_table(struct sonde_family *f)
{
    uint32_t size = f->table_size * 2;
    struct series **table = calloc(size, sizeof(struct series *));
    if (!table) {
        return; /* longer chains */
    }
    for (struct series *s = atomic_load_explicit(&f->first, memory_order_relaxed); s;
         s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
        s->same = table[s->hash & (size - 1)];
        table[s->hash & (size - 1)] = s;
    }
    free(f->table);
    f->table = table;
    f->table_size = size;
}

static bool give_cells(struct series *s)
{
    const struct family_shape *shape = &s->family->shape;
    s->cell = CELLS_NONE;
    switch (shape->kind) {
    case FAMILY_GAUGE:
        return true;
    case FAMILY_COUNTER:
        s->cells_n = 1;
        s->cell = cells_new(CELLS_DOUBLE, 1);
        break;
    case FAMILY_HISTOGRAM: /* a count for each bucket, and behind them the bits of the sum */
        s->cells_n = shape->bounds_n + 2;
        s->cell = cells_new(CELLS_U64, s->cells_n);
        if (s->cell != CELLS_NONE) {
            cells_retype(s->cell + s->cells_n - 1, CELLS_DOUBLE);
        }
        break;
    case FAMILY_NATIVE:
    case FAMILY_SUMMARY:
        s->cells_n = 1;
        s->cell = cells_new(CELLS_BUCKETS, 1);
        break;
    }
    return s->cell != CELLS_NONE;
}

static struct series *make_series(struct sonde_family *f, const char *const *values, uint64_t hash)
{
    struct series *s = aligned_alloc(64, sizeof *s);
    sonde_label *labels = calloc(f->labels_n + 1, sizeof *labels);
    bool whole = s && labels;
    if (s) {
        memset(s, 0, sizeof *s);
        s->family = f;
        s->labels = labels;
        s->hash = hash;
    }
    for (uint32_t i = 0; whole && i < f->labels_n; i++) {
        labels[i].name = f->label[i];
        labels[i].value = copy(values[i] ? values[i] : "");
        whole = labels[i].value != NULL;
    }
    if (!whole || !give_cells(s)) {
        for (uint32_t i = 0; labels && i < f->labels_n; i++) {
            free((char *)(uintptr_t)labels[i].value);
        }
        free(labels);
        free(s);
        return NULL;
    }
    if (f->series_n >= f->table_size && f->labels_n) {
        grow_table(f);
    }
    s->same = f->table[hash & (f->table_size - 1)];
    f->table[hash & (f->table_size - 1)] = s;
    atomic_store_explicit(f->last ? &f->last->next : &f->first, s, memory_order_release);
    f->last = s;
    f->series_n++;
    series_n++;
    return s;
}

/* Where values go that are too many: the series with "other" for all of them. Under the lock. */
static struct series *other_series(struct sonde_family *f)
{
    lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
    if (!f->other && f->labels_n) {
        const char *values[FAMILY_LABELS_MAX];
        for (uint32_t i = 0; i < f->labels_n; i++) {
            values[i] = "other";
        }
        uint64_t hash = hash_values(f, values);
        f->other = find_series(f, hash, values);
        f->other = f->other ? f->other : make_series(f, values, hash);
    }
    if (!f->other) {
        problem_set("metric %s: there are %zu series already", f->name, series_n);
    }
    return f->other;
}

/* Values as they are kept: cut, and well-formed UTF-8. room is freed by the caller. */
static bool clean_values(const struct sonde_family *f, const char *const *values,
                         const char **clean, char **room)
{
    *room = NULL;
    bool good = true;
    for (uint32_t i = 0; i < f->labels_n; i++) {
        clean[i] = values[i] ? values[i] : "";
        good = good && family_check_value(clean[i]);
    }
    if (good) {
        return true;
    }
    char *at = *room = malloc(f->labels_n * (FAMILY_VALUE_MAX + 4));
    for (uint32_t i = 0; at && i < f->labels_n; i++, at += FAMILY_VALUE_MAX + 4) {
        family_check_clean(clean[i], at);
        clean[i] = at;
    }
    return *room != NULL;
}

void family_limit(struct sonde_family *f, size_t most)
{
    atomic_store(&f->series_max, most);
}

static size_t most_series(const struct sonde_family *f)
{
    size_t all = atomic_load(&series_max), own = atomic_load(&f->series_max);
    return f->labels_n == 0 ? 1 : own && own < all ? own : all;
}

static struct series *series_of(struct sonde_family *f, const char *const *values)
{
    const char *clean[FAMILY_LABELS_MAX];
    char *room;
    if (!clean_values(f, values, clean, &room)) {
        return NULL;
    }
    uint64_t hash = hash_values(f, clean);
    pthread_mutex_lock(&lock);
    struct series *s = find_series(f, hash, clean);
    if (!s && (f->series_n >= most_series(f) || series_n >= atomic_load(&series_total))) {
        s = other_series(f);
    } else if (!s) {
        s = make_series(f, clean, hash);
        if (!s) {
            problem_set("metric %s: no memory", f->name);
            lost_add(LOST_METRIC, LOST_MEMORY, 1);
        }
    }
    pthread_mutex_unlock(&lock);
    free(room);
    if (s) {
        show_series(s);
    }
    return s;
}

struct series *family_with(struct sonde_family *f, const char *const *values, enum family_kind kind)
{
    if (!f || !atomic_load_explicit(&module_on, memory_order_relaxed) ||
        (f->shape.kind != kind && !(kind == FAMILY_HISTOGRAM && f->shape.kind == FAMILY_NATIVE)) ||
        (!values && f->labels_n)) {
        return NULL;
    }
    struct cells_part *p = cells_part();
    if (!p) {
        return series_of(f, values);
    }
    uint64_t hash = hash_values(f, values);
    struct series *s = p->cache[hash % CELLS_CACHE].series;
    if (s && p->cache[hash % CELLS_CACHE].hash == hash && s->family == f && has_values(s, values) &&
        !atomic_load_explicit(&s->hidden, memory_order_relaxed)) {
        return s;
    }
    s = series_of(f, values);
    if (s) {
        p->cache[hash % CELLS_CACHE].hash = hash;
        p->cache[hash % CELLS_CACHE].series = s;
    }
    return s;
}

struct series *family_series(const char *name, const char *help, const sonde_label *labels,
                             const struct family_shape *shape)
{
    const char *names[FAMILY_LABELS_MAX + 1], *values[FAMILY_LABELS_MAX];
    size_t n = 0;
    for (; labels && labels[n].name; n++) {
        if (n == FAMILY_LABELS_MAX) {
            problem_set("metric %.100s: more than %d labels", name ? name : "", FAMILY_LABELS_MAX);
            return NULL;
        }
        names[n] = labels[n].name;
    }
    names[n] = NULL;
    struct sonde_family *f = family_get(name, help, names, shape);
    if (!f) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) { /* in the family's order */
        size_t k = 0;
        while (k < n && strcmp(labels[k].name, f->label[i]) != 0) {
            k++;
        }
        values[i] = k < n && labels[k].value ? labels[k].value : "";
    }
    return series_of(f, values);
}

void family_rebase(struct series *s)
{
    if (s->cell == CELLS_NONE) {
        return;
    }
    exemplar_clear(atomic_load_explicit(&s->exemplars, memory_order_acquire));
    if (s->ages) {
        memset(s->ages, 0, FAMILY_SUMMARY_AGES * sizeof *s->ages);
    }
    if (s->family->shape.kind == FAMILY_NATIVE || s->family->shape.kind == FAMILY_SUMMARY) {
        if (!s->base_buckets) {
            s->base_buckets = calloc(1, sizeof *s->base_buckets);
        }
        if (s->base_buckets) { /* without memory it goes on from where it was */
            cells_sum_buckets(s->cell, s->base_buckets);
        }
        return;
    }
    if (!s->base) {
        s->base = calloc(s->cells_n, sizeof *s->base);
    }
    if (s->base) {
        cells_sum(s->cell, s->cells_n, s->base);
    }
}

int sonde_family_remove(sonde_family *family, const char *const *values)
{
    if (!family || (!values && family->labels_n)) {
        return SONDE_ERROR_ARGUMENT;
    }
    const char *clean[FAMILY_LABELS_MAX];
    char *room;
    if (!clean_values(family, values, clean, &room)) {
        return SONDE_ERROR_MEMORY;
    }
    pthread_mutex_lock(&lock);
    struct series *s = find_series(family, hash_values(family, clean), clean);
    pthread_mutex_unlock(&lock);
    free(room);
    return s && !atomic_exchange(&s->hidden, true) ? 0 : SONDE_ERROR_NOT_FOUND;
}
