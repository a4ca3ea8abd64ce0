#include "base/mem.h"
#include "discover/group_list.h"
#include "discover/inquiry.h"
#include "net/url.h"
#include "promfile/http/http_client.h"

/* Targets that an HTTP endpoint lists, in the form of files in JSON. */
struct options {
    struct str url;
    int64_t refresh_ms;
    const char *headers[2];
};

struct discovery {
    const struct options *options;
    struct inquiry *inquiry;
    struct str body; /* in the memory of the round */
};

static const struct yaml_struct_field FIELDS[] = {
    {"url", YAML_STRUCT_TEXT, offsetof(struct options, url)},
    {"refresh_interval", YAML_STRUCT_DURATION, offsetof(struct options, refresh_ms)},
};

static const struct yaml_struct SHAPE = {"http.plain", FIELDS, COUNTOF(FIELDS), http_client_key};

static int read_http(const struct yaml_node *entry, struct discovery_read *r,
                     struct discovery_config *ret, struct why *why)
{
    struct options *o = arena_new(r->a, sizeof *o);
    struct url url;
    o->refresh_ms = 60 * 1000;
    int err = yaml_struct_read(entry, &SHAPE, r->a, o, &r->place, why);
    if (err)
        return err;
    if (o->url.n == 0)
        return why_set(why, ERR_FORMAT, "URL is missing");
    err = url_split(o->url, &url, why);
    if (err)
        return err;
    if (!str_eq(url.scheme, STR("http")) && !str_eq(url.scheme, STR("https")))
        return why_set(why, ERR_FORMAT, "URL scheme must be 'http' or 'https'");
    if (url.host.n == 0)
        return why_set(why, ERR_FORMAT, "host is missing in URL");
    if (o->refresh_ms <= 0)
        return why_set(why, ERR_FORMAT, "refresh_interval must be more than 0");
    o->headers[0] = "Accept: application/json";
    o->headers[1] = arena_printf(r->a, "X-Prometheus-Refresh-Interval-Seconds: %g",
                                 (double)o->refresh_ms / 1000)
                        .p;
    ret->options = o;
    return 0;
}

static void begin(void *context)
{
    struct discovery *d = context;
    inquiry_get(d->inquiry, d->options->url, d->options->headers, COUNTOF(d->options->headers), 0,
                NULL);
}

/* application/json, perhaps with a charset of UTF-8, and nothing else. */
static bool is_json(struct str type)
{
    struct str rest = type, head;
    if (!str_split(&rest, ';', &head))
        return false;
    rest = str_trim(rest);
    if (head.n != 16 || strncasecmp(head.p, "application/json", 16) != 0)
        return false;
    static const char *const charsets[] = {"", "charset=utf-8", "charset=\"utf-8\""};
    for (size_t i = 0; i < COUNTOF(charsets); i++) {
        if (rest.n == strlen(charsets[i]) &&
            (rest.n == 0 || strncasecmp(rest.p, charsets[i], rest.n) == 0))
            return true;
    }
    return false;
}

static int answer(void *context, int tag, void *about, const struct fetch_answer *a,
                  struct why *why)
{
    struct discovery *d = context;
    if (!is_json(str_trim(a->content_type)))
        return why_set(why, ERR_FORMAT, "unsupported content type \"" STR_FMT "\"",
                       STR_ARG(a->content_type));
    d->body = arena_str(inquiry_arena(d->inquiry), a->body);
    return 0;
}

static int end(void *context, struct groups *g, struct why *why)
{
    struct discovery *d = context;
    return group_list_json(d->body, g, STR("__meta_url"), d->options->url, why);
}

static int start_http(const struct discovery_config *config, const struct discovery_host *host,
                      struct discovery **ret, struct why *why)
{
    static const struct inquiry_ops ops = {.begin = begin, .answer = answer, .end = end};
    struct discovery *d = mem_new(sizeof *d);
    d->options = config->options;
    struct inquiry_plan plan = {.host = host,
                                .http = &config->http,
                                .refresh_ms = d->options->refresh_ms,
                                .ops = &ops,
                                .context = d};
    int err = inquiry_new(&plan, &d->inquiry, why);
    if (err)
        mem_free(d);
    else
        *ret = d;
    return err;
}

static void stop_http(struct discovery *d)
{
    inquiry_free(d->inquiry);
    mem_free(d);
}

const struct discovery_ops http_discovery = {.key = "http_sd_configs",
                                             .name = "http",
                                             .http = true,
                                             .read = read_http,
                                             .start = start_http,
                                             .stop = stop_http};
