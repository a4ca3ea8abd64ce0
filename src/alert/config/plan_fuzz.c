#include "alert/config/plan.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken can be asked, and is shown as a text that is taken too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plan_settings SETTINGS = {
        .config_file = "", .external_url = "", .resolve_timeout_ms = 1000};
    struct plan_source source = {
        .yaml = {(const char *)data, size}, .file = "/nowhere/am.yml", .settings = &SETTINGS};
    const struct plan_route *const *routes;
    struct plan *p;
    struct arena a;
    size_t n;
    if (size == 0 || plan_read(&source, &p, NULL) != 0)
        return 0;
    arena_init(&a);
    plan_routes(p, STR(""), &a, &routes, &n);
    must(n > 0 && plan_receiver(p, routes[0]->receiver) != NULL);
    arena_done(&a);
    plan_free(p);
    return 0;
}
