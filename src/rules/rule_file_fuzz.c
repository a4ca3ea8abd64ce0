/* Any bytes as a rule file: it is whole, or refused with a line for each fault. */
#include "base/must.h"
#include "rules/rule_file.h"
#include "rules/rule_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROBLEMS_MAX = 1 << 20 };

static void look_at(const struct rule *rule)
{
    must((rule->record.n > 0) != (rule->alert.n > 0));
    must(rule->expr.n > 0 && rule->tree && rule->line > 0);
    for (size_t i = 0; i < rule->labels_n; i++)
        must(rule->labels[i].name.n > 0 &&
             (i == 0 || str_cmp(rule->labels[i - 1].name, rule->labels[i].name) < 0));
}

/* Expands an annotation over nothing: faults are fine, holding up is not. */
static void expand(const struct rule *rule, struct str text)
{
    struct rule_template_data data = {.value = 1.5, .now_ms = 1000000};
    struct arena a;
    struct buf out;
    struct why why = {0};
    arena_init(&a);
    buf_init(&out, RULE_TEMPLATE_BYTES_MAX);
    int err = rule_template_expand(text, rule->alert, &data, &a, &out, &why);
    must(!err || (why.text[0] && out.n == 0));
    buf_done(&out);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_file *f = NULL;
    struct buf problems;
    buf_init(&problems, PROBLEMS_MAX);
    int err = rule_file_read(str_of((const char *)data, size), STR("f"), NULL, &f, &problems);
    must((err != 0) == (problems.n > 0) && (err != 0) == (f == NULL));
    for (size_t i = 0; f && i < f->groups_n; i++)
        for (size_t j = 0; j < f->groups[i].rules_n; j++) {
            const struct rule *rule = &f->groups[i].rules[j];
            look_at(rule);
            for (size_t k = 0; rule->alert.n && k < rule->annotations_n; k++)
                expand(rule, rule->annotations[k].value);
        }
    rule_file_free(f);
    buf_done(&problems);
    return 0;
}
