#include "codec/influx.h"

#include "base/bits.h"
#include "model/labels.h"
#include "text/name_escape.h"
#include "text/number.h"

enum {
    COPY = 32,            /* bytes that a short copy moves */
    EXACT_DIGITS_MAX = 15 /* decimal digits that a double holds exactly */
};

_Static_assert((int)COPY <= (int)CODEC_SLACK, "short copies read behind the text");

/* The bytes at which a name or a tag's value may end. */
static const bool STOPS[256] = {
    [','] = true, ['='] = true, [' '] = true, ['\\'] = true, ['\n'] = true, ['\r'] = true};

static const double TENS[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static const char UNBALANCED[] = "unbalanced quotes";

/* Milliseconds are nanoseconds / DIVIDE or hours * MULTIPLY. */
static const int64_t DIVIDE[] = {[INFLUX_NS] = 1000000, [INFLUX_US] = 1000};
static const int64_t MULTIPLY[] = {
    [INFLUX_MS] = 1, [INFLUX_S] = 1000, [INFLUX_M] = 60000, [INFLUX_H] = 3600000};

bool influx_unit_of(struct str text, enum influx_unit *ret)
{
    static const struct {
        struct str text;
        enum influx_unit unit;
    } ALL[] = {
        {{"", 0}, INFLUX_NS},   {{"n", 1}, INFLUX_NS},  {{"ns", 2}, INFLUX_NS},
        {{"u", 1}, INFLUX_US},  {{"us", 2}, INFLUX_US}, {{"\xc2\xb5", 2}, INFLUX_US},
        {{"ms", 2}, INFLUX_MS}, {{"s", 1}, INFLUX_S},   {{"m", 1}, INFLUX_M},
        {{"h", 1}, INFLUX_H},
    };
    for (size_t i = 0; i < COUNTOF(ALL); i++)
        if (str_eq(ALL[i].text, text)) {
            *ret = ALL[i].unit;
            return true;
        }
    return false;
}

void influx_init(struct influx_reader *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    buf_init(&r->last, SIZE_MAX / 2);
    buf_init(&r->name, SIZE_MAX / 2);
    buf_init(&r->tail, 4 * (size_t)INFLUX_TAGS_MAX);
    buf_init(&r->scratch, SIZE_MAX / 2);
}

void influx_done(struct influx_reader *r)
{
    arena_done(&r->arena);
    buf_done(&r->last);
    buf_done(&r->name);
    buf_done(&r->tail);
    buf_done(&r->scratch);
}

/* Text that has no line end gets one, so that no reader of a name has to look for the end. */
static void keep_last(struct influx_reader *r, struct str line)
{
    buf_clear(&r->last);
    buf_put_str(&r->last, line);
    buf_put_c(&r->last, '\n');
    r->last_n = r->last.n;
    char *slack = buf_reserve(&r->last, CODEC_SLACK);
    if (slack != NULL)
        memset(slack, 0, CODEC_SLACK);
}

void influx_begin(struct influx_reader *r, struct str text, const struct influx_plan *plan)
{
    const char *newline = text.n ? memrchr(text.p, '\n', text.n) : NULL;
    r->plan = plan;
    r->p = text.p;
    r->end = newline != NULL ? newline + 1 : text.p;
    r->main_end = text.n ? text.p + text.n : text.p;
    r->last_n = r->line_n = 0;
    r->texts = 0;
    r->at = NULL;
    if (r->end < r->main_end)
        keep_last(r, str_of(r->end, (size_t)(r->main_end - r->end)));
}

/* ---- names and labels */

struct token {
    const char *p;
    size_t n;
    bool escaped;
};

/* What stands at p up to a byte of STOPS that is not escaped ('=' is nothing special where
 * through_equals). */
static inline const char *token(const char *p, bool through_equals, struct token *ret)
{
    *ret = (struct token){.p = p};
    for (;;) {
        while (!STOPS[(uint8_t)*p])
            p++;
        if (LIKELY(*p != '\\' && !(through_equals && *p == '=')))
            break;
        if (*p == '\\' && (p[1] == ',' || p[1] == ' ' || p[1] == '=')) {
            ret->escaped = true;
            p++;
        }
        p++;
    }
    ret->n = (size_t)(p - ret->p);
    return p;
}

/* Appends it without the backslashes that escape. */
static void put_plain(struct buf *out, struct token t)
{
    if (!t.escaped) {
        buf_put(out, t.p, t.n);
        return;
    }
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '\\' && i + 1 < t.n &&
            (t.p[i + 1] == ',' || t.p[i + 1] == ' ' || t.p[i + 1] == '='))
            i++;
        buf_put_c(out, t.p[i]);
    }
}

static inline char *copy(char *to, struct str from)
{
    if (UNLIKELY(from.n == 0))
        return to;
    if (LIKELY(from.n <= COPY))
        memcpy(to, from.p, COPY);
    else
        memcpy(to, from.p, from.n);
    return to + from.n;
}

/* Appends a label to the tail; the texts have COPY readable bytes. False where there are too many
 * bytes. */
static inline bool put_label(struct influx_reader *r, struct str name, struct str value)
{
    struct buf *b = &r->tail;
    size_t n = name.n + value.n;
    if (UNLIKELY(b->n + n > INFLUX_TAGS_MAX))
        return false;
    if (UNLIKELY(b->capacity - b->n < n + 2 * COPY + 24) &&
        buf_reserve(b, n + 2 * (size_t)COPY + 24) == NULL)
        return false;
    char *p = b->p + b->n;
    if (UNLIKELY(n > 123)) {
        size_t inner = 2 + varint_len(name.n) + varint_len(value.n) + n;
        *p++ = 0x0a;
        p = (char *)varint_put((uint8_t *)p, inner);
        *p++ = 0x0a;
        p = (char *)varint_put((uint8_t *)p, name.n);
        p = copy(p, name);
        *p++ = 0x12;
        p = (char *)varint_put((uint8_t *)p, value.n);
    } else {
        p[0] = 0x0a;
        p[1] = (char)(n + 4);
        p[2] = 0x0a;
        p[3] = (char)name.n;
        p = copy(p + 4, name);
        p[0] = 0x12;
        p[1] = (char)value.n;
        p += 2;
    }
    b->n = (size_t)(copy(p, value) - b->p);
    return true;
}

static void slack(struct buf *b)
{
    char *p = buf_reserve(b, COPY);
    if (p != NULL)
        memset(p, 0, COPY);
}

/* A name without what escapes it, and plain where the plan says so; memory from the arena. */
static struct str rewritten(struct influx_reader *r, struct token t, bool label)
{
    struct buf *b = &r->scratch;
    buf_clear(b);
    put_plain(b, t);
    if (label && r->plan->underscores) {
        struct str text = arena_str(&r->arena, buf_str(b));
        buf_clear(b);
        name_escape_put(NAME_ESCAPE_UNDERSCORES, text, b);
        for (size_t i = 0; i < b->n; i++)
            b->p[i] = b->p[i] == ':' ? '_' : b->p[i]; /* metrics alone may have colons */
    }
    char *text = arena_new(&r->arena, b->n + COPY);
    if (b->n)
        memcpy(text, b->p, b->n);
    return str_of(text, b->n);
}

/* A tag whose texts have escapes, or whose name is to become plain. */
static bool put_rewritten(struct influx_reader *r, struct token name, struct token value)
{
    struct str plain = rewritten(r, name, true);
    return put_label(r, plain, rewritten(r, value, false));
}

/* The tags from the comma at *at on into the tail. NULL, or what is wrong. */
static const char *read_tags(struct influx_reader *r, const char **at)
{
    const struct influx_plan *plan = r->plan;
    bool db = plan->db.n != 0 && plan->db_label.n != 0;
    const char *p = *at;
    while (*p == ',') {
        struct token name, value;
        p = token(p + 1, false, &name);
        if (UNLIKELY(*p != '='))
            return name.n == 0 ? "missing tag key" : "missing tag value";
        if (UNLIKELY(name.n == 0))
            return "missing tag key";
        p = token(p + 1, false, &value);
        if (UNLIKELY(*p == '='))
            return "invalid tag format";
        if (UNLIKELY(value.n == 0))
            continue; /* a label without a value is none */
        if (db && str_eq(str_of(name.p, name.n), plan->db_label))
            db = false;
        bool fine = LIKELY(!name.escaped && !value.escaped && !plan->underscores)
                        ? put_label(r, str_of(name.p, name.n), str_of(value.p, value.n))
                        : put_rewritten(r, name, value);
        if (UNLIKELY(!fine))
            return "too many bytes of tags";
    }
    *at = p;
    if (db && !put_rewritten(r, (struct token){plan->db_label.p, plan->db_label.n, false},
                             (struct token){plan->db.p, plan->db.n, false}))
        return "too many bytes of tags";
    return NULL;
}

/* The key of the line's series of that field. NULL where the line's keys come to too many bytes. */
static inline const char *put_key(struct influx_reader *r, struct str field, struct str *ret)
{
    struct str name = buf_str(&r->name);
    size_t n = name.n + field.n, size = n + r->tail.n + 32;
    r->keys_n += size;
    if (UNLIKELY(r->keys_n > INFLUX_KEYS_MAX))
        return "too many fields for so long tags";
    char *key = arena_raw(&r->arena, size + 2 * (size_t)COPY), *p = key;
    if (LIKELY(n < 112)) {
        memcpy(p, "\x0a\x00\x0a\x08__name__\x12\x00", 14);
        p[1] = (char)(n + 12);
        p[13] = (char)n;
        p += 14;
    } else {
        *p++ = 0x0a;
        p = (char *)varint_put((uint8_t *)p, 11 + varint_len(n) + n);
        memcpy(p, "\x0a\x08__name__\x12", 11);
        p = (char *)varint_put((uint8_t *)p + 11, n);
    }
    p = copy(p, name);
    p = copy(p, field);
    if (r->tail.n)
        memcpy(p, r->tail.p, r->tail.n);
    *ret = str_of(key, (size_t)(p - key) + r->tail.n);
    return NULL;
}

/* The same for a field whose name has escapes, or is to become plain. */
static const char *put_rewritten_key(struct influx_reader *r, struct token field, struct str *ret)
{
    struct str plain = rewritten(r, field, false);
    if (!r->plan->underscores)
        return put_key(r, plain, ret);
    size_t before_n = r->name.n;
    buf_put_str(&r->name, plain);
    struct str whole = arena_str(&r->arena, buf_str(&r->name)),
               before = str_sub(whole, 0, before_n);
    buf_clear(&r->name);
    name_escape_put(NAME_ESCAPE_UNDERSCORES, whole, &r->name);
    slack(&r->name);
    const char *wrong = put_key(r, STR(""), ret);
    buf_clear(&r->name);
    buf_put_str(&r->name, before);
    slack(&r->name);
    return wrong;
}

/* ---- values */

enum value_type { VALUE_NUMBER, VALUE_TEXT };

/* Behind the text in quotes at p; NULL where its end is missing. */
static const char *skip_text(const struct influx_reader *r, const char *p)
{
    for (p++; p < r->end; p++) {
        if (*p == '\\' && p + 1 < r->end && (p[1] == '"' || p[1] == '\\'))
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

static bool is_end(char c)
{
    return c == ',' || c == ' ' || c == '\n' || c == '\r';
}

static bool boolean(struct str s, double *ret)
{
    static const struct str YES[] = {{"t", 1}, {"T", 1}, {"true", 4}, {"True", 4}, {"TRUE", 4}};
    static const struct str NO[] = {{"f", 1}, {"F", 1}, {"false", 5}, {"False", 5}, {"FALSE", 5}};
    for (size_t i = 0; i < COUNTOF(YES); i++) {
        if (str_eq(s, YES[i]) || str_eq(s, NO[i])) {
            *ret = str_eq(s, YES[i]) ? 1 : 0;
            return true;
        }
    }
    return false;
}

/* 1i and 1u of any length. */
static bool integer(struct str digits, bool is_unsigned, double *ret)
{
    uint64_t u;
    int64_t i;
    if (is_unsigned) {
        if (!str_u64(digits, &u))
            return false;
        *ret = (double)u;
        return true;
    }
    if (digits.n && digits.p[0] == '+')
        digits = str_sub(digits, 1, digits.n);
    if (!str_i64(digits, &i))
        return false;
    *ret = (double)i;
    return true;
}

/* Any number or boolean, the long way. NULL, or what is wrong. */
static const char *slow_value(const char *p, const char **ret_end, double *ret)
{
    const char *e = p;
    while (!is_end(*e))
        e++;
    struct str s = str_of(p, (size_t)(e - p));
    *ret_end = e;
    if (s.n == 0)
        return "missing field value";
    char first = s.p[0], last = s.p[s.n - 1];
    if (first == 't' || first == 'T' || first == 'f' || first == 'F')
        return boolean(s, ret) ? NULL : "invalid boolean";
    if (!((first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.'))
        return "invalid field format";
    if (last == 'i' || last == 'u')
        return integer(str_sub(s, 0, s.n - 1), last == 'u', ret) ? NULL : "invalid number";
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.' || s.p[i] == '-' || s.p[i] == '+' ||
              s.p[i] == 'e' || s.p[i] == 'E'))
            return "invalid number";
    return number_parse(s, ret) == 0 ? NULL : "invalid number";
}

/* The value at p. NULL, or what is wrong. */
static inline const char *value(const struct influx_reader *r, const char *p, const char **ret_end,
                                enum value_type *ret_type, double *ret)
{
    if (UNLIKELY(*p == '"')) {
        *ret_type = VALUE_TEXT;
        *ret_end = skip_text(r, p);
        if (*ret_end == NULL)
            return UNBALANCED;
        return is_end(**ret_end) ? NULL : "invalid field format";
    }
    *ret_type = VALUE_NUMBER;
    const char *from = p;
    bool minus = *p == '-';
    uint64_t whole = 0;
    p += minus;
    const char *digits = p;
    while (*p >= '0' && *p <= '9')
        whole = whole * 10 + (uint64_t)(*p++ - '0');
    size_t n = (size_t)(p - digits), after = 0;
    if (*p == '.' && n) {
        digits = ++p;
        while (*p >= '0' && *p <= '9')
            whole = whole * 10 + (uint64_t)(*p++ - '0');
        after = (size_t)(p - digits);
        n += after;
    } else if (*p == 'i' && n) {
        p++;
    }
    if (LIKELY(n > 0 && n <= EXACT_DIGITS_MAX && is_end(*p))) {
        double v = (double)whole / TENS[after];
        *ret = minus ? -v : v;
        *ret_end = p;
        return NULL;
    }
    if (n > 0 && n < 40 && is_end(*p) && p[-1] != 'i')
        if (number_decimal(from, (size_t)(p - from), ret)) {
            *ret_end = p;
            return NULL;
        }
    return slow_value(from, ret_end, ret);
}

/* ---- lines */

/* The rest of a line behind its fields: blanks, a time, the line end. NULL, or what is wrong. */
static const char *read_time(const struct influx_reader *r, const char *p, const char **ret_end,
                             int64_t *ret_ms)
{
    const struct influx_plan *plan = r->plan;
    bool minus = false;
    uint64_t v = 0;
    while (*p == ' ')
        p++;
    const char *from = p;
    if (*p == '-') {
        minus = true;
        p++;
    }
    const char *digits = p;
    while (*p >= '0' && *p <= '9')
        v = v * 10 + (uint64_t)(*p++ - '0');
    size_t n = (size_t)(p - digits);
    bool given = p > from;
    while (*p == ' ')
        p++;
    if (*p == '\r')
        p++;
    if (UNLIKELY(*p != '\n'))
        return "bad timestamp";
    *ret_end = p + 1;
    if (!given) {
        *ret_ms = plan->now_ms;
        return NULL;
    }
    if (UNLIKELY(n == 0 || n > 19 || v > INT64_MAX))
        return "bad timestamp";
    int64_t t = minus ? -(int64_t)v : (int64_t)v;
    if (plan->unit <= INFLUX_US) {
        int64_t by = DIVIDE[plan->unit];
        *ret_ms = t / by - (t % by < 0);
        return NULL;
    }
    return __builtin_mul_overflow(t, MULTIPLY[plan->unit], ret_ms) ? "time outside range" : NULL;
}

/* Reads the fields from *at on into rows, or (b NULL) only looks at them. Stops before a field that
 * does not fit the batch, with *ret_full set, or behind the last. NULL, or what is wrong. */
static const char *read_fields(struct influx_reader *r, const char **at, struct batch *b,
                               bool *ret_full)
{
    const char *p = *at, *wrong;
    *ret_full = false;
    for (;;) {
        struct token name;
        enum value_type type;
        double v = 0;
        const char *e;
        if (b != NULL && UNLIKELY(b->n == BATCH_MAX)) {
            *at = p;
            *ret_full = true;
            return NULL;
        }
        e = token(p, false, &name);
        if (UNLIKELY(*e != '=' || name.n == 0))
            return name.n == 0 ? "missing field key" : "missing field value";
        wrong = value(r, e + 1, &e, &type, &v);
        if (UNLIKELY(wrong != NULL))
            return wrong;
        if (r->bare)
            name = (struct token){.p = ""};
        if (b != NULL && LIKELY(type == VALUE_NUMBER)) {
            size_t i = b->n;
            wrong = LIKELY(!name.escaped && !r->plan->underscores)
                        ? put_key(r, str_of(name.p, name.n), &b->key[i])
                        : put_rewritten_key(r, name, &b->key[i]);
            if (UNLIKELY(wrong != NULL))
                return wrong;
            b->value[i] = v;
            b->histogram[i] = NULL;
            b->start_ms[i] = 0;
            r->lines[i] = r->line_n;
            b->n++;
        } else if (b != NULL) {
            r->texts++;
        }
        p = e;
        if (*p != ',')
            break;
        p++;
    }
    *at = p;
    return NULL;
}

/* The only field of a line, whose fields are at p, has no part in the name. */
static void choose_name(struct influx_reader *r, const char *p)
{
    struct token name;
    enum value_type type;
    double v;
    const char *e = token(p, false, &name);
    if (*e != '=' || value(r, e + 1, &e, &type, &v) != NULL || *e == ',' ||
        r->plan->skip_measurement)
        return;
    r->name.n -= r->plan->separator.n;
    r->bare = true;
}

/* Measurement and tags at *at. NULL, or what is wrong. */
static const char *read_head(struct influx_reader *r, const char **at)
{
    const struct influx_plan *plan = r->plan;
    struct token t;
    const char *p = token(*at, true, &t);
    if (UNLIKELY(t.n == 0))
        return "missing measurement";
    buf_clear(&r->name);
    buf_clear(&r->tail);
    r->keys_n = 0;
    r->bare = false;
    if (!plan->skip_measurement) {
        put_plain(&r->name, t);
        buf_put_str(&r->name, plan->separator);
    }
    const char *wrong = read_tags(r, &p);
    if (UNLIKELY(wrong != NULL))
        return wrong;
    if (UNLIKELY(*p != ' '))
        return "missing fields";
    while (*p == ' ')
        p++;
    if (UNLIKELY(*p == '\n' || *p == '\r'))
        return "missing fields";
    slack(&r->name);
    *at = p;
    return NULL;
}

/* The rest of a line that has more fields than the batch has rows, from p on: its time is needed
 * before they are read. NULL, or what is wrong. */
static const char *look_ahead(struct influx_reader *r, const char *p)
{
    bool full;
    r->at = p;
    const char *wrong = read_fields(r, &p, NULL, &full);
    if (wrong == NULL)
        wrong = read_time(r, p, &r->at_end, &r->at_ms);
    if (wrong != NULL)
        r->at = NULL;
    return wrong;
}

/* Reads the line at r->p. False where the batch is full: the line, or the rest of it, is read with
 * the next one. */
static bool read_line(struct influx_reader *r, struct batch *b, const char **ret_wrong)
{
    const char *p = r->p, *e = NULL;
    size_t first = b->n;
    uint64_t texts = r->texts;
    int64_t ts_ms = 0;
    bool full = false;
    *ret_wrong = read_head(r, &p);
    if (LIKELY(*ret_wrong == NULL)) {
        if (UNLIKELY(r->plan->skip_single))
            choose_name(r, p);
        *ret_wrong = read_fields(r, &p, b, &full);
    }
    if (UNLIKELY(full && first > 0)) {
        b->n = first;
        r->texts = texts;
        return false;
    }
    if (UNLIKELY(full)) {
        *ret_wrong = look_ahead(r, p);
        e = r->at_end;
        ts_ms = r->at_ms;
    } else if (LIKELY(*ret_wrong == NULL)) {
        *ret_wrong = read_time(r, p, &e, &ts_ms);
    }
    if (UNLIKELY(*ret_wrong != NULL)) {
        b->n = first;
        r->texts = texts;
        return true;
    }
    for (size_t i = first; i < b->n; i++)
        b->ts_ms[i] = ts_ms;
    r->p = full ? r->p : e;
    return !full;
}

/* The next rows of a line that did not fit the batch before. It has been looked at to its end:
 * nothing can be wrong but the bytes of its keys. */
static const char *read_rest(struct influx_reader *r, struct batch *b)
{
    bool full;
    const char *wrong = read_fields(r, &r->at, b, &full);
    for (size_t i = 0; i < b->n; i++)
        b->ts_ms[i] = r->at_ms;
    if (wrong != NULL || !full)
        r->at = NULL;
    if (wrong == NULL && !full)
        r->p = r->at_end;
    return wrong;
}

/* The text in quotes that the lines before the last one end in may go on in the last one: they are
 * read as one then. False where there is no last line. */
static bool join_last(struct influx_reader *r)
{
    if (r->last_n == 0)
        return false;
    struct str line = arena_str(&r->arena, str_of(r->p, (size_t)(r->main_end - r->p)));
    keep_last(r, line);
    r->last_n = 0;
    r->p = r->last.p;
    r->end = r->last.p + line.n + 1;
    return true;
}

static void refuse_line(struct influx_reader *r, struct sides *s, const char *wrong)
{
    const char *e = memchr(r->p, '\n', (size_t)(r->end - r->p));
    struct str line = str_trim(str_of(r->p, (size_t)(e - r->p)));
    struct str shown = line;
    if (line.n > INFLUX_SHOWN_MAX) {
        shown.n = INFLUX_SHOWN_MAX;
        while (shown.n && ((unsigned char)line.p[shown.n] & 0xc0) == 0x80)
            shown.n--;
    }
    s->bad[s->bad_n++] = (struct sides_bad){
        .at = r->line_n,
        .series = arena_str(&r->arena, shown),
        .reason = arena_printf(&r->arena, "unable to parse '" STR_FMT "%s': %s", STR_ARG(shown),
                               shown.n < line.n ? "..." : "", wrong),
        .samples = 1,
    };
    r->p = e + 1;
}

/* Skips blanks, line ends and comments: false at the end of the text. */
static bool find_line(struct influx_reader *r)
{
    for (;;) {
        if (r->p == r->end) {
            if (r->last_n == 0)
                return false;
            r->p = r->last.p;
            r->end = r->last.p + r->last_n;
            r->last_n = 0;
        }
        if (LIKELY(*r->p != '#' && *r->p != ' ' && *r->p != '\t' && *r->p != '\r' && *r->p != '\n'))
            return true;
        if (*r->p == '#')
            r->p = memchr(r->p, '\n', (size_t)(r->end - r->p));
        r->line_n += *r->p == '\n';
        r->p++;
    }
}

int influx_next(struct influx_reader *r, struct batch *b, struct sides *s)
{
    arena_reset(&r->arena);
    b->n = 0;
    sides_clear(s);
    const char *unread = r->at != NULL ? read_rest(r, b) : NULL;
    if (unread != NULL)
        refuse_line(r, s, unread);
    while (r->at == NULL && !sides_full(s) && find_line(r)) {
        const char *wrong;
        r->line_n++;
        if (!read_line(r, b, &wrong)) {
            r->line_n -= r->at == NULL; /* it is read again */
            break;
        }
        if (UNLIKELY(wrong != NULL) && !(wrong == UNBALANCED && join_last(r)))
            refuse_line(r, s, wrong);
        else if (UNLIKELY(wrong != NULL))
            r->line_n--;
    }
    return b->n || !sides_empty(s);
}
