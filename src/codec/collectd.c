#include "codec/collectd.h"

#include <string.h>

#include "base/bits.h"
#include "codec/plain_name.h"
#include "model/labels.h"

/* Types of parts. */
enum {
    PART_HOST = 0x0000,
    PART_TIME = 0x0001,
    PART_PLUGIN = 0x0002,
    PART_PLUGIN_INSTANCE = 0x0003,
    PART_TYPE = 0x0004,
    PART_TYPE_INSTANCE = 0x0005,
    PART_VALUES = 0x0006,
    PART_INTERVAL = 0x0007,
    PART_TIME_FINE = 0x0008,
    PART_INTERVAL_FINE = 0x0009,
    PART_MESSAGE = 0x0100,
    PART_SEVERITY = 0x0101,
    PART_SIGNATURE = 0x0200,
    PART_ENCRYPTION = 0x0210,

    HEAD_BYTES = 4,
    VALUE_BYTES = 8,
    LABEL_BYTES_MAX = 256, /* of a label's name made of a plugin's */
};

static uint16_t be16(const char *p)
{
    return __builtin_bswap16(load16(p));
}

static uint64_t be64(const char *p)
{
    return __builtin_bswap64(load64(p));
}

static bool text(struct str s, struct str *ret)
{
    if (s.n == 0 || s.p[s.n - 1] != '\0' || memchr(s.p, 0, s.n - 1) != NULL)
        return false;
    *ret = str_of(s.p, s.n - 1);
    return true;
}

/* Seconds, or 2^-30 of them. */
static bool number(struct str s, bool fine, int64_t *ret_ms)
{
    if (s.n != sizeof(uint64_t))
        return false;
    uint64_t v = be64(s.p);
    uint64_t whole = fine ? v >> 30 : v, part = fine ? v & ((1 << 30) - 1) : 0;
    if (whole > INT64_MAX / 2000)
        return false;
    *ret_ms = (int64_t)(whole * 1000 + ((part * 1000 + (1 << 29)) >> 30));
    return true;
}

static bool values(struct str s, struct collectd_item *ret)
{
    if (s.n < 2)
        return false;
    size_t n = be16(s.p);
    if (n == 0 || s.n != 2 + n * (1 + VALUE_BYTES))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s.p[2 + i] > COLLECTD_ABSOLUTE)
            return false;
    ret->codes = str_sub(s, 2, 2 + n);
    ret->bytes = str_sub(s, 2 + n, s.n);
    return true;
}

/* What is left of the packet is r->rest already. */
static bool signature(const struct collectd_reader *r, struct str s, struct collectd_item *ret)
{
    if (s.n <= COLLECTD_MAC_BYTES)
        return false;
    ret->mac = str_sub(s, 0, COLLECTD_MAC_BYTES);
    ret->user = str_sub(s, COLLECTD_MAC_BYTES, s.n);
    ret->covered = str_of(ret->user.p, ret->user.n + r->rest.n);
    return true;
}

static bool encryption(struct str s, struct collectd_item *ret)
{
    if (s.n < 2)
        return false;
    size_t user = be16(s.p);
    if (user == 0 || s.n < 2 + user + COLLECTD_IV_BYTES + COLLECTD_DIGEST_BYTES)
        return false;
    ret->user = str_sub(s, 2, 2 + user);
    ret->iv = str_sub(s, 2 + user, 2 + user + COLLECTD_IV_BYTES);
    ret->sealed = str_sub(s, 2 + user + COLLECTD_IV_BYTES, s.n);
    return true;
}

/* A part that only sets something, or is not known. What is not said anew stays: senders leave out
 * what is as before. */
static bool set(struct collectd_identity *now, unsigned type, struct str s)
{
    switch (type) {
    case PART_HOST:
        return text(s, &now->host);
    case PART_PLUGIN:
        return text(s, &now->plugin);
    case PART_PLUGIN_INSTANCE:
        return text(s, &now->plugin_instance);
    case PART_TYPE:
        return text(s, &now->type);
    case PART_TYPE_INSTANCE:
        return text(s, &now->type_instance);
    case PART_TIME:
        return number(s, false, &now->ts_ms);
    case PART_TIME_FINE:
        return number(s, true, &now->ts_ms);
    case PART_INTERVAL:
        return number(s, false, &now->interval_ms);
    case PART_INTERVAL_FINE:
        return number(s, true, &now->interval_ms);
    default:
        return true;
    }
}

static enum collectd_what bad(struct collectd_reader *r)
{
    r->rest = (struct str){0};
    return COLLECTD_BAD;
}

/* A part that the caller is told of; COLLECTD_END for one that it is not. */
static enum collectd_what part(struct collectd_reader *r, unsigned type, struct str s,
                               struct collectd_item *ret)
{
    const struct collectd_identity *now = &r->now;
    switch (type) {
    case PART_VALUES:
        if (now->host.n == 0 || now->plugin.n == 0 || now->type.n == 0)
            return bad(r);
        return values(s, ret) ? COLLECTD_VALUES : bad(r);
    case PART_SIGNATURE:
        return signature(r, s, ret) ? COLLECTD_SIGNED : bad(r);
    case PART_ENCRYPTION:
        return encryption(s, ret) ? COLLECTD_ENCRYPTED : bad(r);
    case PART_MESSAGE:
        if (!text(s, &ret->message))
            return bad(r);
        ret->severity = r->severity;
        return COLLECTD_NOTIFICATION;
    case PART_SEVERITY:
        if (s.n != sizeof(uint64_t))
            return bad(r);
        r->severity = (unsigned)MIN(be64(s.p), (uint64_t)COLLECTD_OKAY);
        return COLLECTD_END;
    default:
        return set(&r->now, type, s) ? COLLECTD_END : bad(r);
    }
}

enum collectd_what collectd_next(struct collectd_reader *r, struct collectd_item *ret)
{
    while (r->rest.n > 0) {
        size_t n = r->rest.n < HEAD_BYTES ? 0 : be16(r->rest.p + 2);
        if (n < HEAD_BYTES || n > r->rest.n)
            return bad(r);
        unsigned type = be16(r->rest.p);
        struct str s = str_of(r->rest.p + HEAD_BYTES, n - HEAD_BYTES);
        r->rest = str_of(r->rest.p + n, r->rest.n - n);
        *ret = (struct collectd_item){0};
        enum collectd_what what = part(r, type, s, ret);
        if (what != COLLECTD_END)
            return what;
    }
    return COLLECTD_END;
}

double collectd_value(const struct collectd_item *item, size_t i, enum collectd_kind *ret_kind)
{
    const char *p = item->bytes.p + i * VALUE_BYTES;
    *ret_kind = (enum collectd_kind)item->codes.p[i];
    if (*ret_kind == COLLECTD_GAUGE)
        return bits_double(load64(p)); /* little-endian, unlike all else */
    if (*ret_kind == COLLECTD_DERIVE)
        return (double)(int64_t)be64(p);
    return (double)be64(p);
}

/* Parts of a name, as they stand in the middle of it: a digit is fine there. */
static void put_part(struct str s, struct buf *out)
{
    plain_name_metric(STR("_"), s, out);
}

void collectd_name(const struct collectd_identity *id, struct str value, enum collectd_kind kind,
                   struct buf *out)
{
    buf_put_str(out, STR("collectd"));
    if (!str_eq(id->plugin, id->type))
        put_part(id->plugin, out);
    put_part(id->type, out);
    if (!str_eq(value, STR("value")))
        put_part(value, out);
    if (kind == COLLECTD_COUNTER || kind == COLLECTD_DERIVE)
        buf_put_str(out, STR("_total"));
}

void collectd_key(const struct collectd_identity *id, struct str name, struct buf *out)
{
    struct buf plugin;
    buf_init(&plugin, LABEL_BYTES_MAX);
    plain_name_label(id->plugin, &plugin);
    struct str label = buf_str(&plugin);
    labels_put(out, LABEL_METRIC, name);
    labels_put(out, STR("instance"), id->host);
    if (id->plugin_instance.n > 0)
        labels_put(out, label, id->plugin_instance);
    if (id->type_instance.n > 0)
        labels_put(out, id->plugin_instance.n > 0 ? STR("type") : label, id->type_instance);
    buf_done(&plugin);
}
