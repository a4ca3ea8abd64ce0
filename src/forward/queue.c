#include "forward/queue.h"

#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "os/thread.h"
#include "pack/pack.h"
#include "store/disk/log_segment.h"

/* What stands before the rows of a block. */
enum {
    AT_VERSION = 0,
    AT_CODEC = 1,
    AT_TENANT_N = 2,
    AT_ROWS = 4,
    AT_RAW_N = 8, /* bytes of the rows, unpacked; 4 for nothing follow */
    AT_ROW = 16,
    PREFIX = 24,
    VERSION = 1,
    SMALL = 512,            /* bytes that are not worth packing */
    SEGMENTS_PER_QUEUE = 8, /* at least */
    SEGMENT_BYTES_MAX = 16 << 20,
};

struct segment {
    uint64_t number, bytes;
};

struct queue {
    struct disk *disk;
    char dir[LOG_SEGMENT_PATH / 2];
    const struct keyring *ring;
    uint64_t bytes_max, segment_bytes;
    pthread_mutex_t lock;
    struct {
        struct segment *v; /* ascending; the last one is written where file is set */
        size_t n, capacity;
    } segments;
    struct disk_file *file;
    struct cipher *cipher;
    uint32_t index; /* of the next block in it */
    bool dirty;     /* not synced */
    bool dir_dirty; /* a segment's name is not */
    struct {
        struct disk_file **v;
        size_t n, capacity;
    } ended; /* segments that are whole: to be synced and closed */
    uint64_t next_number, next_row, bytes, dropped;
    struct buf packed;
};

/* ---- opening */
static int add_there(struct queue *q, uint64_t number, struct why *why)
{
    char path[LOG_SEGMENT_PATH];
    struct disk_file *f;
    uint64_t size = 0;
    log_segment_path(q->dir, number, path);
    int err = disk_open(q->disk, path, DISK_READ, &f);
    if (err == 0) {
        err = disk_size(q->disk, f, &size);
        disk_close(q->disk, f);
    }
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be opened: %s", path, err_text(err));
    struct segment s = {number, size};
    vec_push(&q->segments, s);
    q->bytes += size;
    q->next_number = number + 1;
    return 0;
}

/* The number of the row behind the last sound block there is. */
static void find_next_row(struct queue *q)
{
    for (size_t i = q->segments.n; i > 0; i--) {
        struct queue_reader r;
        struct queue_block b;
        bool any = false;
        queue_reader_init(&r, q, (struct queue_position){.segment = q->segments.v[i - 1].number});
        while (queue_read(&r, &b) == 1) {
            q->next_row = b.row + b.rows;
            any = true;
            buf_done(&b.bytes);
        }
        queue_reader_done(&r);
        if (any)
            return;
    }
}

int queue_open(struct disk *d, const char *dir, const struct keyring *ring, uint64_t bytes_max,
               struct queue **ret, struct why *why)
{
    struct queue *q = mem_new(sizeof *q);
    uint64_t *numbers = NULL;
    size_t n = 0;
    q->disk = d;
    q->ring = ring;
    q->bytes_max = MAX(bytes_max, (uint64_t)QUEUE_BYTES_MIN);
    q->segment_bytes = MIN(q->bytes_max / SEGMENTS_PER_QUEUE, (uint64_t)SEGMENT_BYTES_MAX);
    q->next_number = 1;
    must(strlen(dir) < sizeof q->dir);
    memcpy(q->dir, dir, strlen(dir) + 1);
    thread_lock_init(&q->lock);
    buf_init(&q->packed, 2 * LOG_SEGMENT_PAYLOAD);
    int err = disk_make_dir(d, dir);
    if (err == 0)
        err = disk_sync_parent(d, dir);
    if (err == 0)
        err = log_segment_list(d, dir, &numbers, &n);
    if (err)
        err =
            why_set(why, (enum err) - err, "the queue %s cannot be opened: %s", dir, err_text(err));
    for (size_t i = 0; i < n && err == 0; i++)
        err = add_there(q, numbers[i], why);
    mem_free(numbers);
    if (err) {
        queue_close(q);
        return err;
    }
    find_next_row(q);
    *ret = q;
    return 0;
}

static void close_file(struct queue *q)
{
    disk_close(q->disk, q->file);
    cipher_free(q->cipher);
    q->file = NULL;
    q->cipher = NULL;
}

void queue_close(struct queue *q)
{
    if (q == NULL)
        return;
    (void)!queue_sync(q); /* what it could not keep would have been lost without it as well */
    close_file(q);
    must(q->ended.n == 0);
    vec_free(&q->ended);
    vec_free(&q->segments);
    buf_done(&q->packed);
    pthread_mutex_destroy(&q->lock);
    mem_free(q);
}

/* ---- writing; under the lock */
static struct segment *last(struct queue *q)
{
    return &q->segments.v[q->segments.n - 1];
}

static void drop_first(struct queue *q)
{
    char path[LOG_SEGMENT_PATH];
    log_segment_path(q->dir, q->segments.v[0].number, path);
    (void)!disk_remove(q->disk, path); /* it will be tried again at the next start */
    q->bytes -= q->segments.v[0].bytes;
    q->segments.n--;
    memmove(q->segments.v, q->segments.v + 1, q->segments.n * sizeof *q->segments.v);
}

static int begin_segment(struct queue *q)
{
    char path[LOG_SEGMENT_PATH];
    uint8_t header[LOG_SEGMENT_HEADER];
    uint64_t number = q->next_number++;
    log_segment_path(q->dir, number, path);
    int err = log_segment_header_make(number, q->ring, header, &q->cipher);
    if (err)
        return err;
    err = disk_open(q->disk, path, DISK_WRITE | DISK_CREATE, &q->file);
    if (err) {
        cipher_free(q->cipher);
        q->cipher = NULL;
        q->file = NULL;
        return err;
    }
    err = disk_write(q->disk, q->file, 0, header, sizeof header);
    if (err) {
        close_file(q);
        (void)!disk_remove(q->disk, path); /* an empty segment does no harm */
        return err;
    }
    struct segment s = {number, sizeof header};
    vec_push(&q->segments, s);
    q->bytes += sizeof header;
    q->index = 0;
    q->dir_dirty = true;
    return 0;
}

/* Writers do not wait for disks here: queue_sync() does the rest. */
static void end_segment(struct queue *q)
{
    vec_push(&q->ended, q->file);
    q->file = NULL;
    q->dirty = false;
    cipher_free(q->cipher);
    q->cipher = NULL;
}

/* The block's header, prefix and rows into q->packed. */
static void pack_block(struct queue *q, struct str tenant, struct str bytes, uint32_t rows)
{
    uint8_t prefix[PREFIX] = {0};
    struct buf *to = &q->packed;
    buf_clear(to);
    char *room = buf_reserve(to, LOG_SEGMENT_BLOCK);
    must(room != NULL);
    buf_commit(to, LOG_SEGMENT_BLOCK);
    size_t prefix_at = to->n;
    buf_put(to, prefix, PREFIX);
    buf_put_str(to, tenant);
    size_t rows_at = to->n;
    enum pack_codec codec = PACK_LZ4;
    if (bytes.n < SMALL || pack_pack(codec, 0, bytes, to) != 0 || to->n - rows_at >= bytes.n) {
        codec = PACK_IDENTITY;
        to->n = rows_at;
        to->failed = false;
        buf_put_str(to, bytes);
    }
    uint8_t *p = (uint8_t *)to->p + prefix_at;
    p[AT_VERSION] = VERSION;
    p[AT_CODEC] = (uint8_t)codec;
    store16(p + AT_TENANT_N, (uint16_t)tenant.n);
    store32(p + AT_ROWS, rows);
    store32(p + AT_RAW_N, (uint32_t)bytes.n);
    store64(p + AT_ROW, q->next_row);
}

static int append(struct queue *q, struct str tenant, struct str bytes, uint32_t rows)
{
    pack_block(q, tenant, bytes, rows);
    if (q->file && last(q)->bytes + q->packed.n > q->segment_bytes && q->index > 0)
        end_segment(q);
    while (q->segments.n > (q->file ? 1 : 0) && q->bytes + q->packed.n > q->bytes_max) {
        drop_first(q);
        q->dropped++;
    }
    int err = q->file ? 0 : begin_segment(q);
    if (err)
        return err;
    struct log_segment_block block = {
        .length = (uint32_t)(q->packed.n - LOG_SEGMENT_BLOCK),
        .segment = last(q)->number,
        .index = q->index,
    };
    err = log_segment_seal(q->cipher, &block, (uint8_t *)q->packed.p);
    if (err == 0)
        err = disk_write(q->disk, q->file, last(q)->bytes, q->packed.p, q->packed.n);
    if (err) {
        end_segment(q); /* what follows a torn block would not be found */
        return err;
    }
    q->index++;
    q->dirty = true;
    last(q)->bytes += q->packed.n;
    q->bytes += q->packed.n;
    return 0;
}

int queue_append(struct queue *q, struct str tenant, struct str bytes, uint32_t rows)
{
    must(bytes.n <= QUEUE_BLOCK_MAX && tenant.n < 256);
    thread_lock(&q->lock);
    int err = append(q, tenant, bytes, rows);
    q->next_row += rows; /* lost ones leave a gap, which readers count */
    thread_unlock(&q->lock);
    return err;
}

/* file is not synced again after it failed: it leaves the list, and is not written any more. */
static void give_up(struct queue *q, struct disk_file *file)
{
    if (q->file == file) {
        close_file(q);
        return;
    }
    for (size_t i = 0; i < q->ended.n; i++) {
        if (q->ended.v[i] != file)
            continue;
        disk_close(q->disk, file);
        q->ended.v[i] = q->ended.v[--q->ended.n];
    }
}

int queue_sync(struct queue *q)
{
    int err = 0;
    thread_lock(&q->lock);
    struct disk_file **ended = q->ended.v, *file = q->dirty ? q->file : NULL;
    size_t ended_n = q->ended.n;
    bool dir_dirty = q->dir_dirty;
    q->ended.v = NULL;
    q->ended.n = q->ended.capacity = 0;
    q->dirty = q->dir_dirty = false;
    thread_unlock(&q->lock);
    /* Lanes go on to write; file may end meanwhile, but is closed here alone. */
    if (dir_dirty)
        err = disk_sync_dir(q->disk, q->dir);
    for (size_t i = 0; i < ended_n; i++) {
        int failed = disk_sync(q->disk, ended[i]);
        err = err ? err : failed;
        disk_close(q->disk, ended[i]);
    }
    mem_free(ended);
    int failed = file ? disk_sync(q->disk, file) : 0;
    thread_lock(&q->lock);
    q->dir_dirty = q->dir_dirty || (dir_dirty && err);
    if (failed)
        give_up(q, file);
    thread_unlock(&q->lock);
    return err ? err : failed;
}

struct queue_facts queue_facts(struct queue *q)
{
    thread_lock(&q->lock);
    struct queue_facts facts = {q->next_row, q->bytes, q->dropped};
    thread_unlock(&q->lock);
    return facts;
}

struct queue_position queue_end(struct queue *q)
{
    thread_lock(&q->lock);
    struct queue_position at = {q->next_number, 0, q->next_row};
    if (q->file)
        at = (struct queue_position){last(q)->number, last(q)->bytes, q->next_row};
    thread_unlock(&q->lock);
    return at;
}

void queue_trim(struct queue *q, uint64_t segment)
{
    thread_lock(&q->lock);
    /* One stays: its rows and its number are what the next start counts on from. */
    while (q->segments.n > 1 && q->segments.v[0].number < segment)
        drop_first(q);
    thread_unlock(&q->lock);
}

/* ---- reading */
void queue_reader_init(struct queue_reader *r, struct queue *q, struct queue_position at)
{
    *r = (struct queue_reader){.queue = q, .at = at};
    buf_init(&r->block, LOG_SEGMENT_BLOCK + LOG_SEGMENT_PAYLOAD);
    buf_init(&r->plain, LOG_SEGMENT_PAYLOAD);
}

static void reader_close(struct queue_reader *r)
{
    disk_close(r->queue->disk, r->file);
    cipher_free(r->cipher);
    r->file = NULL;
    r->cipher = NULL;
}

void queue_reader_done(struct queue_reader *r)
{
    reader_close(r);
    buf_done(&r->block);
    buf_done(&r->plain);
}

/* The segment at or after the reader's, and how many of its bytes may be read; *ret_open where more
 * may follow. False where there is none yet. */
static bool find_segment(struct queue_reader *r, uint64_t *ret_bytes, bool *ret_open)
{
    struct queue *q = r->queue;
    bool found = false;
    thread_lock(&q->lock);
    for (size_t i = 0; i < q->segments.n && !found; i++) {
        const struct segment *s = &q->segments.v[i];
        if (s->number < r->at.segment)
            continue;
        if (s->number > r->at.segment) {
            r->at.segment = s->number;
            r->at.offset = 0;
        }
        *ret_bytes = s->bytes;
        *ret_open = q->file != NULL && i + 1 == q->segments.n;
        found = true;
    }
    thread_unlock(&q->lock);
    return found;
}

static int open_segment(struct queue_reader *r)
{
    char path[LOG_SEGMENT_PATH];
    uint8_t header[LOG_SEGMENT_HEADER];
    size_t n = 0;
    if (r->file && r->file_segment == r->at.segment)
        return 0;
    reader_close(r);
    struct queue *q = r->queue;
    log_segment_path(q->dir, r->at.segment, path);
    int err = disk_open(q->disk, path, DISK_READ, &r->file);
    if (err) {
        r->file = NULL;
        return err;
    }
    err = disk_read(q->disk, r->file, 0, header, sizeof header, &n);
    if (err == 0)
        err = log_segment_header_read(header, n, r->at.segment, q->ring, path, &r->cipher, NULL);
    if (err) {
        reader_close(r);
        return err;
    }
    r->file_segment = r->at.segment;
    r->at.offset = MAX(r->at.offset, (uint64_t)LOG_SEGMENT_HEADER);
    return 0;
}

int queue_unpack(struct str payload, struct queue_block *ret)
{
    const uint8_t *p = (const uint8_t *)payload.p;
    if (payload.n < PREFIX || p[AT_VERSION] != VERSION)
        return -ERR_CORRUPT;
    size_t tenant_n = load16(p + AT_TENANT_N), raw_n = load32(p + AT_RAW_N);
    if (tenant_n > payload.n - PREFIX || raw_n > QUEUE_BLOCK_MAX ||
        (p[AT_CODEC] != PACK_IDENTITY && p[AT_CODEC] != PACK_LZ4))
        return -ERR_CORRUPT;
    struct queue_block b = {.tenant = str_sub(payload, PREFIX, PREFIX + tenant_n),
                            .rows = load32(p + AT_ROWS),
                            .row = load64(p + AT_ROW)};
    buf_init(&b.bytes, raw_n + 2 * PACK_SLACK);
    int err =
        pack_unpack((enum pack_codec)p[AT_CODEC], str_sub(payload, PREFIX + tenant_n, payload.n),
                    &b.bytes, raw_n + 1, NULL); /* a frame's end wants room for more */
    if (err || b.bytes.n != raw_n) {
        buf_done(&b.bytes);
        return -ERR_CORRUPT;
    }
    *ret = b;
    return 0;
}

/* The block at r->at, of whose segment bytes are there. */
static int read_block(struct queue_reader *r, uint64_t bytes, struct queue_block *ret)
{
    struct queue *q = r->queue;
    struct log_segment_block block;
    const uint8_t *payload;
    if (bytes < r->at.offset + LOG_SEGMENT_BLOCK)
        return -ERR_CORRUPT;
    buf_clear(&r->block);
    char *p = buf_reserve(&r->block, LOG_SEGMENT_BLOCK);
    must(p != NULL);
    int err = disk_read_all(q->disk, r->file, r->at.offset, p, LOG_SEGMENT_BLOCK);
    if (err)
        return err;
    if (!log_segment_parse((const uint8_t *)p, LOG_SEGMENT_BLOCK, r->at.segment, &block) ||
        block.length > bytes - r->at.offset - LOG_SEGMENT_BLOCK)
        return -ERR_CORRUPT;
    buf_commit(&r->block, LOG_SEGMENT_BLOCK);
    p = buf_reserve(&r->block, block.length);
    char *room = buf_reserve(&r->plain, block.length);
    must(p != NULL && room != NULL);
    err = disk_read_all(q->disk, r->file, r->at.offset + LOG_SEGMENT_BLOCK, p, block.length);
    if (err == 0)
        err = log_segment_open(r->cipher, &block, (const uint8_t *)r->block.p, (uint8_t *)room,
                               &payload);
    if (err == 0)
        err = queue_unpack(str_of((const char *)payload, block.length), ret);
    if (err)
        return err;
    ret->next = (struct queue_position){
        r->at.segment, r->at.offset + LOG_SEGMENT_BLOCK + block.length, ret->row + ret->rows};
    return 0;
}

int queue_read(struct queue_reader *r, struct queue_block *ret)
{
    uint64_t bytes = 0;
    bool open = false;
    for (;;) {
        if (!find_segment(r, &bytes, &open))
            return 0;
        int err = open_segment(r);
        if (err == 0 && r->at.offset >= bytes && open)
            return 0;
        if (err == 0)
            err = read_block(r, bytes, ret);
        if (err == 0)
            break;
        /* The end, or damage: what comes after it begins in the next segment. */
        reader_close(r);
        r->at.segment++;
        r->at.offset = 0;
        if (open) /* of the segment that is being written: it has to be begun anew */
            return 0;
    }
    if (ret->row > r->at.row)
        r->lost += ret->row - r->at.row;
    r->at = ret->next;
    return 1;
}
