// RE2 behind text/regex.h.
#include <string>

#include <re2/re2.h>

extern "C" {
#include "text/regex.h"
}

struct regex {
    RE2 re;
    regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options)
    {
    }
};

// The words of Go's regexp/syntax, which users of Prometheus know.
static const char *text_of(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
        return "invalid character class";
    case RE2::ErrorBadCharRange:
        return "invalid character class range";
    case RE2::ErrorMissingBracket:
        return "missing closing ]";
    case RE2::ErrorMissingParen:
        return "missing closing )";
    case RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
        return "expression too large";
    default:
        return "internal error";
    }
}

static int compile(struct str pattern, bool anchored, struct regex **ret, struct why *why)
{
    if (pattern.n > REGEX_PATTERN_MAX)
        return why_set(why, ERR_LIMIT, "error parsing regexp: longer than %d bytes",
                       REGEX_PATTERN_MAX);

    RE2::Options options;
    options.set_dot_nl(anchored);
    options.set_log_errors(false);
    options.set_max_mem(REGEX_MEMORY_MAX);
    struct buf text;
    buf_init(&text, 2 * REGEX_PATTERN_MAX);
    regex_respell(pattern, &text);
    auto *re = new regex(re2::StringPiece(text.p, text.n), options);
    buf_done(&text);
    if (!re->re.ok()) {
        auto code = re->re.error_code();
        // Prometheus shows a whole pattern as it hands it to its parser.
        bool whole = code == RE2::ErrorMissingParen || code == RE2::ErrorUnexpectedParen;
        std::string arg = re->re.error_arg(), all(pattern.n ? pattern.p : "", pattern.n);
        if (whole)
            arg = anchored ? "^(?s:" + all + ")$" : all;
        int err = why_set(why, code == RE2::ErrorPatternTooLarge ? ERR_LIMIT : ERR_FORMAT,
                          arg.empty() ? "error parsing regexp: %s%s"
                                      : "error parsing regexp: %s: `%s`",
                          text_of(code), arg.c_str());
        delete re;
        return err;
    }
    *ret = re;
    return 0;
}

int regex_new(struct str pattern, struct regex **ret, struct why *why)
{
    return compile(pattern, true, ret, why);
}

int regex_new_search(struct str pattern, struct regex **ret, struct why *why)
{
    return compile(pattern, false, ret, why);
}

void regex_free(struct regex *re)
{
    delete re;
}

bool regex_match(const struct regex *re, struct str text)
{
    return re->re.Match(re2::StringPiece(text.p, text.n), 0, text.n, RE2::ANCHOR_BOTH, nullptr, 0);
}

static bool groups(const struct regex *re, struct str text, size_t from, RE2::Anchor anchor,
                   struct str *ret, size_t n)
{
    re2::StringPiece pieces[REGEX_GROUPS_MAX];
    size_t wanted = n < (size_t)REGEX_GROUPS_MAX ? n : (size_t)REGEX_GROUPS_MAX;
    size_t have = regex_groups_n(re) + 1;
    size_t asked = wanted < have ? wanted : have;
    // RE2 tells "took no part" by a null pointer, so the text must not have one itself.
    const char *p = text.n ? text.p : "";
    if (!re->re.Match(re2::StringPiece(p, text.n), from, text.n, anchor, pieces, (int)asked))
        return false;
    for (size_t i = 0; i < n; i++)
        ret[i] = i < asked ? str_of(pieces[i].data(), pieces[i].size()) : str_of(nullptr, 0);
    return true;
}

bool regex_groups(const struct regex *re, struct str text, struct str *ret, size_t n)
{
    return groups(re, text, 0, RE2::ANCHOR_BOTH, ret, n);
}

bool regex_find(const struct regex *re, struct str text, size_t from, struct str *ret, size_t n)
{
    return groups(re, text, from, RE2::UNANCHORED, ret, n);
}

size_t regex_groups_n(const struct regex *re)
{
    return (size_t)re->re.NumberOfCapturingGroups();
}

size_t regex_group_of(const struct regex *re, struct str name)
{
    const auto &groups = re->re.NamedCapturingGroups();
    auto at = groups.find(std::string(name.n ? name.p : "", name.n));
    return at == groups.end() ? 0 : (size_t)at->second;
}

struct str regex_group_name(const struct regex *re, size_t i)
{
    const auto &names = re->re.CapturingGroupNames();
    auto at = names.find((int)i);
    return at == names.end() ? STR("") : str_of(at->second.data(), at->second.size());
}
