#include "codec/plain_name.h"

#include <stdbool.h>

static void put_plain(struct str s, bool colon, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || (c == ':' && colon))
            buf_put_c(out, (char)c);
        else if ((c & 0xc0) != 0x80) /* one for each character, not for each byte of it */
            buf_put_c(out, '_');
    }
}

static bool begins_with_digit(struct str s)
{
    return s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9';
}

void plain_name_metric(struct str prefix, struct str name, struct buf *out)
{
    if (begins_with_digit(prefix.n ? prefix : name))
        buf_put_c(out, '_');
    put_plain(prefix, true, out);
    put_plain(name, true, out);
}

void plain_name_label(struct str name, struct buf *out)
{
    if (begins_with_digit(name))
        buf_put_c(out, '_');
    put_plain(name, false, out);
}
