#include "codec/pickle.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "text/letter.h"
#include "text/number.h"

/* The opcodes that make plain data. */
enum {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_FLOAT = 'F',
    OP_INT = 'I',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_LONG = 'L',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_STRING = 'S',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_UNICODE = 'V',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_APPENDS = 'e',
    OP_GET = 'g',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_PUT = 'p',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_BINFLOAT = 'G',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_PROTO = 0x80,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_TRUE = 0x88,
    OP_FALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
};

enum { PROTOCOL_MAX = 5, LONG_BYTES_MAX = 8, TEXT_ESCAPE_DIGITS_MAX = 8 };

struct machine {
    const uint8_t *start, *p, *end;
    struct arena *arena;
    struct {
        struct pickle_value *v;
        size_t n, capacity;
    } stack, memo;
    struct {
        size_t *v;
        size_t n, capacity;
    } marks; /* heights of the stack */
    struct why *why;
};

static int damaged(struct machine *m, const char *what)
{
    return why_set(m->why, ERR_FORMAT, "pickle, byte %zu: %s", (size_t)(m->p - m->start), what);
}

static int push(struct machine *m, struct pickle_value v)
{
    vec_push(&m->stack, v);
    return 0;
}

static int push_number(struct machine *m, double v)
{
    return push(m, (struct pickle_value){.type = PICKLE_NUMBER, .number = v});
}

/* The next n bytes. */
static int take(struct machine *m, uint64_t n, const uint8_t **ret)
{
    if (n > (size_t)(m->end - m->p))
        return damaged(m, "it is cut off");
    *ret = m->p;
    m->p += n;
    return 0;
}

/* A little-endian number of n bytes, 8 at most. */
static int take_number(struct machine *m, unsigned n, uint64_t *ret)
{
    const uint8_t *p = NULL;
    uint64_t v = 0;
    int err = take(m, n, &p);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    *ret = v;
    return 0;
}

static int take_line(struct machine *m, struct str *ret)
{
    const uint8_t *e = memchr(m->p, '\n', (size_t)(m->end - m->p));
    if (e == NULL)
        return damaged(m, "it is cut off");
    *ret = str_of((const char *)m->p, (size_t)(e - m->p));
    m->p = e + 1;
    return 0;
}

/* A text with a length of size bytes before it. */
static int take_text(struct machine *m, unsigned size)
{
    const uint8_t *p = NULL;
    uint64_t n = 0;
    int err = take_number(m, size, &n);
    if (err == 0)
        err = take(m, n, &p);
    if (err != 0)
        return err;
    return push(
        m, (struct pickle_value){.type = PICKLE_TEXT, .text = str_of((const char *)p, (size_t)n)});
}

/* Two's complement of n bytes. */
static int take_long(struct machine *m, unsigned size)
{
    const uint8_t *p = NULL;
    uint64_t n = 0;
    int err = take_number(m, size, &n);
    if (err == 0)
        err = take(m, n, &p);
    if (err != 0)
        return err;
    if (n > LONG_BYTES_MAX)
        return damaged(m, "a whole number has more than 64 bits");
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    if (n > 0 && n < 8 && (p[n - 1] & 0x80))
        v |= ~0ULL << (8 * n);
    return push_number(m, (double)(int64_t)v);
}

/* ---- texts of protocol 0 */

/* The code point of n hexadecimal digits at s. */
static bool hex(struct str s, size_t n, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.n < n || n > TEXT_ESCAPE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (str_hex(s.p[i]) < 0)
            return false;
        v = v * 16 + (uint32_t)str_hex(s.p[i]);
    }
    *ret = v;
    return true;
}

/* What an escape at s (behind its backslash) stands for: bytes taken, 0 where it is none. */
static size_t unescape(struct str s, bool unicode, struct buf *out)
{
    static const char FROM[] = "\\'\"nrtabfv", TO[] = "\\'\"\n\r\t\a\b\f\v";
    uint32_t v;
    if (s.n == 0)
        return 0;
    if (unicode) {
        size_t n = s.p[0] == 'u' ? 4 : s.p[0] == 'U' ? 8 : 0;
        if (n == 0 || !hex(str_sub(s, 1, s.n), n, &v) || v > 0x10ffff)
            return 0;
        letter_put(v, out);
        return n + 1;
    }
    if (s.p[0] == 'x') {
        if (!hex(str_sub(s, 1, s.n), 2, &v))
            return 0;
        buf_put_c(out, (char)v);
        return 3;
    }
    const char *found = memchr(FROM, s.p[0], sizeof FROM - 1);
    if (found == NULL)
        return 0;
    buf_put_c(out, TO[found - FROM]);
    return 1;
}

/* A line that is a text: quoted as repr() does it, or raw-unicode-escape. */
static int push_line(struct machine *m, bool unicode)
{
    struct str line;
    struct buf text;
    int err = take_line(m, &line);
    if (err != 0)
        return err;
    if (!unicode) {
        line = str_trim(line);
        if (line.n < 2 || line.p[0] != line.p[line.n - 1] ||
            (line.p[0] != '"' && line.p[0] != '\''))
            return damaged(m, "a text is not in quotes");
        line = str_sub(line, 1, line.n - 1);
    }
    buf_init(&text, PICKLE_BYTES_MAX * 4);
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        size_t n = c == '\\' ? unescape(str_sub(line, i + 1, line.n), unicode, &text) : 0;
        if (n > 0)
            i += n;
        else if (unicode)
            letter_put(c, &text); /* Latin-1 */
        else
            buf_put_c(&text, (char)c);
    }
    err = push(
        m, (struct pickle_value){.type = PICKLE_TEXT, .text = arena_str(m->arena, buf_str(&text))});
    buf_done(&text);
    return err;
}

/* "5", "01" (True), "12L". */
static int push_line_number(struct machine *m, int op)
{
    struct str line;
    double v;
    int err = take_line(m, &line);
    if (err != 0)
        return err;
    line = str_trim(line);
    if (op == OP_LONG && str_ends(line, STR("L")))
        line.n--;
    if (number_parse(line, &v) != 0)
        return damaged(m, "a number is not one");
    return push_number(m, v);
}

/* ---- lists */

static struct pickle_list *list_of(struct machine *m, const struct pickle_value *v, size_t n)
{
    struct pickle_list *list = arena_new(m->arena, sizeof *list);
    list->v = arena_array(m->arena, MAX(n, (size_t)1), sizeof *list->v);
    list->n = n;
    list->capacity = MAX(n, (size_t)1);
    if (n)
        memcpy(list->v, v, n * sizeof *v);
    return list;
}

/* The stack's top n values become one list. */
static int fold(struct machine *m, size_t n)
{
    size_t floor = m->marks.n ? m->marks.v[m->marks.n - 1] : 0;
    if (n > m->stack.n - floor)
        return damaged(m, "it takes more than there is");
    struct pickle_list *list = list_of(m, n ? m->stack.v + m->stack.n - n : NULL, n);
    m->stack.n -= n;
    return push(m, (struct pickle_value){.type = PICKLE_LIST, .list = list});
}

static int pop_mark(struct machine *m, size_t *ret_height)
{
    if (m->marks.n == 0)
        return damaged(m, "there is no mark");
    *ret_height = m->marks.v[--m->marks.n];
    return 0;
}

static int fold_to_mark(struct machine *m)
{
    size_t height = 0;
    int err = pop_mark(m, &height);
    return err == 0 ? fold(m, m->stack.n - height) : err;
}

/* Appends the stack's values from height on to the list below them. */
static int append(struct machine *m, size_t height)
{
    size_t floor = m->marks.n ? m->marks.v[m->marks.n - 1] : 0;
    if (height <= floor || height > m->stack.n || m->stack.v[height - 1].type != PICKLE_LIST)
        return damaged(m, "it appends to what is no list");
    struct pickle_list *list = m->stack.v[height - 1].list;
    size_t n = m->stack.n - height;
    if (list->n + n > list->capacity) {
        size_t capacity = MAX(2 * list->capacity, list->n + n);
        struct pickle_value *v = arena_array(m->arena, capacity, sizeof *v);
        memcpy(v, list->v, list->n * sizeof *v);
        list->v = v;
        list->capacity = capacity;
    }
    if (n)
        memcpy(list->v + list->n, m->stack.v + height, n * sizeof *list->v);
    list->n += n;
    m->stack.n = height;
    return 0;
}

/* ---- the memo */

static int put_memo(struct machine *m, uint64_t at)
{
    if (m->stack.n == 0 || at > (size_t)(m->end - m->start))
        return damaged(m, "a place of its memo is none");
    while (m->memo.n <= at)
        vec_push(&m->memo, ((struct pickle_value){0}));
    m->memo.v[at] = m->stack.v[m->stack.n - 1];
    return 0;
}

static int get_memo(struct machine *m, uint64_t at)
{
    if (at >= m->memo.n)
        return damaged(m, "a place of its memo is empty");
    return push(m, m->memo.v[at]);
}

static int memo_line(struct machine *m, bool put)
{
    struct str line;
    uint64_t at;
    int err = take_line(m, &line);
    if (err != 0)
        return err;
    if (!str_u64(str_trim(line), &at))
        return damaged(m, "a place of its memo is none");
    return put ? put_memo(m, at) : get_memo(m, at);
}

static int memo_binary(struct machine *m, unsigned size, bool put)
{
    uint64_t at = 0;
    int err = take_number(m, size, &at);
    if (err != 0)
        return err;
    return put ? put_memo(m, at) : get_memo(m, at);
}

/* ---- opcodes */

static int push_binary(struct machine *m, unsigned size)
{
    uint64_t v = 0;
    int err = take_number(m, size, &v);
    return err != 0 ? err : push_number(m, size == 4 ? (double)(int32_t)v : (double)v);
}

static int push_float(struct machine *m)
{
    uint64_t v = 0;
    int err = take_number(m, 8, &v);
    return err != 0 ? err : push_number(m, bits_double(__builtin_bswap64(v)));
}

static int skip_head(struct machine *m, int op)
{
    uint64_t v = 0;
    int err = take_number(m, op == OP_PROTO ? 1 : 8, &v);
    if (err == 0 && op == OP_PROTO && v > PROTOCOL_MAX)
        return why_set(m->why, ERR_UNSUPPORTED, "a pickle of protocol %u, newer than 5",
                       (unsigned)v);
    return err;
}

static int pop(struct machine *m, int op)
{
    size_t floor = m->marks.n ? m->marks.v[m->marks.n - 1] : 0;
    if (op == OP_POP_MARK || (op == OP_POP && m->marks.n && m->stack.n == floor))
        return pop_mark(m, &m->stack.n);
    if (m->stack.n == floor)
        return damaged(m, "it takes more than there is");
    if (op == OP_DUP)
        return push(m, m->stack.v[m->stack.n - 1]);
    m->stack.n--;
    return 0;
}

static int mark(struct machine *m)
{
    vec_push(&m->marks, m->stack.n);
    return 0;
}

static int append_to_mark(struct machine *m)
{
    size_t height = 0;
    int err = pop_mark(m, &height);
    return err == 0 ? append(m, height) : err;
}

static int append_one(struct machine *m)
{
    return m->stack.n == 0 ? damaged(m, "it appends nothing") : append(m, m->stack.n - 1);
}

/* Those that take texts and places of the memo. */
static int obey_rest(struct machine *m, int op)
{
    switch (op) {
    case OP_STRING:
    case OP_UNICODE:
        return push_line(m, op == OP_UNICODE);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINBYTES:
    case OP_SHORT_BINUNICODE:
        return take_text(m, 1);
    case OP_BINSTRING:
    case OP_BINBYTES:
    case OP_BINUNICODE:
        return take_text(m, 4);
    case OP_BINBYTES8:
    case OP_BINUNICODE8:
        return take_text(m, 8);
    case OP_PUT:
    case OP_GET:
        return memo_line(m, op == OP_PUT);
    case OP_BINPUT:
    case OP_BINGET:
        return memo_binary(m, 1, op == OP_BINPUT);
    case OP_LONG_BINPUT:
    case OP_LONG_BINGET:
        return memo_binary(m, 4, op == OP_LONG_BINPUT);
    case OP_MEMOIZE:
        return put_memo(m, m->memo.n);
    default:
        return why_set(m->why, ERR_UNSUPPORTED,
                       "pickle, byte %zu: opcode 0x%02x is not of plain data",
                       (size_t)(m->p - m->start) - 1, (unsigned)op);
    }
}

static int obey(struct machine *m, int op)
{
    switch (op) {
    case OP_PROTO:
    case OP_FRAME:
        return skip_head(m, op);
    case OP_MARK:
        return mark(m);
    case OP_POP:
    case OP_POP_MARK:
    case OP_DUP:
        return pop(m, op);
    case OP_INT:
    case OP_LONG:
    case OP_FLOAT:
        return push_line_number(m, op);
    case OP_BININT:
        return push_binary(m, 4);
    case OP_BININT1:
        return push_binary(m, 1);
    case OP_BININT2:
        return push_binary(m, 2);
    case OP_LONG1:
    case OP_LONG4:
        return take_long(m, op == OP_LONG1 ? 1 : 4);
    case OP_BINFLOAT:
        return push_float(m);
    case OP_TRUE:
    case OP_FALSE:
        return push_number(m, op == OP_TRUE);
    case OP_NONE:
        return push(m, (struct pickle_value){.type = PICKLE_NONE});
    case OP_EMPTY_LIST:
    case OP_EMPTY_TUPLE:
        return fold(m, 0);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return fold(m, (size_t)(op - OP_TUPLE1) + 1);
    case OP_LIST:
    case OP_TUPLE:
        return fold_to_mark(m);
    case OP_APPEND:
        return append_one(m);
    case OP_APPENDS:
        return append_to_mark(m);
    default:
        return obey_rest(m, op);
    }
}

static int run(struct machine *m, struct pickle_value *ret)
{
    while (m->p < m->end) {
        int op = *m->p++;
        if (op == OP_STOP) {
            if (m->stack.n != 1 || m->marks.n != 0)
                return damaged(m, "it does not end with one value");
            *ret = m->stack.v[0];
            return 0;
        }
        int err = obey(m, op);
        if (err != 0)
            return err;
    }
    return damaged(m, "it is cut off");
}

int pickle_read(struct str bytes, struct arena *a, struct pickle_value *ret, struct why *why)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.n > PICKLE_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "a pickle of %zu bytes; %d are accepted", bytes.n,
                       PICKLE_BYTES_MAX);
    if (bytes.n == 0)
        return why_set(why, ERR_FORMAT, "an empty pickle");
    struct machine m = {.start = p, .p = p, .end = p + bytes.n, .arena = a, .why = why};
    int err = run(&m, ret);
    vec_free(&m.stack);
    vec_free(&m.memo);
    vec_free(&m.marks);
    return err;
}
