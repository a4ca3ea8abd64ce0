#include "health/probe/prober_reply.h"

#include <strings.h>

#include "health/probe/prober.h"

enum { LINE_MAX_BYTES = 1024 /* of a chunk's length */, HEX_DIGITS_MAX = 15, INTERIM_MAX = 8 };

enum phase { HEAD, LENGTH, UNTIL_CLOSE, CHUNK_LENGTH, CHUNK, CHUNK_END, TRAILERS, WHOLE };

void prober_reply_init(struct prober_reply *r)
{
    *r = (struct prober_reply){.keep = true};
    buf_init(&r->head, PROBER_HEAD_MAX);
    buf_init(&r->body, PROBER_BODY_MAX);
}

void prober_reply_done(struct prober_reply *r)
{
    buf_done(&r->head);
    buf_done(&r->body);
}

void prober_reply_clear(struct prober_reply *r)
{
    struct buf head = r->head, body = r->body;
    bool bodiless = r->bodiless;
    buf_clear(&head);
    buf_clear(&body);
    *r = (struct prober_reply){.head = head, .body = body, .bodiless = bodiless, .keep = true};
}

/* ---- the head */

/* "HTTP/1.1 200 OK": 200, or 0. */
static int status_of(struct str line, bool *ret_keep)
{
    uint64_t status;
    if (!str_starts(line, STR("HTTP/1.")) || line.n < 12 || line.p[8] != ' ' ||
        !str_u64(str_sub(line, 9, 12), &status) || (line.n > 12 && line.p[12] != ' ') ||
        status < 100 || status > 999)
        return 0;
    *ret_keep = line.p[7] != '0';
    return (int)status;
}

static bool has_token(struct str list, struct str token)
{
    struct str item;
    while (str_split(&list, ',', &item)) {
        item = str_trim(item);
        if (item.n == token.n && strncasecmp(item.p, token.p, token.n) == 0)
            return true;
    }
    return false;
}

static bool is_named(struct str name, struct str wanted)
{
    return name.n == wanted.n && strncasecmp(name.p, wanted.p, wanted.n) == 0;
}

struct framing {
    bool length, chunked, coded;
    uint64_t bytes;
};

static int read_field(struct prober_reply *r, struct str line, struct framing *f, struct why *why)
{
    size_t colon = str_find(line, ':');
    struct str name = str_sub(line, 0, colon), value = str_trim(str_sub(line, colon + 1, line.n));
    if (colon == line.n || colon == 0)
        return why_set(why, ERR_FORMAT, "the answer has a header without a name");
    if (is_named(name, STR("Content-Length"))) {
        uint64_t bytes;
        if (!str_u64(value, &bytes) || (f->length && f->bytes != bytes))
            return why_set(why, ERR_FORMAT, "the answer's Content-Length is no number, or two");
        f->length = true;
        f->bytes = bytes;
    } else if (is_named(name, STR("Transfer-Encoding"))) {
        f->coded = true;
        f->chunked = has_token(value, STR("chunked"));
    } else if (is_named(name, STR("Connection"))) {
        if (has_token(value, STR("close")))
            r->keep = false;
        else if (has_token(value, STR("keep-alive")))
            r->keep = true;
    }
    return 0;
}

/* What comes behind the head. */
static int frame(struct prober_reply *r, const struct framing *f, struct why *why)
{
    bool none = r->bodiless || r->status == 204 || r->status == 304;
    if (none || (f->length && !f->coded && f->bytes == 0)) {
        r->phase = WHOLE;
    } else if (f->chunked) {
        r->phase = CHUNK_LENGTH;
    } else if (f->length && !f->coded) {
        if (f->bytes > PROBER_BODY_READ_MAX)
            return why_set(why, ERR_LIMIT, "the answer's body is longer than %d MiB",
                           PROBER_BODY_READ_MAX >> 20);
        r->phase = LENGTH;
        r->left = f->bytes;
    } else {
        r->phase = UNTIL_CLOSE;
        r->keep = false;
    }
    return 0;
}

/* The head is whole. */
static int read_head(struct prober_reply *r, struct why *why)
{
    struct str rest = buf_str(&r->head), line;
    struct framing f = {0};
    (void)str_split(&rest, '\n', &line); /* there is a line end: how it came to be whole */
    r->status = status_of(str_trim(line), &r->keep);
    if (r->status == 0)
        return why_set(why, ERR_FORMAT, "this is no HTTP/1 server: it begins with \"" STR_FMT "\"",
                       STR_ARG(str_sub(str_utf8(line) ? line : STR("?"), 0, 40)));
    r->fields = r->head.n - rest.n;
    int err = 0;
    while (err == 0 && str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n > 0)
            err = read_field(r, line, &f, why);
    }
    if (err != 0)
        return err;
    if (r->status < 200) { /* another head follows: 100, 103 */
        buf_clear(&r->head);
        r->status = 0;
        if (++r->line > INTERIM_MAX)
            return why_set(why, ERR_LIMIT, "the answer has too many preliminary ones");
        return 0;
    }
    r->line = 0;
    return frame(r, &f, why);
}

static bool head_ended(const struct buf *head)
{
    const char *p = head->p;
    size_t n = head->n;
    if (n < 2 || p[n - 1] != '\n')
        return false;
    return p[n - 2] == '\n' || (n > 2 && p[n - 2] == '\r' && p[n - 3] == '\n');
}

/* Takes bytes of the head off *rest, a line at a time. */
static int take_head(struct prober_reply *r, struct str *rest, struct why *why)
{
    while (rest->n > 0 && r->phase == HEAD) {
        size_t end = str_find(*rest, '\n');
        size_t n = MIN(end + 1, rest->n);
        buf_put(&r->head, rest->p, n);
        *rest = str_sub(*rest, n, rest->n);
        if (buf_failed(&r->head))
            return why_set(why, ERR_LIMIT, "the answer's headers are longer than %d KiB",
                           PROBER_HEAD_MAX / 1024);
        if (r->head.n >= 5 && memcmp(r->head.p, "HTTP/", 5) != 0)
            return why_set(why, ERR_FORMAT, "this is no HTTP/1 server");
        int err = head_ended(&r->head) ? read_head(r, why) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- the body */

static int keep_body(struct prober_reply *r, struct str bytes, struct why *why)
{
    r->read += bytes.n;
    if (r->read > PROBER_BODY_READ_MAX)
        return why_set(why, ERR_LIMIT, "the answer's body is longer than %d MiB",
                       PROBER_BODY_READ_MAX >> 20);
    if (r->body.n < PROBER_BODY_MAX)
        buf_put_str(&r->body, str_sub(bytes, 0, PROBER_BODY_MAX - r->body.n));
    return 0;
}

static int take_counted(struct prober_reply *r, struct str *rest, int next, struct why *why)
{
    struct str part = str_sub(*rest, 0, (size_t)MIN(r->left, (uint64_t)rest->n));
    int err = keep_body(r, part, why);
    r->left -= part.n;
    *rest = str_sub(*rest, part.n, rest->n);
    if (r->left == 0)
        r->phase = next;
    return err;
}

/* A byte of "1a2b;name=value\r\n". */
static int take_chunk_length(struct prober_reply *r, char c, struct why *why)
{
    int digit = str_hex(c);
    if (c == '\n' && r->digits) {
        r->phase = r->left == 0 ? TRAILERS : CHUNK;
        r->line = 0;
        r->digits = r->extension = false;
        return 0;
    }
    if (++r->line > LINE_MAX_BYTES)
        return why_set(why, ERR_LIMIT, "a chunk's line is too long");
    bool ends = r->digits && (c == ';' || c == ' ' || c == '\t' || c == '\r');
    if (r->extension || ends) {
        r->extension = r->digits;
        return 0;
    }
    if (digit < 0 || r->line > HEX_DIGITS_MAX)
        return why_set(why, ERR_FORMAT, "a chunk's length is no number");
    r->left = (r->digits ? r->left << 4 : 0) | (uint64_t)digit;
    r->digits = true;
    return 0;
}

/* A byte of "\r\n" behind a chunk, or of the lines behind the last one. */
static int take_line_byte(struct prober_reply *r, char c, struct why *why)
{
    if (c == '\n') {
        if (r->phase == CHUNK_END)
            r->phase = CHUNK_LENGTH;
        else if (r->line == 0)
            r->phase = WHOLE;
        r->line = 0;
        return 0;
    }
    if (c == '\r')
        return 0;
    if (r->phase == CHUNK_END)
        return why_set(why, ERR_FORMAT, "a chunk is longer than it says");
    return ++r->line > PROBER_HEAD_MAX ? why_set(why, ERR_LIMIT, "the trailers are too long") : 0;
}

int prober_reply_feed(struct prober_reply *r, struct str bytes, struct why *why)
{
    int err = take_head(r, &bytes, why);
    while (err == 0 && bytes.n > 0 && r->phase != WHOLE) {
        if (r->phase == LENGTH) {
            err = take_counted(r, &bytes, WHOLE, why);
        } else if (r->phase == CHUNK) {
            err = take_counted(r, &bytes, CHUNK_END, why);
        } else if (r->phase == UNTIL_CLOSE) {
            err = keep_body(r, bytes, why);
            bytes = STR("");
        } else {
            char c = bytes.p[0];
            bytes = str_sub(bytes, 1, bytes.n);
            err =
                r->phase == CHUNK_LENGTH ? take_chunk_length(r, c, why) : take_line_byte(r, c, why);
        }
    }
    if (err != 0)
        return err;
    if (bytes.n > 0)
        r->keep = false;
    return r->phase == WHOLE;
}

int prober_reply_closed(struct prober_reply *r, struct why *why)
{
    if (r->phase == UNTIL_CLOSE || r->phase == WHOLE)
        return 0;
    if (r->phase == HEAD && r->head.n == 0)
        return why_set(why, ERR_CLOSED, "the server closed the connection without an answer");
    return why_set(why, ERR_CLOSED, "the server closed the connection within its answer");
}

struct str prober_reply_fields(const struct prober_reply *r)
{
    return str_sub(buf_str(&r->head), r->fields, r->head.n);
}
