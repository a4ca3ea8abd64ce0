/* The commit thread of the log: takes what the lanes have, writes, syncs, answers. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/stat.h"
#include "base/vec.h"
#include "store/disk/log_state.h"

enum {
    MIB = 1 << 20,
    SEGMENT_STEP = 65536,         /* bytes: what small disks round segments to */
    CHUNK_KEPT_BYTES = 256 << 10, /* a chunk that is kept for use again has at most this */
    CHUNKS_KEPT = 4,              /* per lane */
    NS_PER_MS = 1000000,
};

static struct stat commits = STAT_COUNTER("sonde_log_commits_total", "Group commits of the log.");
static struct stat failures =
    STAT_COUNTER("sonde_log_commit_failures_total", "Group commits that failed.");
static struct stat written =
    STAT_COUNTER("sonde_log_bytes_total", "Bytes written to the log, with block headers.");
static struct stat durations =
    STAT_HISTOGRAM("sonde_log_commit_seconds", "Time to write and sync a group commit.");
static struct stat waiting_gauge =
    STAT_GAUGE("sonde_log_waiting_bytes", "Bytes that the log has not written yet.");
static struct stat refusing =
    STAT_GAUGE("sonde_log_refusing", "1 while the log refuses records (disk full or failed).");

void log_commit_register(void)
{
    static struct stat *const STATS[] = {&commits,   &failures,      &written,
                                         &durations, &waiting_gauge, &refusing};
    for (size_t i = 0; i < COUNTOF(STATS); i++)
        stat_register(STATS[i]);
}

static int64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_real);
}

/* ---- chunks */
static void chunks_join(struct chunks *to, struct chunks *from)
{
    if (!from->head)
        return;
    if (to->tail)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
    *from = (struct chunks){0};
}

/* Gives a written or lost chunk back to its lane. The lane is not locked. */
static void recycle(struct log *l, struct chunk *chunk)
{
    struct lane *lane = &l->lanes[chunk->lane];
    atomic_fetch_sub(&lane->waiting, chunk->n);
    thread_lock(&lane->lock);
    bool keep = lane->kept_n < CHUNKS_KEPT && chunk->capacity <= CHUNK_KEPT_BYTES;
    if (keep) {
        chunk->next = lane->kept;
        lane->kept = chunk;
        lane->kept_n++;
    }
    thread_unlock(&lane->lock);
    if (!keep)
        chunk_free(chunk);
}

static void recycle_all(struct log *l, struct chunks *chunks)
{
    for (struct chunk *chunk = chunks->head, *next; chunk; chunk = next) {
        next = chunk->next;
        recycle(l, chunk);
    }
    *chunks = (struct chunks){0};
}

static void lock_lanes(struct log *l)
{
    for (uint32_t i = 0; i < l->settings.lanes; i++)
        thread_lock(&l->lanes[i].lock);
}

static void unlock_lanes(struct log *l)
{
    for (uint32_t i = 0; i < l->settings.lanes; i++)
        thread_unlock(&l->lanes[i].lock);
}

/* ---- the commit thread: taking what the lanes have */
static void take_waiters(struct log *l, struct lane *lane, int err)
{
    for (size_t i = 0; i < lane->waiters.n; i++) {
        if (err && !lane->waiters.v[i].err)
            lane->waiters.v[i].err = err;
        vec_push(&l->waiters, lane->waiters.v[i]);
    }
    lane->waiters.n = 0;
}

/* The number that has to be written next, given that all queues have been taken. Lanes locked. */
static uint64_t lowest_needed(struct log *l)
{
    uint64_t lowest = atomic_load(&l->wanted);
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        const struct lane *lane = &l->lanes[i];
        if (lane->inside && !lane->broken)
            lowest = MIN(lowest, lane->segment);
    }
    return lowest;
}

/* Takes everything from all lanes at one moment, so that whatever a record relies on is taken no
 * later than it. */
static void cut(struct log *l)
{
    lock_lanes(l);
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        struct lane *lane = &l->lanes[i];
        chunks_join(&l->pending, &lane->queue);
        lane->open[0] = lane->open[1] = NULL;
        take_waiters(l, lane, 0);
    }
    l->lowest = lowest_needed(l);
    unlock_lanes(l);
}

static void answer(struct log *l, uint64_t up_to, int err)
{
    struct waiters taken = l->waiters;
    l->waiters = (struct waiters){0};
    for (size_t i = 0; i < taken.n; i++) {
        struct waiter *w = &taken.v[i];
        if (w->segment > up_to && !w->err)
            vec_push(&l->waiters, *w);
        else if (w->done)
            w->done(w->context, w->err ? w->err : err);
    }
    vec_free(&taken);
}

static void set_ready(struct log *l)
{
    int err = l->broken ? l->broken : l->low ? -ERR_FULL : 0;
    atomic_store(&l->ready, err);
    stat_set(&refusing, err ? 1 : 0);
}

/* ---- the commit thread: segment files */
static uint64_t reserve_of(const struct log *l, uint64_t total)
{
    if (l->settings.reserve_bytes)
        return l->settings.reserve_bytes;
    return MIN(MAX(total / 100, (uint64_t)16 * MIB), total / 16);
}

static uint64_t segment_bytes_of(const struct log *l)
{
    uint64_t unused, total;
    uint64_t bytes = l->settings.segment_bytes;
    if (disk_space(l->d, &unused, &total) == 0 && bytes > total / 64)
        bytes = MAX(total / 64 / SEGMENT_STEP * SEGMENT_STEP, MIN(bytes, (uint64_t)SEGMENT_STEP));
    return bytes;
}

/* Is there less free space than the reserve? A disk that does not say has room. */
static void look_at_space(struct log *l)
{
    uint64_t unused, total;
    l->looked_ns = now_ns();
    if (disk_space(l->d, &unused, &total)) {
        l->low = false;
    } else {
        uint64_t reserve = reserve_of(l, total);
        l->low = unused < (l->low ? reserve + reserve / 8 : reserve);
    }
    set_ready(l);
}

static void spare_path(const struct log *l, char ret[LOG_SEGMENT_PATH])
{
    snprintf(ret, LOG_SEGMENT_PATH, "%s/next.tmp", l->dir);
}

static void drop_spare(struct log *l)
{
    char path[LOG_SEGMENT_PATH];
    disk_close(l->d, l->spare);
    l->spare = NULL;
    spare_path(l, path);
    int ignored = disk_remove(l->d, path); /* it is removed before the next one is made */
    (void)ignored;
}

/* A preallocated file without a header. */
static int make_spare(struct log *l)
{
    if (l->spare)
        return 0;
    char path[LOG_SEGMENT_PATH];
    spare_path(l, path);
    int err = disk_remove(l->d, path);
    if (err && err != -ERR_NOENT)
        return err;
    err = disk_open(l->d, path, DISK_WRITE | DISK_CREATE, &l->spare);
    if (err == -ERR_NOENT) { /* the disk was too full even for the directory */
        err = disk_make_dir(l->d, l->dir);
        if (!err)
            err = disk_sync_parent(l->d, l->dir);
        if (!err)
            err = disk_open(l->d, path, DISK_WRITE | DISK_CREATE, &l->spare);
    }
    if (err)
        return err;
    err = disk_allocate(l->d, l->spare, segment_bytes_of(l));
    if (err == -ERR_UNSUPPORTED)
        err = 0;
    if (err)
        drop_spare(l);
    return err;
}

/* Turns the spare into segment number and writes to it from now on. */
static int begin_segment(struct log *l, uint64_t number)
{
    uint8_t header[LOG_SEGMENT_HEADER];
    char from[LOG_SEGMENT_PATH], to[LOG_SEGMENT_PATH];
    struct cipher *cipher = NULL;
    uint64_t size = 0;
    int err = make_spare(l);
    if (!err)
        err = log_segment_header_make(number, l->ring, header, &cipher);
    if (err)
        return err;

    spare_path(l, from);
    log_segment_path(l->dir, number, to);
    err = disk_write(l->d, l->spare, 0, header, sizeof header);
    if (!err)
        err = disk_sync(l->d, l->spare);
    if (!err)
        err = disk_size(l->d, l->spare, &size);
    if (!err)
        err = disk_rename(l->d, from, to);
    if (!err && (err = disk_sync_dir(l->d, l->dir)) != 0) {
        int ignored = disk_remove(l->d, to); /* an empty segment does no harm */
        (void)ignored;
    }
    if (err) {
        cipher_free(cipher);
        drop_spare(l);
        return err;
    }
    l->file = l->spare;
    l->spare = NULL;
    l->cipher = cipher;
    l->index = 0;
    l->allocated = size;
    l->full_at = segment_bytes_of(l);
    l->sync_failed = false;
    l->synced = LOG_SEGMENT_HEADER;
    thread_lock(&l->files_lock);
    l->number = number;
    l->offset = LOG_SEGMENT_HEADER;
    thread_unlock(&l->files_lock);
    return 0;
}

/* Lets go of the present segment. What lies behind keep is not wanted: preallocated space, or what
 * a failed commit has left. */
static void end_segment(struct log *l, uint64_t keep)
{
    if (!l->file)
        return;
    if (l->allocated > keep || l->offset > keep) {
        int ignored = disk_truncate(l->d, l->file, keep); /* only gives back space */
        (void)ignored;
    }
    disk_close(l->d, l->file);
    cipher_free(l->cipher);
    l->file = NULL;
    l->cipher = NULL;

    thread_lock(&l->files_lock);
    struct closed closed = {l->number, keep};
    bool drop = l->number < l->drop_before;
    if (!drop)
        vec_push(&l->closed, closed);
    l->number = l->offset = 0;
    thread_unlock(&l->files_lock);
    if (drop) {
        char path[LOG_SEGMENT_PATH];
        log_segment_path(l->dir, closed.number, path);
        int ignored = disk_remove(l->d, path); /* replay leaves it out by its number */
        (void)ignored;
    }
}

/* ---- the commit thread: failures */

/* Bytes of the segment that are to stay after a failure: what somebody was told is safe. */
static uint64_t kept_after_failure(struct log *l)
{
    if (!l->settings.unsynced)
        return l->synced;
    /* They were told after write(). Where it was not the sync that failed, one is still worth a
     * try; if that fails too, there is nothing more to do for them. */
    if (l->file && !l->sync_failed && disk_sync(l->d, l->file))
        l->sync_failed = true;
    return l->offset;
}

/* Tries to have a segment again. */
static void recover(struct log *l)
{
    l->tried_ns = now_ns();
    look_at_space(l);
    if (l->low && l->broken) {
        l->broken = -ERR_FULL;
        set_ready(l);
        return;
    }
    lock_lanes(l);
    uint64_t number = lowest_needed(l);
    unlock_lanes(l);
    l->broken = begin_segment(l, number);
    set_ready(l);
}

/* A commit failed: everything that was appended so far is lost for those who wait, every lane
 * gets a new segment, and the file is never written again. */
static void fail(struct log *l, int err)
{
    struct chunks lost = {0};
    chunks_join(&lost, &l->pending);
    lock_lanes(l);
    l->broken = err;
    set_ready(l);
    uint64_t number = atomic_fetch_add(&l->wanted, 1) + 1;
    atomic_store(&l->floor, number);
    for (uint32_t i = 0; i < l->settings.lanes; i++) {
        struct lane *lane = &l->lanes[i];
        chunks_join(&lost, &lane->queue);
        lane->open[0] = lane->open[1] = NULL;
        take_waiters(l, lane, err);
        if (lane->inside)
            lane->broken = err;
    }
    unlock_lanes(l);
    atomic_fetch_add(&l->failures, 1);
    stat_add(&failures, 1);
    end_segment(l, kept_after_failure(l));
    recycle_all(l, &lost);
    answer(l, UINT64_MAX, err);
    recover(l);
}

/* ---- the commit thread: writing */
static int write_chunk(struct log *l, struct chunk *chunk)
{
    struct log_segment_block block = {
        .length = (uint32_t)(chunk->n - LOG_SEGMENT_BLOCK),
        .segment = l->number,
        .index = l->index++,
        .lane = (uint16_t)chunk->lane,
        .synced = l->synced,
    };
    int err = log_segment_seal(l->cipher, &block, chunk->v);
    if (!err && l->offset + chunk->n > l->allocated) {
        err = disk_allocate(l->d, l->file, l->offset + chunk->n);
        if (!err || err == -ERR_UNSUPPORTED) {
            l->allocated = l->offset + chunk->n;
            err = 0;
        }
    }
    if (!err)
        err = disk_write(l->d, l->file, l->offset, chunk->v, chunk->n);
    if (err)
        return err;
    thread_lock(&l->files_lock);
    l->offset += chunk->n;
    thread_unlock(&l->files_lock);
    atomic_fetch_add(&l->records, chunk->records);
    stat_add(&written, chunk->n);
    return 0;
}

/* Writes the pending chunks of the present segment that are first or not. */
static int write_pass(struct log *l, bool first, struct chunks *done)
{
    struct chunks rest = {0};
    int err = 0;
    for (struct chunk *chunk = l->pending.head, *next; chunk; chunk = next) {
        next = chunk->next;
        bool mine = !err && chunk->segment == l->number && chunk->first == first;
        if (mine)
            err = write_chunk(l, chunk);
        chunks_push(mine ? done : &rest, chunk);
    }
    l->pending = rest;
    return err;
}

static int sync_segment(struct log *l)
{
    if (l->synced == l->offset)
        return 0;
    int err = disk_sync(l->d, l->file);
    if (err) {
        l->sync_failed = true; /* and never sync this file again */
        return err;
    }
    l->synced = l->offset;
    l->synced_ns = now_ns();
    return 0;
}

/* Writes, syncs and answers what belongs to the present segment. */
static int commit(struct log *l, bool *ret_did)
{
    struct chunks done = {0};
    int64_t start = now_ns();
    int err = write_pass(l, true, &done);
    if (!err)
        err = write_pass(l, false, &done);
    if (!err && (!l->settings.unsynced ||
                 start - l->synced_ns >= l->settings.commit_interval_ms * NS_PER_MS))
        err = sync_segment(l);
    if (done.head && !err) {
        atomic_fetch_add(&l->commits, 1);
        stat_add(&commits, 1);
        stat_observe(&durations, now_ns() - start);
    }
    *ret_did = done.head || l->waiters.n;
    recycle_all(l, &done);
    if (!err)
        answer(l, l->number, 0);
    return err;
}

/* The segment that has to follow the present one now; the same where that still goes on. */
static uint64_t next_number(const struct log *l)
{
    uint64_t next = l->lowest;
    for (const struct chunk *chunk = l->pending.head; chunk; chunk = chunk->next)
        next = MIN(next, chunk->segment);
    return MAX(next, l->number);
}

static void rotate_when_full(struct log *l, uint64_t before)
{
    uint64_t next_commit = MAX(l->offset - before, l->full_at / 16);
    if (l->offset == LOG_SEGMENT_HEADER || l->offset + next_commit <= l->full_at ||
        l->lowest > l->number)
        return;
    uint64_t present = l->number;
    /* Where somebody else has asked for a rotation already, one is enough. */
    if (atomic_compare_exchange_strong(&l->wanted, &present, present + 1)) {
        lock_lanes(l);
        l->lowest = lowest_needed(l);
        for (uint32_t i = 0; i < l->settings.lanes; i++)
            if (l->lanes[i].queue.head)
                l->lowest = MIN(l->lowest, l->lanes[i].queue.head->segment);
        unlock_lanes(l);
    }
}

/* Goes through the segments that have something to be written. */
static int commit_all(struct log *l, bool *ret_did)
{
    for (;;) {
        bool did;
        uint64_t before = l->offset;
        int err = commit(l, &did);
        *ret_did |= did;
        if (err)
            return err;
        rotate_when_full(l, before);
        uint64_t next = next_number(l);
        if (next == l->number)
            return 0;
        err = sync_segment(l);
        if (err)
            return err;
        end_segment(l, l->offset);
        err = begin_segment(l, next);
        if (err)
            return err;
        *ret_did = true;
    }
}

static bool passed(int64_t since_ns, int64_t ms)
{
    return now_ns() - since_ns >= ms * NS_PER_MS;
}

static void show_waiting(struct log *l)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < l->settings.lanes; i++)
        bytes += atomic_load(&l->lanes[i].waiting);
    stat_set(&waiting_gauge, (double)bytes);
}

bool log_step(struct log *l)
{
    bool did = false;
    cut(l);
    if (!l->file && (passed(l->tried_ns, LOG_RETRY_MS) || l->settings.manual))
        recover(l);
    if (!l->file) {
        did = l->pending.head || l->waiters.n;
        if (did)
            fail(l, l->broken); /* a lane slipped in before it saw that the log refuses */
        return did;
    }
    int err = commit_all(l, &did);
    if (err)
        fail(l, err);
    if (passed(l->looked_ns, LOG_RETRY_MS) || (l->low && l->settings.manual))
        look_at_space(l);
    if (l->file && !l->low && !l->spare && make_spare(l))
        look_at_space(l); /* no room yet: the next rotation will say so if that lasts */
    show_waiting(l);
    return did;
}

/* ---- the commit thread: waiting */

/* Nanoseconds until there is something to do without being woken; 0: nothing. */
static int64_t patience_ns(struct log *l)
{
    if (atomic_load(&l->ready))
        return (int64_t)LOG_RETRY_MS * NS_PER_MS;
    bool waits = l->synced != l->offset;
    for (uint32_t i = 0; i < l->settings.lanes; i++)
        waits |= atomic_load(&l->lanes[i].waiting) != 0;
    return waits ? l->settings.commit_interval_ms * NS_PER_MS : 0;
}

void log_commit_run(void *context)
{
    struct log *l = context;
    thread_lock(&l->lock);
    while (!l->stop) {
        if (!l->work) {
            atomic_store(&l->parked, true);
            int64_t patience = patience_ns(l);
            if (patience) {
                atomic_store(&l->parked, false);
                thread_wait_for(&l->wake, &l->lock, patience);
            } else {
                thread_wait(&l->wake, &l->lock);
                atomic_store(&l->parked, false);
                if (!l->work)
                    continue; /* records came that nobody waits for yet: they have their time */
            }
        }
        l->work = false;
        thread_unlock(&l->lock);
        log_step(l);
        thread_lock(&l->lock);
    }
    thread_unlock(&l->lock);
}

void log_commit_open(struct log *l)
{
    recover(l);
}

void log_commit_close(struct log *l)
{
    log_step(l);
    if (l->file && sync_segment(l))
        end_segment(l, kept_after_failure(l)); /* nobody waits any more */
    else
        end_segment(l, l->offset);
    if (l->spare)
        drop_spare(l);
}
