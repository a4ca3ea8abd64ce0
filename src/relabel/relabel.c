#include "relabel/relabel.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"
#include "model/labels.h"
#include "relabel/md5.h"
#include "relabel/relabel_state.h"
#include "text/letter.h"

enum {
    LABELS_ROOM = 2 * LABELS_MAX, /* labels while rules are applied: some may go again */
    TEXT_MAX = 1 << 20,           /* bytes of a joined or replaced text */
};

struct step {
    enum relabel_action action;
    struct relabel_rule rule; /* texts are the arena's */
    struct regex *regex;
    bool constant; /* of replace: the target and the replacement are what they are */
    bool any;      /* the pattern is the default one */
};

struct relabel {
    struct step *steps; /* [n] */
    size_t n;
    struct arena arena;
};

/* ---- labels while rules are applied */

/* In order: those that came with the key by name, then those that rules set, as they were set. */
struct set {
    struct label v[LABELS_ROOM];
    bool own[LABELS_ROOM]; /* set by a rule */
    size_t n;
    bool full;
    struct arena *arena;
};

static size_t find(const struct set *s, struct str name)
{
    size_t i = 0;
    while (i < s->n && !str_eq(s->v[i].name, name))
        i++;
    return i;
}

static struct str get(const struct set *s, struct str name)
{
    size_t i = find(s, name);
    return i < s->n ? s->v[i].value : STR("");
}

static void drop_at(struct set *s, size_t i)
{
    s->n--;
    memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof s->v[0]);
    memmove(&s->own[i], &s->own[i + 1], (s->n - i) * sizeof s->own[0]);
}

/* An empty value removes the label. name and value outlive s. */
static void put(struct set *s, struct str name, struct str value)
{
    size_t i = find(s, name);
    if (i < s->n && s->own[i] && value.n) {
        s->v[i].value = value;
        return;
    }
    if (i < s->n)
        drop_at(s, i);
    if (value.n == 0)
        return;
    if (s->n == LABELS_ROOM) {
        s->full = true;
        return;
    }
    s->v[s->n] = (struct label){name, value};
    s->own[s->n++] = true;
}

static int read_key(struct set *s, struct str key, struct why *why)
{
    bool bad = false;
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, &bad);) {
        if (l.value.n == 0)
            continue;
        if (s->n == LABELS_ROOM)
            return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_ROOM);
        s->v[s->n++] = l;
    }
    if (bad)
        return why_set(why, ERR_FORMAT, "the labels are not a well-formed protobuf message");
    labels_sort(s->v, s->n);
    return 0;
}

/* ---- actions */

/* The values of the source labels, joined. */
static struct str joined(const struct step *step, const struct set *s)
{
    const struct relabel_rule *rule = &step->rule;
    if (rule->source_labels_n == 0)
        return STR("");
    if (rule->source_labels_n == 1)
        return get(s, rule->source_labels[0]);
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < rule->source_labels_n; i++) {
        if (i)
            buf_put_str(&b, rule->separator);
        buf_put_str(&b, get(s, rule->source_labels[i]));
    }
    struct str text = arena_str(s->arena, buf_str(&b));
    buf_done(&b);
    return text;
}

/* template with the groups of the match; false where value does not match. */
static bool expand(const struct step *step, struct str value, struct str template,
                   const struct set *s, struct str *ret)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    bool matches = regex_expand(step->regex, value, template, &b);
    if (matches)
        *ret = arena_str(s->arena, buf_str(&b));
    buf_done(&b);
    return matches;
}

static void replace(const struct step *step, struct set *s, struct str value)
{
    struct str target, text;
    if (step->constant && (step->any || regex_match(step->regex, value))) {
        put(s, step->rule.target_label, step->rule.replacement);
        return;
    }
    if (step->constant || !expand(step, value, step->rule.target_label, s, &target))
        return;
    if (relabel_rule_label(&step->rule, target) &&
        expand(step, value, step->rule.replacement, s, &text))
        put(s, target, text);
}

static void hashmod(const struct step *step, struct set *s, struct str value)
{
    uint8_t digest[MD5_BYTES];
    uint64_t last = 0;
    md5(value.p, value.n, digest);
    for (size_t i = MD5_BYTES - sizeof last; i < MD5_BYTES; i++)
        last = last << 8 | digest[i];
    put(s, step->rule.target_label,
        arena_printf(s->arena, "%llu", (unsigned long long)(last % step->rule.modulus)));
}

static void labelmap(const struct step *step, struct set *s)
{
    struct set before = *s; /* what is set here is not looked at */
    for (size_t i = 0; i < before.n; i++) {
        struct str name;
        if (expand(step, before.v[i].name, step->rule.replacement, s, &name) && name.n)
            put(s, name, before.v[i].value);
    }
}

static void keep_names(const struct step *step, struct set *s, bool matching)
{
    for (size_t i = s->n; i-- > 0;)
        if (regex_match(step->regex, s->v[i].name) != matching)
            drop_at(s, i);
}

static void turn(const struct step *step, struct set *s, struct str value)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    if (step->action == RELABEL_UPPERCASE)
        letter_put_upper(value, &b);
    else
        letter_put_lower(value, &b);
    put(s, step->rule.target_label, arena_str(s->arena, buf_str(&b)));
    buf_done(&b);
}

/* False: the labels are dropped. */
static bool take(const struct step *step, struct set *s)
{
    struct str value = joined(step, s);
    switch (step->action) {
    case RELABEL_REPLACE:
        replace(step, s, value);
        break;
    case RELABEL_KEEP:
        return regex_match(step->regex, value);
    case RELABEL_DROP:
        return !regex_match(step->regex, value);
    case RELABEL_KEEPEQUAL:
        return str_eq(get(s, step->rule.target_label), value);
    case RELABEL_DROPEQUAL:
        return !str_eq(get(s, step->rule.target_label), value);
    case RELABEL_HASHMOD:
        hashmod(step, s, value);
        break;
    case RELABEL_LABELMAP:
        labelmap(step, s);
        break;
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        keep_names(step, s, step->action == RELABEL_LABELKEEP);
        break;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        turn(step, s, value);
        break;
    case RELABEL_ACTIONS:
        must_not_reach();
    }
    return true;
}

int relabel_apply_first(const struct relabel *r, size_t n, struct str key, struct arena *a,
                        struct str *ret, struct why *why)
{
    struct set s = {.arena = a};
    int err = read_key(&s, key, why);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        if (!take(&r->steps[i], &s))
            return 0;
    if (s.full)
        return why_set(why, ERR_LIMIT, "more than %d labels after relabelling", LABELS_ROOM);
    struct buf out;
    buf_init(&out, LABELS_KEY_MAX + LABELS_ROOM * 16);
    err = labels_encode_bare(s.v, s.n, &out, why);
    if (!err)
        *ret = arena_str(a, buf_str(&out));
    buf_done(&out);
    return err ? err : 1;
}

/* ---- rules */

size_t relabel_count(const struct relabel *r)
{
    return r->n;
}

const struct relabel_rule *relabel_at(const struct relabel *r, size_t i)
{
    return &r->steps[i].rule;
}

int relabel_apply(const struct relabel *r, struct str key, struct arena *a, struct str *ret,
                  struct why *why)
{
    return relabel_apply_first(r, r->n, key, a, ret, why);
}

static void compile(struct relabel *r, struct step *step, const struct relabel_rule *from)
{
    struct relabel_rule *to = &step->rule;
    struct str *sources = arena_array(&r->arena, from->source_labels_n + 1, sizeof *sources);
    *to = *from;
    for (size_t i = 0; i < from->source_labels_n; i++)
        sources[i] = arena_str(&r->arena, from->source_labels[i]);
    to->source_labels = sources;
    to->action = arena_str(&r->arena, from->action);
    to->separator = arena_str(&r->arena, from->separator);
    to->regex = arena_str(&r->arena, from->regex);
    to->target_label = arena_str(&r->arena, from->target_label);
    to->replacement = arena_str(&r->arena, from->replacement);
    must(relabel_rule_action(from->action, &step->action)); /* has been checked */
    step->any = str_eq(to->regex, relabel_rule_default.regex);
    step->constant = str_find(to->target_label, '$') == to->target_label.n &&
                     str_find(to->replacement, '$') == to->replacement.n;
}

int relabel_new(const struct relabel_rule *rules, size_t n, struct relabel **ret, size_t *ret_at,
                struct why *why)
{
    struct relabel *r = mem_new(sizeof *r);
    int err = n > RELABEL_RULES_MAX
                  ? why_set(why, ERR_LIMIT, "more than %d relabelling rules", RELABEL_RULES_MAX)
                  : 0;
    arena_init(&r->arena);
    r->steps = mem_array(n + 1, sizeof *r->steps);
    for (size_t i = 0; i < n && !err; i++) {
        err = relabel_rule_check(&rules[i], why);
        if (!err)
            err = regex_new(rules[i].regex, &r->steps[i].regex, why);
        if (err && ret_at)
            *ret_at = i;
        if (err)
            why_prefix(why, "rule %zu", i + 1);
        else
            compile(r, &r->steps[r->n++], &rules[i]);
    }
    if (err) {
        relabel_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void relabel_free(struct relabel *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        regex_free(r->steps[i].regex);
    mem_free(r->steps);
    arena_done(&r->arena);
    mem_free(r);
}
