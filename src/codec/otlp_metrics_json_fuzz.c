/* Any text as OpenTelemetry's metrics in JSON: what it becomes is well-formed protobuf. */
#include "base/must.h"
#include "codec/otlp_testbed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct otlp_testbed *b = otlp_testbed_new();
    otlp_testbed_begin(b);
    struct str json = str_of((const char *)data, size);
    int err = otlp_metrics_json(json, &b->texts, &b->request, &b->why);
    must(b->request.n <= size * 4 + 64 || err != 0);
    if (err == 0)
        must(otlp_testbed_read(b, buf_str(&b->request)) == 0);
    otlp_testbed_free(b);
    return 0;
}
