/* Bytes in pieces of any size; what the lines of HELLO say. */
#include <string.h>

#include "apps/frame_reader.h"
#include "apps/hello.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct frame_reader r;
    struct frame f;
    struct hello h;
    struct why why = {0};
    size_t at = n > 0 ? 1 : 0, step = n > 0 ? data[0] + 1u : 1;
    int err = 0;
    frame_reader_init(&r);
    while (at < n && err >= 0) {
        size_t room;
        char *p = frame_reader_room(&r, &room);
        size_t piece = MIN(MIN(step, room), n - at);
        memcpy(p, data + at, piece);
        frame_reader_got(&r, piece);
        at += piece;
        while ((err = frame_reader_next(&r, &f, &why)) == 1) {
            must(f.payload.n == f.header.length && f.payload.n <= FRAME_PAYLOAD_MAX);
            (void)!hello_read(f.payload, &h, &why);
        }
    }
    must(err >= 0 || why.text[0] != '\0');
    frame_reader_done(&r);
    return 0;
}
