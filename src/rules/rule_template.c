#include "rules/rule_template.h"

#include "model/labels.h"
#include "rules/rule_template_state.h"

#define PRELUDE                                                                                    \
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"                                 \
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"

/* ---- values */

struct template_value rule_template_labels(struct str key, struct arena *a)
{
    const char *at = key.p;
    struct label label;
    size_t n = 0;
    while (labels_next(key, &at, &label, NULL))
        n++;
    struct template_pair *pairs = arena_array(a, n, sizeof *pairs);
    at = key.p;
    n = 0;
    while (labels_next(key, &at, &label, NULL))
        pairs[n++] = (struct template_pair){label.name, template_text(label.value)};
    struct template_value map = template_map(pairs, n);
    map.texts = true;
    return map;
}

struct template_value rule_template_sample_value(double value, const struct histogram *histogram)
{
    return histogram ? template_object(&rule_template_histogram_object, histogram)
                     : template_float(value);
}

static int no_arguments(struct str name, size_t n, struct why *why)
{
    if (n == 0)
        return 0;
    return why_set(why, ERR_RANGE, STR_FMT " has arguments but cannot be invoked as function",
                   STR_ARG(name));
}

static int sample_member(struct template_call *c, const void *p, struct str name,
                         const struct template_value *args, size_t n, struct template_value *ret,
                         struct why *why)
{
    const struct rule_template_sample *s = p;
    (void)args;
    if (str_eq(name, STR("Labels")))
        *ret = rule_template_labels(s->key, c->arena);
    else if (str_eq(name, STR("Value")))
        *ret = rule_template_sample_value(s->value, s->histogram);
    else
        return -ERR_NOENT;
    return no_arguments(name, n, why);
}

static void sample_print(const void *p, struct buf *out)
{
    const struct rule_template_sample *s = p;
    struct template_value value = rule_template_sample_value(s->value, s->histogram);
    struct arena a;
    arena_init(&a);
    struct template_value labels = rule_template_labels(s->key, &a);
    buf_put_c(out, '{');
    template_print(&labels, out);
    buf_put_c(out, ' ');
    template_print(&value, out);
    buf_put_c(out, '}');
    arena_done(&a);
}

const struct template_object rule_template_sample_object = {"template.sample", sample_member,
                                                            sample_print};

/* ---- the dot of labels and annotations: struct rule_template_data */

static int data_member(struct template_call *c, const void *p, struct str name,
                       const struct template_value *args, size_t n, struct template_value *ret,
                       struct why *why)
{
    const struct rule_template_data *d = p;
    (void)args;
    if (str_eq(name, STR("Labels")))
        *ret = rule_template_labels(d->labels, c->arena);
    else if (str_eq(name, STR("ExternalLabels")))
        *ret = rule_template_labels(d->external_labels, c->arena);
    else if (str_eq(name, STR("ExternalURL")))
        *ret = template_text(d->external_url);
    else if (str_eq(name, STR("Value")))
        *ret = rule_template_sample_value(d->value, d->histogram);
    else
        return -ERR_NOENT;
    return no_arguments(name, n, why);
}

static void data_print(const void *p, struct buf *out)
{
    const struct rule_template_data *d = p;
    struct template_value value = rule_template_sample_value(d->value, d->histogram);
    struct arena a;
    arena_init(&a);
    struct template_value labels = rule_template_labels(d->labels, &a);
    struct template_value external = rule_template_labels(d->external_labels, &a);
    buf_put_c(out, '{');
    template_print(&labels, out);
    buf_put_c(out, ' ');
    template_print(&external, out);
    buf_printf(out, " " STR_FMT " ", STR_ARG(d->external_url));
    template_print(&value, out);
    buf_put_c(out, '}');
    arena_done(&a);
}

static const struct template_object DATA = {
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; "
    "Value interface {} }",
    data_member, data_print};

/* ---- expanding */

int rule_template_expand_value(struct str text, struct str name, const struct template_value *dot,
                               const struct rule_template_data *data, struct arena *a,
                               struct buf *out, struct why *why)
{
    struct rule_template_state state = {.data = data};
    struct template_settings settings = {
        .missing = data->strict_keys ? TEMPLATE_MISSING_ERROR : TEMPLATE_MISSING_ZERO,
        .html = data->html,
        .context = &state,
    };
    struct template_set *set =
        template_set_new(a, data->html ? &rule_template_functions_html : &rule_template_functions);
    int err = template_parse(set, text, name, why);
    if (err) {
        (void)why_prefix(why, "error parsing template " STR_FMT, STR_ARG(name)); /* why->err */
        return err;
    }
    struct buf expanded;
    buf_init(&expanded, RULE_TEMPLATE_BYTES_MAX);
    err = template_run(set, name, dot, &settings, a, &expanded, why);
    if (err)
        (void)why_prefix(why, "error executing template " STR_FMT, STR_ARG(name)); /* why->err */
    else
        buf_put_str(out, buf_str(&expanded));
    buf_done(&expanded);
    return err;
}

/* Most labels and annotations have no action in them. */
static bool is_plain(struct str text)
{
    return str_search(text, STR("{{")) == text.n;
}

static struct str behind_prelude(struct str text, struct arena *a)
{
    struct str prelude = STR(PRELUDE);
    char *p = arena_new(a, prelude.n + text.n + 1);
    memcpy(p, prelude.p, prelude.n);
    memcpy(p + prelude.n, text.p, text.n);
    return str_of(p, prelude.n + text.n);
}

int rule_template_expand(struct str text, struct str name, const struct rule_template_data *data,
                         struct arena *a, struct buf *out, struct why *why)
{
    if (is_plain(text)) {
        buf_put_str(out, text);
        return 0;
    }
    struct template_value dot = template_object(&DATA, data);
    struct str whole = behind_prelude(text, a);
    return rule_template_expand_value(whole, name, &dot, data, a, out, why);
}

int rule_template_check(struct str text, struct str name, struct why *why)
{
    if (is_plain(text))
        return 0;
    struct arena a;
    arena_init(&a);
    struct template_set *set = template_set_new(&a, &rule_template_functions);
    struct str whole = behind_prelude(text, &a);
    int err = template_parse(set, whole, name, why);
    arena_done(&a);
    return err;
}
