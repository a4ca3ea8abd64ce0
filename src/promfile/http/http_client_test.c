#include "promfile/http/http_client.h"

#include "base/cases_test.h"

static struct arena arena;
static struct why why;
static struct yaml_place place;

static int read_text(struct str text, struct fetch_settings *ret)
{
    const struct yaml_node *root;
    why = (struct why){0};
    place = (struct yaml_place){0};
    assert_int_equal(yaml_parse(text, &arena, &root, &place, &why), 0);
    return http_client_read(root, STR("/etc/sonde"), &arena, ret, &place, &why);
}

static int tls_text(struct str text, struct fetch_tls *ret)
{
    const struct yaml_node *root;
    assert_int_equal(yaml_parse(text, &arena, &root, &place, &why), 0);
    return http_client_tls(root, STR("/etc/sonde"), &arena, ret, &place, &why);
}

static int open_arena(void **state)
{
    arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    arena_done(&arena);
    return 0;
}

static void assert_str(struct str have, const char *want)
{
    if (!str_eq(have, str_c(want)))
        fail_msg("have \"" STR_FMT "\", want \"%s\"", STR_ARG(have), want);
}

/* ---- published files */
static size_t files_n;

static void judge_file(const char *path, const char *name, void *context)
{
    struct buf text;
    struct fetch_settings settings;
    struct fetch_tls tls;
    if (strstr(name, "SOURCE") != NULL)
        return;
    assert_true(cases_read(path, &text));
    bool bad = strstr(name, ".bad") != NULL;
    int err = str_starts(str_c(name), STR("tls_config")) ? tls_text(buf_str(&text), &tls)
                                                         : read_text(buf_str(&text), &settings);
    if ((err != 0) != bad || (err && (why.text[0] == '\0' || place.line == 0)))
        fail_msg("%s: %d %s at line %u", name, err, why.text, place.line);
    files_n++;
    buf_done(&text);
}

static void published_files_load_or_are_refused_as_they_say(void **state)
{
    char path[CASES_PATH_MAX];
    cases_path("config/common_http", path);
    if (!cases_each_file(path, judge_file, NULL))
        cases_skip(path);
    assert_true(files_n >= 24);
}

/* ---- what is wrong, in Prometheus's words */
static void contradictions_are_told_in_the_known_words(void **state)
{
    static const struct {
        const char *text, *why;
        unsigned line;
    } cases[] = {
        {"bearer_token: a\nbearer_token_file: b",
         "at most one of bearer_token & bearer_token_file must be configured", 1},
        {"basic_auth: {username: a}\nbearer_token: a",
         "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
         1},
        {"basic_auth:\n  username: a\n  username_file: b",
         "at most one of basic_auth username, username_file & username_ref must be configured", 2},
        {"basic_auth:\n  password: a\n  password_file: b",
         "at most one of the basic_auth password, password_file & password_ref must be configured",
         2},
        {"authorization:\n  credentials: a\nbearer_token: b",
         "authorization is not compatible with bearer_token & bearer_token_file", 2},
        {"authorization:\n  credentials: a\n  credentials_file: b",
         "at most one of authorization credentials & credentials_file must be configured", 2},
        {"authorization: {type: ' bAsic '}",
         "authorization type cannot be set to \"basic\", use \"basic_auth\" instead", 1},
        {"authorization: {}\nbasic_auth: {}",
         "at most one of basic_auth, oauth2 & authorization must be configured", 1},
        {"basic_auth: {username: a}\noauth2: {client_id: a, token_url: b}",
         "at most one of basic_auth, oauth2 & authorization must be configured", 2},
        {"oauth2: {token_url: a}", "oauth2 client_id must be configured", 1},
        {"oauth2: {client_id: a}", "oauth2 token_url must be configured", 1},
        {"oauth2: {client_id: a, token_url: b, client_secret: c, client_secret_file: d}",
         "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be "
         "configured",
         1},
        {"proxy_from_environment: true\nproxy_url: http://a",
         "if proxy_from_environment is configured, proxy_url must not be configured", 1},
        {"proxy_from_environment: true\nno_proxy: a",
         "if proxy_from_environment is configured, no_proxy must not be configured", 1},
        {"no_proxy: a", "if no_proxy is configured, proxy_url must also be configured", 1},
        {"proxy_connect_header: {a: [b]}",
         "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be "
         "configured",
         1},
        {"http_headers:\n  AUTHORIZATION: {values: [a]}",
         "setting header \"Authorization\" is not allowed", 2},
        {"tls_config:\n  ca: a\n  ca_file: b",
         "at most one of ca, ca_file & ca_ref must be configured", 2},
        {"tls_config:\n  cert: a\n  cert_file: b\n  key: c",
         "at most one of cert, cert_file & cert_ref must be configured", 2},
        {"tls_config:\n  cert: a\n  key_file: b\n  key: c",
         "at most one of key and key_file must be configured", 2},
        {"tls_config: {cert: a}",
         "exactly one of key or key_file must be configured when a client certificate is "
         "configured",
         1},
        {"tls_config: {key: a}",
         "exactly one of cert or cert_file must be configured when a client key is configured", 1},
        {"tls_config: {min_version: TLS14}", "unknown TLS version: TLS14", 1},
        {"tls_config: {min_version: TLS13, max_version: TLS12}",
         "tls_config.max_version must be greater than or equal to tls_config.min_version if both "
         "are specified",
         1},
        {"tls_config:\n  cafile: a", "field cafile not found in type config.plain", 2},
        {"authorization:\n  user: a", "field user not found in type config.Authorization", 2},
        {"follow_redirects: 7", "cannot unmarshal !!int `7` into bool", 1},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct fetch_settings s;
        int err = read_text(str_c(cases[i].text), &s);
        if (err != -ERR_FORMAT || strcmp(why.text, cases[i].why) != 0 ||
            place.line != cases[i].line)
            fail_msg("%s: %d \"%s\" at line %u", cases[i].text, err, why.text, place.line);
    }
}

/* ---- what is read */
static void everything_that_is_said_is_read(void **state)
{
    struct fetch_settings s;
    assert_int_equal(read_text(STR("oauth2:\n"
                                   "  client_id: id\n"
                                   "  client_secret_file: secret\n"
                                   "  token_url: http://auth/token\n"
                                   "  scopes: [a, b]\n"
                                   "  endpoint_params: {x: y}\n"
                                   "  tls_config: {insecure_skip_verify: true}\n"
                                   "  proxy_url: http://p:1\n"
                                   "tls_config:\n"
                                   "  ca_file: ca.pem\n"
                                   "  cert_file: /abs/cert.pem\n"
                                   "  key_file: ./key.pem\n"
                                   "  server_name: other\n"
                                   "  min_version: TLS12\n"
                                   "  max_version: TLS13\n"
                                   "proxy_url: http://p:2\n"
                                   "no_proxy: 10.0.0.0/8,.local\n"
                                   "proxy_connect_header: {X-One: [a, b]}\n"
                                   "follow_redirects: false\n"
                                   "enable_http2: false\n"
                                   "http_headers:\n"
                                   "  x-two: {values: [c], secrets: [d], files: [e]}\n"
                                   "someone_elses: key\n"),
                               &s),
                     0);
    assert_str(s.oauth2->client_id, "id");
    assert_str(s.oauth2->client_secret_file, "/etc/sonde/secret");
    assert_str(s.oauth2->token_url, "http://auth/token");
    assert_int_equal(s.oauth2->scopes_n, 2);
    assert_str(s.oauth2->scopes[1], "b");
    assert_int_equal(s.oauth2->params_n, 1);
    assert_str(s.oauth2->params[0].value, "y");
    assert_true(s.oauth2->tls.insecure_skip_verify && !s.tls.insecure_skip_verify);
    assert_str(s.oauth2->proxy.url, "http://p:1");
    assert_str(s.tls.ca_file, "/etc/sonde/ca.pem");
    assert_str(s.tls.cert_file, "/abs/cert.pem");
    assert_str(s.tls.key_file, "/etc/sonde/key.pem");
    assert_str(s.tls.server_name, "other");
    assert_int_equal(s.tls.min_version, FETCH_TLS_1_2);
    assert_int_equal(s.tls.max_version, FETCH_TLS_1_3);
    assert_str(s.proxy.url, "http://p:2");
    assert_str(s.proxy.no_proxy, "10.0.0.0/8,.local");
    assert_int_equal(s.proxy.connect_headers_n, 1);
    assert_str(s.proxy.connect_headers[0].name, "X-One");
    assert_int_equal(s.proxy.connect_headers[0].values_n, 2);
    assert_false(s.follow_redirects || s.enable_http2);
    assert_int_equal(s.headers_n, 1);
    assert_str(s.headers[0].name, "X-Two");
    assert_int_equal(s.headers[0].values_n, 2);
    assert_str(s.headers[0].values[1], "d");
    assert_str(s.headers[0].files[0], "/etc/sonde/e");
    assert_int_equal(s.unusable.n, 0);
}

static void nothing_said_gives_the_defaults(void **state)
{
    struct fetch_settings s;
    assert_int_equal(read_text(STR(""), &s), 0);
    assert_memory_equal(&s, &fetch_settings_default, sizeof s);
    assert_int_equal(read_text(STR("other: 1\ntls_config:\nbasic_auth:\n"), &s), 0);
    assert_true(s.follow_redirects && s.enable_http2);
    assert_int_equal(s.username.n + s.tls.ca.n, 0);
}

static void a_bearer_token_is_an_authorization(void **state)
{
    struct fetch_settings s;
    assert_int_equal(read_text(STR("bearer_token_file: t"), &s), 0);
    assert_str(s.authorization_type, "Bearer");
    assert_str(s.credentials_file, "/etc/sonde/t");
    assert_int_equal(read_text(STR("authorization: {credentials: x}"), &s), 0);
    assert_str(s.authorization_type, "Bearer");
    assert_str(s.credentials, "x");
}

static void a_secret_of_a_manager_loads_and_cannot_be_used(void **state)
{
    struct fetch_settings s;
    assert_int_equal(read_text(STR("basic_auth: {username: a, password_ref: b}"), &s), 0);
    assert_str(s.unusable, "unable to use password: cannot use secret ref without manager");
}

static void jwt_bearer_grants_are_read(void **state)
{
    struct fetch_settings s;
    assert_int_equal(read_text(STR("oauth2:\n"
                                   "  client_id: id\n"
                                   "  token_url: http://auth\n"
                                   "  grant_type: urn:ietf:params:oauth:grant-type:jwt-bearer\n"
                                   "  client_certificate_key_file: key.pem\n"
                                   "  client_certificate_key_id: k\n"
                                   "  signature_algorithm: RS384\n"
                                   "  iss: me\n"
                                   "  audience: you\n"
                                   "  claims: {a: 1, b: [x, true, null], c: {d: '2'}}\n"),
                               &s),
                     0);
    const struct fetch_jwt *j = s.oauth2->jwt;
    assert_non_null(j);
    assert_str(j->key_file, "/etc/sonde/key.pem");
    assert_str(j->key_id, "k");
    assert_str(j->algorithm, "RS384");
    assert_str(j->issuer, "me");
    assert_str(j->audience, "you");
    assert_str(j->claims, "{\"a\":1,\"b\":[\"x\",true,null],\"c\":{\"d\":\"2\"}}");
    assert_int_equal(
        read_text(STR("oauth2: {client_id: a, token_url: b, signature_algorithm: HS256, "
                      "grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}"),
                  &s),
        -ERR_FORMAT);
    assert_string_equal(why.text, "valid signature algorithms are RS256, RS384 and RS512");
}

static void note(void *context, struct str path)
{
    buf_put_str(context, path);
    buf_put_c(context, ' ');
}

static void all_files_are_named_for_the_confinement(void **state)
{
    struct fetch_settings s;
    struct buf names;
    buf_init(&names, 1000);
    assert_int_equal(read_text(STR("oauth2: {client_id: a, token_url: b, client_secret_file: f1, "
                                   "tls_config: {ca_file: f2}}\n"
                                   "tls_config: {cert_file: f3, key_file: f4}\n"
                                   "http_headers: {a: {files: [f5]}}\n"),
                               &s),
                     0);
    http_client_files(&s, note, &names);
    assert_str(buf_str(&names),
               "/etc/sonde/f3 /etc/sonde/f4 /etc/sonde/f5 /etc/sonde/f2 /etc/sonde/f1 ");
    buf_done(&names);
}

static void its_own_keys_are_known(void **state)
{
    assert_true(http_client_key(STR("basic_auth")) && http_client_key(STR("proxy_connect_header")));
    assert_false(http_client_key(STR("refresh_interval")) || http_client_key(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_files_load_or_are_refused_as_they_say),
        cmocka_unit_test(contradictions_are_told_in_the_known_words),
        cmocka_unit_test(everything_that_is_said_is_read),
        cmocka_unit_test(nothing_said_gives_the_defaults),
        cmocka_unit_test(a_bearer_token_is_an_authorization),
        cmocka_unit_test(a_secret_of_a_manager_loads_and_cannot_be_used),
        cmocka_unit_test(jwt_bearer_grants_are_read),
        cmocka_unit_test(all_files_are_named_for_the_confinement),
        cmocka_unit_test(its_own_keys_are_known),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
