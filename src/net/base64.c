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
