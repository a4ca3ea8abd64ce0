#include "collect/dbus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    FIXED = 16, /* bytes of a header before its fields */
    METHOD_CALL = 1,
    METHOD_RETURN = 2,
    ERROR = 3,
    FIELD_PATH = 1,
    FIELD_INTERFACE = 2,
    FIELD_MEMBER = 3,
    FIELD_ERROR = 4,
    FIELD_REPLY = 5,
    FIELD_DESTINATION = 6,
    FIELD_SIGNATURE = 8,
    DEPTH_MAX = 32,
    CALL_MAX = 4096,
    OTHERS_MAX = 1000, /* messages that may come before a reply */
    NAME_LEN_MAX = 255,
};

/* ---- reading */

static size_t alignment(char type)
{
    switch (type) {
    case 'n':
    case 'q':
        return 2;
    case 'b':
    case 'i':
    case 'u':
    case 's':
    case 'o':
    case 'a':
        return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
    case '{':
        return 8;
    default:
        return 1;
    }
}

static uint64_t load(const struct dbus_reader *r, size_t at, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(unsigned char)r->body.p[at + i] << 8 * (r->big ? n - 1 - i : i);
    return v;
}

/* The type of the next value; 0 at the end. Ends of structs are passed over. */
static char next_type(struct dbus_reader *r)
{
    while (r->signature.n && (r->signature.p[0] == ')' || r->signature.p[0] == '}'))
        r->signature = str_sub(r->signature, 1, r->signature.n);
    return r->signature.n ? r->signature.p[0] : 0;
}

static bool align(struct dbus_reader *r, size_t to)
{
    size_t at = (r->at + to - 1) & ~(to - 1);
    if (at > r->body.n)
        return false;
    r->at = at;
    return true;
}

/* n bytes of a basic type at its alignment. */
static bool fixed(struct dbus_reader *r, size_t to, size_t n, uint64_t *ret)
{
    if (!align(r, to) || r->body.n - r->at < n)
        return false;
    *ret = load(r, r->at, n);
    r->at += n;
    return true;
}

static void pass(struct dbus_reader *r)
{
    r->signature = str_sub(r->signature, 1, r->signature.n);
}

/* The length of the single complete type that s begins with; 0 where it is none. */
static size_t complete(struct str s, int depth)
{
    if (s.n == 0 || depth > DEPTH_MAX)
        return 0;
    if (s.p[0] == 'a') {
        size_t n = complete(str_sub(s, 1, s.n), depth + 1);
        return n ? n + 1 : 0;
    }
    if (s.p[0] != '(' && s.p[0] != '{')
        return strchr("ybnqiuxtdsogvh", s.p[0]) ? 1 : 0;
    char end = s.p[0] == '(' ? ')' : '}';
    size_t at = 1;
    while (at < s.n && s.p[at] != end) {
        size_t n = complete(str_sub(s, at, s.n), depth + 1);
        if (n == 0)
            return 0;
        at += n;
    }
    return at < s.n ? at + 1 : 0;
}

bool dbus_text(struct dbus_reader *r, struct str *ret)
{
    char type = next_type(r);
    uint64_t n;
    bool is_signature = type == 'g';
    if (type != 's' && type != 'o' && !is_signature)
        return false;
    if (!fixed(r, is_signature ? 1 : 4, is_signature ? 1 : 4, &n) || n >= r->body.n - r->at)
        return false; /* a NUL follows the text */
    *ret = str_sub(r->body, r->at, r->at + n);
    r->at += n + 1;
    pass(r);
    return true;
}

bool dbus_number(struct dbus_reader *r, double *ret)
{
    static const char TYPES[] = "ybnqiuxtd";
    static const size_t SIZES[] = {1, 4, 2, 2, 4, 4, 8, 8, 8};
    char type = next_type(r);
    const char *found = type ? strchr(TYPES, type) : NULL;
    uint64_t v;
    if (!found)
        return false;
    size_t size = SIZES[found - TYPES];
    if (!fixed(r, size, size, &v))
        return false;
    if (type == 'n')
        *ret = (int16_t)v;
    else if (type == 'i')
        *ret = (int32_t)v;
    else if (type == 'x')
        *ret = (double)(int64_t)v;
    else if (type == 'd')
        memcpy(ret, &v, sizeof *ret);
    else
        *ret = (double)v;
    pass(r);
    return true;
}

bool dbus_enter_variant(struct dbus_reader *r)
{
    struct dbus_reader inside = *r;
    struct str signature;
    if (next_type(&inside) != 'v')
        return false;
    inside.signature = STR("g");
    if (!dbus_text(&inside, &signature) || complete(signature, 0) != signature.n ||
        signature.n == 0)
        return false;
    r->at = inside.at;
    r->signature = signature;
    return true;
}

bool dbus_array(struct dbus_reader *r, struct dbus_reader *ret)
{
    uint64_t n;
    if (next_type(r) != 'a')
        return false;
    size_t type = complete(r->signature, 0);
    if (type < 2 || !fixed(r, 4, 4, &n) || !align(r, alignment(r->signature.p[1])) ||
        n > r->body.n - r->at)
        return false;
    *ret = *r;
    ret->body = str_sub(r->body, 0, r->at + n);
    ret->element = str_sub(r->signature, 1, type);
    r->at += n;
    r->signature = str_sub(r->signature, type, r->signature.n);
    return true;
}

bool dbus_more(struct dbus_reader *array)
{
    array->signature = array->element;
    return array->at < array->body.n;
}

bool dbus_enter_struct(struct dbus_reader *r)
{
    char type = next_type(r);
    if ((type != '(' && type != '{') || !align(r, 8))
        return false;
    pass(r);
    return true;
}

static bool skip(struct dbus_reader *r, int depth)
{
    struct str text;
    double number;
    char type = next_type(r);
    struct dbus_reader inside;
    if (depth > DEPTH_MAX)
        return false;
    if (type == 'a')
        return dbus_array(r, &inside);
    if (type == 'v') {
        inside = *r;
        if (!dbus_enter_variant(&inside) || !skip(&inside, depth + 1))
            return false;
        r->at = inside.at;
        pass(r);
        return true;
    }
    if (type == '(' || type == '{') {
        size_t n = complete(r->signature, 0);
        inside = *r;
        inside.signature = str_sub(r->signature, 0, n > 0 ? n - 1 : 0);
        if (n == 0 || !dbus_enter_struct(&inside))
            return false;
        while (next_type(&inside))
            if (!skip(&inside, depth + 1))
                return false;
        r->at = inside.at;
        r->signature = str_sub(r->signature, n, r->signature.n);
        return true;
    }
    return dbus_text(r, &text) || dbus_number(r, &number);
}

bool dbus_skip(struct dbus_reader *r)
{
    return skip(r, 0);
}

/* ---- messages */

size_t dbus_size(const char bytes[FIXED])
{
    struct dbus_reader r = {.body = {bytes, FIXED}, .big = bytes[0] == 'B'};
    if ((bytes[0] != 'l' && bytes[0] != 'B') || bytes[3] != 1)
        return 0;
    uint64_t body = load(&r, 4, 4), fields = load(&r, 12, 4);
    return FIXED + (size_t)((fields + 7) & ~(uint64_t)7) + (size_t)body;
}

int dbus_parse(struct str bytes, uint32_t serial, struct dbus_reader *ret, struct why *why)
{
    struct dbus_reader r = {.body = bytes, .signature = STR("a(yv)"), .at = 12}, fields;
    struct str signature = STR(""), error = STR("");
    double code, reply = 0;
    if (bytes.n < FIXED || dbus_size(bytes.p) != bytes.n)
        return why_set(why, ERR_FORMAT, "D-Bus: that is no message");
    r.big = bytes.p[0] == 'B';
    if (!dbus_array(&r, &fields))
        return why_set(why, ERR_FORMAT, "D-Bus: a header that is cut off");
    while (dbus_more(&fields)) {
        struct dbus_reader one = fields;
        if (!dbus_enter_struct(&one) || !dbus_number(&one, &code) || !dbus_enter_variant(&one) ||
            (code == FIELD_REPLY && !dbus_number(&one, &reply)) ||
            (code == FIELD_SIGNATURE && !dbus_text(&one, &signature)) ||
            (code == FIELD_ERROR && !dbus_text(&one, &error)) || !dbus_skip(&fields))
            return why_set(why, ERR_FORMAT, "D-Bus: a field that is cut off");
    }
    char type = bytes.p[1];
    if ((type != METHOD_RETURN && type != ERROR) || reply != serial)
        return -ERR_END;
    if (type == ERROR)
        return why_set(why, ERR_NOENT, "D-Bus: " STR_FMT, STR_ARG(error));
    r.signature = signature;
    if (!align(&r, 8))
        return why_set(why, ERR_FORMAT, "D-Bus: a header that is cut off");
    *ret = r;
    return 0;
}

/* ---- writing */

static void put_align(struct buf *b, size_t to)
{
    while (b->n % to && !buf_failed(b))
        buf_put_c(b, 0);
}

static void put_u32(struct buf *b, uint32_t v)
{
    put_align(b, 4);
    for (int i = 0; i < 4; i++)
        buf_put_c(b, (char)(v >> 8 * i));
}

static void put_text(struct buf *b, struct str s)
{
    put_u32(b, (uint32_t)s.n);
    buf_put_str(b, s);
    buf_put_c(b, 0);
}

static void put_signature(struct buf *b, struct str s)
{
    buf_put_c(b, (char)s.n);
    buf_put_str(b, s);
    buf_put_c(b, 0);
}

static void put_field(struct buf *b, char code, char type, const char *text)
{
    if (!text)
        return;
    put_align(b, 8);
    buf_put_c(b, code);
    put_signature(b, str_of(&type, 1));
    if (type == 'g')
        put_signature(b, str_c(text));
    else
        put_text(b, str_c(text));
}

static void store_u32(struct buf *b, size_t at, size_t v)
{
    for (int i = 0; i < 4 && at + 4 <= b->n; i++)
        b->p[at + (size_t)i] = (char)(v >> 8 * i);
}

static void put_call(struct buf *b, const struct dbus_call *c, uint32_t serial)
{
    static const char *const SIGNATURES[] = {NULL, "s", "ss"};
    const char head[] = {'l', METHOD_CALL, 0, 1};
    buf_put(b, head, sizeof head);
    put_u32(b, 0); /* bytes of the body */
    put_u32(b, serial);
    put_u32(b, 0); /* bytes of the fields */
    put_field(b, FIELD_PATH, 'o', c->path);
    put_field(b, FIELD_DESTINATION, 's', c->destination);
    put_field(b, FIELD_INTERFACE, 's', c->interface);
    put_field(b, FIELD_MEMBER, 's', c->member);
    put_field(b, FIELD_SIGNATURE, 'g', SIGNATURES[c->arguments_n]);
    store_u32(b, 12, b->n - FIXED);
    put_align(b, 8);
    size_t body = b->n;
    for (size_t i = 0; i < c->arguments_n; i++)
        put_text(b, c->arguments[i]);
    store_u32(b, 4, b->n - body);
}

/* ---- the socket */

/* Waits until the socket is ready; what is left of the patience is in *until_ns. */
static int ready(struct dbus *d, short events, int64_t until_ns, struct why *why)
{
    for (;;) {
        int64_t left_ms = (until_ns - clock_monotonic_ns(&clock_real)) / 1000000;
        struct pollfd p = {.fd = d->fd, .events = events};
        int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return why_set(why, ERR_TIMEOUT, "D-Bus: no answer within %d ms", DBUS_PATIENCE_MS);
        if (errno != EINTR)
            return why_set(why, ERR_IO, "D-Bus: %s", strerror(errno));
    }
}

static int send_all(struct dbus *d, struct str bytes, int64_t until_ns, struct why *why)
{
    while (bytes.n) {
        int err = ready(d, POLLOUT, until_ns, why);
        if (err)
            return err;
        ssize_t n = send(d->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return why_set(why, ERR_CLOSED, "D-Bus: %s", strerror(errno));
        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.n);
    }
    return 0;
}

/* Reads until d->reply has wanted bytes. */
static int receive(struct dbus *d, size_t wanted, int64_t until_ns, struct why *why)
{
    while (d->reply.n < wanted) {
        int err = ready(d, POLLIN, until_ns, why);
        if (err)
            return err;
        char *room = buf_reserve(&d->reply, wanted - d->reply.n);
        if (!room)
            return why_set(why, ERR_LIMIT, "D-Bus: an answer of %zu bytes", wanted);
        ssize_t n = recv(d->fd, room, wanted - d->reply.n, MSG_DONTWAIT);
        if (n == 0)
            return why_set(why, ERR_CLOSED, "D-Bus: the other end has closed");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return why_set(why, ERR_CLOSED, "D-Bus: %s", strerror(errno));
        if (n > 0)
            buf_commit(&d->reply, (size_t)n);
    }
    return 0;
}

/* AUTH EXTERNAL with our user's number in hexadecimal digits of its decimal ones. */
static int greet(struct dbus *d, struct why *why)
{
    int64_t until_ns = clock_monotonic_ns(&clock_real) + (int64_t)DBUS_PATIENCE_MS * 1000000;
    char bytes[128], uid[16];
    struct buf b = {bytes, 0, sizeof bytes, sizeof bytes, false};
    snprintf(uid, sizeof uid, "%u", geteuid());
    buf_put_c(&b, 0);
    buf_put_str(&b, STR("AUTH EXTERNAL "));
    for (const char *p = uid; *p; p++)
        buf_printf(&b, "%02x", (unsigned char)*p);
    buf_put_str(&b, STR("\r\n"));
    int err = send_all(d, buf_str(&b), until_ns, why);
    buf_clear(&d->reply);
    while (!err && !(d->reply.n && d->reply.p[d->reply.n - 1] == '\n')) {
        err = d->reply.n > NAME_LEN_MAX
                  ? why_set(why, ERR_FORMAT, "D-Bus: a greeting that does not end")
                  : receive(d, d->reply.n + 1, until_ns, why);
    }
    if (!err && !str_starts(buf_str(&d->reply), STR("OK ")))
        return why_set(why, ERR_DENIED, "D-Bus: we are not let in: " STR_FMT,
                       STR_ARG(str_trim(buf_str(&d->reply))));
    return err ? err : send_all(d, STR("BEGIN\r\n"), until_ns, why);
}

int dbus_open(struct dbus *d, const char *path, bool bus, struct why *why)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof to.sun_path)
        return why_set(why, ERR_RANGE, "%s is too long for a socket", path);
    memcpy(to.sun_path, path, n);
    *d = (struct dbus){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (d->fd < 0)
        return why_set(why, ERR_IO, "no socket: %s", strerror(errno));
    buf_init(&d->reply, DBUS_MESSAGE_MAX);
    int err = 0;
    if (connect(d->fd, (struct sockaddr *)&to, sizeof to) != 0)
        err = why_set(why, (enum err)err_of_errno(errno), "%s: %s", path, strerror(errno));
    if (!err)
        err = greet(d, why);
    struct dbus_reader name;
    if (!err && bus)
        err = dbus_call(d,
                        &(struct dbus_call){.destination = "org.freedesktop.DBus",
                                            .path = "/org/freedesktop/DBus",
                                            .interface = "org.freedesktop.DBus",
                                            .member = "Hello"},
                        &name, why);
    if (err)
        dbus_close(d);
    return err;
}

int dbus_open_host(struct dbus *d, const char *root, bool systemd, struct why *why)
{
    static const struct {
        const char *path;
        bool bus;
    } PLACES[] = {{"/run/systemd/private", false},
                  {"/run/dbus/system_bus_socket", true},
                  {"/var/run/dbus/system_bus_socket", true}};
    int err = -ERR_NOENT;
    for (size_t i = systemd ? 0 : 1; i < COUNTOF(PLACES); i++) {
        char path[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
        struct why one = {0};
        int n = snprintf(path, sizeof path, "%s%s", root, PLACES[i].path);
        int now = n < (int)sizeof path ? dbus_open(d, path, PLACES[i].bus, &one)
                                       : why_set(&one, ERR_RANGE, "%s is too long", root);
        if (!now)
            return 0;
        if (err == -ERR_NOENT && now != -ERR_NOENT) {
            err = now;
            if (why)
                *why = one;
        }
    }
    return err == -ERR_NOENT ? why_set(why, ERR_NOENT, "there is no system bus") : err;
}

void dbus_close(struct dbus *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    buf_done(&d->reply);
}

int dbus_call(struct dbus *d, const struct dbus_call *call, struct dbus_reader *ret,
              struct why *why)
{
    int64_t until_ns = clock_monotonic_ns(&clock_real) + (int64_t)DBUS_PATIENCE_MS * 1000000;
    char bytes[CALL_MAX];
    struct buf b = {bytes, 0, sizeof bytes, sizeof bytes, false};
    if (d->fd < 0)
        return why_set(why, ERR_CLOSED, "D-Bus: the connection is closed");
    put_call(&b, call, ++d->serial);
    int err = buf_failed(&b) ? why_set(why, ERR_LIMIT, "D-Bus: a call that is too long")
                             : send_all(d, buf_str(&b), until_ns, why);
    /* Signals and the like may come before the reply. */
    for (int i = 0; !err && i < OTHERS_MAX; i++) {
        buf_clear(&d->reply);
        err = receive(d, FIXED, until_ns, why);
        size_t n = err ? 0 : dbus_size(d->reply.p);
        if (!err && (n < FIXED || n > DBUS_MESSAGE_MAX))
            err = why_set(why, ERR_FORMAT, "D-Bus: an answer of %zu bytes", n);
        if (!err)
            err = receive(d, n, until_ns, why);
        if (!err)
            err = dbus_parse(buf_str(&d->reply), d->serial, ret, why);
        if (!err)
            return 0;
        if (err == -ERR_NOENT)
            return err; /* the other end's answer */
        err = err == -ERR_END ? 0 : err;
    }
    /* What comes now would be taken for the answer to something else, and slowly so. */
    close(d->fd);
    d->fd = -1;
    return err ? err : why_set(why, ERR_LIMIT, "D-Bus: no reply among %d messages", OTHERS_MAX);
}

int dbus_property(struct dbus *d, const char *destination, const char *path, const char *interface,
                  const char *name, struct dbus_reader *ret, struct why *why)
{
    const struct dbus_call call = {.destination = destination,
                                   .path = path,
                                   .interface = "org.freedesktop.DBus.Properties",
                                   .member = "Get",
                                   .arguments = {str_c(interface), str_c(name)},
                                   .arguments_n = 2};
    int err = dbus_call(d, &call, ret, why);
    if (!err && !dbus_enter_variant(ret))
        err = why_set(why, ERR_FORMAT, "D-Bus: property %s is none", name);
    return err;
}
