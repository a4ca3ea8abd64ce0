/* Any bytes as OpenTelemetry's metrics in protobuf: read, translated, added up. */
#include "base/must.h"
#include "codec/otlp_testbed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct otlp_testbed *b = otlp_testbed_new();
    b->settings.promote_all_resource_attributes = size % 2;
    b->settings.promote_scope_metadata = size % 3 == 0;
    b->settings.convert_histograms_to_nhcb = size % 5 == 0;
    otlp_testbed_begin(b);
    struct str request = str_of((const char *)data, size);
    int first = otlp_testbed_read(b, request);
    size_t rows = b->rows;
    must(otlp_testbed_read(b, request) == first);
    must(b->delta && otlp_delta_count(b->delta) <= size);
    must(b->rows <= rows || rows == 0); /* deltas of the second time come too late */
    otlp_testbed_free(b);
    return 0;
}
