#include "store/series/record.h"

#include "base/bits.h"
#include "base/must.h"

/* One control byte an entry: bit 0: the id jumps; bit 1: absolute; bit 2: an operation in bits
 * 3..7, otherwise bits 3..7 say which bytes of the XOR are there (FORMS). */
enum { JUMP = 1, ABSOLUTE = 2, OPERATION = 4, SHIFT = 3 };
enum operation { SET_TIME, RUN, LATE, HISTOGRAM, START };
enum { RECORD_BYTES_MAX = 64 * 1024 * 1024, RECORD_FIRST = 16 * 1024 };

/* The bytes of a XOR that are kept: count of them, then how many zero bytes lie below. Shapes
 * that the table lacks are written as the next larger one. */
static const struct {
    uint8_t count, below;
} FORMS[32] = {{0, 0}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {1, 7}, {2, 0}, {2, 1},
               {2, 2}, {2, 3}, {2, 4}, {2, 5}, {2, 6}, {3, 0}, {3, 1}, {3, 2},
               {3, 3}, {3, 4}, {3, 5}, {4, 0}, {4, 1}, {4, 2}, {4, 3}, {4, 4},
               {5, 0}, {5, 1}, {5, 2}, {5, 3}, {6, 0}, {6, 1}, {6, 2}, {8, 0}};

/* FORM_OF[below][count]: the form that holds it. Filled from FORMS by hand-checked rule below. */
static uint8_t form_of(unsigned below, unsigned count)
{
    if (count == 0)
        return 0;
    for (uint8_t i = 1; i < 32; i++)
        if (FORMS[i].below <= below && FORMS[i].below + FORMS[i].count >= below + count)
            return i;
    return 31;
}

/* form_of() for all 8 x 9 shapes, worked out once. */
static uint8_t form_table[8][9];

__attribute__((constructor)) static void fill_form_table(void)
{
    for (unsigned below = 0; below < 8; below++)
        for (unsigned count = 0; count <= 8 - below; count++)
            form_table[below][count] = form_of(below, count);
}

void record_init(struct record *r)
{
    *r = (struct record){0};
    buf_init(&r->bytes, RECORD_BYTES_MAX);
}

void record_done(struct record *r)
{
    buf_done(&r->bytes);
}

/* Where the next bytes go; there is always room, because a batch is bounded. */
static uint8_t *room(struct record *r, size_t n)
{
    char *p = buf_reserve(&r->bytes, n);
    must(p != NULL);
    return (uint8_t *)p;
}

static void advance(struct record *r, const uint8_t *end)
{
    r->bytes.n = (size_t)((const char *)end - r->bytes.p);
}

void record_begin(struct record *r, uint32_t tenant, uint64_t sequence)
{
    buf_clear(&r->bytes);
    r->next_id = 0;
    r->ts_ms = 0;
    r->run = 0;
    advance(r, varint_put(varint_put(room(r, RECORD_FIRST), tenant), sequence));
}

static uint8_t *put_run(struct record *r, uint8_t *p)
{
    if (r->run == 1) {
        *p++ = 0; /* form 0, no jump: one equal value */
    } else {
        *p++ = OPERATION | RUN << SHIFT;
        p = varint_put(p, r->run);
    }
    r->run = 0;
    return p;
}

static uint8_t *put_time(struct record *r, uint8_t *p, int64_t ts_ms)
{
    *p++ = OPERATION | SET_TIME << SHIFT;
    p = varint_put(p, zigzag((int64_t)((uint64_t)ts_ms - (uint64_t)r->ts_ms)));
    r->ts_ms = ts_ms;
    return p;
}

void record_sample(struct record *r, uint32_t id, int64_t ts_ms, uint64_t before, bool absolute,
                   uint64_t bits)
{
    uint64_t change = before ^ bits;
    if (change == 0 && id == r->next_id && ts_ms == r->ts_ms && !absolute) {
        r->run++;
        r->next_id++;
        return;
    }

    uint8_t *p = room(r, RECORD_SAMPLE_MAX);
    if (r->run)
        p = put_run(r, p);
    if (ts_ms != r->ts_ms)
        p = put_time(r, p, ts_ms);

    unsigned below = change ? (unsigned)__builtin_ctzll(change) / 8 : 0;
    unsigned count = change ? 8 - below - (unsigned)__builtin_clzll(change) / 8 : 0;
    uint8_t form = form_table[below][count];
    uint8_t control = (uint8_t)(form << SHIFT | (absolute ? ABSOLUTE : 0));
    uint32_t jump = id - r->next_id;
    r->next_id = id + 1;
    *p++ = (uint8_t)(control | (jump ? JUMP : 0));
    if (jump)
        p = varint_put(p, zigzag((int32_t)jump));
    store64(p, change >> (8 * FORMS[form].below));
    advance(r, p + FORMS[form].count);
}

/* The control byte of an operation on a series, its id and its time. */
static uint8_t *put_operation(struct record *r, uint8_t *p, enum operation op, uint32_t id,
                              int64_t ts_ms)
{
    if (r->run)
        p = put_run(r, p);
    *p++ = (uint8_t)(OPERATION | op << SHIFT);
    p = varint_put(p, id);
    return varint_put(p, zigzag((int64_t)((uint64_t)ts_ms - (uint64_t)r->ts_ms)));
}

void record_late(struct record *r, uint32_t id, int64_t ts_ms, uint64_t bits)
{
    uint8_t *p = put_operation(r, room(r, RECORD_SAMPLE_MAX), LATE, id, ts_ms);
    store64(p, bits);
    advance(r, p + 8);
}

void record_histogram(struct record *r, uint32_t id, int64_t ts_ms, struct str bytes)
{
    uint8_t *p = put_operation(r, room(r, RECORD_SAMPLE_MAX + bytes.n), HISTOGRAM, id, ts_ms);
    p = varint_put(p, bytes.n);
    memcpy(p, bytes.p, bytes.n);
    advance(r, p + bytes.n);
}

void record_start(struct record *r, uint32_t id, int64_t ts_ms, int64_t start_ms)
{
    uint8_t *p = put_operation(r, room(r, RECORD_SAMPLE_MAX), START, id, ts_ms);
    advance(r, varint_put(p, zigzag(start_ms)));
}

struct str record_finish(struct record *r)
{
    if (r->run)
        advance(r, put_run(r, room(r, RECORD_SAMPLE_MAX)));
    return buf_str(&r->bytes);
}

int record_read(struct record_reader *r, struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    uint64_t tenant, sequence;
    if (!(p = varint_get(p, end, &tenant)) || tenant > UINT32_MAX ||
        !(p = varint_get(p, end, &sequence)))
        return -ERR_FORMAT;
    *r = (struct record_reader){
        .p = p, .end = end, .tenant = (uint32_t)tenant, .sequence = sequence};
    return 0;
}

static bool take(struct record_reader *r, uint64_t *ret)
{
    const uint8_t *p = varint_get(r->p, r->end, ret);
    if (p)
        r->p = p;
    return p != NULL;
}

static int read_float(struct record_reader *r, uint8_t control, struct record_entry *ret)
{
    uint64_t jump = 0, change = 0;
    unsigned form = control >> SHIFT;
    if ((control & JUMP) && !take(r, &jump))
        return -ERR_FORMAT;
    if ((size_t)(r->end - r->p) < FORMS[form].count)
        return -ERR_FORMAT;
    for (unsigned i = 0; i < FORMS[form].count; i++)
        change |= (uint64_t)r->p[i] << (8 * (i + FORMS[form].below));
    r->p += FORMS[form].count;

    uint32_t id = r->next_id + (uint32_t)unzigzag(jump);
    r->next_id = id + 1;
    *ret = (struct record_entry){.kind = RECORD_IN_ORDER,
                                 .id = id,
                                 .ts_ms = r->ts_ms,
                                 .absolute = control & ABSOLUTE,
                                 .change = change};
    return 1;
}

static int read_rest(struct record_reader *r, enum operation op, struct record_entry *ret)
{
    uint64_t v;
    if (op == LATE) {
        if (r->end - r->p < 8)
            return -ERR_FORMAT;
        ret->kind = RECORD_LATE;
        ret->change = load64(r->p);
        r->p += 8;
    } else if (op == HISTOGRAM) {
        if (!take(r, &v) || v > (size_t)(r->end - r->p))
            return -ERR_FORMAT;
        ret->kind = RECORD_HISTOGRAM;
        ret->bytes = str_of((const char *)r->p, v);
        r->p += v;
    } else {
        if (!take(r, &v))
            return -ERR_FORMAT;
        ret->kind = RECORD_START;
        ret->start_ms = unzigzag(v);
    }
    return 1;
}

static int read_operation(struct record_reader *r, enum operation op, struct record_entry *ret)
{
    uint64_t id, ts;
    if (!take(r, &id) || id > UINT32_MAX || !take(r, &ts))
        return -ERR_FORMAT;
    *ret = (struct record_entry){.id = (uint32_t)id,
                                 .ts_ms = (int64_t)((uint64_t)r->ts_ms + (uint64_t)unzigzag(ts))};
    return read_rest(r, op, ret);
}

int record_next(struct record_reader *r, struct record_entry *ret)
{
    for (;;) {
        if (r->run) {
            r->run--;
            *ret = (struct record_entry){
                .kind = RECORD_IN_ORDER, .id = r->next_id++, .ts_ms = r->ts_ms};
            return 1;
        }
        if (r->p == r->end)
            return 0;
        uint8_t control = *r->p++;
        if (!(control & OPERATION))
            return read_float(r, control, ret);

        uint64_t v;
        switch (control >> SHIFT) {
        case SET_TIME:
            if (!take(r, &v))
                return -ERR_FORMAT;
            r->ts_ms = (int64_t)((uint64_t)r->ts_ms + (uint64_t)unzigzag(v));
            break;
        case RUN:
            if (!take(r, &r->run) || r->run > UINT32_MAX)
                return -ERR_FORMAT;
            break;
        case LATE:
        case HISTOGRAM:
        case START:
            return read_operation(r, (enum operation)(control >> SHIFT), ret);
        default:
            return -ERR_FORMAT;
        }
    }
}
