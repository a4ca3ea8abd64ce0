/* Any bytes as what Consul answers: a catalogue, then the health of a service, in turns. */
#include "discover/consul.c"
#include "discover/fuzzbed_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzzbed bed;
    struct str rest = str_of((const char *)data, size);
    fuzzbed_open(&bed, &consul_discovery, "- {datacenter: d, tags: [a]}");
    struct query *service = watch(bed.discovery, STR("web"));
    for (int i = 0; rest.n && i < 4; i++) {
        const struct fetch_answer a = {
            .status = 200, .body = fuzzbed_part(&rest), .headers = STR("X-Consul-Index: 7\r\n")};
        struct arena arena;
        struct why why = {0};
        arena_init(&arena);
        bed.discovery->catalog.index = service->index = 0;
        service->round = bed.discovery->round + 1; /* the catalogue may not end it */
        int err = take(i % 2 ? service : &bed.discovery->catalog, &a, &arena, &why);
        must(err == 0 || why.text[0] != '\0');
        arena_done(&arena);
    }
    fuzzbed_close(&bed);
    return 0;
}
