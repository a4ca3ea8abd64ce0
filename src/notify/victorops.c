#include "notify/kind.h"

enum { MESSAGE = 20480 /* runes that it takes */ };

struct victorops {
    struct fetch_settings http;
    struct str api_key, api_key_file, api_url, routing_key, message_type, state_message;
    struct str entity_display_name, monitoring_tool;
    struct yaml_struct_pairs custom_fields;
};

static void start(struct notify_send *s)
{
    const struct victorops *v = s->integration->settings;
    struct post_request r = {0};
    struct kind_body b;
    struct str key;
    if (!post_secret(s, v->api_key, v->api_key_file, &key))
        return;
    struct str type = wording_plain(s->words, v->message_type);
    kind_begin(&b, s);
    kind_text(&b, "message_type", message_firing(s->message) ? type : STR("RECOVERY"));
    kind_text(&b, "entity_id", kind_group(s));
    kind_words(&b, "entity_display_name", v->entity_display_name, 0);
    kind_words(&b, "state_message", v->state_message, MESSAGE);
    kind_words(&b, "monitoring_tool", v->monitoring_tool, 0);
    kind_pairs(&b, &v->custom_fields);
    r.body = kind_end(&b);
    r.secrets[0] = key;
    r.url = arena_printf(s->arena, STR_FMT STR_FMT "/" STR_FMT, STR_ARG(v->api_url), STR_ARG(key),
                         STR_ARG(wording_plain(s->words, v->routing_key)));
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct victorops *v = settings;
    v->message_type = STR("CRITICAL");
    v->state_message = STR("{{ template \"victorops.default.state_message\" . }}");
    v->entity_display_name = STR("{{ template \"victorops.default.entity_display_name\" . }}");
    v->monitoring_tool = STR("{{ template \"victorops.default.monitoring_tool\" . }}");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    static const char *const OWN[] = {"routing_key",         "message_type",    "state_message",
                                      "entity_display_name", "monitoring_tool", "entity_id",
                                      "entity_state"};
    struct victorops *v = settings;
    const struct notify_globals *g = r->globals;
    if (v->routing_key.n == 0)
        return why_set(why, ERR_FORMAT, "missing Routing key in VictorOps config");
    int err = kind_either(v->api_key, v->api_key_file, "api_key", true, why);
    if (err)
        return err;
    for (size_t i = 0; i < v->custom_fields.n; i++)
        for (size_t k = 0; k < COUNTOF(OWN); k++)
            if (str_eq(v->custom_fields.v[i].name, str_c(OWN[k])))
                return why_set(why, ERR_FORMAT,
                               "victorOps config contains custom field %s which cannot be used as "
                               "it conflicts with the fixed/static fields",
                               OWN[k]);
    if (!kind_inherit(&v->api_key, &v->api_key_file, g->victorops_api_key,
                      g->victorops_api_key_file))
        return why_set(why, ERR_FORMAT, "no global VictorOps API Key set");
    if (v->api_url.n == 0)
        v->api_url = g->victorops_api_url;
    v->api_url = kind_base(
        kind_or(v->api_url, "https://alert.victorops.com/integrations/generic/20131114/alert/"),
        r->arena);
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct victorops *v = settings;
    kind_row(row, &v->api_url, &v->api_key, &v->api_key_file, &v->state_message);
    return kind_one(row, "routing key", &v->routing_key, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(victorops, api_key),
    KIND_TEXT(victorops, api_key_file),
    KIND_TEXT(victorops, api_url),
    KIND_TEXT(victorops, routing_key),
    KIND_TEXT(victorops, message_type),
    KIND_TEXT(victorops, state_message),
    KIND_TEXT(victorops, entity_display_name),
    KIND_TEXT(victorops, monitoring_tool),
    {"custom_fields", YAML_STRUCT_PAIRS, offsetof(struct victorops, custom_fields)},
};
KIND_SHAPE(FIELDS);

const struct notifier victorops_notifier = {
    .kind = "victorops",
    .yaml_key = "victorops_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct victorops),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
