#include "notify/kind.h"

enum {
    SUMMARY = 1024,         /* runes of version 2 */
    DESCRIPTION = 1024,     /* runes of version 1 */
    EVENT_BYTES = 512 << 10 /* of an event */
};

struct attachment {
    struct str href, text, src, alt;
};

struct pagerduty {
    struct fetch_settings http;
    struct str service_key, service_key_file, routing_key, routing_key_file, url;
    struct str client, client_url, description, source, severity, class, component, group;
    int64_t timeout_ms;
    struct yaml_struct_pairs details;
    const struct attachment *images, *links; /* [images_n], [links_n] */
    size_t images_n, links_n;
};

static void put_details(struct kind_body *b, const struct pagerduty *p, bool short_of_room)
{
    if (short_of_room) {
        kind_text(b, "error", STR("The details were left out: the event was larger than 512 KB."));
        return;
    }
    kind_pairs(b, &p->details);
}

static void put_attachments(struct kind_body *b, const char *key, const struct attachment *v,
                            size_t n)
{
    if (n == 0)
        return;
    kind_open(b, key, '[');
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&b->w);
        kind_plain(b, "href", v[i].href);
        kind_plain(b, "src", v[i].src);
        kind_words(b, "alt", v[i].alt, 0);
        kind_words(b, "text", v[i].text, 0);
        json_end_object(&b->w);
    }
    json_end_array(&b->w);
}

static struct str event_v2(struct notify_send *s, const struct pagerduty *p, struct str key,
                           bool short_of_room)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_text(&b, "routing_key", key);
    kind_text(&b, "dedup_key", kind_group(s));
    kind_text(&b, "event_action", message_firing(s->message) ? STR("trigger") : STR("resolve"));
    kind_open(&b, "payload", '{');
    kind_text(&b, "summary", kind_runes(s, p->description, SUMMARY));
    kind_text(&b, "source", wording_plain(s->words, p->source));
    struct str severity = wording_plain(s->words, p->severity);
    kind_text(&b, "severity", kind_or(severity, "error"));
    kind_plain(&b, "class", p->class);
    kind_plain(&b, "component", p->component);
    kind_plain(&b, "group", p->group);
    kind_open(&b, "custom_details", '{');
    put_details(&b, p, short_of_room);
    json_end_object(&b.w);
    json_end_object(&b.w);
    kind_plain(&b, "client", p->client);
    kind_plain(&b, "client_url", p->client_url);
    put_attachments(&b, "images", p->images, p->images_n);
    put_attachments(&b, "links", p->links, p->links_n);
    return kind_end(&b);
}

static struct str event_v1(struct notify_send *s, const struct pagerduty *p, struct str key,
                           bool short_of_room)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_text(&b, "service_key", key);
    kind_text(&b, "incident_key", kind_group(s));
    kind_text(&b, "event_type", message_firing(s->message) ? STR("trigger") : STR("resolve"));
    kind_text(&b, "description", kind_runes(s, p->description, DESCRIPTION));
    kind_plain(&b, "client", p->client);
    kind_plain(&b, "client_url", p->client_url);
    kind_open(&b, "details", '{');
    put_details(&b, p, short_of_room);
    json_end_object(&b.w);
    return kind_end(&b);
}

static bool old_way(const struct pagerduty *p)
{
    return p->service_key.n + p->service_key_file.n > 0;
}

/* The first way answers that it was asked too often with 403. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    if (a->status != 403 || !old_way(s->integration->settings))
        return false;
    *o = (struct notify_outcome){.err = -ERR_BUSY, .retry = true, .why = "it answered 403"};
    return true;
}

static void start(struct notify_send *s)
{
    const struct pagerduty *p = s->integration->settings;
    struct post_request r = {.url = p->url, .judge = judge, .timeout_ms = p->timeout_ms};
    struct str key;
    if (!(old_way(p) ? post_secret(s, p->service_key, p->service_key_file, &key)
                     : post_secret(s, p->routing_key, p->routing_key_file, &key)))
        return;
    if (old_way(p))
        r.url = STR("https://events.pagerduty.com/generic/2010-04-15/create_event.json");
    if (old_way(p) && p->url.n > 0)
        r.url = p->url;
    key = wording_plain(s->words, key);
    r.secrets[0] = key;
    struct str (*event)(struct notify_send *, const struct pagerduty *, struct str, bool) =
        old_way(p) ? event_v1 : event_v2;
    r.body = event(s, p, key, false);
    if (r.body.n > EVENT_BYTES)
        r.body = event(s, p, key, true);
    post_start(s, &r);
}

/* ---- settings */

static void preset(const struct notify_reading *r, void *settings)
{
    struct pagerduty *p = settings;
    p->description = STR("{{ template \"pagerduty.default.description\" . }}");
    p->client = STR("{{ template \"pagerduty.default.client\" . }}");
    p->client_url = STR("{{ template \"pagerduty.default.clientURL\" . }}");
}

static const struct yaml_struct_field IMAGE[] = {
    KIND_TEXT(attachment, href),
    KIND_TEXT(attachment, src),
    KIND_TEXT(attachment, alt),
};
static const struct yaml_struct IMAGE_SHAPE = {"config.PagerdutyImage", IMAGE, COUNTOF(IMAGE),
                                               NULL};
static const struct yaml_struct_field LINK[] = {
    KIND_TEXT(attachment, href),
    KIND_TEXT(attachment, text),
};
static const struct yaml_struct LINK_SHAPE = {"config.PagerdutyLink", LINK, COUNTOF(LINK), NULL};

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct pagerduty *p = settings;
    int err = kind_list(r, item, "images", &IMAGE_SHAPE, sizeof *p->images, &p->images,
                        &p->images_n, ret_place, why);
    if (!err)
        err = kind_list(r, item, "links", &LINK_SHAPE, sizeof *p->links, &p->links, &p->links_n,
                        ret_place, why);
    return err;
}

/* The usual details, where the file has none of that name. */
static void add_details(const struct notify_reading *r, struct pagerduty *p)
{
    static const struct yaml_struct_pair USUAL[] = {
        {{"firing", 6}, {NULL, 0}},
        {{"resolved", 8}, {NULL, 0}},
        {{"num_firing", 10}, {NULL, 0}},
        {{"num_resolved", 12}, {NULL, 0}},
    };
    static const char *const TEXTS[] = {
        "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}",
        "{{ template \"pagerduty.default.instances\" .Alerts.Resolved }}",
        "{{ .Alerts.Firing | len }}", "{{ .Alerts.Resolved | len }}"};
    struct yaml_struct_pair *v = arena_array(r->arena, p->details.n + COUNTOF(USUAL), sizeof *v);
    size_t n = p->details.n;
    if (n)
        memcpy(v, p->details.v, n * sizeof *v);
    for (size_t i = 0; i < COUNTOF(USUAL); i++) {
        bool there = false;
        for (size_t k = 0; k < p->details.n; k++)
            there = there || str_eq(p->details.v[k].name, USUAL[i].name);
        if (!there)
            v[n++] = (struct yaml_struct_pair){USUAL[i].name, str_c(TEXTS[i])};
    }
    p->details = (struct yaml_struct_pairs){v, n};
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct pagerduty *p = settings;
    if (!old_way(p) && p->routing_key.n + p->routing_key_file.n == 0)
        return why_set(why, ERR_FORMAT, "missing service or routing key in PagerDuty config");
    int err = kind_either(p->routing_key, p->routing_key_file, "routing_key", true, why);
    if (!err)
        err = kind_either(p->service_key, p->service_key_file, "service_key", true, why);
    if (err)
        return err;
    if (p->source.n == 0)
        p->source = p->client;
    if (p->url.n == 0 && !old_way(p))
        p->url = kind_or(r->globals->pagerduty_url, "https://events.pagerduty.com/v2/enqueue");
    add_details(r, p);
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct pagerduty *p = settings;
    p->url = str_c(row->url);
    p->routing_key = str_c(row->secret);
    p->routing_key_file = str_c(row->secret_file);
    p->severity = STR("{{ with .CommonLabels.severity }}{{ if match \"^(critical|error|warning|"
                      "info)$\" . }}{{ . }}{{ end }}{{ end }}");
    if (row->template_text[0])
        p->description = str_c(row->template_text);
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(pagerduty, service_key),
    KIND_TEXT(pagerduty, service_key_file),
    KIND_TEXT(pagerduty, routing_key),
    KIND_TEXT(pagerduty, routing_key_file),
    KIND_TEXT(pagerduty, url),
    KIND_TEXT(pagerduty, client),
    KIND_TEXT(pagerduty, client_url),
    KIND_TEXT(pagerduty, description),
    KIND_TEXT(pagerduty, source),
    KIND_TEXT(pagerduty, severity),
    KIND_TEXT(pagerduty, class),
    KIND_TEXT(pagerduty, component),
    KIND_TEXT(pagerduty, group),
    {"timeout", YAML_STRUCT_DURATION, offsetof(struct pagerduty, timeout_ms)},
    {"details", YAML_STRUCT_PAIRS, offsetof(struct pagerduty, details)},
    {"images", YAML_STRUCT_ELSE, 0},
    {"links", YAML_STRUCT_ELSE, 0},
};
KIND_SHAPE(FIELDS);

const struct notifier pagerduty_notifier = {
    .kind = "pagerduty",
    .yaml_key = "pagerduty_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct pagerduty),
    .shape = &SHAPE,
    .preset = preset,
    .also = also,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
