#include "store/series/fields.h"

#include "base/bits.h"

void fields_put_number(struct buf *out, uint64_t v)
{
    buf_put_varint(out, v);
}

void fields_put_text(struct buf *out, struct str s)
{
    fields_put_number(out, s.n);
    buf_put_str(out, s);
}

bool fields_take_number(struct str *in, uint64_t *ret)
{
    const uint8_t *p = (const uint8_t *)in->p, *end = varint_get(p, p + in->n, ret);
    if (end)
        *in = str_sub(*in, (size_t)(end - p), in->n);
    return end != NULL;
}

bool fields_take_text(struct str *in, struct str *ret)
{
    struct str rest = *in;
    uint64_t n;
    if (!fields_take_number(&rest, &n) || n > rest.n)
        return false;
    *ret = str_sub(rest, 0, n);
    *in = str_sub(rest, n, rest.n);
    return true;
}
