#include "base/stat.h"
#include "serve/answer.h"
#include "serve/param.h"
#include "serve/status_api.h"
#include "text/json.h"
#include "text/regex.h"

enum { ANSWER_MAX = 64 * 1024 * 1024 };

/* The metrics as they come, one value at a time: families and their metrics are opened and closed
 * as names and labels change. */
struct self {
    struct json_writer w;
    const struct regex *pattern; /* NULL: all */
    const char *family;          /* NULL: none is open */
    const char *labels;          /* of the open metric */
    bool chosen;                 /* the family goes into the answer */
    double sum;                  /* of the open histogram */
    bool in_buckets;
};

static void end_metric(struct self *f)
{
    if (f->labels)
        json_end_object(&f->w);
    f->labels = NULL;
}

static void end_family(struct self *f)
{
    end_metric(f);
    if (f->family && f->chosen) {
        json_end_array(&f->w);
        json_end_object(&f->w);
    }
    f->family = NULL;
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, str_c(key));
    json_text(w, str_c(text));
}

static const char *type_word(enum stat_type type)
{
    static const char *const WORDS[] = {[STAT_TYPE_COUNTER] = "COUNTER",
                                        [STAT_TYPE_GAUGE] = "GAUGE",
                                        [STAT_TYPE_HISTOGRAM] = "HISTOGRAM"};
    return WORDS[type];
}

static void begin_family(struct self *f, const struct stat_sample *s)
{
    f->family = s->family;
    f->chosen = f->pattern == NULL || regex_match(f->pattern, str_c(s->family));
    if (!f->chosen)
        return;
    json_begin_object(&f->w);
    put_text(&f->w, "name", s->family);
    put_text(&f->w, "help", s->help);
    put_text(&f->w, "type", type_word(s->type));
    json_key(&f->w, STR("metric"));
    json_begin_array(&f->w);
}

/* name="value",.. of the exposition format, as the registry's texts are: without escapes. */
static void put_labels(struct json_writer *w, struct str rest)
{
    json_key(w, STR("label"));
    json_begin_array(w);
    while (rest.n) {
        size_t name = str_search(rest, STR("=\""));
        struct str value = str_sub(rest, name + 2, rest.n);
        size_t end = str_find(value, '"');
        json_begin_object(w);
        json_key(w, STR("name"));
        json_text(w, str_sub(rest, 0, name));
        json_key(w, STR("value"));
        json_text(w, str_sub(value, 0, end));
        json_end_object(w);
        rest = str_sub(value, end + 2, value.n); /* behind the quote and a comma */
    }
    json_end_array(w);
}

static void begin_metric(struct self *f, const struct stat_sample *s)
{
    f->labels = s->labels;
    json_begin_object(&f->w);
    if (s->labels[0])
        put_labels(&f->w, str_c(s->labels));
}

/* The values of a histogram come as its buckets, its sum, its count. */
static void put_histogram(struct self *f, const struct stat_sample *s)
{
    struct json_writer *w = &f->w;
    struct str suffix = str_c(s->suffix);
    if (str_eq(suffix, STR("_bucket"))) {
        if (!f->in_buckets) {
            json_key(w, STR("histogram"));
            json_begin_object(w);
            json_key(w, STR("bucket"));
            json_begin_array(w);
            f->in_buckets = true;
        }
        if (str_eq(str_c(s->le), STR("+Inf")))
            return; /* the count says it, and JSON has no infinity */
        json_begin_object(w);
        json_key(w, STR("cumulative_count"));
        json_number(w, s->value);
        json_key(w, STR("upper_bound"));
        json_raw(w, str_c(s->le));
        json_end_object(w);
    } else if (str_eq(suffix, STR("_sum"))) {
        f->sum = s->value;
    } else {
        json_end_array(w);
        json_key(w, STR("sample_count"));
        json_number(w, s->value);
        json_key(w, STR("sample_sum"));
        json_number(w, f->sum);
        json_end_object(w);
        f->in_buckets = false;
    }
}

static void put_value(void *context, const struct stat_sample *s)
{
    struct self *f = context;
    bool same = f->family && str_eq(str_c(f->family), str_c(s->family));
    if (!same) {
        end_family(f);
        begin_family(f, s);
    }
    if (!f->chosen)
        return;
    bool goes_on = s->type == STAT_TYPE_HISTOGRAM && f->labels == s->labels;
    if (!goes_on) {
        end_metric(f);
        begin_metric(f, s);
    }
    if (s->type == STAT_TYPE_HISTOGRAM) {
        put_histogram(f, s);
        return;
    }
    json_key(&f->w, s->type == STAT_TYPE_COUNTER ? STR("counter") : STR("gauge"));
    json_begin_object(&f->w);
    json_key(&f->w, STR("value"));
    json_number(&f->w, s->value);
    json_end_object(&f->w);
}

void status_api_self(struct http_request *r, void *serve)
{
    struct self f = {0};
    struct regex *pattern = NULL;
    struct why why = {0};
    struct str text;
    struct buf b;
    (void)serve;
    if (http_param(r, STR("metric_name_pattern"), &text) && text.n &&
        regex_new(text, &pattern, &why) != 0) {
        param_refuse(r, STR("metric_name_pattern"), why.text);
        return;
    }
    f.pattern = pattern;
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&f.w, &b);
    json_begin_array(&f.w);
    stat_each(put_value, &f);
    end_family(&f);
    json_end_array(&f.w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
    regex_free(pattern);
}
