/* Credentials, headers of the settings, OAuth2 and proxies: what the server sees of them. */
#include "net/fetch_state.h"
#include "net/fetch_testbed.h"
#include "os/file.h"

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

static bool saw(const struct raw *r, const char *text)
{
    return strcasestr(r->last, text) != NULL;
}

/* Asks a server that says OK, and gives what it was asked for in r->last. */
static void ask_once(const struct fetch_settings *s, struct raw *r)
{
    r->text = OK;
    raw_start(r);
    struct fetch_client *c = bed_client(s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = r->url});
    if (a.err)
        fail_msg("%s", a.why);
    assert_str(buf_str(&a.body), "ok");
    bed_answer_done(&a);
    fetch_client_free(c);
    raw_stop(r);
}

static void user_and_password_are_sent_as_basic(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {0};
    s.username = STR("Aladdin");
    s.password = STR("open sesame");
    ask_once(&s, &r);
    assert_true(saw(&r, "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
}

static void an_authorization_has_its_type_and_credentials(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {0};
    s.authorization_type = STR("APIKEY");
    s.credentials = STR("abc");
    ask_once(&s, &r);
    assert_true(saw(&r, "\r\nAuthorization: APIKEY abc\r\n"));
}

static char *temporary(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/sonde-fetch-test-%d", (int)getpid());
    assert_int_equal(file_write(path, str_c(text), NULL), 0);
    return path;
}

static void files_are_read_again_when_they_change(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {.text = OK};
    struct fetch_header h = {.name = STR("X-File")};
    struct str path = str_c(temporary("first\n"));
    s.authorization_type = STR("Bearer");
    s.credentials_file = path;
    h.files = &path;
    h.files_n = 1;
    s.headers = &h;
    s.headers_n = 1;
    raw_start(&r);
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = r.url});
    bed_answer_done(&a);
    assert_true(saw(&r, "\r\nAuthorization: Bearer first\r\n") && saw(&r, "\r\nX-File: first\r\n"));
    temporary("second");
    bed_wait(2 * FETCH_FRESH_MS);
    a = bed_ask(c, (struct fetch_request){.url = r.url});
    bed_answer_done(&a);
    assert_true(saw(&r, "Bearer second\r\n") && saw(&r, "X-File: second\r\n"));
    unlink(path.p);
    bed_wait(2 * FETCH_FRESH_MS);
    a = bed_ask(c, (struct fetch_request){.url = r.url});
    assert_int_equal(a.err, -ERR_NOENT);
    assert_non_null(strstr(a.why, "authorization credentials"));
    bed_answer_done(&a);
    fetch_client_free(c);
    raw_stop(&r);
}

static void headers_of_the_settings_replace_those_of_requests(void **state)
{
    static const char *const own[] = {"x-a: mine", "X-B: kept"};
    const struct str values[] = {STR("1"), STR("2"), STR("")};
    const struct fetch_header h = {.name = STR("X-A"), .values = values, .values_n = 3};
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {.text = OK};
    s.headers = &h;
    s.headers_n = 1;
    raw_start(&r);
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = r.url, .headers = own, .headers_n = 2});
    bed_answer_done(&a);
    assert_true(saw(&r, "X-A: 1\r\nX-A: 2\r\nX-A:") && saw(&r, "X-B: kept") && !saw(&r, "mine"));
    fetch_client_free(c);
    raw_stop(&r);
}

static void away(struct raw *r, int i, struct str bytes, int fd)
{
    char text[200];
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nLocation: http://localhost:%u/\r\nContent-Length: 0\r\n\r\n",
             *(uint16_t *)r->context);
    raw_say(fd, text);
}

static void credentials_do_not_follow_to_another_host(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {.answer = away}, other = {.text = OK};
    s.authorization_type = STR("Bearer");
    s.credentials = STR("secret");
    raw_start(&other);
    r.context = &other.port;
    raw_start(&r);
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = r.url});
    assert_int_equal(a.status, 200);
    bed_answer_done(&a);
    assert_true(saw(&r, "Bearer secret") && !saw(&other, "secret"));
    fetch_client_free(c);
    raw_stop(&r);
    raw_stop(&other);
}

static void contradicting_settings_make_no_client(void **state)
{
    struct fetch_settings basic = fetch_settings_default, cert = basic, versions = basic,
                          unusable = basic;
    struct fetch_client *c;
    struct why why;
    basic.username = STR("a");
    basic.authorization_type = STR("Bearer");
    cert.tls.cert = STR("x");
    versions.tls.min_version = FETCH_TLS_1_3;
    versions.tls.max_version = FETCH_TLS_1_2;
    unusable.unusable = STR("kept elsewhere");
    const struct fetch_settings *all[] = {&basic, &cert, &versions, &unusable};
    for (size_t i = 0; i < COUNTOF(all); i++)
        assert_int_equal(fetch_client_new(bed.fetcher, all[i], &c, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "kept elsewhere");
}

/* ---- OAuth2 */
struct auth_server {
    int tokens;       /* given */
    bool in_body;     /* wants the id and secret there */
    const char *life; /* expires_in, as JSON */
    bool refuses;
};

static void give_token(struct raw *r, int i, struct str bytes, int fd)
{
    struct auth_server *s = r->context;
    bool header = strcasestr(bytes.p, "Authorization: Basic aWQlMkYxOnNlY3JldA==") != NULL;
    bool body = strstr(bytes.p, "client_id=id%2F1&client_secret=secret") != NULL;
    char json[200], text[400];
    if (s->refuses || (s->in_body ? !body : !header) ||
        strstr(bytes.p, "grant_type=client_credentials&scope=a+b") == NULL ||
        strstr(bytes.p, "audience=x%26y") == NULL) {
        raw_say(fd, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    snprintf(json, sizeof json,
             "{\"access_token\":\"t%d\",\"token_type\":\"bearer\",\"expires_in\":%s,\"x\":[1]}",
             ++s->tokens, s->life);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(json),
             json);
    raw_say(fd, text);
}

/* Takes the token that *context says and no other. */
static void want_token(struct raw *r, int i, struct str bytes, int fd)
{
    if (strstr(bytes.p, *(const char **)r->context))
        raw_say(fd, OK);
    else
        raw_say(fd, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope");
}

struct oauth {
    struct auth_server state;
    struct raw auth, site;
    const char *wanted;
    struct fetch_oauth2 oauth2;
    struct fetch_settings settings;
    struct fetch_client *client;
};

static const struct str SCOPES[] = {{"a", 1}, {"b", 1}};
static const struct fetch_param PARAMS[] = {{{"audience", 8}, {"x&y", 3}}};

static void oauth_open(struct oauth *o)
{
    o->auth = (struct raw){.answer = give_token, .context = &o->state};
    o->site = (struct raw){.answer = want_token, .context = &o->wanted};
    raw_start(&o->auth);
    raw_start(&o->site);
    o->oauth2 = (struct fetch_oauth2){.client_id = STR("id/1"),
                                      .client_secret = STR("secret"),
                                      .token_url = str_c(o->auth.url),
                                      .scopes = SCOPES,
                                      .scopes_n = 2,
                                      .params = PARAMS,
                                      .params_n = 1};
    o->settings = fetch_settings_default;
    o->settings.oauth2 = &o->oauth2;
    o->client = bed_client(&o->settings);
}

static void oauth_close(struct oauth *o)
{
    fetch_client_free(o->client);
    raw_stop(&o->auth);
    raw_stop(&o->site);
}

static void oauth_ask(struct oauth *o, int err, int status)
{
    struct bed_answer a = bed_ask(o->client, (struct fetch_request){.url = o->site.url});
    if (a.err != err || a.status != status)
        fail_msg("%d %d: %s", a.err, a.status, a.why);
    bed_answer_done(&a);
}

static void a_token_is_got_once_and_used_while_it_lasts(void **state)
{
    struct oauth o = {.state = {.life = "3600"}, .wanted = "Authorization: Bearer t1\r\n"};
    oauth_open(&o);
    for (int i = 0; i < 3; i++)
        oauth_ask(&o, 0, 200);
    assert_int_equal(o.state.tokens, 1);
    /* Many at once share it too. */
    struct bed_answer a = {.left = 20};
    for (int i = 0; i < 20; i++)
        fetch_start(o.client,
                    &(struct fetch_request){.url = o.site.url, .done = bed_done, .context = &a},
                    NULL);
    loop_run(bed.loop);
    assert_int_equal(a.status, 200);
    assert_int_equal(o.state.tokens, 1);
    bed_answer_done(&a);
    oauth_close(&o);
}

static void requests_at_once_wait_for_the_same_token(void **state)
{
    struct oauth o = {.state = {.life = "\"3600\"", .in_body = true}, .wanted = "Bearer t1\r\n"};
    oauth_open(&o);
    struct bed_answer a = {.left = 5};
    for (int i = 0; i < 5; i++)
        fetch_start(o.client,
                    &(struct fetch_request){.url = o.site.url, .done = bed_done, .context = &a},
                    NULL);
    loop_run(bed.loop);
    assert_int_equal(a.status, 200);
    assert_int_equal(o.state.tokens, 1);
    bed_answer_done(&a);
    oauth_close(&o);
}

static void a_token_that_runs_out_or_is_refused_is_got_anew(void **state)
{
    struct oauth o = {.state = {.life = "11"}, .wanted = "Bearer t1\r\n"};
    oauth_open(&o);
    oauth_ask(&o, 0, 200);
    o.wanted = "Bearer t2\r\n";
    oauth_ask(&o, 0, 200); /* refused, and tried again with a new one */
    assert_int_equal(o.state.tokens, 2);
    bed_wait(1100); /* one second of it counts */
    o.wanted = "Bearer t3\r\n";
    oauth_ask(&o, 0, 200);
    assert_int_equal(o.state.tokens, 3);
    assert_in_range(o.site.served, 3, 4); /* 3 where the second began late */
    o.wanted = "never";
    oauth_ask(&o, 0, 401); /* but not again and again */
    assert_int_equal(o.state.tokens, 4);
    oauth_close(&o);
}

static void without_a_token_nothing_is_sent(void **state)
{
    struct oauth o = {.state = {.refuses = true}, .wanted = "x"};
    oauth_open(&o);
    oauth_ask(&o, -ERR_DENIED, 0);
    assert_int_equal(o.auth.served, 2); /* as a header, and in the body */
    assert_int_equal(o.site.served, 0);
    o.state.refuses = false;
    o.state.life = "0.5e9999";
    oauth_ask(&o, -ERR_FORMAT, 0);
    oauth_close(&o);
}

static void who_waits_for_a_token_can_be_canceled(void **state)
{
    struct oauth o = {.state = {.life = "60"}, .wanted = "t1"};
    oauth_open(&o);
    struct bed_answer a = {.left = 100};
    struct fetch *f[2];
    for (int i = 0; i < 2; i++)
        fetch_start(o.client,
                    &(struct fetch_request){.url = o.site.url, .done = bed_done, .context = &a},
                    &f[i]);
    fetch_cancel(f[0]);
    for (int i = 0; a.calls < 1 && i < 200; i++)
        bed_wait(50);
    assert_int_equal(a.calls, 1);
    fetch_start(o.client,
                &(struct fetch_request){.url = o.site.url, .done = bed_done, .context = &a}, NULL);
    oauth_close(&o); /* cancels the other */
    assert_int_equal(a.calls, 1);
    bed_answer_done(&a);
}

/* ---- proxies */
static void a_proxy_is_asked_for_the_whole_url(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw proxy = {.text = OK};
    raw_start(&proxy);
    s.proxy.url = str_c(proxy.url);
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a =
        bed_ask(c, (struct fetch_request){.url = "http://nowhere.invalid:123/x?y=z"});
    assert_int_equal(a.status, 200);
    bed_answer_done(&a);
    assert_true(saw(&proxy, "GET http://nowhere.invalid:123/x?y=z HTTP/1.1\r\n"));
    fetch_client_free(c);
    raw_stop(&proxy);
}

static void https_goes_through_connect_with_its_headers(void **state)
{
    const struct str value = STR("v");
    const struct fetch_header h = {.name = STR("X-Tunnel"), .values = &value, .values_n = 1};
    struct fetch_settings s = fetch_settings_default;
    struct raw proxy = {.text = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"};
    char url[64];
    raw_start(&proxy);
    snprintf(url, sizeof url, "http://user:word@127.0.0.1:%u", proxy.port);
    s.proxy.url = str_c(url);
    s.proxy.connect_headers = &h;
    s.proxy.connect_headers_n = 1;
    s.authorization_type = STR("Bearer");
    s.credentials = STR("secret");
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = "https://nowhere.invalid/x"});
    assert_int_equal(a.err, -ERR_CLOSED);
    bed_answer_done(&a);
    assert_true(saw(&proxy, "CONNECT nowhere.invalid:443 HTTP/1.1\r\n"));
    assert_true(saw(&proxy, "X-Tunnel: v\r\n") && saw(&proxy, "Basic dXNlcjp3b3Jk"));
    assert_false(saw(&proxy, "secret"));
    fetch_client_free(c);
    raw_stop(&proxy);
}

static void exceptions_go_without_the_proxy(void **state)
{
    static const struct {
        const char *list, *host, *port;
        bool excepted;
    } cases[] = {
        {"*", "a", "80", true},
        {"example.com", "example.com", "80", true},
        {"example.com", "A.EXAMPLE.com", "80", true},
        {"example.com", "badexample.com", "80", false},
        {".example.com", "a.example.com", "80", true},
        {".example.com", "example.com", "80", false},
        {"*.example.com", "a.example.com", "80", true},
        {"x, example.com:81", "example.com", "81", true},
        {"x, example.com:81", "example.com", "80", false},
        {"10.0.0.0/8", "10.200.3.4", "80", true},
        {"10.0.0.0/8", "11.0.0.1", "80", false},
        {"10.0.0.0/8", "ten", "80", false},
        {"10.0.0.0/99", "10.0.0.1", "80", false},
        {"10.1.2.3", "10.1.2.3", "80", true},
        {"10.1.2.3:81", "10.1.2.3", "80", false},
        {"[fd00::1]:81", "fd00::1", "81", true},
        {"fd00::1", "fd00::1", "80", true},
        {"fd00::/16", "fd00:1::2", "80", true},
        {"fd00::/16", "fd01::2", "80", false},
        {"", "localhost", "80", true},
        {"", "127.3.3.3", "80", true},
        {"", "::1", "80", true},
        {"", "example.com", "80", false},
        {",,", "example.com", "80", false},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++)
        if (fetch_proxy_excepts(str_c(cases[i].list), str_c(cases[i].host), str_c(cases[i].port)) !=
            cases[i].excepted)
            fail_msg("%s %s:%s", cases[i].list, cases[i].host, cases[i].port);
}

static void an_excepted_host_is_asked_itself(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw r = {0};
    s.proxy.url = STR("http://127.0.0.1:1");
    s.proxy.no_proxy = STR("127.0.0.0/8");
    ask_once(&s, &r);
    assert_true(saw(&r, "GET / HTTP/1.1\r\n"));
}

static void the_environment_names_proxies(void **state)
{
    struct fetch_settings s = fetch_settings_default;
    struct raw proxy = {.text = OK};
    raw_start(&proxy);
    setenv("http_proxy", proxy.url, 1);
    setenv("no_proxy", "direct.invalid", 1);
    s.proxy.from_environment = true;
    struct fetch_client *c = bed_client(&s);
    struct bed_answer a = bed_ask(c, (struct fetch_request){.url = "http://nowhere.invalid/x"});
    assert_int_equal(a.status, 200);
    bed_answer_done(&a);
    a = bed_ask(c, (struct fetch_request){.url = "http://direct.invalid/x", .timeout_ms = 3000});
    assert_int_not_equal(a.err, 0);
    bed_answer_done(&a);
    assert_int_equal(proxy.served, 1);
    fetch_client_free(c);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    raw_stop(&proxy);
}

static void parts_of_urls_are_found(void **state)
{
    static const struct {
        const char *url, *host, *port;
    } cases[] = {{"http://a/b:c", "a", ""},      {"http://a:80?x", "a", "80"},
                 {"https://u:p@a:1/", "a", "1"}, {"https://[::1]:2/x", "::1", "2"},
                 {"https://[::1]", "::1", ""},   {"a:7", "a", "7"}};
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct str host, port;
        fetch_proxy_parts(str_c(cases[i].url), &host, &port);
        assert_str(host, cases[i].host);
        assert_str(port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_and_password_are_sent_as_basic),
        cmocka_unit_test(an_authorization_has_its_type_and_credentials),
        cmocka_unit_test(files_are_read_again_when_they_change),
        cmocka_unit_test(headers_of_the_settings_replace_those_of_requests),
        cmocka_unit_test(credentials_do_not_follow_to_another_host),
        cmocka_unit_test(contradicting_settings_make_no_client),
        cmocka_unit_test(a_token_is_got_once_and_used_while_it_lasts),
        cmocka_unit_test(requests_at_once_wait_for_the_same_token),
        cmocka_unit_test(a_token_that_runs_out_or_is_refused_is_got_anew),
        cmocka_unit_test(without_a_token_nothing_is_sent),
        cmocka_unit_test(who_waits_for_a_token_can_be_canceled),
        cmocka_unit_test(a_proxy_is_asked_for_the_whole_url),
        cmocka_unit_test(https_goes_through_connect_with_its_headers),
        cmocka_unit_test(exceptions_go_without_the_proxy),
        cmocka_unit_test(an_excepted_host_is_asked_itself),
        cmocka_unit_test(the_environment_names_proxies),
        cmocka_unit_test(parts_of_urls_are_found),
    };
    return cmocka_run_group_tests(tests, bed_open, bed_close);
}
