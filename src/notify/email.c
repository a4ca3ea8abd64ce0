#include <strings.h>

#include "base/mem.h"
#include "launch/launch.h"
#include "net/mail.h"
#include "notify/email_text.h"
#include "notify/kind.h"
#include "notify/side.h"
#include "promfile/http/http_client.h"

enum {
    MAIL_MAX = 32 << 20, /* bytes of a mail */
    TIMEOUT_MS = 30000,  /* of the server */
    CHART_MS = 8000,     /* of drawing */
    PNG_MAX = 1 << 20,   /* bytes of a picture */
    HEADERS_MAX = 64,    /* of one mail */
    SUBJECT_MAX = 400,   /* runes */
};

struct email {
    struct str to, from, hello, smarthost, html, text;
    struct str auth_username, auth_password, auth_password_file, auth_secret, auth_secret_file;
    struct str auth_identity, require_tls, force_implicit_tls;
    struct yaml_struct_pairs headers;
    struct fetch_tls tls;
    bool threading, thread_by_date;
};

/* What the thread works with; everything is its own. */
struct job {
    struct arena arena;
    struct mail_request request;
    struct email_text text;
    struct message message;
    struct launcher *launcher;
    notify_chart *chart;
    void *chart_context;
    int err;
    struct why why;
};

/* ---- on the thread */

static void draw(struct job *j)
{
    struct buf json, png;
    struct launch_end end;
    if (!j->chart || !j->launcher || j->text.html.n == 0)
        return;
    buf_init(&json, PNG_MAX);
    buf_init(&png, PNG_MAX);
    /* A mail without its picture is better than none. */
    if (j->chart(j->chart_context, &j->message, &j->arena, &json) == 0 &&
        launch_run(j->launcher, "helper:chart", buf_str(&json), CHART_MS, &png, &end, NULL) == 0 &&
        end.status == 0 && !buf_failed(&png))
        j->text.png = arena_str(&j->arena, buf_str(&png));
    buf_done(&json);
    buf_done(&png);
}

static void work(void *context, const _Atomic bool *canceled)
{
    struct job *j = context;
    struct buf mail;
    draw(j);
    buf_init(&mail, MAIL_MAX);
    email_text_put(&j->text, &j->arena, &mail);
    j->request.text = buf_str(&mail);
    j->request.canceled = canceled;
    if (buf_failed(&mail))
        j->err = why_set(&j->why, ERR_DENIED, "the mail is larger than %d bytes", MAIL_MAX);
    else
        j->err = mail_send(&j->request, &j->why);
    buf_done(&mail);
}

static void done(void *owner, void *context)
{
    struct notify_send *s = owner;
    const struct job *j = context;
    struct notify_outcome outcome = {.err = j->err, .retry = j->err != -ERR_DENIED};
    const struct str secrets[] = {j->request.password, j->request.secret};
    s->state = NULL;
    if (j->err)
        outcome.why =
            post_scrub(arena_str(s->arena, str_c(j->why.text)), secrets, COUNTOF(secrets), s->arena)
                .p;
    s->done(s, &outcome);
}

static void release(void *context)
{
    struct job *j = context;
    arena_done(&j->arena);
    mem_free(j);
}

/* ---- on the loop */

static bool header_given(const struct email *e, const char *name)
{
    for (size_t i = 0; i < e->headers.n; i++)
        if (e->headers.v[i].name.n == strlen(name) &&
            strncasecmp(e->headers.v[i].name.p, name, strlen(name)) == 0)
            return true;
    return false;
}

static void add_headers(struct notify_send *s, const struct email *e, struct job *j,
                        struct str from, struct str to)
{
    struct email_text_header *v = arena_array(&j->arena, HEADERS_MAX, sizeof *v);
    size_t n = 0;
    struct str subject = wording_text(s->words, STR("{{ template \"email.default.subject\" . }}"));
    if (!header_given(e, "From"))
        v[n++] = (struct email_text_header){STR("From"), arena_str(&j->arena, from)};
    if (!header_given(e, "To"))
        v[n++] = (struct email_text_header){STR("To"), arena_str(&j->arena, to)};
    if (!header_given(e, "Subject"))
        v[n++] = (struct email_text_header){
            STR("Subject"), arena_str(&j->arena, wording_cut(subject, SUBJECT_MAX, s->arena))};
    for (size_t i = 0; i < e->headers.n && n < HEADERS_MAX; i++)
        v[n++] = (struct email_text_header){
            arena_str(&j->arena, e->headers.v[i].name),
            arena_str(&j->arena, wording_text(s->words, e->headers.v[i].value))};
    j->text.headers = v;
    j->text.headers_n = n;
}

/* The part of an address behind @, for ids. */
static struct str domain_of(struct str address)
{
    return str_sub(address, str_find(address, '@') + 1, address.n);
}

static void add_ids(const struct notify_send *s, const struct email *e, struct job *j)
{
    const struct message *m = s->message;
    struct str domain = domain_of(j->request.from), day = STR("");
    if (e->thread_by_date)
        day = arena_printf(&j->arena, ".%lld", (long long)(m->time_ms / 86400000));
    j->text.message_id =
        arena_printf(&j->arena, STR_FMT "@" STR_FMT, STR_ARG(m->id), STR_ARG(domain));
    if (e->threading)
        j->text.thread_id = arena_printf(&j->arena, "group-%.16s" STR_FMT "@" STR_FMT,
                                         kind_group(s).p, STR_ARG(day), STR_ARG(domain));
    j->text.time_ms = m->time_ms;
}

static int add_addresses(const struct email *e, struct notify_send *s, struct job *j,
                         struct why *why)
{
    struct str from = wording_plain(s->words, e->from), to = wording_plain(s->words, e->to);
    struct str *senders, *receivers;
    size_t n;
    int err = email_text_addresses(from, &j->arena, &senders, &n, why);
    if (err)
        return why_prefix(why, "from");
    err = email_text_addresses(to, &j->arena, &receivers, &j->request.to_n, why);
    if (err)
        return why_prefix(why, "to");
    for (size_t i = 0; i < j->request.to_n; i++)
        receivers[i] = arena_str(&j->arena, receivers[i]);
    j->request.from = arena_str(&j->arena, senders[0]);
    j->request.to = receivers;
    add_headers(s, e, j, from, to);
    return 0;
}

static struct fetch_tls tls_copy(const struct fetch_tls *t, struct arena *a)
{
    struct fetch_tls copy = *t;
    struct str *const texts[] = {&copy.ca,        &copy.cert,     &copy.key,        &copy.ca_file,
                                 &copy.cert_file, &copy.key_file, &copy.server_name};
    for (size_t i = 0; i < COUNTOF(texts); i++)
        *texts[i] = arena_str(a, *texts[i]);
    return copy;
}

static void add_server(const struct email *e, struct job *j, struct str password, struct str secret)
{
    struct mail_request *r = &j->request;
    r->server = arena_str(&j->arena, e->smarthost);
    r->hello = arena_str(&j->arena, e->hello);
    r->implicit_tls = kind_truth(e->force_implicit_tls, str_ends(e->smarthost, STR(":465")));
    r->require_tls = kind_truth(e->require_tls, true);
    r->tls = tls_copy(&e->tls, &j->arena);
    r->username = arena_str(&j->arena, e->auth_username);
    r->identity = arena_str(&j->arena, e->auth_identity);
    r->password = arena_str(&j->arena, password);
    r->secret = arena_str(&j->arena, secret);
    r->timeout_ms = TIMEOUT_MS;
}

static int copy_message(const struct message *m, struct job *j)
{
    struct buf json;
    buf_init(&json, SIZE_MAX / 2);
    message_encode(m, &json);
    int err = message_decode(buf_str(&json), &j->arena, &j->message, &j->why);
    buf_done(&json);
    return err;
}

static void start(struct notify_send *s)
{
    const struct email *e = s->integration->settings;
    struct str password, secret;
    if (!post_secret(s, e->auth_password, e->auth_password_file, &password) ||
        !post_secret(s, e->auth_secret, e->auth_secret_file, &secret))
        return;
    struct job *j = mem_new(sizeof *j);
    arena_init(&j->arena);
    j->launcher = s->launcher;
    j->chart = s->chart;
    j->chart_context = s->chart_context;
    int err = add_addresses(e, s, j, &j->why);
    if (!err)
        err = copy_message(s->message, j);
    if (err) {
        const char *why = arena_str(s->arena, str_c(j->why.text)).p;
        release(j);
        post_refuse(s, why);
        return;
    }
    add_server(e, j, password, secret);
    add_ids(s, e, j);
    j->text.text = arena_str(&j->arena, wording_text(s->words, e->text));
    j->text.html = arena_str(&j->arena, wording_html(s->words, e->html));
    j->text.png_says =
        arena_str(&j->arena, wording_text(s->words, STR("{{ template \"__subject\" . }}")));
    struct side_plan plan = {s->loop, work, done, release, s, j};
    s->state = side_start(&plan);
}

static void cancel(struct notify_send *s)
{
    side_cancel(s->state);
}

/* ---- settings */

static void preset(const struct notify_reading *r, void *settings)
{
    struct email *e = settings;
    e->html = STR("{{ template \"email.default.html\" . }}");
    e->text = STR("{{ template \"email.default.text\" . }}");
    e->tls = r->globals->smtp_tls.tls;
    e->threading = true;
}

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct email *e = settings;
    const struct yaml_node *tls = yaml_get(item, "tls_config");
    const struct yaml_node *threading = yaml_get(item, "threading");
    static const char *const KEYS[] = {"enabled", "thread_by_date"};
    size_t at = 0;
    int err = 0;
    if (!yaml_is_null(tls))
        err = http_client_tls(tls, str_c(r->folder), r->arena, &e->tls, ret_place, why);
    if (err || yaml_is_null(threading))
        return err;
    const struct yaml_member *odd = yaml_unknown(threading, KEYS, COUNTOF(KEYS), &at);
    if (odd) {
        *ret_place = odd->key->place;
        return why_set(why, ERR_FORMAT,
                       "field " STR_FMT " not found in type config.ThreadingConfig",
                       STR_ARG(odd->key->text));
    }
    const struct yaml_node *by_date = yaml_get(threading, "thread_by_date");
    struct str word = STR("");
    *ret_place = threading->place;
    err = yaml_bool(yaml_get(threading, "enabled"), &e->threading, why);
    if (!err)
        err = yaml_text(by_date, &word, why);
    e->thread_by_date = str_eq(word, STR("daily")) || kind_truth(word, false);
    return err;
}

static int check_headers(const struct email *e, struct why *why)
{
    if (e->headers.n > HEADERS_MAX - 8)
        return why_set(why, ERR_FORMAT, "more than %d headers in email config", HEADERS_MAX - 8);
    for (size_t i = 0; i < e->headers.n; i++) {
        struct str name = e->headers.v[i].name;
        if (!email_text_name(name))
            return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no name of a header",
                           STR_ARG(name));
        for (size_t k = 0; k < i; k++)
            if (e->headers.v[k].name.n == name.n &&
                strncasecmp(e->headers.v[k].name.p, name.p, name.n) == 0)
                return why_set(why, ERR_FORMAT, "duplicate header \"" STR_FMT "\" in email config",
                               STR_ARG(name));
    }
    return 0;
}

static void fill(struct str *text, struct str global)
{
    if (text->n == 0)
        *text = global;
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct email *e = settings;
    const struct notify_globals *g = r->globals;
    if (e->to.n == 0)
        return why_set(why, ERR_FORMAT, "missing to address in email config");
    int err = check_headers(e, why);
    if (!err)
        err = kind_either(e->auth_password, e->auth_password_file, "auth_password", true, why);
    if (err)
        return err;
    fill(&e->smarthost, g->smtp_smarthost);
    if (e->smarthost.n == 0)
        return why_set(why, ERR_FORMAT, "no global SMTP smarthost set");
    if (str_find(e->smarthost, ':') == e->smarthost.n)
        return why_set(why, ERR_FORMAT, "address " STR_FMT ": missing port in address",
                       STR_ARG(e->smarthost));
    fill(&e->from, g->smtp_from);
    if (e->from.n == 0)
        return why_set(why, ERR_FORMAT, "no global SMTP from set");
    fill(&e->hello, g->smtp_hello);
    fill(&e->auth_username, g->smtp_auth_username);
    if (e->auth_password.n + e->auth_password_file.n == 0) {
        e->auth_password = g->smtp_auth_password;
        e->auth_password_file = g->smtp_auth_password_file;
    }
    if (e->auth_secret_file.n == 0)
        fill(&e->auth_secret, g->smtp_auth_secret);
    fill(&e->auth_identity, g->smtp_auth_identity);
    if (e->require_tls.n == 0 && !g->smtp_require_tls)
        e->require_tls = STR("false");
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct email *e = settings;
    struct str url = str_c(row->url), to = STR("");
    bool implicit = str_starts(url, STR("smtps://"));
    if (!implicit && !str_starts(url, STR("smtp://")))
        return why_set(why, ERR_FORMAT, "url must be smtp://HOST:PORT or smtps://HOST:PORT");
    e->smarthost = str_sub(url, implicit ? 8 : 7, url.n);
    while (str_ends(e->smarthost, STR("/")))
        e->smarthost.n--;
    if (str_find(e->smarthost, ':') == e->smarthost.n)
        e->smarthost =
            arena_printf(r->arena, STR_FMT ":%d", STR_ARG(e->smarthost), implicit ? 465 : 587);
    e->force_implicit_tls = implicit ? STR("true") : STR("");
    e->require_tls = STR("true");
    if (str_starts(e->smarthost, STR("localhost:")) || str_starts(e->smarthost, STR("127.")))
        e->require_tls = STR("false");
    for (size_t i = 0; i < row->to.n; i++)
        to = arena_printf(r->arena, STR_FMT "%s%s", STR_ARG(to), i ? ", " : "", row->to.v[i]);
    e->to = to;
    e->from = str_c(row->from);
    e->auth_username = str_c(row->user);
    e->auth_password = str_c(row->secret);
    e->auth_password_file = str_c(row->secret_file);
    if (row->template_text[0]) {
        e->text = str_c(row->template_text);
        e->html = STR("");
    }
    return 0;
}

static void files(const void *settings, void (*f)(void *context, struct str path), void *context)
{
    const struct email *e = settings;
    const struct fetch_settings tls = {.tls = e->tls};
    http_client_files(&tls, f, context);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(email, to),
    KIND_TEXT(email, from),
    KIND_TEXT(email, hello),
    KIND_TEXT(email, smarthost),
    KIND_TEXT(email, html),
    KIND_TEXT(email, text),
    KIND_TEXT(email, auth_username),
    KIND_TEXT(email, auth_password),
    KIND_TEXT(email, auth_password_file),
    KIND_TEXT(email, auth_secret),
    KIND_TEXT(email, auth_secret_file),
    KIND_TEXT(email, auth_identity),
    KIND_TEXT(email, require_tls),
    KIND_TEXT(email, force_implicit_tls),
    {"headers", YAML_STRUCT_PAIRS, offsetof(struct email, headers)},
    {"tls_config", YAML_STRUCT_ELSE, 0},
    {"threading", YAML_STRUCT_ELSE, 0},
};
KIND_SHAPE(FIELDS);

const struct notifier email_notifier = {
    .kind = "email",
    .yaml_key = "email_configs",
    .settings_size = sizeof(struct email),
    .shape = &SHAPE,
    .preset = preset,
    .also = also,
    .check = check,
    .row = row,
    .files = files,
    .start = start,
    .cancel = cancel,
};
