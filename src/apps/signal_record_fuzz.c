/* Blocks of the spool of any content: each byte 0xff of the input ends one. A record that comes out
 * whole is within its limits. */
#include "apps/signal_record.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct signal_record_reader r;
    struct signal_record record;
    struct str rest = str_of((const char *)data, n), block;
    signal_record_reader_init(&r, NULL, (struct queue_position){0});
    while (n > 0 && str_split(&rest, '\xff', &block))
        if (signal_record_part(&r, block, &record) == 1) {
            must(record.signal.kind < SIGNAL_KINDS_N);
            must(record.signal.bytes.n <= n && record.signal.service.n <= n);
        }
    signal_record_reader_done(&r);
    return 0;
}
