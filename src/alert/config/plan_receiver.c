#include "alert/config/plan_reader.h"

/* Kinds that Alertmanager has: what notify/ does not send is kept as a name. */
static const char *const KEYS[] = {
    "discord_configs",    "email_configs",    "incidentio_configs", "jira_configs",
    "mattermost_configs", "msteams_configs",  "msteamsv2_configs",  "opsgenie_configs",
    "pagerduty_configs",  "pushover_configs", "rocketchat_configs", "slack_configs",
    "sns_configs",        "telegram_configs", "victorops_configs",  "webex_configs",
    "webhook_configs",    "wechat_configs",
};

static bool is_kind(struct str key)
{
    for (size_t i = 0; i < COUNTOF(KEYS); i++)
        if (str_eq(key, str_c(KEYS[i])))
            return true;
    return false;
}

/* Where the file's folder begins, for kinds. */
static struct notify_reading reading_of(struct plan_reader *r, struct str name, uint32_t index)
{
    return (struct notify_reading){.globals = &r->globals,
                                   .arena = r->a,
                                   .folder = r->folder.p,
                                   .receiver = name,
                                   .index = index};
}

/* ---- receivers of the file */

struct integrations {
    struct notify_integration *v;
    size_t n, capacity;
};

static int read_items(struct plan_reader *r, struct str name, const struct yaml_member *m,
                      struct integrations *all)
{
    const struct notifier *notifier = notifier_by_key(m->key->text);
    int err = yaml_expect(m->value, YAML_SEQUENCE, "[]config.plain", r->why);
    if (err != 0)
        return plan_reader_at(r, m->value, err);
    size_t n = yaml_is_null(m->value) ? 0 : m->value->n;
    if (all->n + n > PLAN_INTEGRATIONS_MAX)
        return plan_reader_fault(r, m->value, "more than %d integrations", PLAN_INTEGRATIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct yaml_node *item = m->value->members[i].value;
        struct notify_integration made = {0};
        struct notify_reading reading = reading_of(r, name, (uint32_t)i);
        err = yaml_expect(item, YAML_MAP, "config.plain", r->why);
        if (err != 0 || yaml_is_null(item))
            return err != 0 ? plan_reader_at(r, item, err)
                            : plan_reader_fault(r, item, "an empty item in " STR_FMT,
                                                STR_ARG(m->key->text));
        if (notifier == NULL)
            continue;
        err = notifier_read(notifier, &reading, item, &made, &r->place, r->why);
        if (err != 0)
            return err;
        vec_push(all, made);
    }
    if (notifier == NULL && n > 0)
        plan_reader_ignored(
            r, arena_printf(r->a, "receiver \"" STR_FMT "\": " STR_FMT " are not sent from here",
                            STR_ARG(name), STR_ARG(m->key->text)));
    return 0;
}

static int read_kinds(struct plan_reader *r, struct str name, const struct yaml_node *map,
                      struct integrations *all)
{
    for (size_t i = 0; i < map->n; i++) {
        struct str key = map->members[i].key->text;
        if (str_eq(key, STR("name")))
            continue;
        if (!is_kind(key) && notifier_by_key(key) == NULL)
            return plan_reader_fault(r, map->members[i].key,
                                     "field " STR_FMT " not found in type config.plain",
                                     STR_ARG(key));
        int err = read_items(r, name, &map->members[i], all);
        if (err != 0)
            return err;
    }
    return 0;
}

static int keep(struct plan_reader *r, const struct yaml_node *node, struct str name,
                const struct notify_integration *v, size_t n)
{
    bool fresh;
    if (r->list.n >= PLAN_RECEIVERS_MAX)
        return plan_reader_fault(r, node, "more than %d receivers", PLAN_RECEIVERS_MAX);
    map_put(&r->receivers, name, &fresh);
    if (!fresh)
        return plan_reader_fault(r, node, "notification config name \"" STR_FMT "\" is not unique",
                                 STR_ARG(name));
    struct notify_integration *copy = arena_array(r->a, n + 1, sizeof *copy);
    if (n > 0)
        memcpy(copy, v, n * sizeof *copy);
    struct plan_receiver receiver = {arena_str(r->a, name), copy, n};
    vec_push(&r->list, receiver);
    return 0;
}

static int read_one(struct plan_reader *r, const struct yaml_node *node)
{
    struct integrations all = {0};
    struct str name = STR("");
    int err = yaml_expect(node, YAML_MAP, "config.plain", r->why);
    if (err != 0 || yaml_is_null(node))
        return err != 0 ? plan_reader_at(r, node, err)
                        : plan_reader_fault(r, node, "missing name in receiver");
    err =
        plan_reader_at(r, yaml_get(node, "name"), yaml_text(yaml_get(node, "name"), &name, r->why));
    if (err == 0)
        err = read_kinds(r, name, node, &all);
    if (err == 0 && name.n == 0)
        err = plan_reader_fault(r, node, "missing name in receiver");
    if (err == 0)
        err = keep(r, node, name, all.v, all.n);
    vec_free(&all);
    return err;
}

int plan_receiver_read(struct plan_reader *r, const struct yaml_node *list)
{
    int err = yaml_expect(list, YAML_SEQUENCE, "[]*config.Receiver", r->why);
    if (err != 0)
        return plan_reader_at(r, list, err);
    for (size_t i = 0; !yaml_is_null(list) && i < list->n && err == 0; i++)
        err = read_one(r, list->members[i].value);
    return err;
}

/* ---- rows */

int plan_receiver_rows(struct plan_reader *r)
{
    const struct option_rows *rows = r->source->notify;
    for (size_t i = 0; rows != NULL && i < rows->n; i++) {
        const struct notify_row *row = &((const struct notify_row *)rows->v)[i];
        struct str name = str_c(row->name[0] != '\0' ? row->name : row->kind);
        struct notify_integration made = {0};
        struct notify_reading reading = reading_of(r, name, 0);
        reading.folder = ".";
        int err = notifier_read_row(&reading, row, &made, r->why);
        if (err != 0)
            return err;
        err = keep(r, NULL, name, &made, 1);
        if (err != 0) {
            why_prefix(r->why, "[[notify]]");
            return err;
        }
    }
    return 0;
}
