#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "model/labels.h"
#include "relabel/md5.h"
#include "relabel/relabel.h"
#include "text/json.h"

enum { KEY_MAX = 1 << 20, RULES_MAX = 8 };

/* ---- a line of the tables */

struct row {
    struct buf input, output; /* keys */
    struct relabel_rule rules[RULES_MAX];
    size_t n;
    bool drop;
    struct str error; /* empty: none */
    struct arena *arena;
};

struct reading {
    struct json_reader reader;
    struct json_event e;
    struct row *row;
};

static bool next(struct reading *r)
{
    struct why why;
    int more = json_next(&r->reader, &r->e, &why);
    assert_true(more >= 0);
    return more > 0;
}

/* {"a":"b",..}, its beginning is read. */
static void read_labels(struct reading *r, struct buf *key)
{
    struct str name = STR("");
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        if (r->e.type == JSON_KEY)
            name = arena_str(r->row->arena, r->e.text);
        else
            labels_put(key, name, r->e.text);
    }
}

static void read_member(struct reading *r, struct relabel_rule *rule, struct str key)
{
    struct str text = r->e.type == JSON_TEXT ? arena_str(r->row->arena, r->e.text) : STR("");
    struct str *sources = arena_array(r->row->arena, 16, sizeof *sources);
    if (str_eq(key, STR("action")))
        rule->action = text;
    else if (str_eq(key, STR("regex")))
        rule->regex = text;
    else if (str_eq(key, STR("replacement")) && r->e.type == JSON_TEXT)
        rule->replacement = text;
    else if (str_eq(key, STR("separator")))
        rule->separator = text;
    else if (str_eq(key, STR("target_label")))
        rule->target_label = text;
    else if (str_eq(key, STR("name_validation_scheme")))
        rule->legacy_names = str_eq(text, STR("legacy"));
    else if (str_eq(key, STR("modulus")))
        rule->modulus = (uint64_t)r->e.number;
    else if (str_eq(key, STR("source_labels")))
        while (next(r) && r->e.type == JSON_TEXT)
            sources[rule->source_labels_n++] = arena_str(r->row->arena, r->e.text);
    if (rule->source_labels_n && !rule->source_labels)
        rule->source_labels = sources;
    if (r->e.type == JSON_OBJECT)
        while (next(r) && r->e.type != JSON_OBJECT_END)
            ; /* {"src":"DefaultRelabelConfig.Replacement"} */
}

static void read_rule(struct reading *r)
{
    assert_true(r->row->n < RULES_MAX);
    struct relabel_rule *rule = &r->row->rules[r->row->n++];
    struct str key = STR("");
    *rule = relabel_rule_default;
    while (next(r) && r->e.type != JSON_OBJECT_END) {
        if (r->e.type == JSON_KEY)
            key = arena_str(r->row->arena, r->e.text);
        else
            read_member(r, rule, key);
    }
}

static void read_row(struct str line, struct arena *a, struct row *row)
{
    struct reading r = {.row = row};
    struct str key = STR("");
    *row = (struct row){.arena = a};
    buf_init(&row->input, KEY_MAX);
    buf_init(&row->output, KEY_MAX);
    json_reader_init(&r.reader, line, a);
    while (next(&r)) {
        if (r.e.type == JSON_KEY)
            key = arena_str(a, r.e.text);
        else if (r.e.type == JSON_TRUE)
            row->drop = true;
        else if (r.e.type == JSON_TEXT)
            row->error = arena_str(a, r.e.text);
        else if (r.e.type == JSON_OBJECT && str_eq(key, STR("input")))
            read_labels(&r, &row->input);
        else if (r.e.type == JSON_OBJECT && str_eq(key, STR("output")))
            read_labels(&r, &row->output);
        else if (r.e.type == JSON_OBJECT && key.n)
            read_rule(&r);
    }
}

static bool rewritten_as_said(const struct row *row)
{
    struct relabel *rules;
    struct why why = {0};
    struct str key = STR("");
    struct buf wanted;
    buf_init(&wanted, KEY_MAX);
    assert_int_equal(relabel_new(row->rules, row->n, &rules, NULL, &why), 0);
    int kept = relabel_apply(rules, buf_str(&row->input), row->arena, &key, &why);
    assert_int_equal(labels_canonical_bare(buf_str(&row->output), &wanted, &why), 0);
    bool good = kept == !row->drop && (!kept || str_eq(key, buf_str(&wanted)));
    buf_done(&wanted);
    relabel_free(rules);
    return good;
}

static bool checked_as_said(const struct row *row)
{
    struct why why = {0};
    int err = relabel_rule_check(&row->rules[0], &why);
    if (row->error.n == 0)
        return err == 0;
    return err == -ERR_FORMAT && str_search(str_c(why.text), row->error) < strlen(why.text);
}

static void check_table(const char *name, bool (*holds)(const struct row *row), size_t least)
{
    struct cases c;
    cases_begin(&c, name);
    while (cases_next(&c)) {
        struct row row;
        read_row(c.line, &c.arena, &row);
        cases_count(&c, holds(&row));
        buf_done(&row.input);
        buf_done(&row.output);
    }
    cases_end(&c, least);
}

static void labels_are_rewritten_as_published(void **state)
{
    (void)state;
    check_table("vectors/relabel.jsonl", rewritten_as_said, 19);
}

static void rules_are_checked_as_published(void **state)
{
    (void)state;
    check_table("vectors/relabel_validate.jsonl", checked_as_said, 5);
}

/* ---- our own cases */

struct fixture {
    struct arena arena;
    struct buf in, out;
    struct why why;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    arena_init(&f->arena);
    buf_init(&f->in, KEY_MAX);
    buf_init(&f->out, KEY_MAX);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_done(&f->arena);
    buf_done(&f->in);
    buf_done(&f->out);
    mem_free(f);
    return 0;
}

/* The rules of a YAML list; NULL with f->why where they are refused. */
static struct relabel *rules_of(struct fixture *f, const char *yaml)
{
    const struct yaml_node *root;
    struct relabel *r;
    assert_int_equal(yaml_parse(str_c(yaml), &f->arena, &root, NULL, &f->why), 0);
    f->why = (struct why){0};
    return relabel_read(root, &r, NULL, &f->why) ? NULL : r;
}

/* x="1" pairs in in, "" where the series is dropped. */
static void expect(struct fixture *f, const char *yaml, const char *wanted)
{
    struct relabel *r = rules_of(f, yaml);
    struct str key = STR("");
    assert_non_null(r);
    buf_clear(&f->out);
    int kept = relabel_apply(r, buf_str(&f->in), &f->arena, &key, &f->why);
    assert_true(kept >= 0);
    if (kept)
        labels_print(key, &f->out);
    buf_put_c(&f->out, 0);
    assert_string_equal(f->out.p, wanted);
    relabel_free(r);
}

static void a_label_made_empty_is_gone(void **state)
{
    struct fixture *f = *state;
    labels_put(&f->in, STR("job"), STR("a"));
    labels_put(&f->in, LABEL_METRIC, STR("up"));
    expect(f, "- {target_label: job, replacement: ''}", "up");
    expect(f, "- {source_labels: [none], target_label: job}", "up");
    expect(f, "- {source_labels: [job], regex: b, target_label: job, replacement: c}",
           "up{job=\"a\"}");
    expect(f, "- {regex: job, action: labeldrop}", "up");
    expect(f, "- {regex: job, action: labelkeep}", "{job=\"a\"}");
    expect(f, "[]", "up{job=\"a\"}");
    expect(f, "null", "up{job=\"a\"}");
}

static void dollars_stand_for_themselves_where_doubled(void **state)
{
    struct fixture *f = *state;
    labels_put(&f->in, LABEL_METRIC, STR("up"));
    labels_put(&f->in, STR("a"), STR("x-y"));
    expect(f,
           "- {source_labels: [a], regex: '(.)-(.)', target_label: b, replacement: '$$1 ${2}$1'}",
           "up{a=\"x-y\", b=\"$1 yx\"}");
    expect(f, "- {source_labels: [a, a], separator: '', regex: '(.+)', target_label: c}",
           "up{a=\"x-y\", c=\"x-yx-y\"}");
}

static void a_map_sees_the_labels_that_were_there_before(void **state)
{
    struct fixture *f = *state;
    labels_put(&f->in, LABEL_METRIC, STR("up"));
    labels_put(&f->in, STR("a"), STR("1"));
    labels_put(&f->in, STR("aa"), STR("2"));
    expect(f, "- {action: labelmap, regex: '(a+)', replacement: 'a${1}'}",
           "up{a=\"1\", aa=\"1\", aaa=\"2\"}");
}

static void actions_may_be_written_in_any_case(void **state)
{
    struct fixture *f = *state;
    labels_put(&f->in, LABEL_METRIC, STR("up"));
    expect(f, "- {action: Drop, source_labels: [__name__], regex: u.}", "");
    expect(f, "- {action: UPPERCASE, source_labels: [__name__], target_label: __name__}", "UP");
}

static void wrong_rules_are_refused_with_their_place(void **state)
{
    struct fixture *f = *state;
    const char *const wrong[][2] = {
        {"- {target_label: a}\n- {action: nothing}",
         "line 2, column 3: rule 2: unknown relabel action \"nothing\""},
        {"- {regex: '('}", "line 1, column 3: rule 1: relabel configuration for replace action "
                           "requires 'target_label' value"},
        {"- {target_label: a, regex: '('}",
         "line 1, column 3: rule 1: error parsing regexp: missing closing ): "},
        {"- {target: a}", "line 1, column 4: field target not found in type relabel.Config"},
        {"- {action: hashmod, target_label: a}",
         "line 1, column 3: rule 1: relabel configuration for hashmod requires non-zero modulus"},
        {"- {action: keepequal, source_labels: [a], target_label: b, regex: x}",
         "line 1, column 3: rule 1: keepequal action requires only 'source_labels' and "
         "`target_label`, and no other fields"},
        {"- {action: labelkeep, regex: x, target_label: a}",
         "line 1, column 3: rule 1: labelkeep action requires only 'regex', and no other fields"},
        {"-", "line 1, column 2: empty or null relabeling rule"},
        {"- {modulus: -1, action: hashmod, target_label: a}",
         "line 1, column 13: modulus must not be negative"},
    };
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        assert_null(rules_of(f, wrong[i][0]));
        if (strncmp(f->why.text, wrong[i][1], strlen(wrong[i][1])) != 0)
            assert_string_equal(f->why.text, wrong[i][1]);
    }
}

static void legacy_names_are_held_to_their_letters(void **state)
{
    (void)state;
    struct relabel_rule rule = relabel_rule_default;
    rule.legacy_names = true;
    const struct {
        struct str target;
        bool good;
    } rows[] = {{STR("a.b"), false}, {STR("a_${1}_b$2"), true}, {STR("1$1"), false},
                {STR("$1"), true},   {STR("a${1"), false},      {STR("_9"), true}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        rule.target_label = rows[i].target;
        assert_int_equal(relabel_rule_check(&rule, NULL) == 0, rows[i].good);
    }
}

static void too_many_labels_are_refused_and_not_cut(void **state)
{
    struct fixture *f = *state;
    labels_put(&f->in, LABEL_METRIC, STR("up"));
    for (int i = 0; i < LABELS_MAX; i++)
        labels_put(&f->in, arena_printf(&f->arena, "l%d", i), STR("x"));
    struct relabel *r = rules_of(f, "- {action: labelmap, regex: 'l(.*)', replacement: 'm$1'}");
    struct str key;
    assert_non_null(r);
    assert_int_equal(relabel_apply(r, buf_str(&f->in), &f->arena, &key, &f->why), -ERR_LIMIT);
    assert_int_equal(relabel_apply(r, STR("no key"), &f->arena, &key, &f->why), -ERR_FORMAT);
    relabel_free(r);
}

static void digests_are_those_of_the_standard(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
        {"1234567890123456789012345678901234567890123456789012345678901234",
         "eb6c4179c0a7c82cc2828c1e6338e165"},
    };
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        uint8_t digest[MD5_BYTES];
        char hex[2 * MD5_BYTES + 1];
        md5(texts[i][0], strlen(texts[i][0]), digest);
        for (size_t k = 0; k < MD5_BYTES; k++)
            snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        assert_string_equal(hex, texts[i][1]);
    }
}

/* ---- configuration files */

/* Tries every relabelling list below node; the first refusal is in f->why. */
static bool all_read(struct fixture *f, const struct yaml_node *node)
{
    for (size_t i = 0; node && i < node->n; i++) {
        const struct yaml_member *m = &node->members[i];
        struct relabel *r = NULL;
        if (m->key && str_ends(m->key->text, STR("relabel_configs"))) {
            if (relabel_read(m->value, &r, NULL, &f->why))
                return false;
            relabel_free(r);
        } else if (!all_read(f, m->value)) {
            return false;
        }
    }
    return true;
}

static void published_configurations_are_taken_or_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const files[][2] = {
        {"conf.good.yml", NULL},
        {"agent_mode.with_alert_relabels.yml", NULL},
        {"labelkeep2.bad.yml", ""},
        {"labelkeep4.bad.yml", ""},
        {"labeldrop.bad.yml", ""},
        {"labeldrop3.bad.yml", ""},
        {"labeldrop5.bad.yml", ""},
        {"dropequal1.bad.yml", ""},
        {"keepequal1.bad.yml", ""},
        {"lowercase.bad.yml", ""},
        {"uppercase3.bad.yml", ""},
        {"modulus_missing.bad.yml", ""},
        {"target_label_hashmod_missing.bad.yml", ""},
        {"empty_scrape_config_action.bad.yml", "relabel action cannot be empty"},
        {"empty_target_relabel_config.bad.yml", "empty or null"},
    };
    size_t there = 0;
    for (size_t i = 0; i < COUNTOF(files); i++) {
        char name[200], path[CASES_PATH_MAX];
        struct buf text;
        const struct yaml_node *root;
        snprintf(name, sizeof name, "config/prometheus/%s", files[i][0]);
        cases_path(name, path);
        if (!cases_read(path, &text))
            continue;
        there++;
        assert_int_equal(yaml_parse(buf_str(&text), &f->arena, &root, NULL, &f->why), 0);
        bool good = all_read(f, root);
        if (good != (files[i][1] == NULL) || (!good && !strstr(f->why.text, files[i][1])))
            fail_msg("%s: %s", files[i][0], good ? "is taken" : f->why.text);
        buf_done(&text);
    }
    if (there == 0)
        cases_skip("config/prometheus");
}

#define OWN(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_rewritten_as_published),
        cmocka_unit_test(rules_are_checked_as_published),
        OWN(a_label_made_empty_is_gone),
        OWN(dollars_stand_for_themselves_where_doubled),
        OWN(a_map_sees_the_labels_that_were_there_before),
        OWN(actions_may_be_written_in_any_case),
        OWN(wrong_rules_are_refused_with_their_place),
        OWN(legacy_names_are_held_to_their_letters),
        OWN(too_many_labels_are_refused_and_not_cut),
        OWN(digests_are_those_of_the_standard),
        OWN(published_configurations_are_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
