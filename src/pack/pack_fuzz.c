/* The first byte picks the codec, the rest is unpacked: no more than the cap, nothing on failure.
 */
#include "base/must.h"
#include "pack/pack.h"

enum { CAP = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    struct buf out;
    buf_init(&out, 4 * CAP);
    struct why why = {0};
    int err = pack_unpack((enum pack_codec)(p[0] % PACK_COUNT), str_of((const char *)p + 1, n - 1),
                          &out, CAP, &why);
    must(!buf_failed(&out) && out.n <= CAP);
    must(err == 0 || (out.n == 0 && why.err == err && why.text[0]));
    must(out.capacity <= 2 * CAP + 2 * PACK_SLACK);
    buf_done(&out);
    return 0;
}
