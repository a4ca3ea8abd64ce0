#include "net/base64.h"

#include <limits.h>
#include <openssl/evp.h>

#include "base/must.h"

void base64_put(struct buf *to, struct str s)
{
    must(s.n <= INT_MAX / 2);
    size_t n = (s.n + 2) / 3 * 4;
    char *room = buf_reserve(to, n + 1); /* with a NUL behind it */
    if (room == NULL)
        return;
    (void)EVP_EncodeBlock((unsigned char *)room, (const unsigned char *)s.p, (int)s.n);
    buf_commit(to, n);
}

bool base64_read(struct buf *to, struct str s)
{
    if (s.n == 0 || s.n % 4 != 0 || s.n > INT_MAX)
        return s.n == 0;
    size_t padding = s.p[s.n - 1] != '=' ? 0 : s.p[s.n - 2] != '=' ? 1 : 2;
    char *room = buf_reserve(to, s.n / 4 * 3);
    if (room == NULL || str_find(s, '=') < s.n - padding)
        return false;
    int n = EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)s.p, (int)s.n);
    if (n < 0)
        return false;
    buf_commit(to, (size_t)n - padding);
    return true;
}
