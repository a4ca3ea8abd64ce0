/* Any bytes: our decoder and libsnappy agree on what is a block and on what is in it. Only where a
 * literal says that it has 2^32 bytes we refuse, and libsnappy 1.1.9 counts it as empty. */
#define WRAPPED "\xfc\xff\xff\xff\xff"
#include <snappy-c.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "pack/snappy.h"

enum { LENGTH_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = str_of((const char *)p, n);
    size_t length, their_length;
    bool ours = snappy_length(in, &length) == 0;
    must(ours == (snappy_uncompressed_length(in.p, in.n, &their_length) == SNAPPY_OK));
    if (!ours || length > LENGTH_MAX)
        return 0;
    must(length == their_length);
    uint8_t *out = mem_raw(length + SNAPPY_SLACK);
    char *their_out = mem_raw(length);
    ours = snappy_decode(in, out, length) == 0;
    bool theirs = snappy_uncompress(in.p, in.n, their_out, &their_length) == SNAPPY_OK;
    must(ours == theirs || (theirs && str_search(in, STR(WRAPPED)) < in.n));
    must(!ours || memcmp(out, their_out, length) == 0);
    mem_free(out);
    mem_free(their_out);
    return 0;
}
