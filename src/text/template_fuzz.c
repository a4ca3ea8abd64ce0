/* Any bytes as a template: it is refused with a reason, or runs to an end within its limits. */
#include "base/must.h"
#include "text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct template_value make_dot(struct template_value *list, struct template_pair *words,
                                      struct template_pair *top)
{
    list[0] = template_int(-3);
    list[1] = template_text(STR("\xc3\xa9\n\"<"));
    list[2] = template_float(1e300);
    words[0] = (struct template_pair){STR("a"), template_text(STR("A"))};
    words[1] = (struct template_pair){STR("b"), template_text(STR("B"))};
    top[0] = (struct template_pair){STR("L"), template_list(list, 3)};
    top[1] = (struct template_pair){STR("M"), template_map(words, 2)};
    top[2] = (struct template_pair){STR("T"), template_bool(true)};
    return template_map(top, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf out;
    struct why why = {0};
    struct template_value list[3];
    struct template_pair words[2], top[3];
    struct template_value dot = make_dot(list, words, top);
    struct template_settings settings = {.steps_max = 2000};
    arena_init(&a);
    buf_init(&out, 1 << 16);
    settings.html = size > 0 && data[0] & 1;
    struct template_set *set = template_set_new(&a, NULL);
    int err = template_parse(set, str_of((const char *)data, size), STR("fuzz"), &why);
    must(!err || (err == -ERR_FORMAT && why.text[0]));
    if (!err)
        err = template_run(set, STR("fuzz"), &dot, &settings, &a, &out, &why);
    must(!err || (err == why.err && why.text[0]));
    buf_done(&out);
    arena_done(&a);
    return 0;
}
