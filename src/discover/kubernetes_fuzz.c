/* Any bytes as lines of a watch, and what groups of targets are made of the objects in them. The
 * first byte says which role. */
#include "discover/fuzzbed_test.h"
#include "discover/kubernetes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_change(void *context, struct kubernetes_store *s, struct str key)
{
    (void)context;
    (void)s;
    must(key.n > 0);
}

static void on_state(void *context, struct kubernetes_store *s, const char *why)
{
    (void)context;
    (void)s;
    (void)why;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubernetes_store_plan plan = {.changed = on_change, .state = on_state};
    struct kubernetes_view v = {.attach_node = true, .attach_namespace = true};
    struct str rest = str_of((const char *)data, size), line, key;
    const struct json_tree *object;
    struct groups g;
    if (size == 0)
        return 0;
    v.role = (enum kubernetes_kind)(data[0] % KUBERNETES_ROLES);
    rest = str_sub(rest, 1, rest.n);
    struct kubernetes_store *s = kubernetes_store_new(&plan);
    while (str_split(&rest, '\n', &line))
        kubernetes_store_line(s, line);
    for (size_t i = 0; i < KUBERNETES_KINDS; i++) { /* all kinds are found among them */
        v.stores[i].v = &s;
        v.stores[i].n = 1;
    }
    groups_init(&g);
    for (size_t at = 0; (object = kubernetes_store_next(s, &at, &key));)
        kubernetes_groups_put(&v, object, &g);
    groups_finish(&g);
    fuzzbed_update(NULL, g.groups.v, g.groups.n);
    groups_done(&g);
    kubernetes_store_free(s);
    return 0;
}
