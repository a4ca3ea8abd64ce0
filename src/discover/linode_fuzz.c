/* Any bytes as what the API of Linode answers. */
#include "discover/linode.c"
#include "discover/fuzzbed_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int TAGS[] = {INSTANCES, IPS, RANGES};
    static struct fuzzbed bed;
    struct str rest = str_of((const char *)data, size);
    struct why why = {0};
    struct groups g;
    int err = 0;
    fuzzbed_open(&bed, &linode_discovery, "- {region: r}");
    for (size_t i = 0; i < LISTS; i++)
        bed.discovery->pages[i].n = 0;
    for (size_t i = 0; err == 0 && i < COUNTOF(TAGS); i++) {
        const struct fetch_answer a = {.status = 200, .body = fuzzbed_part(&rest)};

        err = answer(bed.discovery, TAGS[i], NULL, &a, &why);
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
