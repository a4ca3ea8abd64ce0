#include "health/checkup_answers.h"

#include <string.h>

enum { SHOWN = 200, FRAME_HEAD = 5 };

static bool begins(struct str s, const char *text)
{
    return str_starts(s, str_c(text));
}

static uint32_t big32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* A text of strangers, as far as it can be shown. */
static struct str shown(struct str s)
{
    s = str_sub(s, 0, SHOWN);
    while (s.n > 0 && !str_utf8(s))
        s.n--;
    return s;
}

/* ---- gRPC */

void checkup_answers_grpc(struct str body, struct checkup_result *r)
{
    static const char *const WORDS[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    uint64_t status = 0;
    bool good = body.n >= FRAME_HEAD && body.p[0] == 0 && big32(body.p + 1) == body.n - FRAME_HEAD;
    struct str message = str_sub(body, FRAME_HEAD, body.n);
    if (good && message.n > 0) {
        good = message.n == 2 && message.p[0] == 0x08 && (unsigned char)message.p[1] < 128;
        status = good ? (unsigned char)message.p[1] : 0;
    }
    if (!good)
        checkup_result_say(r, HEALTH_UNHEALTHY, "the answer is no HealthCheckResponse");
    else if (status == 1)
        checkup_result_say(r, HEALTH_OK, "SERVING");
    else
        checkup_result_say(r, HEALTH_UNHEALTHY, "it says %s",
                           status < COUNTOF(WORDS) ? WORDS[status] : "a status of its own");
}

/* ---- PostgreSQL */

/* A field of an ErrorResponse: "S" severity, "C" code, "M" message. */
static struct str error_field(struct str fields, char wanted)
{
    while (fields.n > 1 && fields.p[0] != '\0') {
        size_t end = str_find(fields, '\0');
        if (fields.p[0] == wanted)
            return str_sub(fields, 1, end);
        fields = str_sub(fields, end + 1, fields.n);
    }
    return STR("");
}

static void judge_error(struct str fields, bool named, struct checkup_result *r)
{
    struct str code = error_field(fields, 'C'), text = shown(error_field(fields, 'M'));
    /* 28: who asks is not let in; 3D: there is no such database. Then the server itself works. */
    bool refused = str_starts(code, STR("28")) || str_starts(code, STR("3D"));
    if (refused && !named)
        checkup_result_say(r, HEALTH_OK, "it answers, and lets nobody in without a name");
    else
        checkup_result_say(r, HEALTH_UNHEALTHY, "PostgreSQL says: " STR_FMT, STR_ARG(text));
}

int checkup_answers_postgresql(struct str received, bool named, struct checkup_result *r,
                               struct why *why)
{
    enum { MESSAGE_MAX = 30000 };
    if (received.n == 0)
        return 0;
    if (received.p[0] != 'R' && received.p[0] != 'E')
        return why_set(why, ERR_FORMAT, "this is no PostgreSQL server");
    if (received.n < 5)
        return 0;
    uint32_t size = big32(received.p + 1);
    if (size < 8 || size > MESSAGE_MAX)
        return why_set(why, ERR_FORMAT, "this is no PostgreSQL server");
    if (received.n < size + 1)
        return 0;
    struct str body = str_sub(received, 5, size + 1);
    if (received.p[0] == 'E')
        judge_error(body, named, r);
    else if (big32(body.p) == 0)
        checkup_result_say(r, HEALTH_OK, "it answers, and lets in");
    else
        checkup_result_say(r, HEALTH_OK, "it answers, and asks for a password");
    return 1;
}

/* ---- MySQL */

enum { MYSQL_HEAD = 4, CODE_DENIED = 1045, CODE_DENIED_DATABASE = 1044, CODE_DENIED_SOCKET = 1698 };

static void judge_mysql_error(struct str packet, struct checkup_result *r)
{
    unsigned code =
        packet.n >= 3 ? (unsigned char)packet.p[1] | (unsigned)(unsigned char)packet.p[2] << 8 : 0;
    struct str text = str_sub(packet, 3, packet.n);
    if (text.n > 6 && text.p[0] == '#') /* and five digits of a state */
        text = str_sub(text, 6, text.n);
    if (code == CODE_DENIED || code == CODE_DENIED_DATABASE || code == CODE_DENIED_SOCKET)
        checkup_result_say(r, HEALTH_OK, "it answers, and asks for a password");
    else
        checkup_result_say(r, HEALTH_UNHEALTHY, "MySQL says %u: " STR_FMT, code,
                           STR_ARG(shown(text)));
}

/* HandshakeResponse41 without a password: an interrupted login would count against this host. */
static void put_login(struct buf *b, const char *user, unsigned char sequence)
{
    enum { PROTOCOL_41 = 0x200, SECURE = 0x8000, UTF8 = 33, FIXED = 32 };
    size_t name = strlen(user), n = FIXED + name + 1 + 1;
    const unsigned char head[] = {(unsigned char)n, (unsigned char)(n >> 8), 0, sequence};
    const unsigned char fixed[FIXED] = {0, (PROTOCOL_41 | SECURE) >> 8, 0, 0, 0, 0, 1, 0, UTF8};
    buf_put(b, head, sizeof head);
    buf_put(b, fixed, sizeof fixed);
    buf_put(b, user, name + 1);
    buf_put_c(b, 0); /* no password */
}

static int greet(struct str packet, const char *user, unsigned char sequence, struct buf *send,
                 struct checkup_result *r, struct why *why)
{
    if ((unsigned char)packet.p[0] == 0xff) {
        judge_mysql_error(packet, r);
        return 1;
    }
    struct str version = str_sub(packet, 1, packet.n);
    size_t end = str_find(version, '\0');
    if (packet.p[0] != 10 || end == version.n || end == 0 || !str_utf8(str_sub(version, 0, end)))
        return why_set(why, ERR_FORMAT, "this is no MySQL server");
    put_login(send, user, (unsigned char)(sequence + 1));
    return 0;
}

static int take_packet(struct str packet, unsigned char sequence, struct buf *send,
                       struct checkup_result *r, struct why *why)
{
    unsigned char kind = (unsigned char)packet.p[0];
    if (kind == 0xff) {
        judge_mysql_error(packet, r);
        return 1;
    }
    if (kind == 0) {
        static const unsigned char QUIT[] = {1, 0, 0, 0, 1};
        buf_put(send, QUIT, sizeof QUIT);
        checkup_result_say(r, HEALTH_OK, "it answers, and lets in");
        return 1;
    }
    if (kind != 0xfe)
        return why_set(why, ERR_FORMAT, "this is no MySQL server");
    const unsigned char empty[] = {0, 0, 0, (unsigned char)(sequence + 1)};
    buf_put(send, empty, sizeof empty); /* another method is asked for: no password there either */
    return 0;
}

int checkup_answers_mysql(struct str received, const char *user, size_t *at, struct buf *send,
                          struct checkup_result *r, struct why *why)
{
    enum { PACKET_MAX = 8192 };
    int judged = 0;
    while (judged == 0 && received.n - *at >= MYSQL_HEAD) {
        const unsigned char *p = (const unsigned char *)received.p + *at;
        size_t size = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
        if (size == 0 || size > PACKET_MAX || (*at == 0 && p[3] > 2))
            return why_set(why, ERR_FORMAT, "this is no MySQL server");
        if (received.n - *at < MYSQL_HEAD + size)
            return 0;
        struct str packet = str_sub(received, *at + MYSQL_HEAD, *at + MYSQL_HEAD + size);
        judged = *at == 0 ? greet(packet, user, p[3], send, r, why)
                          : take_packet(packet, p[3], send, r, why);
        *at += MYSQL_HEAD + size;
    }
    return judged;
}

/* ---- Redis */

static int judge_redis(struct str line, bool login, bool authenticates, struct checkup_result *r)
{
    if (login && begins(line, "+OK"))
        return 0;
    if (begins(line, "+PONG"))
        checkup_result_say(r, HEALTH_OK, "PONG");
    else if (begins(line, "-NOAUTH") && !authenticates)
        checkup_result_say(r, HEALTH_OK, "it answers, and asks for a password");
    else if (begins(line, "-LOADING"))
        checkup_result_say(r, HEALTH_DEGRADED, "Redis is loading its data");
    else
        checkup_result_say(r, HEALTH_UNHEALTHY, "Redis says: " STR_FMT,
                           STR_ARG(shown(str_sub(line, 1, line.n))));
    return 1;
}

int checkup_answers_redis(struct str received, bool authenticates, struct checkup_result *r,
                          struct why *why)
{
    enum { LINE_MAX_BYTES = 1000 };
    struct str rest = received, line;
    bool login = authenticates;
    if (received.n > 0 && received.p[0] != '+' && received.p[0] != '-')
        return why_set(why, ERR_FORMAT, "this is no Redis server");
    while (str_find(rest, '\n') < rest.n && str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n == 0 || (line.p[0] != '+' && line.p[0] != '-'))
            return why_set(why, ERR_FORMAT, "this is no Redis server");
        if (judge_redis(line, login, authenticates, r) != 0)
            return 1;
        login = false;
    }
    if (rest.n > LINE_MAX_BYTES)
        return why_set(why, ERR_FORMAT, "this is no Redis server");
    return 0;
}
