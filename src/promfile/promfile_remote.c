#include "promfile/promfile_reader.h"

enum {
    TIMEOUT_WRITE_MS = 30000,
    TIMEOUT_READ_MS = 60000,
    QUEUE_CAPACITY = 10000,
    QUEUE_SHARDS_MAX = 50,
    QUEUE_SAMPLES = 2000,
    QUEUE_DEADLINE_MS = 5000,
    BACKOFF_MIN_MS = 30,
    BACKOFF_MAX_MS = 5000,
    METADATA_INTERVAL_MS = 60000,
    CHUNKED_READ_BYTES = 50000000,
};

#define WRITE_1 "prometheus.WriteRequest"
#define WRITE_2 "io.prometheus.write.v2.Request"

/* ---- signing in that we cannot do: checked alone */

static const struct yaml_struct_field SIGV4_FIELDS[] = {
    {"region", YAML_STRUCT_TEXT, 0},       {"access_key", YAML_STRUCT_TEXT, 0},
    {"secret_key", YAML_STRUCT_TEXT, 0},   {"profile", YAML_STRUCT_TEXT, 0},
    {"role_arn", YAML_STRUCT_TEXT, 0},     {"external_id", YAML_STRUCT_TEXT, 0},
    {"service_name", YAML_STRUCT_TEXT, 0}, {"use_fips_sts_endpoint", YAML_STRUCT_BOOL, 0},
};
static const struct yaml_struct_field AZURE_FIELDS[] = {
    {"cloud", YAML_STRUCT_TEXT, 0}, {"managed_identity", YAML_STRUCT_ELSE, 0},
    {"oauth", YAML_STRUCT_ELSE, 0}, {"workload_identity", YAML_STRUCT_ELSE, 0},
    {"sdk", YAML_STRUCT_ELSE, 0},   {"scope", YAML_STRUCT_TEXT, 0},
};
static const struct yaml_struct_field AZURE_PART_FIELDS[] = {
    {"client_id", YAML_STRUCT_TEXT, 0},
    {"client_secret", YAML_STRUCT_TEXT, 0},
    {"tenant_id", YAML_STRUCT_TEXT, 0},
    {"token_file_path", YAML_STRUCT_TEXT, 0},
};
static const struct yaml_struct_field GOOGLE_FIELDS[] = {
    {"credentials_file", YAML_STRUCT_TEXT, 0},
};

static const struct {
    const char *key;
    struct yaml_struct shape;
} SIGNING[] = {
    {"sigv4", {"sigv4.plain", SIGV4_FIELDS, COUNTOF(SIGV4_FIELDS), NULL}},
    {"azuread", {"azuread.plain", AZURE_FIELDS, COUNTOF(AZURE_FIELDS), NULL}},
    {"google_iam", {"googleiam.Config", GOOGLE_FIELDS, COUNTOF(GOOGLE_FIELDS), NULL}},
};

bool promfile_remote_signing(struct promfile_reader *r, const struct yaml_node *map,
                             const char *key)
{
    static const struct yaml_struct AZURE_PART = {"azuread.plain", AZURE_PART_FIELDS,
                                                  COUNTOF(AZURE_PART_FIELDS), NULL};
    static const char *const PARTS[] = {"managed_identity", "oauth", "workload_identity"};
    struct str unused = {0};
    const struct yaml_node *node = yaml_get(map, key);
    for (size_t i = 0; !yaml_is_null(node) && i < COUNTOF(SIGNING); i++)
        if (strcmp(SIGNING[i].key, key) == 0)
            (void)promfile_reader_struct(r, node, &SIGNING[i].shape, &unused); /* told */
    for (size_t i = 0; !yaml_is_null(node) && i < COUNTOF(PARTS); i++)
        (void)promfile_reader_struct(r, yaml_get(node, PARTS[i]), &AZURE_PART, &unused);
    if (strcmp(key, "sigv4") == 0 &&
        yaml_is_null(yaml_get(node, "access_key")) != yaml_is_null(yaml_get(node, "secret_key")))
        promfile_reader_fault(r, node->place,
                              "must provide a AWS SigV4 Access key and Secret Key if credentials "
                              "are specified in the SigV4 config");
    return !yaml_is_null(node);
}

/* How many ways of signing in map has; at most one is right. */
static bool check_signing(struct promfile_reader *r, const struct yaml_node *map)
{
    static const char *const OTHERS[] = {"basic_auth", "authorization", "oauth2"};
    struct buf have;
    size_t n = 0;
    bool foreign = false;
    buf_init(&have, 200);
    for (size_t i = 0; i < COUNTOF(OTHERS); i++)
        if (!yaml_is_null(yaml_get(map, OTHERS[i])))
            buf_printf(&have, "%s%s", n++ ? " " : "", OTHERS[i]);
    for (size_t i = 0; i < COUNTOF(SIGNING); i++)
        if (promfile_remote_signing(r, map, SIGNING[i].key)) {
            buf_printf(&have, "%s%s", n++ ? " " : "", SIGNING[i].key);
            foreign = true;
        }
    if (n > 1)
        promfile_reader_fault(r, map->place,
                              "at most one of basic_auth, authorization, oauth2, sigv4, azuread or "
                              "google_iam must be configured. Currently configured: [" STR_FMT "]",
                              STR_ARG(buf_str(&have)));
    buf_done(&have);
    return foreign;
}

/* ---- writing */

struct write {
    struct promfile_remote_write w;
    struct yaml_struct_pairs headers;
    struct str message;
};

#define AT(member)  offsetof(struct write, member)
#define OUT(member) offsetof(struct write, w.member)

static const struct yaml_struct_field WRITE_FIELDS[] = {
    {"url", YAML_STRUCT_TEXT, OUT(url)},
    {"remote_timeout", YAML_STRUCT_DURATION, OUT(timeout_ms)},
    {"headers", YAML_STRUCT_PAIRS, AT(headers)},
    {"write_relabel_configs", YAML_STRUCT_ELSE, 0},
    {"name", YAML_STRUCT_TEXT, OUT(name)},
    {"send_exemplars", YAML_STRUCT_BOOL, OUT(send_exemplars)},
    {"send_native_histograms", YAML_STRUCT_BOOL, OUT(send_native_histograms)},
    {"round_robin_dns", YAML_STRUCT_BOOL, OUT(round_robin_dns)},
    {"protobuf_message", YAML_STRUCT_TEXT, AT(message)},
    {"queue_config", YAML_STRUCT_ELSE, 0},
    {"metadata_config", YAML_STRUCT_ELSE, 0},
    {"sigv4", YAML_STRUCT_ELSE, 0},
    {"azuread", YAML_STRUCT_ELSE, 0},
    {"google_iam", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct_field QUEUE_FIELDS[] = {
    {"capacity", YAML_STRUCT_WHOLE, OUT(capacity)},
    {"max_shards", YAML_STRUCT_WHOLE, OUT(max_shards)},
    {"min_shards", YAML_STRUCT_WHOLE, OUT(min_shards)},
    {"max_samples_per_send", YAML_STRUCT_WHOLE, OUT(max_samples_per_send)},
    {"batch_send_deadline", YAML_STRUCT_DURATION, OUT(batch_deadline_ms)},
    {"min_backoff", YAML_STRUCT_DURATION, OUT(min_backoff_ms)},
    {"max_backoff", YAML_STRUCT_DURATION, OUT(max_backoff_ms)},
    {"retry_on_http_429", YAML_STRUCT_BOOL, OUT(retry_on_rate_limit)},
    {"sample_age_limit", YAML_STRUCT_DURATION, OUT(sample_age_limit_ms)},
};
static const struct yaml_struct_field METADATA_FIELDS[] = {
    {"send", YAML_STRUCT_BOOL, OUT(metadata_send)},
    {"send_interval", YAML_STRUCT_DURATION, OUT(metadata_interval_ms)},
    {"max_samples_per_send", YAML_STRUCT_WHOLE, OUT(metadata_max_samples_per_send)},
};

static const struct yaml_struct WRITE_SHAPE = {"config.plain", WRITE_FIELDS, COUNTOF(WRITE_FIELDS),
                                               promfile_reader_http_key};
static const struct yaml_struct QUEUE_SHAPE = {"config.plain", QUEUE_FIELDS, COUNTOF(QUEUE_FIELDS),
                                               NULL};
static const struct yaml_struct METADATA_SHAPE = {"config.MetadataConfig", METADATA_FIELDS,
                                                  COUNTOF(METADATA_FIELDS), NULL};

static const struct promfile_remote_write DEFAULTS = {
    .timeout_ms = TIMEOUT_WRITE_MS,
    .capacity = QUEUE_CAPACITY,
    .max_shards = QUEUE_SHARDS_MAX,
    .min_shards = 1,
    .max_samples_per_send = QUEUE_SAMPLES,
    .batch_deadline_ms = QUEUE_DEADLINE_MS,
    .min_backoff_ms = BACKOFF_MIN_MS,
    .max_backoff_ms = BACKOFF_MAX_MS,
    .metadata_send = true,
    .metadata_interval_ms = METADATA_INTERVAL_MS,
    .metadata_max_samples_per_send = QUEUE_SAMPLES,
};

static void read_queue(struct promfile_reader *r, const struct yaml_node *map, struct write *w)
{
    const struct yaml_node *queue = yaml_get(map, "queue_config");
    (void)promfile_reader_struct(r, queue, &QUEUE_SHAPE, w); /* told */
    const struct {
        const char *key;
        int64_t value;
    } positive[] = {{"capacity", w->w.capacity},
                    {"max_shards", w->w.max_shards},
                    {"min_shards", w->w.min_shards},
                    {"max_samples_per_send", w->w.max_samples_per_send}};
    for (size_t i = 0; i < COUNTOF(positive); i++)
        if (positive[i].value <= 0)
            promfile_reader_fault(r, yaml_get(queue, positive[i].key)->place,
                                  "remote write queue %s must be positive", positive[i].key);
    if (w->w.min_shards > w->w.max_shards && w->w.max_shards > 0)
        promfile_reader_fault(r, queue->place,
                              "remote write queue min_shards must not be greater than max_shards");
    (void)promfile_reader_struct(r, yaml_get(map, "metadata_config"), &METADATA_SHAPE, w);
}

/* What a URL may be in a file; that it leads somewhere is found out by asking. */
void promfile_remote_url(struct promfile_reader *r, const struct yaml_node *map, const char *what)
{
    const struct yaml_node *node = yaml_get(map, "url");
    if (yaml_is_null(node)) {
        promfile_reader_fault(r, node ? node->place : map->place, "url for %s is empty", what);
        return;
    }
    for (size_t i = 0; i < node->text.n; i++)
        if ((unsigned char)node->text.p[i] < ' ' || node->text.p[i] == 0x7f) {
            promfile_reader_fault(r, node->place, "net/url: invalid control character in URL");
            return;
        }
    if (node->text.n > 0 && node->text.p[0] == ':')
        promfile_reader_fault(r, node->place, "parse \"" STR_FMT "\": missing protocol scheme",
                              STR_ARG(node->text));
}

static void read_message(struct promfile_reader *r, const struct yaml_node *map, struct write *w)
{
    w->w.version2 = str_eq(w->message, STR(WRITE_2));
    if (w->message.n > 0 && !w->w.version2 && !str_eq(w->message, STR(WRITE_1)))
        promfile_reader_fault(r, yaml_get(map, "protobuf_message")->place,
                              "invalid protobuf_message value: unknown type for remote write "
                              "protobuf message " STR_FMT ", supported: " WRITE_1 ", " WRITE_2,
                              STR_ARG(w->message));
}

static void read_headers(struct promfile_reader *r, const struct yaml_node *map, struct write *w)
{
    struct promfile_param *headers = arena_array(r->a, w->headers.n + 1, sizeof *headers);
    for (size_t i = 0; i < w->headers.n; i++)
        headers[i] = (struct promfile_param){w->headers.v[i].name, &w->headers.v[i].value, 1};
    w->w.headers = headers;
    w->w.headers_n = w->headers.n;
    promfile_reader_headers(r, yaml_get(map, "headers"), false);
}

static void check_name(struct promfile_reader *r, const struct yaml_node *map, struct map *names,
                       const char *what)
{
    const struct yaml_node *name = yaml_get(map, "name");
    bool fresh = true;
    if (!yaml_is_null(name) && name->type == YAML_SCALAR && name->text.n > 0)
        map_put(names, name->text, &fresh);
    if (!fresh)
        promfile_reader_fault(r, name->place,
                              "found multiple %s configs with job name \"" STR_FMT "\"", what,
                              STR_ARG(name->text));
}

static void read_write(struct promfile_reader *r, const struct yaml_node *map, struct map *names)
{
    struct write w = {.w = DEFAULTS};
    (void)promfile_reader_struct(r, map, &WRITE_SHAPE, &w); /* told */
    if (map->type != YAML_MAP)
        return;
    promfile_remote_url(r, map, "remote_write");
    check_name(r, map, names, "remote write");
    w.w.relabel = promfile_reader_relabel(r, yaml_get(map, "write_relabel_configs"),
                                          str_eq(r->global.validation, STR("legacy")),
                                          "relabeling rule in remote write config");
    read_headers(r, map, &w);
    read_message(r, map, &w);
    promfile_reader_http(r, map, &w.w.http);
    if (yaml_is_null(yaml_get(map, "enable_http2")))
        w.w.http.enable_http2 = false;
    read_queue(r, map, &w);
    if (check_signing(r, map))
        promfile_reader_ignored(r,
                                "remote_write to " STR_FMT ": nothing is written there, as "
                                "requests cannot be signed (sigv4, azuread, google_iam)",
                                STR_ARG(w.w.url));
    else
        vec_push(&r->remote_writes, w.w);
}

/* ---- reading */

struct read {
    struct str url, name;
    int64_t timeout_ms;
    uint64_t chunked_read_limit;
    bool read_recent, filter_external_labels;
    struct yaml_struct_pairs headers, matchers;
};

#define READ(member) offsetof(struct read, member)

static const struct yaml_struct_field READ_FIELDS[] = {
    {"url", YAML_STRUCT_TEXT, READ(url)},
    {"remote_timeout", YAML_STRUCT_DURATION, READ(timeout_ms)},
    {"chunked_read_limit", YAML_STRUCT_UINT, READ(chunked_read_limit)},
    {"headers", YAML_STRUCT_PAIRS, READ(headers)},
    {"read_recent", YAML_STRUCT_BOOL, READ(read_recent)},
    {"name", YAML_STRUCT_TEXT, READ(name)},
    {"required_matchers", YAML_STRUCT_PAIRS, READ(matchers)},
    {"filter_external_labels", YAML_STRUCT_BOOL, READ(filter_external_labels)},
};

static void read_read(struct promfile_reader *r, const struct yaml_node *map, struct map *names)
{
    static const struct yaml_struct SHAPE = {"config.plain", READ_FIELDS, COUNTOF(READ_FIELDS),
                                             promfile_reader_http_key};
    struct read raw = {.timeout_ms = TIMEOUT_READ_MS, .chunked_read_limit = CHUNKED_READ_BYTES};
    struct fetch_settings http;
    (void)promfile_reader_struct(r, map, &SHAPE, &raw); /* told */
    if (map->type != YAML_MAP)
        return;
    promfile_remote_url(r, map, "remote_read");
    check_name(r, map, names, "remote read");
    promfile_reader_headers(r, yaml_get(map, "headers"), false);
    promfile_reader_http(r, map, &http);
    for (size_t i = 0; i < raw.matchers.n; i++)
        if (raw.matchers.v[i].name.n == 0 || !str_utf8(raw.matchers.v[i].name))
            promfile_reader_fault(r, yaml_get(map, "required_matchers")->place,
                                  "\"" STR_FMT "\" is not a valid label name",
                                  STR_ARG(raw.matchers.v[i].name));
    promfile_reader_ignored(r, "remote_read: queries see what is stored here alone");
}

void promfile_remote_read(struct promfile_reader *r, const struct yaml_node *root)
{
    const struct {
        const char *key, *type, *what;
        void (*read)(struct promfile_reader *r, const struct yaml_node *map, struct map *names);
    } sections[] = {
        {"remote_write", "[]*config.RemoteWriteConfig", "remote write config section", read_write},
        {"remote_read", "[]*config.RemoteReadConfig", "remote read config section", read_read},
    };
    for (size_t i = 0; i < COUNTOF(sections); i++) {
        const struct yaml_node *list = yaml_get(root, sections[i].key);
        struct map names;
        map_init(&names, 0);
        if (promfile_reader_list(r, list, sections[i].type, sections[i].what))
            for (size_t k = 0; list && k < list->n; k++)
                sections[i].read(r, list->members[k].value, &names);
        map_done(&names);
    }
}
