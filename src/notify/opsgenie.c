#include "model/labels.h"
#include "notify/kind.h"
#include "text/letter.h"

enum { MESSAGE = 130, DESCRIPTION = 15000 /* runes that Opsgenie takes */ };

struct responder {
    struct str id, name, username, type;
};

struct opsgenie {
    struct fetch_settings http;
    struct str api_key, api_key_file, api_url, message, description, source, entity, actions, tags;
    struct str note, priority;
    bool update_alerts;
    struct yaml_struct_pairs details;
    const struct responder *responders; /* [responders_n] */
    size_t responders_n;
};

/* Requests one after the other: make, then change what is there already. */
struct sending {
    struct post_request request;
    unsigned step;
};

static void put_details(struct kind_body *b, const struct opsgenie *o)
{
    struct str labels = message_common_labels(b->s->message, b->s->arena);
    struct label l;
    kind_open(b, "details", '{');
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        bool own = false;
        for (size_t i = 0; i < o->details.n; i++)
            own = own || str_eq(o->details.v[i].name, l.name);
        if (!own)
            kind_text(b, arena_str(b->s->arena, l.name).p, l.value);
    }
    kind_pairs(b, &o->details);
    json_end_object(&b->w);
}

static void put_responder(struct kind_body *b, const struct responder *r, struct str name,
                          struct str type)
{
    json_begin_object(&b->w);
    kind_plain(b, "id", r->id);
    kind_some(b, "name", name);
    kind_plain(b, "username", r->username);
    kind_some(b, "type", type);
    json_end_object(&b->w);
}

/* "teams" is a list of names of teams, separated by commas. */
static void put_responders(struct kind_body *b, const struct opsgenie *o)
{
    if (o->responders_n == 0)
        return;
    kind_open(b, "responders", '[');
    for (size_t i = 0; i < o->responders_n; i++) {
        const struct responder *r = &o->responders[i];
        struct str type = wording_plain(b->s->words, r->type), team;
        struct str name = wording_plain(b->s->words, r->name);
        if (!str_eq(type, STR("teams"))) {
            put_responder(b, r, name, type);
            continue;
        }
        while (str_split(&name, ',', &team))
            put_responder(b, r, str_trim(team), STR("team"));
    }
    json_end_array(&b->w);
}

static void put_list(struct kind_body *b, const char *key, struct str template)
{
    struct str rest = wording_plain(b->s->words, template), item;
    if (rest.n == 0)
        return;
    kind_open(b, key, '[');
    while (str_split(&rest, ',', &item))
        json_text(&b->w, str_trim(item));
    json_end_array(&b->w);
}

static struct str make_body(struct notify_send *s, const struct opsgenie *o)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_text(&b, "alias", kind_group(s));
    kind_text(&b, "message", kind_runes(s, o->message, MESSAGE));
    kind_words(&b, "description", o->description, DESCRIPTION);
    put_details(&b, o);
    kind_plain(&b, "source", o->source);
    put_responders(&b, o);
    put_list(&b, "tags", o->tags);
    kind_words(&b, "note", o->note, 0);
    kind_plain(&b, "priority", o->priority);
    kind_plain(&b, "entity", o->entity);
    put_list(&b, "actions", o->actions);
    return kind_end(&b);
}

static struct str one_body(struct notify_send *s, const char *key, struct str text)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_text(&b, key, text);
    return kind_end(&b);
}

static struct str alert_url(struct notify_send *s, const char *what)
{
    const struct opsgenie *o = s->integration->settings;
    return arena_printf(s->arena, STR_FMT "v2/alerts/" STR_FMT "/%s?identifierType=alias",
                        STR_ARG(o->api_url), STR_ARG(kind_group(s)), what);
}

/* What follows a request that went well, where there is more to do. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *out)
{
    const struct opsgenie *o = s->integration->settings;
    struct sending *x = s->kind;
    if (a->status / 100 != 2 || !o->update_alerts || !message_firing(s->message) || x->step == 2)
        return false;
    bool first = x->step++ == 0;
    struct str text =
        first ? kind_runes(s, o->message, MESSAGE) : kind_runes(s, o->description, DESCRIPTION);
    x->request.method = "PUT";
    x->request.url = alert_url(s, first ? "message" : "description");
    x->request.body = one_body(s, first ? "message" : "description", text);
    out->err = -ERR_BUSY;
    post_start(s, &x->request);
    return true;
}

static void start(struct notify_send *s)
{
    const struct opsgenie *o = s->integration->settings;
    struct sending *x = arena_new(s->arena, sizeof *x);
    struct str key;
    s->kind = x;
    if (!post_secret(s, o->api_key, o->api_key_file, &key))
        return;
    key = wording_plain(s->words, key);
    struct str authorization = arena_printf(s->arena, "GenieKey " STR_FMT, STR_ARG(key));
    x->request = (struct post_request){.secrets = {key}, .judge = judge};
    x->request.headers[x->request.headers_n++] = post_header(s, "Authorization", authorization);
    if (message_firing(s->message)) {
        x->request.url = arena_printf(s->arena, STR_FMT "v2/alerts", STR_ARG(o->api_url));
        x->request.body = make_body(s, o);
    } else {
        x->request.url = alert_url(s, "close");
        x->request.body = one_body(s, "source", wording_plain(s->words, o->source));
    }
    post_start(s, &x->request);
}

/* ---- settings */

static void preset(const struct notify_reading *r, void *settings)
{
    struct opsgenie *o = settings;
    o->message = STR("{{ template \"opsgenie.default.message\" . }}");
    o->description = STR("{{ template \"opsgenie.default.description\" . }}");
    o->source = STR("{{ template \"opsgenie.default.source\" . }}");
}

static const struct yaml_struct_field RESPONDER[] = {
    KIND_TEXT(responder, id),
    KIND_TEXT(responder, name),
    KIND_TEXT(responder, username),
    KIND_TEXT(responder, type),
};
static const struct yaml_struct RESPONDER_SHAPE = {"config.OpsGenieConfigResponder", RESPONDER,
                                                   COUNTOF(RESPONDER), NULL};

static int check_responder(const struct responder *r, struct why *why)
{
    static const char *const TYPES[] = {"team", "teams", "user", "escalation", "schedule"};
    if (r->id.n + r->username.n + r->name.n == 0)
        return why_set(why, ERR_FORMAT,
                       "opsGenieConfig responder {" STR_FMT "} has to have at least one of id, "
                       "username or name specified",
                       STR_ARG(r->type));
    bool known = str_search(r->type, STR("{{")) < r->type.n;
    for (size_t i = 0; i < COUNTOF(TYPES); i++)
        known = known || str_eq(r->type, str_c(TYPES[i]));
    if (!known)
        return why_set(why, ERR_FORMAT,
                       "opsGenieConfig responder {" STR_FMT "} type does not match valid options "
                       "^(team|teams|user|escalation|schedule)$",
                       STR_ARG(r->type));
    return 0;
}

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct opsgenie *o = settings;
    struct responder *v = NULL;
    int err = kind_list(r, item, "responders", &RESPONDER_SHAPE, sizeof *v, &v, &o->responders_n,
                        ret_place, why);
    for (size_t i = 0; i < o->responders_n && !err; i++) {
        if (str_search(v[i].type, STR("{{")) == v[i].type.n) {
            struct buf lower;
            buf_init(&lower, WHY_MAX);
            letter_put_lower(v[i].type, &lower);
            v[i].type = arena_str(r->arena, buf_str(&lower));
            buf_done(&lower);
        }
        err = check_responder(&v[i], why);
    }
    o->responders = v;
    return err;
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct opsgenie *o = settings;
    const struct notify_globals *g = r->globals;
    int err = kind_either(o->api_key, o->api_key_file, "api_key", true, why);
    if (err)
        return err;
    if (!kind_inherit(&o->api_key, &o->api_key_file, g->opsgenie_api_key, g->opsgenie_api_key_file))
        return why_set(why, ERR_FORMAT,
                       "no global OpsGenie API Key set either inline or in a file");
    if (o->api_url.n == 0)
        o->api_url = kind_or(g->opsgenie_api_url, "https://api.opsgenie.com/");
    o->api_url = kind_base(o->api_url, r->arena);
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct opsgenie *o = settings;
    kind_row(row, &o->api_url, &o->api_key, &o->api_key_file, &o->description);
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(opsgenie, api_key),
    KIND_TEXT(opsgenie, api_key_file),
    KIND_TEXT(opsgenie, api_url),
    KIND_TEXT(opsgenie, message),
    KIND_TEXT(opsgenie, description),
    KIND_TEXT(opsgenie, source),
    KIND_TEXT(opsgenie, entity),
    KIND_TEXT(opsgenie, actions),
    KIND_TEXT(opsgenie, tags),
    KIND_TEXT(opsgenie, note),
    KIND_TEXT(opsgenie, priority),
    KIND_BOOL(opsgenie, update_alerts),
    {"details", YAML_STRUCT_PAIRS, offsetof(struct opsgenie, details)},
    {"responders", YAML_STRUCT_ELSE, 0},
};
KIND_SHAPE(FIELDS);

const struct notifier opsgenie_notifier = {
    .kind = "opsgenie",
    .yaml_key = "opsgenie_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct opsgenie),
    .shape = &SHAPE,
    .preset = preset,
    .also = also,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
