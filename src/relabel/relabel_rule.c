#include "model/labels.h"
#include "relabel/relabel_state.h"

/* STR() is no constant expression. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

const struct relabel_rule relabel_rule_default = {
    .action = TEXT("replace"),
    .separator = TEXT(";"),
    .regex = TEXT("(.*)"),
    .replacement = TEXT("$1"),
};

static const char *const NAMES[RELABEL_ACTIONS] = {
    [RELABEL_REPLACE] = "replace",     [RELABEL_KEEP] = "keep",
    [RELABEL_DROP] = "drop",           [RELABEL_KEEPEQUAL] = "keepequal",
    [RELABEL_DROPEQUAL] = "dropequal", [RELABEL_HASHMOD] = "hashmod",
    [RELABEL_LABELMAP] = "labelmap",   [RELABEL_LABELDROP] = "labeldrop",
    [RELABEL_LABELKEEP] = "labelkeep", [RELABEL_LOWERCASE] = "lowercase",
    [RELABEL_UPPERCASE] = "uppercase",
};

static bool equal_in_any_case(struct str s, const char *lower)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 'a' - 'A') : s.p[i];
        if (c != lower[i])
            return false;
    }
    return lower[s.n] == '\0';
}

bool relabel_rule_action(struct str name, enum relabel_action *ret)
{
    for (size_t i = 0; i < RELABEL_ACTIONS; i++)
        if (equal_in_any_case(name, NAMES[i])) {
            *ret = (enum relabel_action)i;
            return true;
        }
    return false;
}

bool relabel_rule_label(const struct relabel_rule *rule, struct str s)
{
    return rule->legacy_names ? label_name_plain(s) : s.n > 0 && str_utf8(s);
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool relabel_rule_template(struct str s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '$' && (s.p[i + 1] == '{' || is_word(s.p[i + 1])))
            return true;
    return false;
}

/* A label name of which parts may be $1 or ${name}. */
static bool label_template(const struct relabel_rule *rule, struct str s)
{
    if (!rule->legacy_names)
        return s.n > 0 && str_utf8(s);
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] != '$') {
            if (!is_word(s.p[i]) || (i == 0 && s.p[i] >= '0' && s.p[i] <= '9'))
                return false;
            i++;
            continue;
        }
        bool brace = ++i < s.n && s.p[i] == '{';
        size_t from = i += brace;
        while (i < s.n && is_word(s.p[i]))
            i++;
        if (i == from || (brace && (i == s.n || s.p[i++] != '}')))
            return false;
    }
    return s.n > 0;
}

static int bad_target(const struct relabel_rule *rule, const char *action, struct why *why)
{
    return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is invalid 'target_label' for %s action",
                   STR_ARG(rule->target_label), action);
}

static bool is_default(struct str s, struct str fallback)
{
    return str_eq(s, fallback);
}

static int check_target(const struct relabel_rule *rule, enum relabel_action action,
                        struct why *why)
{
    bool needed = action == RELABEL_REPLACE || action == RELABEL_HASHMOD ||
                  action == RELABEL_KEEPEQUAL || action == RELABEL_DROPEQUAL ||
                  action == RELABEL_LOWERCASE || action == RELABEL_UPPERCASE;
    if (!needed)
        return 0;
    if (rule->target_label.n == 0)
        return why_set(why, ERR_FORMAT,
                       "relabel configuration for %s action requires 'target_label' value",
                       NAMES[action]);
    bool template = action == RELABEL_REPLACE && relabel_rule_template(rule->target_label);
    bool good = template ? label_template(rule, rule->target_label)
                         : relabel_rule_label(rule, rule->target_label);
    return good ? 0 : bad_target(rule, NAMES[action], why);
}

/* Members that an action does not look at must be the default, or somebody meant something else. */
static int check_unused(const struct relabel_rule *rule, enum relabel_action action,
                        struct why *why)
{
    const struct relabel_rule *d = &relabel_rule_default;
    bool same_replacement = is_default(rule->replacement, d->replacement);
    bool same = is_default(rule->separator, d->separator) && rule->modulus == 0 && same_replacement;
    bool equal = action == RELABEL_KEEPEQUAL || action == RELABEL_DROPEQUAL;
    bool turned = action == RELABEL_LOWERCASE || action == RELABEL_UPPERCASE;
    if ((equal || turned) && !same_replacement)
        return why_set(why, ERR_FORMAT, "'replacement' can not be set for %s action",
                       NAMES[action]);
    if (equal && !(same && is_default(rule->regex, d->regex)))
        return why_set(why, ERR_FORMAT,
                       "%s action requires only 'source_labels' and `target_label`, and no other "
                       "fields",
                       NAMES[action]);
    if ((action == RELABEL_LABELDROP || action == RELABEL_LABELKEEP) &&
        !(same && rule->source_labels_n == 0 && rule->target_label.n == 0))
        return why_set(why, ERR_FORMAT, "%s action requires only 'regex', and no other fields",
                       NAMES[action]);
    return 0;
}

int relabel_rule_check(const struct relabel_rule *rule, struct why *why)
{
    enum relabel_action action;
    if (rule->action.n == 0)
        return why_set(why, ERR_FORMAT, "relabel action cannot be empty");
    if (!relabel_rule_action(rule->action, &action))
        return why_set(why, ERR_FORMAT, "unknown relabel action \"" STR_FMT "\"",
                       STR_ARG(rule->action));
    if (rule->source_labels_n > RELABEL_SOURCES_MAX)
        return why_set(why, ERR_LIMIT, "more than %d source labels", RELABEL_SOURCES_MAX);
    for (size_t i = 0; i < rule->source_labels_n; i++)
        if (!relabel_rule_label(rule, rule->source_labels[i]))
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not a valid label name",
                           STR_ARG(rule->source_labels[i]));
    if (action == RELABEL_HASHMOD && rule->modulus == 0)
        return why_set(why, ERR_FORMAT,
                       "relabel configuration for hashmod requires non-zero modulus");
    int err = check_target(rule, action, why);
    if (err)
        return err;
    if (action == RELABEL_LABELMAP && !label_template(rule, rule->replacement))
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is invalid 'replacement' for %s action",
                       STR_ARG(rule->replacement), NAMES[action]);
    return check_unused(rule, action, why);
}
