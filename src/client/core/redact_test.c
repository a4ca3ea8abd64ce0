#include "client/core/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/setting.h"

struct sample {
    const char *text, *clean; /* clean NULL: as it was */
};

static void expect(const struct sample *rows, size_t n)
{
    struct text t;
    text_init(&t, 1 << 16);
    for (size_t i = 0; i < n; i++) {
        text_clear(&t);
        bool any = redact_text(&t, rows[i].text, strlen(rows[i].text));
        assert_string_equal(text_string(&t), rows[i].clean ? rows[i].clean : rows[i].text);
        assert_int_equal(any, rows[i].clean != NULL);
    }
    text_done(&t);
}
#define EXPECT(...)                                                                                \
    do {                                                                                           \
        static const struct sample rows[] = {__VA_ARGS__};                                         \
        expect(rows, sizeof rows / sizeof *rows);                                                  \
    } while (0)

static void mail_addresses_are_masked_and_names_with_an_at_are_not(void **state)
{
    EXPECT({"mail to jane.doe+x@example.com failed", "mail to [email] failed"},
           {"<bob@mail.example.co.uk>", "<[email]>"}, {"a@b.de,c@d.org", "[email],[email]"},
           {"user=jane@example.com.", "user=[email]."},
           {"J\xc3\xbcrgen@b\xc3\xbc"
            "cher.de wrote",
            "[email] wrote"},
           {"shop@1.4.2", NULL}, {"lodash@4.17.21 installed", NULL}, {"root@db1: no route", NULL},
           {"getty@tty1.service failed", NULL}, {"icon@2x.png", NULL}, {"@media print", NULL},
           {"a @ b.com", NULL}, {"x@", NULL}, {"@@@@", NULL}, {"user@.com", NULL});
}

static void addresses_are_masked_and_versions_are_not(void **state)
{
    EXPECT({"connect to 10.1.2.3:80 failed", "connect to [ip]:80 failed"},
           {"http://192.168.1.7/x", "http://[ip]/x"}, {"(8.8.8.8)", "([ip])"},
           {"10.0.0.1-10.0.0.9", "[ip]-[ip]"}, {"peer 1.2.3.4.", "peer [ip]."},
           {"from 2001:db8::1 on", "from [ip] on"}, {"[fe80::1]:443", "[[ip]]:443"},
           {"fe80::1: no route", "[ip]: no route"}, {"1:2:3:4:5:6:7:8 is one", "[ip] is one"},
           {"::ffff:10.0.0.1", "[ip]"}, {"version 1.2.3.4 of it", NULL}, {"v1.2.3.4", NULL},
           {"1.2.3.4.5", NULL}, {"libfoo-1.2.3.4.so", NULL}, {"1.2.3.4-rc1", NULL},
           {"Chrome/99.0.4.55 ok", NULL}, {"release: 4.19.0.1", NULL}, {"1.2.3", NULL},
           {"256.1.1.1", NULL}, {"1.02.3.4", NULL}, {"127.0.0.1:9090 and 0.0.0.0", NULL},
           {"::1", NULL}, {"std::vector", NULL}, {"ab::cd()", NULL}, {"at 12:34:56.789", NULL},
           {"2026-11-22T10:00:00.000001Z", NULL}, {"a::b::c::d", NULL});
}

static void hardware_addresses_are_masked_and_fingerprints_are_not(void **state)
{
    EXPECT({"eth0 52:54:00:12:34:56 up", "eth0 [mac] up"}, {"52-54-00-ab-cd-ef", "[mac]"},
           {"52:54:00:12:34:56:78", NULL}, {"12:34:56", NULL},
           {"d8:e8:fc:a2:dc:0f:89:6f:d7:cb:4c:b0:03:1b:a2:49", NULL});
}

static void cards_are_masked_and_other_long_numbers_are_not(void **state)
{
    EXPECT({"card 4111111111111111 refused", "card [creditcard] refused"},
           {"4111 1111 1111 1111", "[creditcard]"}, {"5500-0000-0000-0004.", "[creditcard]."},
           {"378282246310005", "[creditcard]"}, {"3782 822463 10005", "[creditcard]"},
           {"30569309025904", "[creditcard]"}, {"6011111111111117", "[creditcard]"},
           {"4111111111111112", NULL}, {"1795316024830000", NULL}, {"1795316024830000000", NULL},
           {"12345678-1234-1234-1234-123456789012", NULL},
           {"41111111-1111-1111-1111-111111111111", NULL}, {"x4111111111111111", NULL},
           {"4111111111111111abcdef", NULL}, {"0.4111111111111111", NULL},
           {"4111111111111111.5", NULL}, {"41111111111111114111111111111111", NULL});
}

static void accounts_and_security_numbers_are_masked_when_they_add_up(void **state)
{
    EXPECT({"DE89370400440532013000", "[iban]"},
           {"to GB29 NWBK 6016 1331 9268 19 now", "to [iban] now"},
           {"DE89370400440532013001", NULL}, {"AB12CDEFGHIJKLMNOPQ", NULL},
           {"ssn 123-45-6789.", "ssn [usssn]."}, {"000-12-3456", NULL}, {"666-12-3456", NULL},
           {"912-12-3456", NULL}, {"123-00-4567", NULL}, {"1123-45-6789", NULL},
           {"123-45-67890", NULL}, {"123-45-6789-1", NULL}, {"2026-11-22", NULL});
}

static void keys_and_tokens_are_masked_and_talk_about_them_is_not(void **state)
{
    EXPECT({"a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b",
            "a [pemkey] b"},
           {"-----BEGIN PRIVATE KEY-----\nMIIE", "[pemkey]"},
           {"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", NULL},
           {"-------- begin --------", NULL},
           {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w ok",
            "jwt [token] ok"},
           {"Bearer abc123DEF456", "Bearer [token]"}, {"bearer of bad news", NULL},
           {"Bearer authentication failed", NULL}, {"eyJust a word", NULL},
           {"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[token]"}, {"ghp_short", NULL},
           {"AKIAIOSFODNN7EXAMPLE", "[token]"}, {"AKIA is a prefix", NULL},
           {"postgres://app:hunter2@db:5432/x", "postgres://[auth]@db:5432/x"},
           {"https://0123abcd@o1.example.org/42", "https://[auth]@o1.example.org/42"},
           {"ssh://git@example.org/x", NULL}, {"http://example.org/@jane", NULL},
           {"http://example.org?x=a@b", NULL});
}

static void values_of_secret_keys_are_masked_in_text(void **state)
{
    EXPECT({"password=hunter2 host=x", "password=[filtered] host=x"},
           {"PGPASSWORD='a b' run", "PGPASSWORD='[filtered]' run"},
           {"{\"api_key\": \"k1\", \"n\": 2}", "{\"api_key\": \"[filtered]\", \"n\": 2}"},
           {"Authorization: Basic YTpi x\nHost: y", "Authorization: [filtered]\nHost: y"},
           {"curl --password hunter2 x", "curl --password [filtered] x"},
           {"access_token=abc&page=2", "access_token=[filtered]&page=2"},
           {"password: hunter2", "password: [filtered]"}, {"unexpected token: '}'", NULL},
           {"the password is wrong", NULL}, {"tokens_used=17", NULL}, {"author=jane", NULL},
           {"compass=north", NULL}, {"password=", NULL});
}

static void users_in_paths_are_masked_and_other_folders_are_not(void **state)
{
    EXPECT({"/home/jane/src/a.c:12", "/home/[user]/src/a.c:12"},
           {"open(/Users/bob)", "open(/Users/[user])"},
           {"C:\\Users\\bob\\x", "C:\\Users\\[user]\\x"}, {"/srv/home/", NULL},
           {"https://example.org/home/page", NULL}, {"/home", NULL}, {"/usr/lib/x", NULL});
}

static void keys_that_name_secrets_are_known(void **state)
{
    static const char *const secret[] = {
        "password",      "DB_PASSWORD", "X-Api-Key", "accessToken",  "refresh_token", "set-cookie",
        "client_secret", "auth",        "mysql_pwd", "X-CSRF-Token", "privateKey",    "pin"};
    static const char *const open[] = {"user",    "author",    "tokens_used", "token_count",
                                       "spinner", "keyboard",  "passenger",   "pinned",
                                       "",        "assignment"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        assert_true(redact_key(secret[i], strlen(secret[i])));
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_false(redact_key(open[i], strlen(open[i])));
    }
    char *before = setting.redact_keys;
    setting.redact_keys = (char *)"kundennummer, x-own";
    assert_true(redact_key("KundenNummer", 12));
    assert_true(redact_key("my_x_own", 8));
    setting.redact_keys = before;
    assert_false(redact_key("kundennummer", 12));
}

static void rules_are_chosen_by_the_setting(void **state)
{
    char *before = setting.redact;
    setting.redact = (char *)"email";
    EXPECT({"a@b.de 10.1.2.3", "[email] 10.1.2.3"});
    setting.redact = (char *)"all,-ip";
    EXPECT({"a@b.de 10.1.2.3", "[email] 10.1.2.3"});
    setting.redact = (char *)"none";
    EXPECT({"a@b.de 10.1.2.3 password=x", NULL});
    setting.redact = before;
    EXPECT({"a@b.de 10.1.2.3", "[email] [ip]"});
}

static void check_json(const char *document, const char *clean)
{
    struct text t;
    text_init(&t, 1 << 16);
    text_add_char(&t, '>');
    bool fine = redact_json(&t, document, strlen(document));
    assert_int_equal(fine, clean != NULL);
    assert_string_equal(text_string(&t) + 1, clean ? clean : "");
    if (fine) {
        json_t *j = json_loads(text_string(&t) + 1, JSON_DECODE_ANY, NULL);
        assert_non_null(j);
        json_decref(j);
    }
    text_done(&t);
}

static void documents_keep_their_form_and_lose_their_secrets(void **state)
{
    check_json(" { \"a\" : [1, -2.5e+3, true, null, \"x\"] } ",
               "{\"a\":[1,-2.5e+3,true,null,\"x\"]}");
    check_json("{\"password\":{\"deep\":[1,{\"x\":2}]},\"b\":1}",
               "{\"password\":\"[filtered]\",\"b\":1}");
    check_json("{\"pin\":1234,\"mail\":\"jane@example.com\"}",
               "{\"pin\":\"[filtered]\",\"mail\":\"[email]\"}");
    check_json("{\"version\":\"1.2.3.4\",\"peer\":\"1.2.3.4\"}",
               "{\"version\":\"1.2.3.4\",\"peer\":\"[ip]\"}");
    check_json("{\"n\":4111111111111111}", "{\"n\":\"[creditcard]\"}");
    check_json("{\"jane@example.com\":1}", "{\"[email]\":1}");
    check_json("\"jane\\u0040example.com \\ud83d\\ude00 \\ud800 \\/\"",
               "\"[email] \xf0\x9f\x98\x80 \xef\xbf\xbd /\"");
    check_json("[]", "[]");
    check_json("{}", "{}");
    check_json("0", "0");
    check_json("\"\"", "\"\"");
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",      "{",   "[1,]", "{\"a\"}",        "{\"a\":1,}", "01",     "1.",  "-",     "+1",
        "nul",   "tru", "\"a",  "\"\\x\"",        "\"\\u12\"",  "\"\n\"", "1 2", "{a:1}", "{'a':1}",
        "[1 2]", "]",   "1e",   "{\"password\":}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_json(bad[i], NULL);
    }
    char deep[201];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = 0;
    check_json(deep, NULL);
    deep[100 + REDACT_DEPTH_MAX] = 0;
    check_json(deep + 100 - REDACT_DEPTH_MAX, deep + 100 - REDACT_DEPTH_MAX);
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Texts made of what each rule begins with: eight times as long must not take 64 times as long. */
static void hostile_texts_take_linear_time(void **state)
{
    static const char *const parts[] = {
        "@",           "a@",     "a.",        "eyJ",        "eyJ-",
        "1.",          "4111 ",  "fe80::",    "::",         "-----BEGIN X KEY",
        "-----BEGIN ", "://a:",  "password ", "--password", "bearer ",
        "AA00 ",       "/home/", "1-",        "\"",         "ghp_"};
    enum { SHORT = 1 << 14, TIMES = 8 };
    char *s = malloc(SHORT * TIMES);
    assert_non_null(s);
    struct text t;
    text_init(&t, SHORT * TIMES * 16);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]);
        for (size_t k = 0; k < SHORT * TIMES; k++) {
            s[k] = parts[i][k % n];
        }
        double once = 1e9;
        for (int k = 0; k < 3; k++) {
            double begin = seconds();
            text_clear(&t);
            redact_text(&t, s, SHORT);
            double took = seconds() - begin;
            once = took < once ? took : once;
        }
        double begin = seconds();
        text_clear(&t);
        redact_text(&t, s, SHORT * TIMES);
        double took = seconds() - begin;
        assert_true(took < once * TIMES * 4 + 0.02);
    }
    text_done(&t);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_addresses_are_masked_and_names_with_an_at_are_not),
        cmocka_unit_test(addresses_are_masked_and_versions_are_not),
        cmocka_unit_test(hardware_addresses_are_masked_and_fingerprints_are_not),
        cmocka_unit_test(cards_are_masked_and_other_long_numbers_are_not),
        cmocka_unit_test(accounts_and_security_numbers_are_masked_when_they_add_up),
        cmocka_unit_test(keys_and_tokens_are_masked_and_talk_about_them_is_not),
        cmocka_unit_test(values_of_secret_keys_are_masked_in_text),
        cmocka_unit_test(users_in_paths_are_masked_and_other_folders_are_not),
        cmocka_unit_test(keys_that_name_secrets_are_known),
        cmocka_unit_test(rules_are_chosen_by_the_setting),
        cmocka_unit_test(documents_keep_their_form_and_lose_their_secrets),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(hostile_texts_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
