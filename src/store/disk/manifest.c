#include "store/disk/manifest.h"

#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

static const uint64_t MAGIC = 0x4e414d45444e4f53; /* "SONDEMAN" */

enum {
    VERSION = 1,
    HEADER = 16, /* magic, version, checksum of both */
    FRAME = 16,  /* length, checksum, sequence number */
    BODY_MAX = 16 << 20,
    DEAD_MIN = 65536, /* bytes that a rewrite must save at least */
};

/* Numbers that are left out by failed edits; more is not one of our records. */
static const uint64_t SEQUENCE_LEAP = (uint64_t)1 << 32;

enum op { OP_ADD = 1, OP_REMOVE = 2, OP_NOTE = 3 };

struct part {
    struct manifest_part facts; /* its texts are owned */
};

struct note {
    char *key, *value; /* owned */
    size_t key_n, value_n;
};

struct manifest {
    struct disk *d;
    char *path;
    struct {
        struct part *v;
        size_t n, capacity;
    } parts;
    struct {
        struct note *v;
        size_t n, capacity;
    } notes;
    struct map by_name; /* part -> index */
    struct disk_file *file;
    uint64_t end;      /* where the next record goes */
    uint64_t sequence; /* of the last record */
    uint64_t damaged;
    bool torn;    /* bytes at the end were no record */
    bool rewrite; /* the file must be written anew before anything is appended */
};

/* ---- edits as bytes */
static void put_varint(struct buf *b, uint64_t v)
{
    char *p = buf_reserve(b, VARINT_MAX);
    if (p)
        buf_commit(b, (size_t)(varint_put((uint8_t *)p, v) - (uint8_t *)p));
}

static void put_text(struct buf *b, struct str s, size_t max)
{
    if (s.n > max)
        b->failed = true;
    put_varint(b, s.n);
    buf_put_str(b, s);
}

void manifest_edit_init(struct manifest_edit *e)
{
    buf_init(&e->bytes, BODY_MAX);
}

void manifest_edit_done(struct manifest_edit *e)
{
    buf_done(&e->bytes);
}

static void put_part(struct buf *b, const struct manifest_part *part)
{
    buf_put_c(b, OP_ADD);
    put_text(b, part->name, MANIFEST_NAME_MAX);
    put_text(b, part->class, MANIFEST_NAME_MAX);
    put_varint(b, part->level);
    put_varint(b, zigzag(part->min_ms));
    put_varint(b, zigzag(part->max_ms));
    put_varint(b, part->size_bytes);
}

void manifest_edit_add(struct manifest_edit *e, const struct manifest_part *part)
{
    put_part(&e->bytes, part);
}

void manifest_edit_remove(struct manifest_edit *e, struct str name)
{
    buf_put_c(&e->bytes, OP_REMOVE);
    put_text(&e->bytes, name, MANIFEST_NAME_MAX);
}

static void put_note(struct buf *b, struct str key, struct str value)
{
    buf_put_c(b, OP_NOTE);
    put_text(b, key, MANIFEST_NAME_MAX);
    put_text(b, value, MANIFEST_VALUE_MAX);
}

void manifest_edit_note(struct manifest_edit *e, struct str key, struct str value)
{
    put_note(&e->bytes, key, value);
}

/* ---- reading edits */
struct op_read {
    enum op op;
    struct manifest_part part; /* its name also for OP_REMOVE */
    struct str key, value;
};

struct cursor {
    const uint8_t *p, *end; /* p is NULL after a malformed field */
};

static uint64_t get_varint(struct cursor *c)
{
    uint64_t v = 0;
    if (c->p)
        c->p = varint_get(c->p, c->end, &v);
    return v;
}

static struct str get_text(struct cursor *c, size_t max)
{
    uint64_t n = get_varint(c);
    if (!c->p || n > max || n > (uint64_t)(c->end - c->p)) {
        c->p = NULL;
        return (struct str){0};
    }
    struct str s = str_of((const char *)c->p, (size_t)n);
    c->p += n;
    return s;
}

static bool get_op(struct cursor *c, struct op_read *ret)
{
    *ret = (struct op_read){.op = (enum op) * c->p++};
    switch (ret->op) {
    case OP_ADD:
        ret->part.name = get_text(c, MANIFEST_NAME_MAX);
        ret->part.class = get_text(c, MANIFEST_NAME_MAX);
        ret->part.level = (uint32_t)get_varint(c);
        ret->part.min_ms = unzigzag(get_varint(c));
        ret->part.max_ms = unzigzag(get_varint(c));
        ret->part.size_bytes = get_varint(c);
        break;
    case OP_REMOVE:
        ret->part.name = get_text(c, MANIFEST_NAME_MAX);
        break;
    case OP_NOTE:
        ret->key = get_text(c, MANIFEST_NAME_MAX);
        ret->value = get_text(c, MANIFEST_VALUE_MAX);
        break;
    default:
        return false;
    }
    return c->p != NULL;
}

static bool is_well_formed(const uint8_t *p, size_t n)
{
    struct cursor c = {p, p + n};
    struct op_read op;
    while (c.p < c.end)
        if (!get_op(&c, &op))
            return false;
    return true;
}

/* ---- the state in memory */
static struct str own(struct str s)
{
    return str_of(mem_text(s.p, s.n), s.n);
}

static void disown(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static void drop_part(struct manifest *m, struct str name)
{
    union map_value *at = map_get(&m->by_name, name);
    if (!at)
        return;
    size_t i = (size_t)at->u;
    struct manifest_part old = m->parts.v[i].facts;
    map_drop(&m->by_name, old.name);
    m->parts.n--;
    if (i < m->parts.n) {
        m->parts.v[i] = m->parts.v[m->parts.n];
        map_put(&m->by_name, m->parts.v[i].facts.name, NULL)->u = i;
    }
    disown(old.name);
    disown(old.class);
}

static void add_part(struct manifest *m, const struct manifest_part *part)
{
    drop_part(m, part->name);
    struct part copy = {*part};
    copy.facts.name = own(part->name);
    copy.facts.class = own(part->class);
    map_put(&m->by_name, copy.facts.name, NULL)->u = m->parts.n;
    vec_push(&m->parts, copy);
}

static struct note *find_note(const struct manifest *m, struct str key)
{
    for (size_t i = 0; i < m->notes.n; i++)
        if (str_eq(str_of(m->notes.v[i].key, m->notes.v[i].key_n), key))
            return &m->notes.v[i];
    return NULL;
}

static void set_note(struct manifest *m, struct str key, struct str value)
{
    struct note *note = find_note(m, key);
    if (!note) {
        struct note new = {.key = mem_text(key.p, key.n), .key_n = key.n};
        vec_push(&m->notes, new);
        note = &m->notes.v[m->notes.n - 1];
    }
    mem_free(note->value);
    note->value = mem_text(value.p, value.n);
    note->value_n = value.n;
}

/* Carries a well-formed body out. */
static void carry_out(struct manifest *m, const uint8_t *p, size_t n)
{
    struct cursor c = {p, p + n};
    struct op_read op;
    while (c.p < c.end && get_op(&c, &op)) {
        if (op.op == OP_ADD)
            add_part(m, &op.part);
        else if (op.op == OP_REMOVE)
            drop_part(m, op.part.name);
        else
            set_note(m, op.key, op.value);
    }
}

/* ---- the file */
static void frame(uint8_t *p, const uint8_t *body, size_t n, uint64_t sequence)
{
    store32(p, (uint32_t)n);
    store64(p + 8, sequence);
    store32(p + 4, hash_crc32c(hash_crc32c(0, p + 8, 8), body, n));
}

/* Is there a record with a sequence number above the last one at p (n bytes are there)? */
static bool is_record(const uint8_t *p, size_t n, uint64_t last, size_t *ret_n)
{
    if (n < FRAME)
        return false;
    size_t length = load32(p);
    if (length == 0 || length > BODY_MAX || length > n - FRAME || load64(p + 8) <= last ||
        load64(p + 8) - last > SEQUENCE_LEAP ||
        load32(p + 4) != hash_crc32c(hash_crc32c(0, p + 8, 8), p + FRAME, length))
        return false;
    *ret_n = length;
    return true;
}

static void read_records(struct manifest *m, const uint8_t *p, size_t n)
{
    size_t at = HEADER, bad = 0, length;
    m->end = HEADER;
    while (at < n) {
        if (!is_record(p + at, n - at, m->sequence, &length) ||
            !is_well_formed(p + at + FRAME, length)) {
            bad++;
            at++;
            continue;
        }
        if (bad)
            m->damaged++;
        bad = 0;
        m->sequence = load64(p + at + 8);
        carry_out(m, p + at + FRAME, length);
        at += FRAME + length;
        m->end = at;
    }
    m->torn = bad != 0;
    m->rewrite = bad != 0 || m->damaged != 0;
}

/* The whole state as a file of one record. */
static int write_anew(struct manifest *m)
{
    struct buf b;
    buf_init(&b, MANIFEST_BYTES_MAX);
    char *head = buf_reserve(&b, HEADER + FRAME);
    memset(head, 0, HEADER + FRAME);
    buf_commit(&b, HEADER + FRAME);
    for (size_t i = 0; i < m->parts.n; i++)
        put_part(&b, &m->parts.v[i].facts);
    for (size_t i = 0; i < m->notes.n; i++)
        put_note(&b, str_of(m->notes.v[i].key, m->notes.v[i].key_n),
                 str_of(m->notes.v[i].value, m->notes.v[i].value_n));
    size_t body = b.n - HEADER - FRAME;
    int err = buf_failed(&b) || body > BODY_MAX ? -ERR_LIMIT : 0;
    if (!err) {
        uint8_t *p = (uint8_t *)b.p;
        store64(p, MAGIC);
        store32(p + 8, VERSION);
        store32(p + 12, hash_crc32c(0, p, 12));
        if (body)
            frame(p + HEADER, p + HEADER + FRAME, body, m->sequence + 1);
        else
            b.n = HEADER;
        disk_close(m->d, m->file);
        m->file = NULL;
        m->rewrite = true;
        err = disk_replace(m->d, m->path, b.p, b.n);
    }
    if (!err)
        err = disk_open(m->d, m->path, DISK_WRITE, &m->file);
    if (!err) {
        m->end = b.n;
        m->sequence += body != 0;
        m->rewrite = false;
    }
    buf_done(&b);
    return err;
}

enum manifest_doubt manifest_doubt(const struct manifest *m)
{
    struct str value;
    if (!manifest_note(m, STR(MANIFEST_DOUBT), &value) || value.n == 0)
        return MANIFEST_SOUND;
    return str_eq(value, STR("torn")) ? MANIFEST_TORN : MANIFEST_DAMAGED;
}

/* Writes down what was found, so that it is not forgotten when the file is written anew. */
static void note_doubt(struct manifest *m)
{
    if (m->damaged)
        set_note(m, STR(MANIFEST_DOUBT), STR("damaged"));
    else if (m->torn && manifest_doubt(m) == MANIFEST_SOUND)
        set_note(m, STR(MANIFEST_DOUBT), STR("torn"));
}

static bool is_header(const uint8_t *p, size_t n)
{
    return n >= HEADER && load64(p) == MAGIC && load32(p + 12) == hash_crc32c(0, p, 12);
}

static int read_state(struct manifest *m, struct why *why)
{
    void *p;
    size_t n;
    int err = disk_slurp(m->d, m->path, MANIFEST_BYTES_MAX, &p, &n);
    if (err)
        return why_set(why, (enum err) - err, "cannot read %s: %s", m->path, err_text(err));

    const uint8_t *bytes = p;
    if (is_header(bytes, n) && load32(bytes + 8) > VERSION)
        err = why_set(why, ERR_FORMAT, "%s has format version %u, this program reads version %d",
                      m->path, load32(bytes + 8), VERSION);
    if (!err && !is_header(bytes, n))
        m->damaged++; /* the records may be sound all the same */
    if (!err)
        read_records(m, bytes, n);
    mem_free(p);
    if (!err)
        note_doubt(m);
    return err;
}

static int read_file(struct manifest *m, struct why *why)
{
    int err = read_state(m, why);
    if (err == -ERR_NOENT) {
        set_note(m, STR(MANIFEST_DOUBT), STR("damaged"));
        err = write_anew(m);
        return err ? why_set(why, (enum err) - err, "cannot make %s: %s", m->path, err_text(err))
                   : 0;
    }
    if (err)
        return err;
    err = disk_open(m->d, m->path, DISK_WRITE, &m->file);
    if (!err)
        err = disk_sync(m->d, m->file); /* what a killed process had written counts from now on */
    if (err)
        return why_set(why, (enum err) - err, "cannot open %s for writing: %s", m->path,
                       err_text(err));
    if (m->rewrite && write_anew(m))
        m->rewrite = true; /* a full disk: the next edit tries again */
    return 0;
}

static int make(struct disk *d, const char *path, int (*read)(struct manifest *, struct why *),
                struct manifest **ret, struct why *why)
{
    struct manifest *m = mem_new(sizeof *m);
    m->d = d;
    m->path = mem_text(path, strlen(path));
    map_init(&m->by_name, 0);
    int err = read(m, why);
    if (err) {
        manifest_free(m);
        return err;
    }
    *ret = m;
    return 0;
}

int manifest_open(struct disk *d, const char *path, struct manifest **ret, struct why *why)
{
    return make(d, path, read_file, ret, why);
}

int manifest_read(struct disk *d, const char *path, struct manifest **ret, struct why *why)
{
    return make(d, path, read_state, ret, why);
}

void manifest_free(struct manifest *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->parts.n; i++) {
        disown(m->parts.v[i].facts.name);
        disown(m->parts.v[i].facts.class);
    }
    for (size_t i = 0; i < m->notes.n; i++) {
        mem_free(m->notes.v[i].key);
        mem_free(m->notes.v[i].value);
    }
    vec_free(&m->parts);
    vec_free(&m->notes);
    map_done(&m->by_name);
    disk_close(m->d, m->file);
    mem_free(m->path);
    mem_free(m);
}

uint64_t manifest_damaged(const struct manifest *m)
{
    return m->damaged;
}

size_t manifest_parts(const struct manifest *m)
{
    return m->parts.n;
}

const struct manifest_part *manifest_part(const struct manifest *m, size_t i)
{
    return &m->parts.v[i].facts;
}

const struct manifest_part *manifest_find(const struct manifest *m, struct str name)
{
    union map_value *at = map_get(&m->by_name, name);
    return at ? &m->parts.v[at->u].facts : NULL;
}

bool manifest_note(const struct manifest *m, struct str key, struct str *ret)
{
    const struct note *note = find_note(m, key);
    if (note)
        *ret = str_of(note->value, note->value_n);
    return note != NULL;
}

/* Appends one record and makes it durable. */
static int append(struct manifest *m, const struct buf *body)
{
    uint8_t *p = mem_raw(FRAME + body->n);
    frame(p, (const uint8_t *)body->p, body->n, m->sequence + 1);
    memcpy(p + FRAME, body->p, body->n);
    int err = disk_write(m->d, m->file, m->end, p, FRAME + body->n);
    if (!err)
        err = disk_sync(m->d, m->file);
    mem_free(p);
    if (err) {
        /* The record may be there or not: the state without it is written anew, here or before
         * the next edit. Its number is not given again. */
        m->sequence++;
        if (write_anew(m))
            m->rewrite = true;
        return err;
    }
    m->sequence++;
    m->end += FRAME + body->n;
    return 0;
}

/* Bytes that a file with nothing but the present state would have, roughly. */
static uint64_t live_bytes(const struct manifest *m)
{
    uint64_t n = HEADER + FRAME;
    for (size_t i = 0; i < m->parts.n; i++)
        n += 40 + m->parts.v[i].facts.name.n + m->parts.v[i].facts.class.n;
    for (size_t i = 0; i < m->notes.n; i++)
        n += 8 + m->notes.v[i].key_n + m->notes.v[i].value_n;
    return n;
}

int manifest_apply(struct manifest *m, const struct manifest_edit *e, struct why *why)
{
    if (buf_failed(&e->bytes))
        return why_set(why, ERR_LIMIT, "an edit of %s is too long", m->path);
    if (e->bytes.n == 0)
        return 0;
    int err = m->rewrite ? write_anew(m) : 0;
    if (!err)
        err = append(m, &e->bytes);
    if (err)
        return why_set(why, (enum err) - err, "cannot write %s: %s", m->path, err_text(err));

    carry_out(m, (const uint8_t *)e->bytes.p, e->bytes.n);
    uint64_t live = live_bytes(m);
    if (m->end > 2 * live && m->end - live >= DEAD_MIN && write_anew(m))
        m->rewrite = true; /* the edit itself is durable; the next one tries again */
    return 0;
}
