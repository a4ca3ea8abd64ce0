#include "client/stack/cfi.h"

#include <string.h>

enum {
    ENTRY_BYTES = 8, /* of .eh_frame_hdr's table: function, description, both 32 bits */
    RECORD_MAX = 1 << 20,
    AUGMENTATION_MAX = 16,
    INSTRUCTIONS_MAX = 10000,
    REMEMBERED_MAX = 6,
    OPERATIONS_MAX = 200,
    OPERANDS_MAX = 24,
};

/* Encodings of pointers. */
enum {
    PE_ABSOLUTE = 0,
    PE_UDATA2 = 2,
    PE_UDATA4 = 3,
    PE_UDATA8 = 4,
    PE_SDATA2 = 10,
    PE_SDATA4 = 11,
    PE_SDATA8 = 12,
    PE_RELATIVE = 0x10,
    PE_DATA_SDATA4 = 0x3b,
    PE_OMITTED = 0xff
};

struct reader {
    struct peek *peek;
    uint64_t at, end;
    bool bad;
};

static uint64_t take(struct reader *r, size_t n)
{
    uint64_t v = 0;
    if (r->bad || r->at > r->end || n > r->end - r->at || !peek_read(r->peek, r->at, &v, n)) {
        r->bad = true;
        return 0;
    }
    r->at += n;
    return v;
}

static uint64_t take_uleb(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && !r->bad; shift += 7) {
        uint64_t byte = take(r, 1);
        v |= shift < 64 ? (byte & 0x7f) << shift : 0;
        if (!(byte & 0x80)) {
            return v;
        }
    }
    r->bad = true;
    return 0;
}

static int64_t take_sleb(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && !r->bad; shift += 7) {
        uint64_t byte = take(r, 1);
        v |= shift < 64 ? (byte & 0x7f) << shift : 0;
        if (!(byte & 0x80)) {
            bool negative = (byte & 0x40) && shift + 7 < 64;
            return (int64_t)(negative ? v | (UINT64_MAX << (shift + 7)) : v);
        }
    }
    r->bad = true;
    return 0;
}

static uint64_t take_pointer(struct reader *r, uint8_t encoding)
{
    uint64_t place = r->at, v = 0;
    switch (encoding & 0x0f) {
    case PE_ABSOLUTE:
    case PE_UDATA8:
    case PE_SDATA8:
        v = take(r, 8);
        break;
    case PE_UDATA4:
        v = take(r, 4);
        break;
    case PE_SDATA4:
        v = (uint64_t)(int64_t)(int32_t)(uint32_t)take(r, 4);
        break;
    case PE_UDATA2:
        v = take(r, 2);
        break;
    case PE_SDATA2:
        v = (uint64_t)(int64_t)(int16_t)(uint16_t)take(r, 2);
        break;
    default:
        r->bad = true;
    }
    unsigned base = encoding & 0x70u;
    if (base != 0 && base != PE_RELATIVE) {
        r->bad = true;
    }
    return base == PE_RELATIVE ? place + v : v;
}

/* What a table says about one function. */
struct description {
    uint64_t begin, size;     /* of the function */
    struct reader first, own; /* instructions of the CIE and the FDE */
    uint64_t code_align, return_column;
    int64_t data_align;
    uint8_t encoding;
    bool signal;
};

/* The record at `at`: its contents behind the length. */
static bool record(struct peek *p, uint64_t at, struct reader *ret)
{
    *ret = (struct reader){.peek = p, .at = at, .end = UINT64_MAX};
    uint64_t n = take(ret, 4);
    if (n == 0xffffffffu) {
        n = take(ret, 8);
    }
    if (ret->bad || n == 0 || n > RECORD_MAX || ret->at > UINT64_MAX - n) {
        return false;
    }
    ret->end = ret->at + n;
    return true;
}

static bool read_augmentation(struct reader *r, const char *text, struct description *d)
{
    d->encoding = PE_ABSOLUTE;
    if (!*text) {
        return true;
    }
    if (*text != 'z') {
        return false;
    }
    uint64_t n = take_uleb(r), end = r->at + n;
    if (r->bad || n > r->end - r->at) {
        return false;
    }
    for (const char *c = text + 1; *c && !r->bad; c++) {
        if (*c == 'R') {
            d->encoding = (uint8_t)take(r, 1);
        } else if (*c == 'P') {
            uint8_t encoding = (uint8_t)take(r, 1);
            (void)take_pointer(r, encoding & 0x0f);
        } else if (*c == 'L') {
            (void)take(r, 1);
        } else if (*c == 'S') {
            d->signal = true;
        } else if (*c != 'B') {
            return false;
        }
    }
    r->at = end;
    return !r->bad;
}

static bool read_common(struct peek *p, uint64_t at, struct description *d, bool *ret_augmented)
{
    struct reader r;
    if (!record(p, at, &r) || take(&r, 4) != 0) {
        return false;
    }
    uint64_t version = take(&r, 1);
    char text[AUGMENTATION_MAX] = "";
    for (size_t i = 0;; i++) {
        if (i == sizeof text) {
            return false;
        }
        text[i] = (char)take(&r, 1);
        if (!text[i]) {
            break;
        }
    }
    if (r.bad || (version != 1 && version != 3 && version != 4)) {
        return false;
    }
    if (version == 4 && (take(&r, 1) != 8 || take(&r, 1) != 0)) {
        return false; /* size of an address, of a segment */
    }
    d->code_align = take_uleb(&r);
    d->data_align = take_sleb(&r);
    d->return_column = version == 1 ? take(&r, 1) : take_uleb(&r);
    if (r.bad || d->return_column >= CFI_REGISTERS || !read_augmentation(&r, text, d)) {
        return false;
    }
    *ret_augmented = *text == 'z';
    d->first = r;
    return !r.bad;
}

static bool read_description(struct peek *p, uint64_t at, struct description *d)
{
    struct reader r;
    *d = (struct description){0};
    if (!record(p, at, &r)) {
        return false;
    }
    uint64_t place = r.at, back = take(&r, 4);
    bool augmented = false;
    if (r.bad || back == 0 || back > place || !read_common(p, place - back, d, &augmented)) {
        return false;
    }
    d->begin = take_pointer(&r, d->encoding);
    d->size = take_pointer(&r, d->encoding & 0x0f);
    if (augmented) {
        uint64_t n = take_uleb(&r);
        if (r.bad || n > r.end - r.at) {
            return false;
        }
        r.at += n;
    }
    d->own = r;
    return !r.bad;
}

/* The description of the function that `address` lies in. */
static bool find(struct peek *p, uint64_t header, uint64_t address, struct description *d)
{
    uint8_t head[4];
    if (!header || !peek_read(p, header, head, sizeof head) || head[0] != 1 ||
        head[2] != PE_UDATA4 || head[3] != PE_DATA_SDATA4) {
        return false;
    }
    struct reader r = {.peek = p, .at = header + 4, .end = UINT64_MAX};
    (void)take_pointer(&r, head[1]); /* .eh_frame: the table is enough */
    uint64_t n = take(&r, 4), table = r.at;
    if (r.bad || n == 0) {
        return false;
    }
    uint64_t low = 0, high = n; /* the last entry that begins at or before address is at low */
    int32_t entry[2];
    _Static_assert(sizeof entry == ENTRY_BYTES, "an entry is two 32-bit offsets");
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (!peek_read(p, table + middle * ENTRY_BYTES, entry, sizeof entry)) {
            return false;
        }
        if (header + (uint64_t)(int64_t)entry[0] <= address) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return peek_read(p, table + low * ENTRY_BYTES, entry, sizeof entry) &&
           read_description(p, header + (uint64_t)(int64_t)entry[1], d) && address >= d->begin &&
           address - d->begin < d->size;
}

enum how {
    HOW_SAME,
    HOW_UNDEFINED,
    HOW_OFFSET,
    HOW_VALUE_OFFSET,
    HOW_REGISTER,
    HOW_EXPRESSION,
    HOW_VALUE_EXPRESSION
};

struct rule {
    enum how how;
    int64_t n;        /* offset or register */
    uint64_t at, end; /* of an expression */
};

struct row {
    struct rule of[CFI_REGISTERS];
    struct rule cfa; /* HOW_REGISTER: register cfa_register + n */
    uint64_t cfa_register;
};

struct machine {
    const struct description *d;
    struct row row, initial, remembered[REMEMBERED_MAX];
    size_t remembered_n;
    uint64_t place; /* the address that the row holds for */
};

static void set(struct machine *m, uint64_t column, enum how how, int64_t n)
{
    if (column < CFI_REGISTERS) {
        m->row.of[column] = (struct rule){how, n, 0, 0};
    }
}

static struct rule take_expression(struct reader *r, enum how how)
{
    uint64_t n = take_uleb(r);
    if (r->bad || n > r->end - r->at) {
        r->bad = true;
        n = 0;
    }
    struct rule rule = {how, 0, r->at, r->at + n};
    r->at += n;
    return rule;
}

static void cfa_at(struct machine *m, uint64_t column, int64_t offset)
{
    m->row.cfa_register = column;
    m->row.cfa = (struct rule){HOW_REGISTER, offset, 0, 0};
}

/* Products of damaged tables may be anything: they wrap. */
static int64_t scaled(const struct machine *m, int64_t n)
{
    return (int64_t)((uint64_t)n * (uint64_t)m->d->data_align);
}

/* Instructions that say where a register of the caller is. */
static bool run_register(struct machine *m, struct reader *r, uint64_t op)
{
    uint64_t column = take_uleb(r);
    switch (op) {
    case 0x05: /* offset_extended */
        set(m, column, HOW_OFFSET, scaled(m, (int64_t)take_uleb(r)));
        return true;
    case 0x06: /* restore_extended */
        if (column < CFI_REGISTERS) {
            m->row.of[column] = m->initial.of[column];
        }
        return true;
    case 0x07:
        set(m, column, HOW_UNDEFINED, 0);
        return true;
    case 0x08:
        set(m, column, HOW_SAME, 0);
        return true;
    case 0x09:
        set(m, column, HOW_REGISTER, (int64_t)take_uleb(r));
        return true;
    case 0x11: /* offset_extended_sf */
        set(m, column, HOW_OFFSET, scaled(m, take_sleb(r)));
        return true;
    case 0x14:
        set(m, column, HOW_VALUE_OFFSET, scaled(m, (int64_t)take_uleb(r)));
        return true;
    case 0x15:
        set(m, column, HOW_VALUE_OFFSET, scaled(m, take_sleb(r)));
        return true;
    case 0x10:
    case 0x16: {
        struct rule rule = take_expression(r, op == 0x10 ? HOW_EXPRESSION : HOW_VALUE_EXPRESSION);
        if (column < CFI_REGISTERS) {
            m->row.of[column] = rule;
        }
        return true;
    }
    case 0x2f: /* GNU_negative_offset_extended */
        set(m, column, HOW_OFFSET, (int64_t)(0 - (uint64_t)scaled(m, (int64_t)take_uleb(r))));
        return true;
    default:
        return false;
    }
}

static bool run_cfa(struct machine *m, struct reader *r, uint64_t op)
{
    uint64_t column;
    switch (op) {
    case 0x0c:
        column = take_uleb(r);
        cfa_at(m, column, (int64_t)take_uleb(r));
        return true;
    case 0x0d:
        cfa_at(m, take_uleb(r), m->row.cfa.n);
        return true;
    case 0x0e:
        cfa_at(m, m->row.cfa_register, (int64_t)take_uleb(r));
        return true;
    case 0x0f:
        m->row.cfa = take_expression(r, HOW_EXPRESSION);
        return true;
    case 0x12:
        column = take_uleb(r);
        cfa_at(m, column, scaled(m, take_sleb(r)));
        return true;
    case 0x13:
        cfa_at(m, m->row.cfa_register, scaled(m, take_sleb(r)));
        return true;
    default:
        return run_register(m, r, op);
    }
}

static bool run_other(struct machine *m, struct reader *r, uint64_t op)
{
    switch (op) {
    case 0x00: /* nop */
    case 0x2d: /* AARCH64_negate_ra_state: the bits are stripped anyway */
        return true;
    case 0x01:
        m->place = take_pointer(r, m->d->encoding);
        return true;
    case 0x02:
        m->place += take(r, 1) * m->d->code_align;
        return true;
    case 0x03:
        m->place += take(r, 2) * m->d->code_align;
        return true;
    case 0x04:
        m->place += take(r, 4) * m->d->code_align;
        return true;
    case 0x0a: /* remember_state */
        if (m->remembered_n == REMEMBERED_MAX) {
            return false;
        }
        m->remembered[m->remembered_n++] = m->row;
        return true;
    case 0x0b: /* restore_state */
        if (m->remembered_n == 0) {
            return false;
        }
        m->row = m->remembered[--m->remembered_n];
        return true;
    case 0x2e: /* GNU_args_size */
        (void)take_uleb(r);
        return true;
    default:
        return run_cfa(m, r, op);
    }
}

/* Runs until the row of address `until` is there. */
static bool run(struct machine *m, struct reader r, uint64_t until)
{
    for (size_t i = 0; i < INSTRUCTIONS_MAX && r.at < r.end && m->place <= until; i++) {
        uint64_t byte = take(&r, 1), low = byte & 0x3f;
        bool good = !r.bad;
        switch (byte >> 6) {
        case 1:
            m->place += low * m->d->code_align;
            break;
        case 2:
            set(m, low, HOW_OFFSET, scaled(m, (int64_t)take_uleb(&r)));
            break;
        case 3:
            if (low < CFI_REGISTERS) {
                m->row.of[low] = m->initial.of[low];
            }
            break;
        default:
            good = good && run_other(m, &r, byte);
        }
        if (!good || r.bad) {
            return false;
        }
    }
    return true;
}

struct operands {
    uint64_t of[OPERANDS_MAX];
    size_t n;
    bool bad;
};

static void push(struct operands *s, uint64_t v)
{
    if (s->n == OPERANDS_MAX) {
        s->bad = true;
    } else {
        s->of[s->n++] = v;
    }
}

static uint64_t pop(struct operands *s)
{
    if (s->n == 0) {
        s->bad = true;
        return 0;
    }
    return s->of[--s->n];
}

/* Operations of two operands; false: not one of them. */
static bool calculate(struct operands *s, uint64_t op)
{
    if (!(op == 0x1a || op == 0x1c || op == 0x1e || (op >= 0x21 && op <= 0x22) ||
          (op >= 0x24 && op <= 0x2e && op != 0x28))) {
        return false;
    }
    uint64_t b = pop(s), a = pop(s);
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    switch (op) {
    case 0x1a:
        push(s, a & b);
        break;
    case 0x1c:
        push(s, a - b);
        break;
    case 0x1e:
        push(s, a * b);
        break;
    case 0x21:
        push(s, a | b);
        break;
    case 0x22:
        push(s, a + b);
        break;
    case 0x24:
        push(s, b < 64 ? a << b : 0);
        break;
    case 0x25:
        push(s, b < 64 ? a >> b : 0);
        break;
    case 0x26:
        push(s, (uint64_t)(sa >> (b < 64 ? b : 63)));
        break;
    case 0x27:
        push(s, a ^ b);
        break;
    case 0x29:
        push(s, sa == sb);
        break;
    case 0x2a:
        push(s, sa >= sb);
        break;
    case 0x2b:
        push(s, sa > sb);
        break;
    case 0x2c:
        push(s, sa <= sb);
        break;
    case 0x2d:
        push(s, sa < sb);
        break;
    default:
        push(s, sa != sb);
        break;
    }
    return true;
}

/* Operations that bring a number: constants, registers. */
static bool bring(struct reader *r, struct operands *s, uint64_t op, const struct cfi_registers *c)
{
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 8, 8};
    if (op >= 0x30 && op <= 0x4f) { /* lit */
        push(s, op - 0x30);
    } else if (op >= 0x70 && op <= 0x8f) { /* breg */
        uint64_t column = op - 0x70;
        int64_t offset = take_sleb(r);
        s->bad = s->bad || column >= CFI_REGISTERS;
        push(s, s->bad ? 0 : c->value[column] + (uint64_t)offset);
    } else if (op >= 0x08 && op <= 0x0f) { /* const1u .. const8s */
        size_t n = sizes[op - 0x08];
        uint64_t v = take(r, n);
        unsigned spare = 64 - 8 * (unsigned)n;
        push(s, (op & 1) ? (uint64_t)((int64_t)(v << spare) >> spare) : v);
    } else if (op == 0x10) {
        push(s, take_uleb(r));
    } else if (op == 0x11) {
        push(s, (uint64_t)take_sleb(r));
    } else if (op == 0x23) { /* plus_uconst */
        uint64_t n = take_uleb(r);
        push(s, pop(s) + n);
    } else {
        return false;
    }
    return true;
}

static bool evaluate(struct peek *p, const struct rule *rule, const struct cfi_registers *c,
                     const uint64_t *first, uint64_t *ret)
{
    struct reader r = {.peek = p, .at = rule->at, .end = rule->end};
    struct operands s = {.n = 0};
    if (first) {
        push(&s, *first);
    }
    for (size_t i = 0; i < OPERATIONS_MAX && r.at < r.end; i++) {
        uint64_t op = take(&r, 1), v = 0;
        if (op == 0x06) { /* deref */
            s.bad = s.bad || !peek_read(p, pop(&s), &v, 8);
            push(&s, v);
        } else if (op == 0x12) { /* dup */
            v = pop(&s);
            push(&s, v);
            push(&s, v);
        } else if (op == 0x13) {
            (void)pop(&s);
        } else if (op != 0x96 && !calculate(&s, op) && !bring(&r, &s, op, c)) { /* 0x96: nop */
            return false;
        }
        if (r.bad || s.bad) {
            return false;
        }
    }
    *ret = pop(&s);
    return !s.bad && r.at >= r.end;
}

static bool find_cfa(struct peek *p, const struct row *row, const struct cfi_registers *c,
                     uint64_t *ret)
{
    if (row->cfa.how == HOW_EXPRESSION) {
        return evaluate(p, &row->cfa, c, NULL, ret);
    }
    if (row->cfa.how != HOW_REGISTER || row->cfa_register >= CFI_REGISTERS) {
        return false;
    }
    *ret = c->value[row->cfa_register] + (uint64_t)row->cfa.n;
    return true;
}

/* A register of the caller. */
static bool recover(struct peek *p, const struct rule *rule, const struct cfi_registers *c,
                    uint64_t cfa, uint64_t *ret)
{
    uint64_t at = cfa + (uint64_t)rule->n;
    switch (rule->how) {
    case HOW_OFFSET:
        return peek_read(p, at, ret, 8);
    case HOW_VALUE_OFFSET:
        *ret = at;
        return true;
    case HOW_REGISTER:
        *ret = rule->n >= 0 && rule->n < CFI_REGISTERS ? c->value[rule->n] : 0;
        return true;
    case HOW_EXPRESSION:
        return evaluate(p, rule, c, &cfa, &at) && peek_read(p, at, ret, 8);
    case HOW_VALUE_EXPRESSION:
        return evaluate(p, rule, c, &cfa, ret);
    default:
        return true; /* the same, or not known: the old value does no harm */
    }
}

bool cfi_step(struct peek *p, uint64_t header, struct cfi_registers *c, bool *ret_end)
{
    struct description d;
    *ret_end = false;
    uint64_t address = c->pc - (c->is_return ? 1 : 0);
    if (!find(p, header, address, &d)) {
        return false;
    }
    struct machine m;
    memset(&m.row, 0, sizeof m.row);
    m.d = &d;
    m.remembered_n = 0;
    m.place = 0;
    m.initial = m.row;
    if (!run(&m, d.first, UINT64_MAX)) {
        return false;
    }
    m.initial = m.row;
    m.place = d.begin;
    uint64_t cfa;
    if (!run(&m, d.own, address) || !find_cfa(p, &m.row, c, &cfa)) {
        return false;
    }
    if (m.row.of[d.return_column].how == HOW_UNDEFINED) {
        *ret_end = true;
        return false;
    }
    struct cfi_registers next = *c;
    for (size_t i = 0; i < CFI_REGISTERS; i++) {
        if (!recover(p, &m.row.of[i], c, cfa, &next.value[i])) {
            return false;
        }
    }
    next.pc = next.value[d.return_column];
    if (m.row.of[CFI_SP].how == HOW_SAME) {
        next.value[CFI_SP] = cfa;
    }
    next.is_return = !d.signal;
#if defined(__aarch64__)
    next.pc &= 0x0000ffffffffffffu; /* authentication codes of pointers lie above */
#endif
    *c = next;
    return true;
}
