#include "text/quote.h"

#include <string.h>

void quote_put(struct buf *out, struct str s)
{
    buf_put_c(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        static const char names[] = "abfnrtv\"\\", values[] = "\a\b\f\n\r\t\v\"\\";
        const char *simple = c ? strchr(values, c) : NULL;
        size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        if (simple) {
            buf_put_c(out, '\\');
            buf_put_c(out, names[simple - values]);
            i++;
        } else if (c >= 0x20 && c < 0x7f) {
            buf_put_c(out, (char)c);
            i++;
        } else if (c >= 0xc0 && i + n <= s.n && str_utf8(str_sub(s, i, i + n))) {
            buf_put(out, s.p + i, n);
            i += n;
        } else {
            buf_printf(out, "\\x%02x", c);
            i++;
        }
    }
    buf_put_c(out, '"');
}
