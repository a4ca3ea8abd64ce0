/* Any bytes as a registration: what is taken names addresses that may be scraped. */
#include "base/must.h"
#include "discover/registry_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct registry_request request;
    struct arena a;
    struct why why = {0};
    arena_init(&a);
    int err = registry_request_read(str_of((const char *)data, size), false, &a, &request, &why);
    must(err == 0 || why.text[0] != '\0');
    for (size_t i = 0; err == 0 && i < request.n; i++) {
        const struct registry_target *t = &request.targets[i];
        must(registry_request_check_address(t->address, false, NULL) == 0);
        must(t->job.n && t->metrics_path.p[0] == '/' && strlen(t->id) == REGISTRY_ID_SIZE);
    }
    arena_done(&a);
    return 0;
}
