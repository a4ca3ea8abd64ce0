#include "forward/forward_options.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "model/labels.h"
#include "model/sink.h"
#include "relabel/relabel.h"

enum { SHARDS_MAX = 200, BACKOFF_MIN_MS = 30, BACKOFF_MAX_MS = 5000, CAPACITY = 10000 };
enum { METADATA_INTERVAL_MS = 60000, METADATA_ROWS = 2000 };

static const struct option FORWARD[] = {
    {"queue_bytes_max", OPTION_INT, offsetof(struct forward_settings, queue_bytes_max),
     "1073741824", 4194304, 1e15, NULL, 0,
     "Bytes on disk that wait to be sent, for all servers together. When it is full the oldest go "
     "and are counted in sonde_forward_dropped_total."},
};

const struct option_table forward_options = {
    "forward", "What is stored here is sent on to other servers as well.",
    false,     sizeof(struct forward_settings),
    FORWARD,   COUNTOF(FORWARD),
};

#define AT(member) offsetof(struct forward_options_write, member)

static const struct option WRITE[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, 200, NULL, OPTION_RELOAD,
     "What metrics and messages call it, and what its place in the queue is kept by; empty: its "
     "URL."},
    {"url", OPTION_TEXT, AT(url), "", 0, 4000, NULL, OPTION_RELOAD,
     "Where to send it: http://HOST:PORT/api/v1/write"},
    {"protocol", OPTION_CHOICE, AT(protocol), "1.0", 0, 0, "1.0|2.0", OPTION_RELOAD,
     "Version of remote write. A server that does not know 2.0 gets 1.0."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 1, TENANT_NAME_MAX, NULL, OPTION_RELOAD,
     "The tenant whose series are sent."},
    {"labels", OPTION_LIST, AT(labels), "", 0, 0, NULL, OPTION_RELOAD,
     "Labels that every series gets that does not have them, as NAME=VALUE."},
    {"username", OPTION_TEXT, AT(username), "", 0, 4000, NULL, OPTION_RELOAD,
     "User of basic authentication; empty: none."},
    {"password", OPTION_TEXT, AT(password), "", 0, 4000, NULL, OPTION_RELOAD | OPTION_SECRET,
     "Password of the user."},
    {"password_file", OPTION_TEXT, AT(password_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "File that holds the password; it is read again when it changes."},
    {"bearer_token", OPTION_TEXT, AT(bearer_token), "", 0, 65536, NULL,
     OPTION_RELOAD | OPTION_SECRET, "Token that is sent as Authorization: Bearer."},
    {"bearer_token_file", OPTION_TEXT, AT(bearer_token_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "File that holds the token; it is read again when it changes."},
    {"ca_file", OPTION_TEXT, AT(ca_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "PEM file of the authorities that the server's certificate may be from; empty: the system's."},
    {"cert_file", OPTION_TEXT, AT(cert_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "PEM file of the certificate that is shown to the server."},
    {"key_file", OPTION_TEXT, AT(key_file), "", 0, 4000, NULL, OPTION_RELOAD,
     "PEM file of that certificate's key."},
    {"server_name", OPTION_TEXT, AT(server_name), "", 0, 253, NULL, OPTION_RELOAD,
     "Name that the server's certificate is for; empty: the host of the URL."},
    {"insecure_skip_verify", OPTION_BOOL, AT(insecure_skip_verify), "false", 0, 0, NULL,
     OPTION_RELOAD, "Take any certificate. Only for tests."},
    {"exemplars", OPTION_BOOL, AT(exemplars), "true", 0, 0, NULL, OPTION_RELOAD,
     "Send exemplars too."},
    {"native_histograms", OPTION_BOOL, AT(native_histograms), "true", 0, 0, NULL, OPTION_RELOAD,
     "Send native histograms too."},
    {"metadata", OPTION_BOOL, AT(metadata), "true", 0, 0, NULL, OPTION_RELOAD,
     "Send types, help texts and units: every minute with 1.0, beside the samples with 2.0."},
    {"retry_on_rate_limit", OPTION_BOOL, AT(retry_on_rate_limit), "true", 0, 0, NULL, OPTION_RELOAD,
     "Try again what was answered with 429; else it is dropped."},
    {"timeout_ms", OPTION_INT, AT(timeout_ms), "30000", 1, 3600000, NULL, OPTION_RELOAD,
     "How long one request may take."},
    {"request_rows_max", OPTION_INT, AT(request_rows_max), "2000", 1, 100000, NULL, OPTION_RELOAD,
     "Samples of one request."},
    {"batch_deadline_ms", OPTION_INT, AT(batch_deadline_ms), "5000", 1, 3600000, NULL,
     OPTION_RELOAD, "How long a sample waits for a request to be full."},
    {"shards_max", OPTION_INT, AT(shards_max), "50", 1, SHARDS_MAX, NULL, OPTION_RELOAD,
     "Requests in progress at once, where the queue grows."},
    {"age_max_ms", OPTION_INT, AT(age_max_ms), "0", 0, 1e15, NULL, OPTION_RELOAD,
     "Samples that are older when their turn comes are dropped and counted; 0: none."},
};

const struct option_table forward_options_write_table = {
    "forward.remote_write",
    "Servers that get what is stored, by Prometheus's remote write. Those of a Prometheus file "
    "(remote_write) come beside these.",
    true,
    sizeof(struct forward_options_write),
    WRITE,
    COUNTOF(WRITE),
};

#undef AT
#define AT(member) offsetof(struct forward_options_relabel, member)

static const struct option RELABEL[] = {
    {"remote_write", OPTION_TEXT, AT(remote_write), "", 0, 4000, NULL, OPTION_RELOAD,
     "Name of the [[forward.remote_write]] that it is for; empty: all of them."},
    RELABEL_ROW_OPTIONS(AT(rule)),
};

const struct option_table forward_options_relabel_table = {
    "forward.relabel",
    "Rules that rewrite the labels of what is sent on, or leave it out, in the order in which they "
    "stand; as write_relabel_configs of Prometheus.",
    true,
    sizeof(struct forward_options_relabel),
    RELABEL,
    COUNTOF(RELABEL),
};

static const struct forward_options_write *write_of(const struct forward_settings *s, size_t i)
{
    return &((const struct forward_options_write *)s->remote_writes.v)[i];
}

static const char *name_of(const struct forward_options_write *w)
{
    return w->name[0] != '\0' ? w->name : w->url;
}

/* The rules for one of them. */
static int compile(const struct forward_settings *s, const char *name, struct relabel **ret,
                   struct why *why)
{
    const struct forward_options_relabel *from = s->relabel.v;
    struct arena a;
    size_t n = 0;
    arena_init(&a);
    struct relabel_rule *to = arena_array(&a, s->relabel.n + 1, sizeof *to);
    for (size_t i = 0; i < s->relabel.n; i++) {
        if (from[i].remote_write[0] != '\0' && strcmp(from[i].remote_write, name) != 0)
            continue;
        to[n++] = relabel_row_rule(&from[i].rule, &a);
    }
    *ret = NULL;
    int err = n > 0 ? relabel_new(to, n, ret, NULL, why) : 0;
    arena_done(&a);
    return err;
}

static int make_labels(const struct option_list *list, struct buf *out, struct why *why)
{
    struct label labels[LABELS_MAX];
    if (list->n > LABELS_MAX)
        return why_set(why, ERR_LIMIT, "labels has more than %d", (int)LABELS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        struct str text = str_c(list->v[i]);
        size_t at = str_find(text, '=');
        if (at == 0 || at == text.n)
            return why_set(why, ERR_FORMAT, "labels has %s, which is not NAME=VALUE", list->v[i]);
        labels[i] = (struct label){str_sub(text, 0, at), str_sub(text, at + 1, text.n)};
    }
    return labels_encode_bare(labels, list->n, out, why);
}

static int check_write(const struct forward_settings *s, size_t i, struct why *why)
{
    const struct forward_options_write *w = write_of(s, i);
    struct str url = str_c(w->url);
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return why_set(why, ERR_FORMAT, "url is \"%s\": it must begin with http:// or https://",
                       w->url);
    bool basic = w->username[0] || w->password[0] || w->password_file[0];
    bool bearer = w->bearer_token[0] || w->bearer_token_file[0];
    if (basic && bearer)
        return why_set(why, ERR_FORMAT, "it has both a user and a bearer token");
    if ((w->password[0] && w->password_file[0]) || (w->bearer_token[0] && w->bearer_token_file[0]))
        return why_set(why, ERR_FORMAT, "it has a secret both in a file and in the configuration");
    if ((w->cert_file[0] == '\0') != (w->key_file[0] == '\0'))
        return why_set(why, ERR_FORMAT, "cert_file and key_file must both be given");
    for (size_t k = 0; k < i; k++)
        if (strcmp(name_of(write_of(s, k)), name_of(w)) == 0)
            return why_set(why, ERR_EXISTS, "another one has the same name: give both a name");
    struct buf labels;
    struct relabel *rules;
    buf_init(&labels, LABELS_KEY_MAX);
    int err = make_labels(&w->labels, &labels, why);
    buf_done(&labels);
    if (err == 0)
        err = compile(s, name_of(w), &rules, why);
    if (err == 0)
        relabel_free(rules);
    return err;
}

int forward_options_check(const struct forward_settings *s, struct why *why)
{
    const struct forward_options_relabel *rules = s->relabel.v;
    for (size_t i = 0; i < s->remote_writes.n; i++) {
        int err = check_write(s, i, why);
        if (err) {
            (void)why_prefix(why, "[[forward.remote_write]] %s", name_of(write_of(s, i)));
            return err;
        }
    }
    for (size_t i = 0; i < s->relabel.n; i++) {
        bool found = rules[i].remote_write[0] == '\0';
        for (size_t k = 0; k < s->remote_writes.n; k++)
            found = found || strcmp(rules[i].remote_write, name_of(write_of(s, k))) == 0;
        if (!found)
            return why_set(why, ERR_NOENT, "[[forward.relabel]] is for %s, which there is not",
                           rules[i].remote_write);
    }
    return 0;
}

void forward_options_make(const struct forward_settings *s, size_t i, struct arena *a,
                          struct forward_options_ready *ret)
{
    const struct forward_options_write *w = write_of(s, i);
    struct relabel *rules;
    struct buf labels;
    buf_init(&labels, LABELS_KEY_MAX);
    must(compile(s, name_of(w), &rules, NULL) == 0); /* forward_options_check() has taken them */
    must(make_labels(&w->labels, &labels, NULL) == 0);
    struct fetch_settings http = fetch_settings_default;
    http.username = str_c(w->username);
    http.password = str_c(w->password);
    http.password_file = str_c(w->password_file);
    if (w->bearer_token[0] || w->bearer_token_file[0])
        http.authorization_type = STR("Bearer");
    http.credentials = str_c(w->bearer_token);
    http.credentials_file = str_c(w->bearer_token_file);
    http.tls.ca_file = str_c(w->ca_file);
    http.tls.cert_file = str_c(w->cert_file);
    http.tls.key_file = str_c(w->key_file);
    http.tls.server_name = str_c(w->server_name);
    http.tls.insecure_skip_verify = w->insecure_skip_verify;
    http.enable_http2 = false;
    ret->write = (struct promfile_remote_write){
        .name = str_c(name_of(w)),
        .url = str_c(w->url),
        .timeout_ms = w->timeout_ms,
        .version2 = strcmp(w->protocol, "2.0") == 0,
        .send_exemplars = w->exemplars,
        .send_native_histograms = w->native_histograms,
        .relabel = rules,
        .http = http,
        .capacity = CAPACITY,
        .max_shards = w->shards_max,
        .min_shards = 1,
        .max_samples_per_send = w->request_rows_max,
        .batch_deadline_ms = w->batch_deadline_ms,
        .min_backoff_ms = BACKOFF_MIN_MS,
        .max_backoff_ms = BACKOFF_MAX_MS,
        .sample_age_limit_ms = w->age_max_ms,
        .retry_on_rate_limit = w->retry_on_rate_limit,
        .metadata_send = w->metadata,
        .metadata_interval_ms = METADATA_INTERVAL_MS,
        .metadata_max_samples_per_send = METADATA_ROWS,
    };
    ret->tenant = str_c(w->tenant);
    ret->labels = arena_str(a, buf_str(&labels));
    buf_done(&labels);
}

void forward_options_files(const struct option_rows *remote_writes,
                           void (*f)(void *context, struct str path), void *context)
{
    const struct forward_options_write *w = remote_writes->v;
    for (size_t i = 0; i < remote_writes->n; i++) {
        const char *const files[] = {w[i].password_file, w[i].bearer_token_file, w[i].ca_file,
                                     w[i].cert_file, w[i].key_file};
        for (size_t k = 0; k < COUNTOF(files); k++)
            if (files[k][0] != '\0')
                f(context, str_c(files[k]));
    }
}
