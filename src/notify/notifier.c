#include "notify/notifier.h"

#include <string.h>

#include "net/url.h"
#include "promfile/http/http_client.h"

#define NOTIFIER(name) extern const struct notifier name##_notifier;
#include "notify/notifiers.tbl.h"
#undef NOTIFIER

static const struct notifier *const NOTIFIERS[] = {
#define NOTIFIER(name) &name##_notifier,
#include "notify/notifiers.tbl.h"
#undef NOTIFIER
};

const struct notifier *const *notifier_all(size_t *ret_n)
{
    *ret_n = COUNTOF(NOTIFIERS);
    return NOTIFIERS;
}

const struct notifier *notifier_by_kind(struct str kind)
{
    for (size_t i = 0; i < COUNTOF(NOTIFIERS); i++)
        if (str_eq(kind, str_c(NOTIFIERS[i]->kind)))
            return NOTIFIERS[i];
    return NULL;
}

const struct notifier *notifier_by_key(struct str yaml_key)
{
    for (size_t i = 0; i < COUNTOF(NOTIFIERS); i++)
        if (NOTIFIERS[i]->yaml_key && str_eq(yaml_key, str_c(NOTIFIERS[i]->yaml_key)))
            return NOTIFIERS[i];
    return NULL;
}

/* ---- names of files */

static bool is_file(const struct yaml_struct_field *field)
{
    return field->type == YAML_STRUCT_TEXT && str_ends(str_c(field->key), STR("_file"));
}

static struct str *text_at(const struct yaml_struct_field *field, const void *settings)
{
    return (struct str *)((uintptr_t)settings + field->offset);
}

static void make_absolute(const struct notify_reading *r, struct str *path)
{
    if (path->n > 0 && path->p[0] != '/')
        *path = arena_printf(r->arena, "%s/" STR_FMT, r->folder, STR_ARG(*path));
}

static void make_all_absolute(const struct notifier *n, const struct notify_reading *r,
                              void *settings)
{
    for (size_t i = 0; i < n->shape->n; i++)
        if (is_file(&n->shape->fields[i]))
            make_absolute(r, text_at(&n->shape->fields[i], settings));
}

const struct fetch_settings *notifier_http(const struct notify_integration *i)
{
    return i->notifier->http ? i->settings : NULL;
}

void notifier_files(const struct notify_integration *i, void (*f)(void *context, struct str path),
                    void *context)
{
    const struct yaml_struct *shape = i->notifier->shape;
    for (size_t k = 0; k < shape->n; k++) {
        const struct str *path = text_at(&shape->fields[k], i->settings);
        if (is_file(&shape->fields[k]) && path->n > 0)
            f(context, *path);
    }
    if (i->notifier->http)
        http_client_files(i->settings, f, context);
    if (i->notifier->files)
        i->notifier->files(i->settings, f, context);
}

/* ---- reading */

/* Keys that every kind has. */
struct common {
    bool send_resolved;
};

static const struct yaml_struct_field COMMON[] = {
    {"send_resolved", YAML_STRUCT_BOOL, offsetof(struct common, send_resolved)},
};

static int read_common(const struct notifier *n, const struct notify_reading *r,
                       const struct yaml_node *item, struct notify_integration *ret, void *settings,
                       struct yaml_place *ret_place, struct why *why)
{
    const struct yaml_node *resolved = yaml_get(item, "send_resolved");
    const struct yaml_node *http = yaml_get(item, "http_config");
    int err = yaml_bool(resolved, &ret->send_resolved, why);
    if (err) {
        *ret_place = resolved->place;
        return err;
    }
    if (!n->http || yaml_is_null(http))
        return 0;
    err = yaml_expect(http, YAML_MAP, "config.plain", why);
    if (err) {
        *ret_place = http->place;
        return err;
    }
    for (size_t i = 0; i < http->n; i++)
        if (!http_client_key(http->members[i].key->text)) {
            *ret_place = http->members[i].key->place;
            return why_set(why, ERR_FORMAT, "field " STR_FMT " not found in type config.plain",
                           STR_ARG(http->members[i].key->text));
        }
    return http_client_read(http, str_c(r->folder), r->arena, settings, ret_place, why);
}

static bool also_http(struct str key)
{
    return str_eq(key, str_c(COMMON[0].key)) || str_eq(key, STR("http_config"));
}

static bool also_plain(struct str key)
{
    return str_eq(key, str_c(COMMON[0].key));
}

static void *settings_new(const struct notifier *n, const struct notify_reading *r)
{
    void *settings = arena_new(r->arena, n->settings_size);
    if (n->http)
        *(struct fetch_settings *)settings = r->globals->http;
    if (n->preset)
        n->preset(r, settings);
    return settings;
}

/* Addresses of servers, where they are no templates. */
static int check_urls(const struct notifier *n, const struct yaml_node *item, const void *settings,
                      struct yaml_place *ret_place, struct why *why)
{
    static const char *const KEYS[] = {"url", "api_url", "webhook_url"};
    /* Its url is what a message shows. */
    bool text = n->yaml_key != NULL && strcmp(n->yaml_key, "pushover_configs") == 0;
    for (size_t i = 0; i < n->shape->n; i++)
        for (size_t k = 0; k < COUNTOF(KEYS); k++) {
            const struct yaml_struct_field *field = &n->shape->fields[i];
            const struct yaml_node *node = yaml_get(item, KEYS[k]);
            if (field->type != YAML_STRUCT_TEXT || (k == 0 && text) ||
                strcmp(field->key, KEYS[k]) != 0 || yaml_is_null(node))
                continue;
            struct str url = *text_at(field, settings);
            if (str_search(url, STR("{{")) < url.n || str_eq(url, STR("<secret>")) || url.n == 0)
                continue;
            int err = url_check_http(url, why);
            if (err) {
                *ret_place = node->place;
                return err;
            }
        }
    return 0;
}

static int finish(const struct notifier *n, const struct notify_reading *r, void *settings,
                  struct notify_integration *ret, struct why *why)
{
    int err = n->check ? n->check(r, settings, why) : 0;
    if (err)
        return err;
    make_all_absolute(n, r, settings);
    ret->notifier = n;
    ret->settings = settings;
    if (n->program)
        n->program(r, settings, ret);
    return 0;
}

int notifier_read(const struct notifier *n, const struct notify_reading *r,
                  const struct yaml_node *item, struct notify_integration *ret,
                  struct yaml_place *ret_place, struct why *why)
{
    struct notify_integration made = {.send_resolved = n->send_resolved};
    struct yaml_struct shape = *n->shape;
    void *settings = settings_new(n, r);
    shape.also = n->http ? also_http : also_plain;
    *ret_place = item->place;
    int err = yaml_struct_read(item, &shape, r->arena, settings, ret_place, why);
    if (!err)
        err = read_common(n, r, item, &made, settings, ret_place, why);
    if (!err)
        err = check_urls(n, item, settings, ret_place, why);
    if (!err && n->also)
        err = n->also(r, item, settings, ret_place, why);
    if (!err)
        err = finish(n, r, settings, &made, why);
    if (!err)
        *ret = made;
    return err;
}

int notifier_read_row(const struct notify_reading *r, const struct notify_row *row,
                      struct notify_integration *ret, struct why *why)
{
    const struct notifier *n = notifier_by_kind(str_c(row->kind));
    struct notify_integration made = {.send_resolved = row->send_resolved};
    if (!n || !n->row)
        return why_set(why, ERR_FORMAT, "[[notify]]: there is no kind \"%s\"", row->kind);
    void *settings = settings_new(n, r);
    int err = n->row(r, row, settings, why);
    if (!err)
        err = finish(n, r, settings, &made, why);
    if (err)
        return why_prefix(why, "[[notify]] %s", row->name[0] ? row->name : row->kind);
    *ret = made;
    return 0;
}

/* ---- [[notify]] */

#define AT(member) offsetof(struct notify_row, member)

static const struct option ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, 200, NULL, OPTION_RELOAD,
     "Name of the receiver, by which routes and escalations call it; empty: its kind."},
    {"kind", OPTION_CHOICE, AT(kind), "webhook", 0, 0,
#define NOTIFIER(name) "|" #name
     &(
#include "notify/notifiers.tbl.h"
         )[1],
#undef NOTIFIER
     OPTION_RELOAD, "What is told: a chat, a pager, a mailbox, a program."},
    {"url", OPTION_TEXT, AT(url), "", 0, 4000, NULL, OPTION_RELOAD | OPTION_SECRET,
     "Where it is sent: the webhook's address, the server of mail as smtp://HOST:PORT or "
     "smtps://HOST:PORT, the base of an API. It is kept secret, as addresses of webhooks are."},
    {"to", OPTION_LIST, AT(to), "", 0, 0, NULL, OPTION_RELOAD,
     "For whom: addresses of mail, channels, chats, rooms, topics; for a command the program and "
     "its arguments."},
    {"from", OPTION_TEXT, AT(from), "", 0, 4000, NULL, OPTION_RELOAD,
     "Sender: an address of mail, or the name that is shown."},
    {"user", OPTION_TEXT, AT(user), "", 0, 4000, NULL, OPTION_RELOAD,
     "User at the server of mail or of HTTP; empty: none."},
    {"secret", OPTION_TEXT, AT(secret), "", 0, 65536, NULL, OPTION_RELOAD | OPTION_SECRET,
     "Password, token or key."},
    {"secret_file", OPTION_TEXT, AT(secret_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "File that holds it; it is read for each message."},
    {"template_text", OPTION_TEXT, AT(template_text), "", 0, 1 << 20, NULL, OPTION_RELOAD,
     "The text as a template of Go over Alertmanager's data; of a webhook: the body. Empty: the "
     "text that comes with Sonde."},
    {"match", OPTION_LIST, AT(match), "", 0, 0, NULL, OPTION_RELOAD,
     "Only alerts whose labels fit these matchers, as severity=~\"critical|page\"; none: all."},
    {"send_resolved", OPTION_BOOL, AT(send_resolved), "true", 0, 0, NULL, OPTION_RELOAD,
     "Tell too that it is over."},
};

const struct option_table notify_row_options = {
    "notify", "Who is told of alerts without Alertmanager's configuration file: a receiver each.",
    true,     sizeof(struct notify_row),
    ROWS,     COUNTOF(ROWS),
};
