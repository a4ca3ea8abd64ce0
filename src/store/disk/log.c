#include "store/disk/log.h"

#include <string.h>

#include "base/bits.h"
#include "base/must.h"
#include "base/vec.h"
#include "store/disk/log_state.h"

enum { MIB = 1 << 20 };

/* The chunk of an entered, locked lane that takes n more bytes. */
static struct chunk *chunk_for(struct lane *lane, uint32_t number, bool first, size_t n)
{
    struct chunk *chunk = lane->open[first];
    if (chunk && chunk->segment == lane->segment &&
        chunk->n + n <= LOG_SEGMENT_BLOCK + (size_t)LOG_SEGMENT_PAYLOAD)
        return chunk;
    chunk = lane->kept;
    if (chunk) {
        lane->kept = chunk->next;
        lane->kept_n--;
    } else {
        chunk = mem_new(sizeof *chunk);
    }
    chunk->segment = lane->segment;
    chunk->lane = number;
    chunk->first = first;
    chunk->records = 0;
    chunk->n = LOG_SEGMENT_BLOCK;
    atomic_fetch_add(&lane->waiting, chunk->n);
    chunks_push(&lane->queue, chunk);
    lane->open[first] = chunk;
    return chunk;
}

/* ---- lanes */
static void wake(struct log *l)
{
    thread_lock(&l->lock);
    if (!l->work) {
        l->work = true;
        thread_wake(&l->wake);
    }
    thread_unlock(&l->lock);
}

/* Lets a commit thread that sleeps without an end see that records came. */
static void nudge(struct log *l)
{
    thread_lock(&l->lock);
    thread_wake(&l->wake);
    thread_unlock(&l->lock);
}

int log_enter(struct log *l, uint32_t number, uint64_t *ret_segment)
{
    must(number < l->settings.lanes);
    struct lane *lane = &l->lanes[number];
    thread_lock(&lane->turn);
    int err = atomic_load(&l->ready);
    if (!err && atomic_load(&lane->waiting) > l->settings.lane_bytes_max)
        err = -ERR_BUSY;
    if (err) {
        thread_unlock(&lane->turn);
        return err;
    }
    thread_lock(&lane->lock);
    lane->inside = true;
    lane->broken = 0;
    lane->segment = atomic_load(&l->wanted);
    *ret_segment = lane->segment;
    thread_unlock(&lane->lock);
    return 0;
}

void log_leave(struct log *l, uint32_t number)
{
    struct lane *lane = &l->lanes[number];
    thread_lock(&lane->lock);
    lane->inside = false;
    bool old = lane->segment != atomic_load(&l->wanted);
    bool queued = lane->queue.head != NULL;
    thread_unlock(&lane->lock);
    thread_unlock(&lane->turn);
    if (old)
        wake(l);
    else if (queued && atomic_load(&l->parked))
        nudge(l);
}

static int append(struct log *l, uint32_t number, bool first, uint8_t type, const void *p, size_t n)
{
    if (n > LOG_RECORD_MAX)
        return -ERR_LIMIT;
    struct lane *lane = &l->lanes[number];
    size_t total = varint_len(n) + 1 + n;
    thread_lock(&lane->lock);
    must(lane->inside);
    int err = lane->broken;
    if (!err) {
        struct chunk *chunk = chunk_for(lane, number, first, total);
        if (chunk->n + total > chunk->capacity)
            chunk->v = vec_grow(chunk->v, 1, chunk->n + total, &chunk->capacity);
        uint8_t *at = varint_put(chunk->v + chunk->n, n);
        *at++ = type;
        if (n)
            memcpy(at, p, n);
        chunk->n += total;
        chunk->records++;
        atomic_fetch_add(&lane->waiting, total);
    }
    thread_unlock(&lane->lock);
    return err;
}

int log_append(struct log *l, uint32_t lane, uint8_t type, const void *p, size_t n)
{
    return append(l, lane, false, type, p, n);
}

int log_append_first(struct log *l, uint32_t lane, uint8_t type, const void *p, size_t n)
{
    return append(l, lane, true, type, p, n);
}

void log_commit(struct log *l, uint32_t number, void (*done)(void *context, int err), void *context)
{
    struct lane *lane = &l->lanes[number];
    thread_lock(&lane->lock);
    must(lane->inside);
    struct waiter waiter = {done, context, lane->segment, lane->broken};
    vec_push(&lane->waiters, waiter);
    thread_unlock(&lane->lock);
    wake(l);
}

int log_ready(const struct log *l)
{
    return atomic_load_explicit(&l->ready, memory_order_relaxed);
}

uint64_t log_floor(const struct log *l)
{
    return atomic_load_explicit(&l->floor, memory_order_relaxed);
}

uint64_t log_rotate(struct log *l)
{
    uint64_t number = atomic_fetch_add(&l->wanted, 1) + 1;
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        thread_lock(&l->lanes[i].turn); /* who was inside an older segment has left it now */
        thread_unlock(&l->lanes[i].turn);
    }
    wake(l);
    return number;
}

/* ---- opening and closing */
static int settle_old(struct log *l, uint64_t number, bool is_last, struct why *why)
{
    char path[LOG_SEGMENT_PATH];
    struct disk_file *f = NULL;
    uint64_t end = UINT64_MAX, size = 0;
    log_segment_path(l->dir, number, path);
    int err = 0;
    if (is_last && (err = log_segment_end(l->d, l->dir, l->ring, number, &end, why)) != 0)
        return err;
    err = disk_open(l->d, path, DISK_WRITE, &f);
    if (!err)
        err = disk_size(l->d, f, &size);
    if (!err && size > end)
        err = disk_truncate(l->d, f, end);
    /* What a process that was killed had written is replayed, so it must be durable too. */
    if (!err)
        err = disk_sync(l->d, f);
    disk_close(l->d, f);
    if (err)
        return why_set(why, (enum err) - err, "cannot settle the log's segment %s: %s", path,
                       err_text(err));
    struct closed closed = {number, MIN(size, end)};
    vec_push(&l->closed, closed);
    return 0;
}

static int settle_all(struct log *l, uint64_t *ret_greatest, struct why *why)
{
    uint64_t *numbers;
    size_t n;
    int err = log_segment_list(l->d, l->dir, &numbers, &n);
    if (err)
        return why_set(why, (enum err) - err, "cannot list %s: %s", l->dir, err_text(err));
    for (size_t i = 0; !err && i < n; i++)
        err = settle_old(l, numbers[i], i == n - 1, why);
    *ret_greatest = n ? numbers[n - 1] : 0;
    mem_free(numbers);
    return err;
}

static struct log *new_log(struct disk *d, const char *dir, const struct keyring *ring,
                           const struct log_settings *settings)
{
    struct log *l = mem_new(sizeof *l);
    l->d = d;
    l->ring = ring;
    l->settings = *settings;
    if (l->settings.segment_bytes == 0)
        l->settings.segment_bytes = (uint64_t)64 * MIB;
    if (l->settings.commit_interval_ms == 0)
        l->settings.commit_interval_ms = 100;
    if (l->settings.lane_bytes_max == 0)
        l->settings.lane_bytes_max = (size_t)16 * MIB;
    l->dir = mem_text(dir, strlen(dir));
    l->lanes = mem_aligned(64, l->settings.lanes * sizeof *l->lanes);
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        thread_lock_init(&l->lanes[i].turn);
        thread_lock_init(&l->lanes[i].lock);
    }
    thread_lock_init(&l->lock);
    thread_lock_init(&l->files_lock);
    thread_cond_init(&l->wake);
    return l;
}

static void free_log(struct log *l)
{
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        struct lane *lane = &l->lanes[i];
        for (struct chunk *chunk = lane->kept, *next; chunk; chunk = next) {
            next = chunk->next;
            chunk_free(chunk);
        }
        vec_free(&lane->waiters);
        pthread_mutex_destroy(&lane->turn);
        pthread_mutex_destroy(&lane->lock);
    }
    vec_free(&l->closed);
    vec_free(&l->waiters);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->files_lock);
    mem_free(l->lanes);
    mem_free(l->dir);
    mem_free(l);
}

int log_open(struct disk *d, const char *dir, const struct keyring *ring,
             const struct log_settings *settings, struct log **ret, struct why *why)
{
    if (settings->lanes == 0 || settings->lanes > LOG_LANES_MAX)
        return why_set(why, ERR_RANGE, "the log has 1 to %d lanes, not %u", LOG_LANES_MAX,
                       settings->lanes);
    log_commit_register();

    struct log *l = new_log(d, dir, ring, settings);
    uint64_t greatest = 0;
    int err = disk_make_dir(d, dir);
    if (!err)
        err = disk_sync_parent(d, dir);
    if (err && err != -ERR_FULL)
        err = why_set(why, (enum err) - err, "cannot make the log's directory %s: %s", dir,
                      err_text(err));
    else
        err = settle_all(l, &greatest, why);
    if (err) {
        free_log(l);
        return err;
    }
    atomic_store(&l->wanted, MAX(greatest + 1, MAX(settings->first_segment, 1)));
    atomic_store(&l->floor, 1);
    log_commit_open(l);
    if (!l->settings.manual)
        thread_start(&l->thread, "commit", log_commit_run, l);
    *ret = l;
    return 0;
}

void log_close(struct log *l)
{
    if (!l)
        return;
    thread_lock(&l->lock);
    l->stop = true;
    thread_wake(&l->wake);
    thread_unlock(&l->lock);
    thread_join(&l->thread);

    log_commit_close(l);
    free_log(l);
}

/* ---- segments */
int log_drop_before(struct log *l, uint64_t n)
{
    uint64_t number;
    bool any = false;
    int err = 0;
    thread_lock(&l->files_lock);
    l->drop_before = MAX(l->drop_before, n);
    /* The newest file stays even where nothing can be written: it keeps the numbers going. */
    size_t most = l->closed.n - (l->number == 0 && l->closed.n ? 1 : 0), i = 0;
    while (!err && i < most && l->closed.v[i].number < n) {
        char path[LOG_SEGMENT_PATH];
        number = l->closed.v[i].number;
        log_segment_path(l->dir, number, path);
        err = disk_remove(l->d, path);
        if (err == -ERR_NOENT)
            err = 0;
        any = true;
        i += !err;
    }
    if (i)
        memmove(l->closed.v, l->closed.v + i, (l->closed.n - i) * sizeof *l->closed.v);
    l->closed.n -= i;
    thread_unlock(&l->files_lock);
    if (any && !err)
        err = disk_sync_dir(l->d, l->dir);
    wake(l);
    return err;
}

struct log_stats log_stats(struct log *l)
{
    struct log_stats stats = {.commits = atomic_load(&l->commits),
                              .failures = atomic_load(&l->failures),
                              .records = atomic_load(&l->records)};
    for (uint32_t i = 0; i < l->settings.lanes; i++)
        stats.waiting_bytes += atomic_load(&l->lanes[i].waiting);
    thread_lock(&l->files_lock);
    stats.segment = l->number;
    stats.segments = l->closed.n + (l->number != 0);
    stats.first_segment = l->closed.n ? l->closed.v[0].number : l->number;
    stats.bytes = l->offset;
    for (size_t i = 0; i < l->closed.n; i++)
        stats.bytes += l->closed.v[i].bytes;
    thread_unlock(&l->files_lock);
    return stats;
}
