/* A block of the queue: bytes of any kind are unpacked and read, or refused. What comes out is
 * written and read again and must be the same. */
#include "base/must.h"
#include "forward/queue.h"
#include "forward/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(struct row_writer *w, const struct row *row)
{
    if (row_put(w, row) == 0)
        return;
    row_writer_clear(w);
    (void)!row_put(w, row); /* one that is larger than the block is nothing to hold against it */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct queue_block block;
    struct row_reader r;
    struct row row;
    struct row_writer w;
    struct arena a;
    bool rows_only = size > 0 && data[0] & 1;
    struct str bytes = size > 0 ? str_of((const char *)data + 1, size - 1) : STR("");
    arena_init(&a);
    row_writer_init(&w, QUEUE_BLOCK_MAX);
    if (rows_only) {
        row_reader_init(&r, bytes, &a);
        while (row_next(&r, &row) == 1)
            write_again(&w, &row);
        size_t n = 0;
        row_reader_init(&r, buf_str(&w.bytes), &a);
        while (row_next(&r, &row) == 1)
            n++;
        must(n == w.rows);
    } else if (queue_unpack(bytes, &block) == 0) {
        row_reader_init(&r, buf_str(&block.bytes), &a);
        while (row_next(&r, &row) == 1)
            ;
        buf_done(&block.bytes);
    }
    row_writer_done(&w);
    arena_done(&a);
    return 0;
}
