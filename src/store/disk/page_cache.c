#include "store/disk/page_cache.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"
#include "os/thread.h"

enum { SHARDS = 8, FRAMES_MIN = 16 };

static struct stat hits = STAT_COUNTER("sonde_page_cache_hits_total", "Pages found in the cache.");
static struct stat misses =
    STAT_COUNTER("sonde_page_cache_misses_total", "Pages that had to be read from disk.");
static struct stat evictions =
    STAT_COUNTER("sonde_page_cache_evictions_total", "Pages that made room for others.");
static struct stat bytes = STAT_COUNTER("sonde_page_cache_allocated_bytes_total",
                                        "Memory that the cache has taken for its pages.");

struct shard {
    pthread_mutex_t lock;
    struct page_frame *frames; /* [frames_n]; memory of a page comes with its first use */
    uint32_t *buckets;         /* [buckets_n] index + 1 */
    uint32_t frames_n, buckets_n, hand;
} ALIGNED(64);

struct page_cache {
    struct shard shards[SHARDS];
};

struct page_cache *page_cache_new(size_t bytes_max)
{
    static struct stat *const STATS[] = {&hits, &misses, &evictions, &bytes};
    for (size_t i = 0; i < COUNTOF(STATS); i++)
        stat_register(STATS[i]);

    struct page_cache *c = mem_aligned(64, sizeof *c);
    size_t frames = MIN(MAX(bytes_max / PAGE_BYTES, (size_t)FRAMES_MIN), (size_t)UINT32_MAX / 4);
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        thread_lock_init(&s->lock);
        s->frames_n = (uint32_t)(frames / SHARDS);
        s->buckets_n = 1;
        while (s->buckets_n < s->frames_n)
            s->buckets_n *= 2;
        s->frames = mem_array(s->frames_n, sizeof *s->frames);
        s->buckets = mem_array(s->buckets_n, sizeof *s->buckets);
    }
    return c;
}

void page_cache_free(struct page_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (uint32_t j = 0; j < s->frames_n; j++) {
            must(atomic_load(&s->frames[j].pins) == 0);
            mem_free(s->frames[j].v);
        }
        mem_free(s->frames);
        mem_free(s->buckets);
        pthread_mutex_destroy(&s->lock);
    }
    mem_free(c);
}

static uint64_t hash_of(uint64_t file, uint64_t page)
{
    return hash_u64(file * 0x9e3779b97f4a7c15ULL + page);
}

static struct shard *shard_of(struct page_cache *c, uint64_t hash)
{
    return &c->shards[hash >> 61];
}

static uint32_t *bucket_of(struct shard *s, uint64_t hash)
{
    return &s->buckets[hash & (s->buckets_n - 1)];
}

static struct page_frame *find(struct shard *s, uint64_t hash, uint64_t file, uint64_t page)
{
    for (uint32_t i = *bucket_of(s, hash); i; i = s->frames[i - 1].next) {
        struct page_frame *f = &s->frames[i - 1];
        if (f->file == file && f->page == page) {
            f->used = true;
            atomic_fetch_add(&f->pins, 1);
            return f;
        }
    }
    return NULL;
}

struct page_frame *page_cache_get(struct page_cache *c, uint64_t file, uint64_t page)
{
    if (!c)
        return NULL;
    uint64_t hash = hash_of(file, page);
    struct shard *s = shard_of(c, hash);
    thread_lock(&s->lock);
    struct page_frame *f = find(s, hash, file, page);
    thread_unlock(&s->lock);
    stat_add(f ? &hits : &misses, 1);
    return f;
}

static void unchain(struct shard *s, struct page_frame *f)
{
    uint32_t index = (uint32_t)(f - s->frames) + 1;
    for (uint32_t *at = bucket_of(s, hash_of(f->file, f->page)); *at; at = &s->frames[*at - 1].next)
        if (*at == index) {
            *at = f->next;
            break;
        }
    f->file = 0;
    f->next = 0;
}

/* A frame that nobody pins, taken out of its bucket; NULL where all are pinned. */
static struct page_frame *evict(struct shard *s)
{
    for (uint64_t tries = 0; tries < 2 * (uint64_t)s->frames_n; tries++) {
        struct page_frame *f = &s->frames[s->hand];
        s->hand = (s->hand + 1) % s->frames_n;
        if (atomic_load_explicit(&f->pins, memory_order_acquire))
            continue;
        if (f->used) {
            f->used = false;
            continue;
        }
        if (f->file) {
            unchain(s, f);
            stat_add(&evictions, 1);
        }
        return f;
    }
    return NULL;
}

static struct page_frame *outside(uint64_t file, uint64_t page)
{
    struct page_frame *f = mem_new(sizeof *f);
    f->outside = true;
    f->file = file;
    f->page = page;
    f->pins = 1;
    f->v = mem_raw(PAGE_BYTES);
    return f;
}

struct page_frame *page_cache_take(struct page_cache *c, uint64_t file, uint64_t page)
{
    if (!c)
        return outside(file, page);
    struct shard *s = shard_of(c, hash_of(file, page));
    thread_lock(&s->lock);
    struct page_frame *f = evict(s);
    if (f)
        atomic_store(&f->pins, 1);
    thread_unlock(&s->lock);
    if (!f)
        return outside(file, page);
    if (!f->v) {
        f->v = mem_raw(PAGE_BYTES);
        stat_add(&bytes, PAGE_BYTES);
    }
    /* While it is in no bucket and pinned, only this thread looks at page; file stays 0 until
     * page_cache_put(), so that evict() does not look for it in a bucket. */
    f->page = page;
    return f;
}

struct page_frame *page_cache_put(struct page_cache *c, uint64_t file, struct page_frame *f)
{
    if (f->outside)
        return f;
    uint64_t hash = hash_of(file, f->page);
    struct shard *s = shard_of(c, hash);
    thread_lock(&s->lock);
    struct page_frame *other = find(s, hash, file, f->page);
    if (!other) {
        uint32_t *bucket = bucket_of(s, hash);
        f->file = file;
        f->used = true;
        f->next = *bucket;
        *bucket = (uint32_t)(f - s->frames) + 1;
    }
    thread_unlock(&s->lock);
    if (!other)
        return f;
    page_cache_unpin(f);
    return other;
}

void page_cache_unpin(struct page_frame *f)
{
    if (f->outside) {
        mem_free(f->v);
        mem_free(f);
        return;
    }
    atomic_fetch_sub_explicit(&f->pins, 1, memory_order_release);
}
