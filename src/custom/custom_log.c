/* Lines of log files: followed through rotation, counted by a regular expression. The series are
 * counters (or gauges) that live as long as the daemon; the places in the files live longer. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/exposition_line.h"
#include "custom/custom_out.h"
#include "custom/custom_source.h"
#include "custom/custom_tail.h"
#include "text/number.h"
#include "text/regex.h"

enum {
    LABELS_OF_LINE_MAX = EMIT_LABELS_MAX,
    KEY_BYTES_MAX = 32 * 1024,
    BUCKETS_MAX = CUSTOM_SETTINGS_BUCKETS_MAX
};

static const double DEFAULT_BUCKETS[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

enum mode { MODE_COUNT, MODE_SUM, MODE_GAUGE, MODE_HISTOGRAM };

static const char *const MODES[] = {"count", "sum", "gauge", "histogram"};

/* Lines with the same labels. */
struct line_series {
    struct str texts[LABELS_OF_LINE_MAX]; /* in the series' own memory */
    double value, sum;
    uint64_t count;
    uint64_t buckets[BUCKETS_MAX + 1];
};

struct state {
    const struct custom_settings_log *settings;
    struct custom_tail *tail;
    struct regex *regex;
    enum mode mode;
    size_t value;                         /* number of the group, 0: none */
    size_t groups[LABELS_OF_LINE_MAX];    /* numbers of those that are labels */
    struct str names[LABELS_OF_LINE_MAX]; /* and their names */
    size_t groups_n;
    double bounds[BUCKETS_MAX];
    size_t bounds_n;
    struct map series; /* of texts of labels -> struct line_series, in arena */
    struct arena arena;
    size_t over, odd; /* of the run: lines of new series past the limit, values that are none */
};

/* ---- a line */

static struct line_series *series_of(struct state *s, const struct str *groups)
{
    struct buf key;
    struct line_series *found = NULL;
    buf_init(&key, KEY_BYTES_MAX);
    for (size_t i = 0; i < s->groups_n; i++) {
        struct str text = str_sub(groups[s->groups[i]], 0, EMIT_VALUE_MAX - 1);
        buf_put_varint(&key, text.n);
        buf_put_str(&key, text);
    }
    union map_value *known = map_get(&s->series, buf_str(&key));
    if (known != NULL) {
        found = known->p;
    } else if (s->series.n < (size_t)s->settings->row.series_max) {
        found = arena_new(&s->arena, sizeof *found);
        for (size_t i = 0; i < s->groups_n; i++)
            found->texts[i] =
                arena_str(&s->arena, str_sub(groups[s->groups[i]], 0, EMIT_VALUE_MAX - 1));
        map_put(&s->series, buf_str(&key), NULL)->p = found;
    }
    buf_done(&key);
    return found;
}

static void observe(const struct state *s, struct line_series *x, double v)
{
    size_t i = 0;
    while (i < s->bounds_n && !(v <= s->bounds[i]))
        i++;
    x->buckets[i]++;
    x->sum += v;
    x->value = v;
}

static void take_line(void *context, struct str line)
{
    struct state *s = context;
    struct str groups[REGEX_GROUPS_MAX];
    double v = 0;
    line = line.n ? line : STR("");
    if (!regex_find(s->regex, line, 0, groups, regex_groups_n(s->regex) + 1))
        return;
    if (s->mode != MODE_COUNT && number_parse(str_trim(groups[s->value]), &v) != 0) {
        s->odd++;
        return;
    }
    struct line_series *x = series_of(s, groups);
    if (x == NULL) {
        s->over++;
        return;
    }
    x->count++;
    if (s->mode != MODE_COUNT)
        observe(s, x, v);
}

/* ---- what is told */

static void put_histogram(const struct state *s, const struct line_series *x, struct label *labels,
                          size_t n, struct custom_out *o)
{
    struct custom_out_value v = {.type = METRIC_HISTOGRAM, .labels = labels, .labels_n = n + 1};
    uint64_t sum = 0;
    char bound[NUMBER_MAX + 2];
    for (size_t i = 0; i <= s->bounds_n; i++) {
        size_t len = exposition_line_put_bound(i < s->bounds_n ? s->bounds[i] : INFINITY, bound);
        sum += x->buckets[i];
        labels[n] = (struct label){STR("le"), str_of(bound, len)};
        v.name = STR("bucket");
        v.value = (double)sum;
        custom_out_put(o, &v);
    }
    v.labels_n = n;
    v.name = STR("sum");
    v.value = x->sum;
    custom_out_put(o, &v);
    v.name = STR("count");
    v.value = (double)x->count;
    custom_out_put(o, &v);
}

static void put_series(const struct state *s, const struct line_series *x, struct custom_out *o)
{
    struct label labels[LABELS_OF_LINE_MAX + 1];
    for (size_t i = 0; i < s->groups_n; i++)
        labels[i] = (struct label){s->names[i], x->texts[i]};
    if (s->mode == MODE_HISTOGRAM) {
        put_histogram(s, x, labels, s->groups_n, o);
        return;
    }
    struct custom_out_value v = {.type = s->mode == MODE_GAUGE ? METRIC_GAUGE : METRIC_COUNTER,
                                 .labels = labels,
                                 .labels_n = s->groups_n,
                                 .value = s->mode == MODE_COUNT ? (double)x->count
                                          : s->mode == MODE_SUM ? x->sum
                                                                : x->value};
    custom_out_put(o, &v);
}

static int run(void *state, struct custom_source_run *r)
{
    struct state *s = state;
    struct custom_out o;
    size_t at = 0;
    uint64_t before = custom_tail_long(s->tail);
    s->over = s->odd = 0;
    int err = custom_tail_read(s->tail, take_line, s, s->settings->row.timeout_ms, &r->why);
    custom_out_init(&o, &r->emit, &s->settings->row, false);
    /* Without labels the series is there before the first line. */
    if (s->groups_n == 0 && s->mode != MODE_GAUGE)
        (void)series_of(s, NULL);
    for (const struct map_slot *slot; (slot = map_next(&s->series, &at)) != NULL;)
        put_series(s, slot->value.p, &o);
    if (err == 0 && s->over > 0)
        err = why_set(&r->why, ERR_LIMIT,
                      "%zu lines were left out: more than series_max = %lld series", s->over,
                      (long long)s->settings->row.series_max);
    if (err == 0 && s->odd > 0)
        err = why_set(&r->why, ERR_FORMAT, "%zu lines were left out: their value is no number",
                      s->odd);
    uint64_t too_long = custom_tail_long(s->tail) - before;
    if (err == 0 && too_long > 0)
        err = why_set(&r->why, ERR_LIMIT,
                      "%llu lines were left out: longer than line_bytes_max = %lld",
                      (unsigned long long)too_long, (long long)s->settings->line_bytes_max);
    return err != 0 ? err : custom_out_result(&o, &r->why);
}

/* ---- life */

static void close_state(void *state)
{
    struct state *s = state;
    custom_tail_free(s->tail);
    regex_free(s->regex);
    map_done(&s->series);
    arena_done(&s->arena);
    mem_free(s);
}

static void fill(struct state *s)
{
    const struct option_list *list = &s->settings->buckets;
    for (size_t i = 0; i < COUNTOF(MODES); i++)
        if (strcmp(MODES[i], s->settings->mode) == 0)
            s->mode = (enum mode)i;
    s->value = regex_group_of(s->regex, STR("value"));
    for (size_t i = 1; i <= regex_groups_n(s->regex); i++) {
        struct str name = regex_group_name(s->regex, i);
        if (name.n == 0 || i == s->value || s->groups_n == LABELS_OF_LINE_MAX)
            continue;
        s->groups[s->groups_n] = i;
        s->names[s->groups_n++] = name;
    }
    for (size_t i = 0; i < list->n && i < BUCKETS_MAX; i++)
        if (number_parse(str_c(list->v[i]), &s->bounds[i]) == 0)
            s->bounds_n = i + 1;
    if (list->n > 0)
        return;
    memcpy(s->bounds, DEFAULT_BUCKETS, sizeof DEFAULT_BUCKETS);
    s->bounds_n = COUNTOF(DEFAULT_BUCKETS);
}

static int open_state(const struct custom_source_host *host, const struct custom_settings_row *row,
                      void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    s->settings = (const struct custom_settings_log *)row;
    map_init(&s->series, (uint64_t)clock_monotonic_ns(host->clock) | 1);
    arena_init(&s->arena);
    int err = regex_new_search(str_c(s->settings->regex), &s->regex, why);
    if (err != 0) {
        close_state(s);
        return err;
    }
    fill(s);
    const struct custom_tail_plan plan = {.name = row->name,
                                          .pattern = s->settings->path,
                                          .from_beginning = s->settings->from_beginning,
                                          .line_max = (size_t)s->settings->line_bytes_max,
                                          .files_max = (size_t)s->settings->files_max,
                                          .disk = host->disk,
                                          .clock = host->clock};
    s->tail = custom_tail_new(&plan);
    *ret = s;
    return 0;
}

const struct custom_source_ops custom_log_source = {
    .kind = "log", .open = open_state, .run = run, .close = close_state};
