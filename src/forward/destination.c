#include "forward/destination.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "forward/destination_state.h"

enum {
    ROOM_MAX = 100000,      /* rows of a shard */
    REQUEST_MAX = 64 << 20, /* bytes, not packed */
    TICKS_BUSY = 5,         /* seconds with all shards busy before there are more */
    TICKS_IDLE = 60,        /* seconds with nothing to do before there are fewer */
};

/* ---- the cursor: two slots in turn, so that one is whole at any time; docs/format/forward.md */
enum {
    SLOT = 512,
    AT_MAGIC = 0,
    AT_SEQUENCE = 8,
    AT_SEGMENT = 16,
    AT_OFFSET = 24,
    AT_ROW = 32,
    AT_BEGUN = 40,
    AT_CRC = 48,
    SLOT_USED = 52,
};

static const uint64_t MAGIC = 0x3152534355434653; /* "SFCUCSR1" */

static void cursor_write(struct destination *d)
{
    uint8_t slot[SLOT_USED];
    d->cursor_sequence++;
    store64(slot + AT_MAGIC, MAGIC);
    store64(slot + AT_SEQUENCE, d->cursor_sequence);
    store64(slot + AT_SEGMENT, d->done.segment);
    store64(slot + AT_OFFSET, d->done.offset);
    store64(slot + AT_ROW, d->done.row);
    store64(slot + AT_BEGUN, d->begun);
    store32(slot + AT_CRC, hash_crc32c(0, slot, AT_CRC));
    /* Where it fails (a full disk), more is sent again after a crash: nothing is lost by that. */
    (void)!disk_write(d->plan.disk, d->cursor, d->cursor_sequence % 2 * SLOT, slot, sizeof slot);
    d->cursor_moved = true;
}

static int cursor_sync(struct destination *d)
{
    if (!d->cursor_moved)
        return 0;
    d->cursor_moved = false;
    return disk_sync(d->plan.disk, d->cursor);
}

static bool cursor_read_slot(struct destination *d, size_t at)
{
    uint8_t slot[SLOT_USED];
    if (disk_read_all(d->plan.disk, d->cursor, at, slot, sizeof slot) ||
        load64(slot + AT_MAGIC) != MAGIC || load32(slot + AT_CRC) != hash_crc32c(0, slot, AT_CRC) ||
        load64(slot + AT_SEQUENCE) <= d->cursor_sequence)
        return false;
    d->cursor_sequence = load64(slot + AT_SEQUENCE);
    d->done = (struct queue_position){load64(slot + AT_SEGMENT), load64(slot + AT_OFFSET),
                                      load64(slot + AT_ROW)};
    d->begun = load64(slot + AT_BEGUN);
    return true;
}

static int cursor_open(struct destination *d, struct why *why)
{
    char path[600];
    struct str name = d->write->name;
    snprintf(path, sizeof path, "%s/%016" PRIx64 ".cursor", d->plan.dir,
             hash_xxh3(name.p, name.n, 0));
    int err = disk_open(d->plan.disk, path, DISK_WRITE, &d->cursor);
    if (err == -ERR_NOENT)
        err = disk_open(d->plan.disk, path, DISK_WRITE | DISK_CREATE, &d->cursor);
    if (err) {
        d->cursor = NULL;
        return why_set(why, (enum err) - err, "%s cannot be opened: %s", path, err_text(err));
    }
    struct queue_position end = queue_end(d->plan.queue);
    bool first = cursor_read_slot(d, 0), second = cursor_read_slot(d, SLOT);
    if (!first && !second) { /* it is new: it gets what comes from now on */
        d->done = end;
        d->begun = end.row;
    } else if (d->done.segment > end.segment || d->done.row > end.row) {
        d->done = end; /* the queue has lost its end, or was taken away */
        d->begun = MIN(d->begun, end.row);
    }
    cursor_write(d);
    err = cursor_sync(d);
    if (err == 0)
        err = disk_sync_dir(d->plan.disk, d->plan.dir);
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be written: %s", path, err_text(err));
    return 0;
}

void destination_begin(struct destination *d, uint64_t number)
{
    if (number <= d->begun)
        return;
    d->begun = number;
    cursor_write(d);
}

/* ---- blocks */
void destination_settle(struct destination *d, struct destination_block *b)
{
    must(b->left > 0);
    b->left--;
    bool moved = false;
    while (d->blocks && d->blocks->left == 0) {
        struct destination_block *first = d->blocks;
        d->done = first->after;
        d->blocks = first->next;
        if (d->blocks == NULL)
            d->blocks_last = &d->blocks;
        arena_done(&first->arena);
        buf_done(&first->bytes);
        mem_free(first);
        moved = true;
    }
    if (moved)
        cursor_write(d);
}

/* ---- rows */
static void learn(struct destination *d, const struct metadata *m)
{
    union map_value *there = map_get(&d->families, m->metric);
    if (there == NULL && d->families.n >= DESTINATION_FAMILIES_MAX)
        return;
    size_t n = m->metric.n + m->help.n + m->unit.n;
    struct destination_family *f = mem_new(sizeof *f + n);
    char *p = (char *)(f + 1);
    struct str *texts[] = {&f->metadata.metric, &f->metadata.help, &f->metadata.unit};
    const struct str from[] = {m->metric, m->help, m->unit};
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        *texts[i] = str_of(p, from[i].n);
        memcpy(p, from[i].n > 0 ? from[i].p : "", from[i].n);
        p += from[i].n;
    }
    f->metadata.type = m->type;
    d->metadata.n = d->metadata.at = 0; /* they borrow from what is replaced */
    union map_value *v = map_put(&d->families, m->metric, NULL);
    mem_free(v->p);
    v->p = f;
}

/* The key with the labels that it lacks of those that are added everywhere, rewritten by the rules.
 * False where it is dropped. */
static bool rename_key(struct destination *d, struct arena *a, struct str *key)
{
    if (d->plan.external_labels.n > 0) {
        struct buf wider;
        struct label label;
        const char *at = d->plan.external_labels.p;
        buf_init(&wider, key->n + d->plan.external_labels.n);
        buf_put_str(&wider, *key);
        while (labels_next(d->plan.external_labels, &at, &label, NULL))
            if (labels_get(*key, label.name).n == 0)
                labels_put(&wider, label.name, label.value);
        *key = arena_str(a, buf_str(&wider));
        buf_done(&wider);
    }
    if (d->write->relabel == NULL)
        return true;
    return relabel_apply(d->write->relabel, *key, a, key, NULL) == 1 && key->n > 0;
}

static void drop(struct destination *d, enum destination_drop why, uint64_t n)
{
    stat_add(&d->stats->dropped[why], n);
}

static void enqueue(struct destination *d, const struct destination_row *row)
{
    struct str key = row->write.key;
    struct destination_shard *s = &d->shards[hash_xxh3(key.p, key.n, 0) % d->shards_n];
    if (s->rows.n == 0)
        s->oldest_ns = clock_monotonic_ns(d->plan.clock);
    vec_push(&s->rows, *row);
    row->block->left++;
    d->buffered++;
}

/* An exemplar goes with the row of its series that was read last, as 2.0 has none alone. */
static void add_exemplar(struct destination *d, struct destination_block *b, struct map *lasts,
                         const struct row *row, uint64_t number)
{
    struct rw_write_exemplar *e = arena_new(&b->arena, sizeof *e);
    e->exemplar = (struct exemplar){row->key, row->labels, row->ts_ms, row->value};
    union map_value *last = map_get(lasts, row->key);
    if (last) {
        struct rw_write_row *to = last->p;
        e->next = to->exemplars;
        to->exemplars = e;
        return;
    }
    struct destination_row alone = {
        .write = {.key = row->key, .bare = true, .exemplars = e}, .block = b, .number = number};
    if (rename_key(d, &b->arena, &alone.write.key))
        enqueue(d, &alone);
}

static bool too_old(struct destination *d, int64_t ts_ms)
{
    int64_t limit = d->write->sample_age_limit_ms;
    return limit > 0 && ts_ms < clock_wall_ms(d->plan.clock) - limit;
}

/* The rows of a block; exemplars find theirs by key, so that samples are gathered first. */
static void read_rows(struct destination *d, struct destination_block *b, uint64_t number)
{
    struct row_reader r;
    struct row row;
    struct map lasts;
    struct {
        struct destination_row **v;
        size_t n, capacity;
    } rows = {0};
    map_init(&lasts, 0);
    row_reader_init(&r, buf_str(&b->bytes), &b->arena);
    int got;
    for (; (got = row_next(&r, &row)) == 1; number++) {
        bool is_histogram = row.kind == ROW_HISTOGRAM, is_exemplar = row.kind == ROW_EXEMPLAR;
        if (row.kind == ROW_METADATA) {
            learn(d, &row.metadata);
        } else if ((is_histogram && !d->write->send_native_histograms) ||
                   (is_exemplar && !d->write->send_exemplars)) {
            drop(d, DROP_KIND, 1);
        } else if (too_old(d, row.ts_ms)) {
            drop(d, DROP_OLD, 1);
        } else if (is_exemplar) {
            add_exemplar(d, b, &lasts, &row, number);
        } else {
            struct destination_row *to = arena_new(&b->arena, sizeof *to);
            *to = (struct destination_row){.write = {.key = row.key,
                                                     .ts_ms = row.ts_ms,
                                                     .start_ms = row.start_ms,
                                                     .value = row.value,
                                                     .histogram = row.histogram},
                                           .block = b,
                                           .number = number};
            if (d->write->send_exemplars)
                map_put(&lasts, row.key, NULL)->p = &to->write;
            vec_push(&rows, to);
        }
    }
    if (got < 0) /* sealed and yet wrong: written by another version */
        drop(d, DROP_LOST, 1);
    for (size_t i = 0; i < rows.n; i++)
        if (rename_key(d, &b->arena, &rows.v[i]->write.key))
            enqueue(d, rows.v[i]);
    vec_free(&rows);
    map_done(&lasts);
}

static size_t room_of(const struct destination *d)
{
    int64_t room = MAX(d->write->capacity, d->write->max_samples_per_send);
    return d->shards_n * (size_t)MIN(MAX(room, 1), (int64_t)ROOM_MAX);
}

void destination_rest(struct destination *d)
{
    bool busy = false;
    for (size_t i = 0; i < d->shards_n; i++)
        busy = busy || d->shards[i].fetch != NULL;
    if (d->draining && !d->drained && !busy) {
        d->drained = true;
        d->plan.idle(d->plan.idle_context);
    }
}

static void take_block(struct destination *d, struct queue_block *from)
{
    struct destination_block *b = mem_new(sizeof *b);
    b->after = from->next;
    b->left = 1;
    b->bytes = from->bytes;
    arena_init(&b->arena);
    *d->blocks_last = b;
    d->blocks_last = &b->next;
    if (str_eq(from->tenant, d->plan.tenant))
        read_rows(d, b, from->row);
    destination_settle(d, b);
}

void destination_pump(struct destination *d)
{
    struct queue_block block;
    uint64_t lost = d->reader.lost;
    if (d->resharding && d->buffered == 0) {
        d->shards_n = d->shards_wanted;
        d->resharding = false;
    }
    while (!d->resharding && d->buffered < room_of(d) && queue_read(&d->reader, &block) == 1)
        take_block(d, &block);
    drop(d, DROP_LOST, d->reader.lost - lost);
    for (size_t i = 0; i < d->shards_n; i++)
        destination_shard_kick(&d->shards[i]);
    destination_rest(d);
}

void destination_wake(struct destination *d)
{
    destination_pump(d);
}

void destination_drain(struct destination *d)
{
    d->draining = true;
    destination_pump(d);
}

uint64_t destination_segment(const struct destination *d)
{
    return d->done.segment;
}

/* ---- every second */
static void reshard(struct destination *d, uint64_t pending)
{
    bool all = true;
    for (size_t i = 0; i < d->shards_n; i++)
        all = all && d->shards[i].fetch != NULL && !d->shards[i].waits;
    bool behind = all && d->answered > 0 &&
                  pending > d->shards_n * (uint64_t)d->write->max_samples_per_send * 2;
    d->busy_ticks = behind ? d->busy_ticks + 1 : 0;
    d->idle_ticks = pending < (uint64_t)d->write->max_samples_per_send ? d->idle_ticks + 1 : 0;
    d->answered = 0;
    size_t least = (size_t)MIN(MAX(d->write->min_shards, 1), (int64_t)d->shards_max);
    size_t wanted = d->shards_n;
    if (d->busy_ticks >= TICKS_BUSY)
        wanted = MIN(d->shards_n * 2, d->shards_max);
    else if (d->idle_ticks >= TICKS_IDLE)
        wanted = MAX(d->shards_n / 2, least);
    if (wanted == d->shards_n || d->resharding)
        return;
    d->busy_ticks = d->idle_ticks = 0;
    d->shards_wanted = wanted;
    d->resharding = true;
    destination_pump(d);
}

void destination_tick(struct destination *d)
{
    struct queue_facts facts = queue_facts(d->plan.queue);
    uint64_t pending = facts.next > d->done.row ? facts.next - d->done.row : 0;
    stat_set(&d->stats->pending, (double)pending);
    stat_set(&d->stats->shards, (double)d->shards_n);
    if (!d->draining) {
        reshard(d, pending);
        destination_shard_metadata(d);
    }
    destination_pump(d);
    (void)!cursor_sync(d); /* an older one stays: some more is sent again */
}

/* ---- opening */
static void make_headers(struct destination *d)
{
    const struct promfile_remote_write *w = d->write;
    for (size_t i = 0; i < w->headers_n && d->headers_n < DESTINATION_HEADERS_MAX; i++) {
        struct buf line;
        buf_init(&line, 1 << 20);
        buf_printf(&line, STR_FMT ": " STR_FMT, STR_ARG(w->headers[i].name),
                   STR_ARG(w->headers[i].values[0]));
        buf_put_c(&line, '\0');
        d->headers[d->headers_n++] = line.p;
    }
}

int destination_new(const struct destination_plan *plan, struct destination **ret, struct why *why)
{
    struct destination *d = mem_new(sizeof *d);
    d->plan = *plan;
    d->write = plan->write;
    d->http = plan->write->http;
    d->http.shuffle_addresses = plan->write->round_robin_dns;
    d->url = mem_text(plan->write->url.p, plan->write->url.n);
    d->version2 = plan->write->version2;
    d->blocks_last = &d->blocks;
    d->stats = destination_stat_new(plan->write->name);
    rw_write_init(&d->writer);
    buf_init(&d->plain, REQUEST_MAX);
    buf_init(&d->metadata_body, REQUEST_MAX);
    map_init(&d->families, 0);
    make_headers(d);
    int err = fetch_client_new(plan->fetcher, &d->http, &d->client, why);
    if (err) {
        (void)why_prefix(why, "remote write to " STR_FMT, STR_ARG(d->write->name));
        d->client = NULL;
    }
    if (err == 0)
        err = cursor_open(d, why);
    if (err) {
        destination_free(d);
        return err;
    }
    d->unsure = d->begun;
    queue_reader_init(&d->reader, plan->queue, d->done);
    destination_shard_open(d);
    *ret = d;
    return 0;
}

void destination_free(struct destination *d)
{
    if (d == NULL)
        return;
    fetch_client_free(d->client);
    destination_shard_close(d);
    if (d->cursor)
        (void)!cursor_sync(d); /* as in destination_tick() */
    disk_close(d->plan.disk, d->cursor);
    while (d->blocks) {
        struct destination_block *b = d->blocks;
        d->blocks = b->next;
        arena_done(&b->arena);
        buf_done(&b->bytes);
        mem_free(b);
    }
    if (d->reader.queue)
        queue_reader_done(&d->reader);
    for (size_t at = 0; map_next(&d->families, &at) != NULL;)
        mem_free(d->families.slots[at - 1].value.p);
    map_done(&d->families);
    vec_free(&d->metadata);
    rw_write_done(&d->writer);
    buf_done(&d->plain);
    buf_done(&d->metadata_body);
    for (size_t i = 0; i < d->headers_n; i++)
        mem_free((void *)(uintptr_t)d->headers[i]);
    destination_stat_hide(d->stats, true);
    mem_free(d->url);
    mem_free(d);
}
