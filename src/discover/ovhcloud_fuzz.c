/* Any bytes as what the API of OVHcloud answers. */
#include "discover/ovhcloud.c"
#include "discover/fuzzbed_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int TAGS[] = {TIME, LIST, DETAILS, ADDRESSES};
    static struct fuzzbed bed;
    struct str rest = str_of((const char *)data, size);
    struct why why = {0};
    struct groups g;
    int err = 0;
    fuzzbed_open(&bed, &ovhcloud_discovery,
                 "- {service: dedicated_server, application_key: a, application_secret: b, "
                 "consumer_key: c}");
    bed.discovery->servers.n = 0;
    for (size_t i = 0; err == 0 && i < COUNTOF(TAGS); i++) {
        const struct fetch_answer a = {.status = 200, .body = fuzzbed_part(&rest)};
        void *about = bed.discovery->servers.n ? bed.discovery->servers.v[0] : NULL;
        if (TAGS[i] >= DETAILS && !about)
            break;
        err = answer(bed.discovery, TAGS[i], about, &a, &why);
        must(err == 0 || why.text[0] != '\0');
    }
    groups_init(&g);
    if (err == 0 && end(bed.discovery, &g, &why) == 0) {
        groups_finish(&g);
        fuzzbed_update(NULL, g.groups.v, g.groups.n);
    }
    groups_done(&g);
    fuzzbed_close(&bed);
    return 0;
}
