#include "notify/wording.h"

#include "base/must.h"
#include "notify/wording_inside.h"
#include "text/letter.h"

struct wording {
    const struct template_set *templates;
    struct template_value dot;
    struct wording_context context;
    struct arena *arena;
    const struct message *message;
    struct why fault;
    bool faulty;
};

struct template_set *wording_set_new(struct arena *a)
{
    struct template_set *set = template_set_new(a, &wording_functions);
    must(template_parse(set, str_c(wording_texts), STR("default.tmpl"), NULL) == 0);
    return set;
}

int wording_add(struct template_set *set, struct str text, struct str name, struct why *why)
{
    return template_parse(set, text, name, why);
}

struct wording *wording_new(const struct template_set *templates, const struct message *m,
                            int64_t now_ms, struct arena *a)
{
    struct wording *w = arena_new(a, sizeof *w);
    w->templates = templates ? templates : wording_set_new(a);
    w->dot = wording_data(m, a);
    w->context.now_ms = now_ms;
    w->arena = a;
    w->message = m;
    return w;
}

const char *wording_fault(const struct wording *w)
{
    return w->faulty ? w->fault.text : NULL;
}

static int expand(struct wording *w, struct str text, bool html, struct str *ret, struct why *why)
{
    struct template_settings settings = {
        .missing = TEMPLATE_MISSING_ZERO, .html = html, .context = &w->context};
    struct buf b;
    struct template_set *set = template_set_over(w->arena, w->templates);
    int err = template_parse(set, text, STR(""), why);
    if (err)
        return err;
    buf_init(&b, WORDING_TEXT_MAX);
    err = template_run(set, STR(""), &w->dot, &settings, w->arena, &b, why);
    if (!err)
        *ret = arena_str(w->arena, buf_str(&b));
    buf_done(&b);
    return err;
}

/* Expands, or remembers why not. */
static bool expanded(struct wording *w, struct str text, bool html, struct str *ret)
{
    struct why why;
    *ret = text;
    if (str_search(text, STR("{{")) == text.n || expand(w, text, html, ret, &why) == 0)
        return true;
    if (!w->faulty)
        w->fault = why;
    w->faulty = true;
    return false;
}

/* What can be said without the template that failed. */
static struct str instead(struct wording *w, bool html)
{
    static const char SAY[] = "{{ template \"__subject\" . }} (the template of this text is "
                              "wrong, see the log of Sonde)";
    struct str ret;
    struct wording plain = *w;
    struct arena *a = w->arena;
    plain.templates = wording_set_new(a);
    if (expand(&plain, str_c(SAY), html, &ret, NULL) != 0)
        ret = STR("The template of this notification is wrong, see the log of Sonde.");
    return ret;
}

struct str wording_text(struct wording *w, struct str text)
{
    struct str ret;
    return expanded(w, text, false, &ret) ? ret : instead(w, false);
}

struct str wording_html(struct wording *w, struct str text)
{
    struct str ret;
    return expanded(w, text, true, &ret) ? ret : instead(w, true);
}

struct str wording_plain(struct wording *w, struct str text)
{
    struct str ret;
    return expanded(w, text, false, &ret) ? ret : STR("");
}

struct str wording_cut(struct str s, size_t max, struct arena *a)
{
    struct str rest = s;
    size_t runes = 0, keep = 0;
    for (size_t used; rest.n > 0; rest = str_sub(rest, used, rest.n)) {
        (void)letter_next(rest, &used);
        runes++;
        if (runes < max)
            keep = (size_t)(rest.p - s.p) + used;
    }
    if (runes <= max)
        return s;
    return arena_printf(a, STR_FMT "%s", (int)keep, s.p, max ? "\xe2\x80\xa6" : "");
}

struct str wording_cut_bytes(struct str s, size_t max, struct arena *a)
{
    if (s.n <= max)
        return s;
    size_t keep = max < 3 ? 0 : max - 3;
    while (keep > 0 && ((unsigned char)s.p[keep] & 0xc0) == 0x80)
        keep--;
    return arena_printf(a, STR_FMT "%s", (int)keep, s.p, max < 3 ? "" : "\xe2\x80\xa6");
}
