/* A rule and a label set from any bytes: no crash; what is kept is a canonical key, and the same
 * rules give the same again. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/must.h"
#include "model/labels.h"
#include "relabel/relabel.h"

enum { KEY_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const struct relabel *r, struct str key, struct arena *a)
{
    struct str once, twice;
    struct buf canonical;
    int kept = relabel_apply(r, key, a, &once, NULL);
    must(kept == relabel_apply(r, key, a, &twice, NULL));
    if (kept != 1)
        return;
    must(str_eq(once, twice));
    buf_init(&canonical, KEY_MAX);
    must(labels_canonical_bare(once, &canonical, NULL) == 0);
    must(str_eq(once, buf_str(&canonical)));
    buf_done(&canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ACTIONS[] = {"replace",   "keep",      "drop",     "keepequal",
                                          "dropequal", "hashmod",   "labelmap", "labeldrop",
                                          "labelkeep", "lowercase", "uppercase"};
    struct str rest = {(const char *)data, size}, field[5] = {{0}};
    struct relabel_rule rule = relabel_rule_default;
    struct relabel *r;
    if (size < 1)
        return 0;
    rule.action = str_c(ACTIONS[data[0] % COUNTOF(ACTIONS)]);
    rest = str_sub(rest, 1, size);
    for (size_t i = 0; i < COUNTOF(field) && str_split(&rest, '\0', &field[i]); i++)
        ;
    if (field[0].n)
        rule.regex = field[0];
    if (field[1].n)
        rule.replacement = field[1];
    rule.target_label = field[2];
    rule.modulus = field[3].n;
    rule.source_labels = &field[3];
    rule.source_labels_n = field[3].n > 0;
    if (relabel_new(&rule, 1, &r, NULL, NULL))
        return 0;
    struct arena a;
    struct buf key;
    arena_init(&a);
    buf_init(&key, KEY_MAX);
    apply(r, rest.p ? rest : field[4], &a); /* bytes that may be a key */
    labels_put(&key, field[3], field[4]);
    labels_put(&key, STR("__name__"), field[2]);
    apply(r, buf_str(&key), &a);
    buf_done(&key);
    arena_done(&a);
    relabel_free(r);
    return 0;
}
