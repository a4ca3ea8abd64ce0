#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypt/cipher.h"
#include "net/fetch_state.h"
#include "net/jwt.h"
#include "text/json.h"
#include "text/template.h"

enum {
    HEADER_MAX = 64 * 1024,  /* bytes of a token */
    ANSWER_MAX = 256 * 1024, /* bytes of what the server says with it */
    EARLY_S = 10,            /* before it runs out, a new one is got */
    LIFE_MAX_S = 1 << 30,
    JWT_LIFE_S = 3600,
};

static void on_token(void *client, const struct fetch_answer *a);

void fetch_token_open(struct fetch_client *c)
{
    const struct fetch_oauth2 *o = c->settings->oauth2;
    if (o == NULL)
        return;
    struct fetch_token *t = c->token = mem_new(sizeof *t);
    t->settings = fetch_settings_default;
    t->settings.tls = o->tls;
    t->settings.proxy = o->proxy;
    fetch_secret_init(&t->secret, o->jwt ? o->jwt->key : o->client_secret,
                      o->jwt ? o->jwt->key_file : o->client_secret_file);
    buf_init(&t->header, HEADER_MAX);
    buf_init(&t->body, 8 * FETCH_SECRET_MAX);
}

void fetch_token_close(struct fetch_client *c)
{
    struct fetch_token *t = c->token;
    if (t == NULL)
        return;
    must(t->waiting == NULL);
    fetch_client_free(t->client);
    fetch_secret_done(&t->secret);
    fetch_secret_wipe(&t->header);
    fetch_secret_wipe(&t->body);
    mem_free(t);
    c->token = NULL;
}

void fetch_token_leave(struct fetch *f)
{
    struct fetch **at = &f->client->token->waiting;
    while (*at != f)
        at = &(*at)->after;
    *at = f->after;
    timer_free(f->timer);
    f->timer = NULL;
}

static void on_late(void *fetch)
{
    struct fetch *f = fetch;
    fetch_token_leave(f);
    why_set(&f->why, ERR_TIMEOUT, "no token from " STR_FMT " within %lld ms",
            STR_ARG(f->client->settings->oauth2->token_url), (long long)f->request.timeout_ms);
    fetch_fail(f);
}

/* All who wait go on, or fail with why. */
static void wake(struct fetch_client *c, const struct why *why)
{
    while (c->token->waiting) {
        struct fetch *f = c->token->waiting;
        fetch_token_leave(f);
        if (why == NULL) {
            fetch_go(f);
        } else {
            f->why = *why;
            fetch_fail(f);
        }
    }
}

static void put_param(struct buf *to, struct str name, struct str value)
{
    if (to->n > 0)
        buf_put_c(to, '&');
    template_escape_query(name, to);
    buf_put_c(to, '=');
    template_escape_query(value, to);
}

static void put_claim(struct json_writer *w, const char *name, struct str value)
{
    json_key(w, str_c(name));
    json_text(w, value);
}

/* The token that says who we are, as a parameter. */
static int put_assertion(const struct fetch_oauth2 *o, struct fetch_token *t, struct str scopes,
                         struct why *why)
{
    const struct fetch_jwt *j = o->jwt;
    struct buf claims, token, id;
    struct json_writer w;
    uint8_t random[16];
    char unique[2 * sizeof random + 1];
    int64_t now_s = clock_wall_ms(&clock_real) / 1000;
    int err = cipher_random(random, sizeof random);
    if (err)
        return why_set(why, (enum err) - err, "no random bytes for a token");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(unique + 2 * i, 3, "%02x", random[i]);
    buf_init(&claims, FETCH_SECRET_MAX);
    buf_init(&token, 4 * FETCH_SECRET_MAX);
    buf_init(&id, FETCH_SECRET_MAX);
    json_writer_init(&w, &claims);
    json_begin_object(&w);
    put_claim(&w, "iss", j->issuer.n > 0 ? j->issuer : o->client_id);
    put_claim(&w, "sub", o->client_id);
    put_claim(&w, "aud", j->audience.n > 0 ? j->audience : o->token_url);
    put_claim(&w, "jti", str_c(unique));
    if (scopes.n > 0)
        put_claim(&w, "scope", scopes);
    json_key(&w, STR("iat"));
    json_i64(&w, now_s);
    json_key(&w, STR("exp"));
    json_i64(&w, now_s + JWT_LIFE_S);
    json_end_object(&w);
    if (j->claims.n > 2) { /* not "{}": its members go in before the brace */
        claims.n--;
        buf_put_c(&claims, ',');
        buf_put_str(&claims, str_sub(j->claims, 1, j->claims.n));
    }
    json_put_text(&id, j->key_id);
    if (!jwt_sign(j->algorithm, fetch_secret_text(&t->secret), str_sub(buf_str(&id), 1, id.n - 1),
                  buf_str(&claims), &token))
        err = why_set(why, ERR_FORMAT, "the key for tokens of " STR_FMT " is no RSA key in PEM",
                      STR_ARG(o->token_url));
    else
        put_param(&t->body, STR("assertion"), buf_str(&token));
    buf_done(&claims);
    buf_done(&id);
    fetch_secret_wipe(&token);
    return err;
}

static int make_body(const struct fetch_oauth2 *o, struct fetch_token *t, struct why *why)
{
    struct buf scopes;
    buf_init(&scopes, FETCH_SECRET_MAX);
    buf_clear(&t->body);
    for (size_t i = 0; i < o->params_n; i++)
        put_param(&t->body, o->params[i].name, o->params[i].value);
    put_param(&t->body, STR("grant_type"),
              o->jwt ? STR("urn:ietf:params:oauth:grant-type:jwt-bearer")
                     : STR("client_credentials"));
    int err = 0;
    for (size_t i = 0; i < o->scopes_n; i++) {
        if (i > 0)
            buf_put_c(&scopes, ' ');
        buf_put_str(&scopes, o->scopes[i]);
    }
    if (scopes.n > 0)
        put_param(&t->body, STR("scope"), buf_str(&scopes));
    if (o->jwt) {
        err = put_assertion(o, t, buf_str(&scopes), why);
    } else if (t->in_body) {
        put_param(&t->body, STR("client_id"), o->client_id);
        put_param(&t->body, STR("client_secret"), fetch_secret_text(&t->secret));
    }
    buf_done(&scopes);
    return err;
}

/* The id and secret as a header, each escaped as in a form (RFC 6749, 2.3.1). */
static void make_header(const struct fetch_oauth2 *o, const struct fetch_token *t, struct buf *ret)
{
    struct buf id, secret;
    buf_init(&id, 4 * FETCH_SECRET_MAX);
    buf_init(&secret, 4 * FETCH_SECRET_MAX);
    template_escape_query(o->client_id, &id);
    template_escape_query(fetch_secret_text(&t->secret), &secret);
    fetch_secret_basic(buf_str(&id), buf_str(&secret), ret);
    buf_put_c(ret, '\0');
    buf_done(&id);
    fetch_secret_wipe(&secret);
}

/* Asks for a token. */
static int ask(struct fetch_client *c, struct why *why)
{
    const struct fetch_oauth2 *o = c->settings->oauth2;
    struct fetch_token *t = c->token;
    bool changed;
    int err = fetch_secret_read(&t->secret, &changed, why);
    if (err)
        return err;
    if (t->client == NULL)
        err = fetch_client_new(c->fetcher, &t->settings, &t->client, why);
    if (err)
        return err;
    err = make_body(o, t, why);
    if (err)
        return err;
    struct buf header;
    buf_init(&header, 8 * FETCH_SECRET_MAX);
    make_header(o, t, &header);
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                   "Accept: application/json", header.p};
    char *url = mem_text(o->token_url.p, o->token_url.n);
    fetch_start(t->client,
                &(struct fetch_request){
                    .method = "POST",
                    .url = url,
                    .headers = headers,
                    .headers_n = t->in_body || o->jwt ? 2 : 3,
                    .body = buf_str(&t->body),
                    .body_max = ANSWER_MAX,
                    .done = on_token,
                    .context = c,
                },
                &t->fetching);
    mem_free(url);
    fetch_secret_wipe(&header);
    return 0;
}

struct grant {
    struct str token, type;
    double seconds;
};

static int read_grant(struct str json, struct arena *a, struct grant *ret)
{
    struct json_reader r;
    struct json_event e;
    *ret = (struct grant){.type = STR("Bearer")};
    json_reader_init(&r, json, a);
    if (json_next(&r, &e, NULL) != 1 || e.type != JSON_OBJECT)
        return -ERR_FORMAT;
    for (;;) {
        if (json_next(&r, &e, NULL) != 1)
            return -ERR_FORMAT;
        if (e.type == JSON_OBJECT_END)
            return ret->token.n > 0 ? 0 : -ERR_FORMAT;
        struct str key = e.text;
        if (json_next(&r, &e, NULL) != 1)
            return -ERR_FORMAT;
        uint64_t seconds;
        if (str_eq(key, STR("access_token")) && e.type == JSON_TEXT)
            ret->token = e.text;
        else if (str_eq(key, STR("token_type")) && e.type == JSON_TEXT && e.text.n > 0)
            ret->type = e.text;
        else if (str_eq(key, STR("expires_in")) && e.type == JSON_NUMBER)
            ret->seconds = e.number;
        else if (str_eq(key, STR("expires_in")) && e.type == JSON_TEXT && str_u64(e.text, &seconds))
            ret->seconds = (double)seconds;
        if (json_skip(&r, &e, NULL))
            return -ERR_FORMAT;
    }
}

static int take_grant(struct fetch_client *c, struct str json, struct why *why)
{
    struct fetch_token *t = c->token;
    struct arena a;
    struct grant g;
    arena_init(&a);
    int err = read_grant(json, &a, &g);
    if (err) {
        arena_done(&a);
        return why_set(why, ERR_FORMAT, "the answer of " STR_FMT " has no access_token",
                       STR_ARG(c->settings->oauth2->token_url));
    }
    static const struct str PLAIN[] = {{"Bearer", 6}, {"MAC", 3}, {"Basic", 5}};
    for (size_t i = 0; i < COUNTOF(PLAIN); i++)
        if (g.type.n == PLAIN[i].n && strncasecmp(g.type.p, PLAIN[i].p, g.type.n) == 0)
            g.type = PLAIN[i];
    buf_clear(&t->header);
    buf_printf(&t->header, "Authorization: " STR_FMT " " STR_FMT, STR_ARG(g.type),
               STR_ARG(g.token));
    if (buf_failed(&t->header))
        err = why_set(why, ERR_LIMIT, "the token is longer than %d bytes", (int)HEADER_MAX);
    int64_t now = loop_now_ms(c->fetcher->loop);
    t->until_ms = 0;
    if (g.seconds > 0)
        t->until_ms = MAX(now + (int64_t)(MIN(g.seconds, LIFE_MAX_S) - EARLY_S) * 1000, 1);
    arena_done(&a);
    return err;
}

static void on_token(void *client, const struct fetch_answer *a)
{
    struct fetch_client *c = client;
    struct fetch_token *t = c->token;
    struct why why = {0};
    struct str url = c->settings->oauth2->token_url;
    int err = 0;
    t->fetching = NULL;
    if (a->err) {
        err = why_set(&why, (enum err) - a->err, "no token from " STR_FMT ": %s", STR_ARG(url),
                      a->why);
    } else if (a->status >= 200 && a->status < 300) {
        err = take_grant(c, a->body, &why);
        t->in_body_known = err == 0;
    } else if (!t->in_body_known && c->settings->oauth2->jwt == NULL) {
        /* Some servers want the id and secret in the body. */
        t->in_body = !t->in_body;
        t->in_body_known = true;
        err = ask(c, &why);
        if (err == 0)
            return;
    } else {
        t->in_body = t->in_body_known = false;
        err = why_set(&why, ERR_DENIED, "no token from " STR_FMT ": it answered with status %d",
                      STR_ARG(url), a->status);
    }
    wake(c, err ? &why : NULL);
}

bool fetch_token_ready(struct fetch *f)
{
    struct fetch_token *t = f->client->token;
    struct loop *l = f->client->fetcher->loop;
    if (t->header.n > 0 && (t->until_ms == 0 || loop_now_ms(l) < t->until_ms))
        return true;
    if (t->fetching == NULL) {
        int err = ask(f->client, &f->why);
        if (err) {
            fetch_fail(f);
            return false;
        }
    }
    f->phase = FETCH_TOKEN;
    f->retried = true; /* it will be a new one */
    f->after = t->waiting;
    t->waiting = f;
    f->timer = timer_new(l, f->request.timeout_ms, 0, on_late, f);
    return false;
}

bool fetch_token_refused(struct fetch *f, int status)
{
    struct fetch_token *t = f->client->token;
    if (t == NULL || status != 401 || f->retried || f->token.n == 0)
        return false;
    f->retried = true;
    if (str_eq(buf_str(&t->header), f->token))
        buf_clear(&t->header);
    if (fetch_token_ready(f))
        fetch_go(f);
    return true;
}
