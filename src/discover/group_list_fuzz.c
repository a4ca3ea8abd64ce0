/* Any bytes as a list of targets: in JSON, and in YAML. */
#include "discover/fuzzbed_test.h"
#include "discover/group_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    for (int json = 0; json < 2; json++) {
        struct groups g;
        struct why why = {0};
        groups_init(&g);
        int err = json ? group_list_json(text, &g, STR("__meta_url"), STR("u"), &why)
                       : group_list_yaml(text, &g, STR("__meta_filepath"), STR("f"), &why);
        must(err == 0 || why.text[0] != '\0');
        if (err == 0)
            fuzzbed_update(NULL, g.groups.v, g.groups.n);
        groups_done(&g);
    }
    return 0;
}
