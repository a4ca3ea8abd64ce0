#include "notify/email_text.h"

#include <time.h>

#include "base/hash.h"
#include "net/base64.h"
#include "text/letter.h"

enum {
    LINE_MAX = 76,       /* letters of a line of quoted-printable or base64 */
    WORD_BYTES = 45,     /* of text in one encoded word: at most 3 letters each, below 75 */
    ADDRESSES_MAX = 100, /* of one mail */
    ADDRESS_MAX = 320,   /* bytes */
};

static const char HEX[] = "0123456789ABCDEF";

bool email_text_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ':')
            return false;
    return name.n > 0 && name.n < LINE_MAX;
}

/* ---- headers */

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x7f)
            return false;
    return str_search(s, STR("=?")) == s.n;
}

static void put_encoded(struct str s, struct buf *out)
{
    buf_put_str(out, STR("=?utf-8?q?"));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == ':' || c == '/' || c == '[' || c == ']' ||
                     c == '(' || c == ')' || c == ',' || c == '%' || c == '+';
        if (c == ' ') {
            buf_put_c(out, '_');
        } else if (plain) {
            buf_put_c(out, (char)c);
        } else {
            buf_put_c(out, '=');
            buf_put_c(out, HEX[c >> 4]);
            buf_put_c(out, HEX[c & 15]);
        }
    }
    buf_put_str(out, STR("?="));
}

/* The longest beginning of s that fits an encoded word and ends at the end of a letter. */
static size_t word_at(struct str s)
{
    enum { COST_MAX = 60 }; /* letters between =?utf-8?q? and ?= */
    size_t n = 0, cost = 0, used;
    while (n < s.n && n < WORD_BYTES) {
        (void)letter_next(str_sub(s, n, s.n), &used);
        cost += 3 * used;
        if (cost > COST_MAX)
            break;
        n += used;
    }
    return n ? n : 1;
}

void email_text_word(struct str value, struct buf *out)
{
    struct buf line;
    buf_init(&line, value.n + 1);
    for (size_t i = 0; i < value.n; i++) /* one line, whatever it holds */
        buf_put_c(&line, (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f ? ' ' : value.p[i]);
    struct str rest = str_trim(buf_str(&line));
    if (is_plain(rest))
        buf_put_str(out, rest);
    else
        for (size_t n = 0; rest.n > 0; rest = str_sub(rest, n, rest.n)) {
            if (n > 0)
                buf_put_str(out, STR("\r\n "));
            n = word_at(rest);
            put_encoded(str_sub(rest, 0, n), out);
        }
    buf_done(&line);
}

static void put_header(const char *name, struct str value, struct buf *out)
{
    buf_printf(out, "%s: ", name);
    email_text_word(value, out);
    buf_put_str(out, STR("\r\n"));
}

static void put_date(int64_t ms, struct buf *out)
{
    static const char *const DAYS[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = ms / 1000;
    struct tm t;
    gmtime_r(&seconds, &t);
    buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", DAYS[t.tm_wday], t.tm_mday,
               MONTHS[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* ---- bodies */

void email_text_quote(struct str s, struct buf *out)
{
    size_t column = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool end = c == '\n' || (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n');
        if (end) {
            i += c == '\r';
            buf_put_str(out, STR("\r\n"));
            column = 0;
            continue;
        }
        bool last = i + 1 == s.n || s.p[i + 1] == '\n' || s.p[i + 1] == '\r';
        bool plain = (c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last);
        if (column + (plain ? 1 : 3) > LINE_MAX - 1) {
            buf_put_str(out, STR("=\r\n"));
            column = 0;
        }
        if (plain) {
            buf_put_c(out, (char)c);
        } else {
            buf_put_c(out, '=');
            buf_put_c(out, HEX[c >> 4]);
            buf_put_c(out, HEX[c & 15]);
        }
        column += plain ? 1 : 3;
    }
    buf_put_str(out, STR("\r\n"));
}

static void put_part(const char *boundary, const char *type, struct str s, struct buf *out)
{
    buf_printf(out,
               "--%s\r\nContent-Type: %s; charset=UTF-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               boundary, type);
    email_text_quote(s, out);
}

static void put_base64(struct str s, struct arena *a, struct buf *out)
{
    struct buf all;
    buf_init(&all, s.n * 2 + 64);
    base64_put(&all, s);
    for (struct str rest = buf_str(&all); rest.n > 0; rest = str_sub(rest, LINE_MAX, rest.n)) {
        buf_put_str(out, str_sub(rest, 0, LINE_MAX));
        buf_put_str(out, STR("\r\n"));
    }
    buf_done(&all);
}

/* html with the picture in its place, and the picture behind it. */
static void put_related(const struct email_text *t, const char *boundary, struct arena *a,
                        struct buf *out)
{
    const char *inner = arena_printf(a, "%s-picture", boundary).p;
    struct str mark = STR(EMAIL_TEXT_PICTURE);
    size_t at = str_search(t->html, mark);
    struct buf html, says;
    buf_init(&html, t->html.n + 4096);
    buf_init(&says, 2048);
    for (size_t i = 0; i < t->png_says.n && i < 200; i++)
        buf_put_c(&says, strchr("<>&\"", t->png_says.p[i]) ? ' ' : t->png_says.p[i]);
    buf_put_str(&html, str_sub(t->html, 0, at));
    buf_printf(&html,
               "<img src=\"cid:chart@sonde\" width=\"640\" alt=\"" STR_FMT
               "\" style=\"display:block;width:100%%;max-width:640px;height:auto;"
               "margin:0 0 14px;border-radius:6px\">",
               STR_ARG(buf_str(&says)));
    buf_put_str(&html, str_sub(t->html, at + mark.n, t->html.n));
    buf_printf(out, "--%s\r\nContent-Type: multipart/related; boundary=\"%s\"\r\n\r\n", boundary,
               inner);
    put_part(inner, "text/html", buf_str(&html), out);
    buf_printf(out,
               "--%s\r\nContent-Type: image/png; name=\"chart.png\"\r\n"
               "Content-Transfer-Encoding: base64\r\nContent-ID: <chart@sonde>\r\n"
               "Content-Disposition: inline; filename=\"chart.png\"\r\n\r\n",
               inner);
    put_base64(t->png, a, out);
    buf_printf(out, "--%s--\r\n", inner);
    buf_done(&html);
    buf_done(&says);
}

void email_text_put(const struct email_text *t, struct arena *a, struct buf *out)
{
    const char *boundary =
        arena_printf(a, "sonde-%016llx",
                     (unsigned long long)hash_xxh3(t->message_id.p, t->message_id.n, 0))
            .p;
    for (size_t i = 0; i < t->headers_n; i++)
        put_header(arena_str(a, t->headers[i].name).p, t->headers[i].value, out);
    put_date(t->time_ms, out);
    buf_printf(out, "Message-Id: <" STR_FMT ">\r\n", STR_ARG(t->message_id));
    if (t->thread_id.n > 0)
        buf_printf(out, "In-Reply-To: <" STR_FMT ">\r\nReferences: <" STR_FMT ">\r\n",
                   STR_ARG(t->thread_id), STR_ARG(t->thread_id));
    buf_printf(out,
               "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
               boundary);
    if (t->text.n > 0)
        put_part(boundary, "text/plain", t->text, out);
    if (t->html.n > 0 && t->png.n > 0 && str_search(t->html, STR(EMAIL_TEXT_PICTURE)) < t->html.n)
        put_related(t, boundary, a, out);
    else if (t->html.n > 0)
        put_part(boundary, "text/html", t->html, out);
    buf_printf(out, "--%s--\r\n", boundary);
}

/* ---- addresses */

/* The next item of a list, quotes and brackets observed. */
static bool next_item(struct str *rest, struct str *ret)
{
    bool quoted = false, bracket = false;
    size_t i = 0;
    if (rest->n == 0)
        return false;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '<' || c == '>'))
            bracket = c == '<';
        else if (c == ',' && !quoted && !bracket)
            break;
    }
    *ret = str_trim(str_sub(*rest, 0, i));
    *rest = str_sub(*rest, i + 1, rest->n);
    return true;
}

static bool read_address(struct str item, struct str *ret)
{
    size_t open = str_find(item, '<');
    struct str s = open < item.n ? str_sub(item, open + 1, str_find(item, '>')) : item;
    s = str_trim(s);
    size_t at = str_find(s, '@');
    if (s.n == 0 || s.n > ADDRESS_MAX || at == 0 || at + 1 >= s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("<>,;\"\\", s.p[i]) ||
            (s.p[i] == '@' && i != at))
            return false;
    *ret = s;
    return true;
}

int email_text_addresses(struct str list, struct arena *a, struct str **ret, size_t *ret_n,
                         struct why *why)
{
    struct str *v = arena_array(a, ADDRESSES_MAX, sizeof *v);
    struct str rest = list, item;
    size_t n = 0;
    while (next_item(&rest, &item)) {
        if (n == ADDRESSES_MAX)
            return why_set(why, ERR_FORMAT, "more than %d addresses", ADDRESSES_MAX);
        if (item.n > 0 && !read_address(item, &v[n++]))
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no address of mail",
                           STR_ARG(str_sub(item, 0, 100)));
    }
    if (n == 0)
        return why_set(why, ERR_FORMAT, "there is no address of mail");
    *ret = v;
    *ret_n = n;
    return 0;
}
