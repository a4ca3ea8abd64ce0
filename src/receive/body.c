#include "receive/body.h"

#include "base/must.h"
#include "pack/budget.h"
#include "pack/snappy.h"

void body_init(struct body *b)
{
    b->reserved = 0;
    buf_init(&b->buf, SIZE_MAX / 2);
}

void body_done(struct body *b)
{
    body_release(b);
    buf_done(&b->buf);
}

void body_release(struct body *b)
{
    budget_release(b->reserved);
    b->reserved = 0;
    buf_clear(&b->buf);
    if (b->buf.capacity > BODY_KEEP_MAX)
        buf_done(&b->buf);
}

static int reserve(struct body *b, uint64_t n, struct why *why)
{
    if (budget_reserve(n))
        return why_set(why, ERR_BUSY, "too many bodies are being unpacked at once; send it again");
    b->reserved += n;
    return 0;
}

/* Snappy says how much it unpacks to: exactly that is reserved and allocated. */
static int unpack_snappy(struct body *b, struct str in, size_t max, struct why *why)
{
    size_t n;
    if (snappy_length(in, &n))
        return why_set(why, ERR_FORMAT, "the body is not snappy's block format");
    if (n > max)
        return why_set(why, ERR_LIMIT, "the body unpacks to %zu bytes, at most %zu are accepted", n,
                       max);
    int err = reserve(b, n, why);
    if (err)
        return err;
    char *to = buf_reserve(&b->buf, n + SNAPPY_SLACK);
    must(to);
    if (snappy_decode(in, (uint8_t *)to, n))
        return why_set(why, ERR_FORMAT, "the body is damaged: snappy cannot unpack it");
    buf_commit(&b->buf, n);
    return 0;
}

int body_unpack(struct body *b, enum pack_codec codec, struct str in, size_t max, struct str *ret,
                struct why *why)
{
    int err;
    must(b->reserved == 0);
    buf_clear(&b->buf);
    if (codec == PACK_SNAPPY) {
        err = unpack_snappy(b, in, max, why);
    } else if (codec == PACK_IDENTITY && in.n > max) {
        err =
            why_set(why, ERR_LIMIT, "the body has %zu bytes, at most %zu are accepted", in.n, max);
    } else {
        err = reserve(b, codec == PACK_IDENTITY ? in.n : max, why);
        if (!err)
            err = pack_unpack(codec, in, &b->buf, max, why);
        if (!err) {
            budget_release(b->reserved - b->buf.n);
            b->reserved = b->buf.n;
        }
    }
    size_t n = b->buf.n;
    if (!err && !buf_reserve(&b->buf, BODY_SLACK))
        err = why_set(why, ERR_LIMIT, "no room for the body");
    if (err) {
        body_release(b);
        return err;
    }
    memset(b->buf.p + n, 0, BODY_SLACK);
    *ret = str_of(b->buf.p, n);
    return 0;
}
