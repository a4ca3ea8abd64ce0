/* Databases, as far as their first words: PostgreSQL, MySQL and MariaDB, Redis. */
#include <string.h>

#include "health/checkup_answers.h"
#include "health/checkup_talk.h"

static int end(struct checkup_talk *t, int judged)
{
    t->said = judged > 0;
    return judged > 0 ? PROBER_DONE : judged == 0 ? PROBER_MORE : judged;
}

/* ---- PostgreSQL */

static void put_big32(struct buf *b, size_t at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        b->p[at + (size_t)i] = (char)(v >> (8 * (3 - i)));
}

static void put_pair(struct buf *b, const char *name, const char *value)
{
    buf_put(b, name, strlen(name) + 1);
    buf_put(b, value, strlen(value) + 1);
}

static int step_postgresql(void *talk, bool first, struct str received, struct buf *send,
                           struct why *why)
{
    enum { PROTOCOL_3 = 196608 };
    struct checkup_talk *t = talk;
    const struct checkup_settings *s = t->settings;
    bool named = s->username[0] != '\0';
    if (!first)
        return end(t, checkup_answers_postgresql(received, named, t->result, why));
    size_t begin = send->n;
    buf_put(send, "\0\0\0\0\0\0\0", 8);
    put_pair(send, "user", named ? s->username : "sonde");
    if (s->database[0] != '\0')
        put_pair(send, "database", s->database);
    put_pair(send, "application_name", "sonde");
    buf_put_c(send, '\0');
    put_big32(send, begin, (uint32_t)(send->n - begin));
    put_big32(send, begin + 4, PROTOCOL_3);
    return PROBER_MORE;
}

static int open_postgresql(const struct checkup_host *host, const struct checkup_settings *s,
                           void **ret, struct why *why)
{
    return checkup_talk_open(host, s, step_postgresql, 0, ret, why);
}

const struct checkup_kind checkup_postgresql_kind = {.name = "postgresql",
                                                     .open = open_postgresql,
                                                     .start = checkup_talk_start,
                                                     .close = checkup_talk_close};

/* ---- MySQL */

static int step_mysql(void *talk, bool first, struct str received, struct buf *send,
                      struct why *why)
{
    struct checkup_talk *t = talk;
    size_t *at = t->own;
    const char *user = t->settings->username[0] ? t->settings->username : "sonde";
    if (first)
        *at = 0;
    return end(t, checkup_answers_mysql(received, user, at, send, t->result, why));
}

static int open_mysql(const struct checkup_host *host, const struct checkup_settings *s, void **ret,
                      struct why *why)
{
    if (strlen(s->username) > 80)
        return why_set(why, ERR_LIMIT, "username is longer than 80 bytes");
    return checkup_talk_open(host, s, step_mysql, sizeof(size_t), ret, why);
}

const struct checkup_kind checkup_mysql_kind = {
    .name = "mysql", .open = open_mysql, .start = checkup_talk_start, .close = checkup_talk_close};

/* ---- Redis */

static void put_bulk(struct buf *b, const char *text)
{
    buf_printf(b, "$%zu\r\n%s\r\n", strlen(text), text);
}

static int step_redis(void *talk, bool first, struct str received, struct buf *send,
                      struct why *why)
{
    struct checkup_talk *t = talk;
    const struct checkup_settings *s = t->settings;
    bool login = s->password[0] != '\0';
    if (!first)
        return end(t, checkup_answers_redis(received, login, t->result, why));
    if (login) {
        buf_printf(send, "*%d\r\n", s->username[0] ? 3 : 2);
        put_bulk(send, "AUTH");
        if (s->username[0] != '\0')
            put_bulk(send, s->username);
        put_bulk(send, s->password);
    }
    buf_put_str(send, STR("*1\r\n$4\r\nPING\r\n"));
    return PROBER_MORE;
}

static int open_redis(const struct checkup_host *host, const struct checkup_settings *s, void **ret,
                      struct why *why)
{
    return checkup_talk_open(host, s, step_redis, 0, ret, why);
}

const struct checkup_kind checkup_redis_kind = {
    .name = "redis", .open = open_redis, .start = checkup_talk_start, .close = checkup_talk_close};
