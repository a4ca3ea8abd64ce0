#include "base/mem.h"
#include "base/must.h"
#include "net/base64.h"
#include "net/fetch_state.h"
#include "os/file.h"

void fetch_secret_init(struct fetch_secret *s, struct str text, struct str path)
{
    *s = (struct fetch_secret){.text = text, .path = path};
    buf_init(&s->file, FETCH_SECRET_MAX);
}

void fetch_secret_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->capacity);
    buf_done(b);
}

void fetch_secret_done(struct fetch_secret *s)
{
    fetch_secret_wipe(&s->file);
}

int fetch_secret_read(struct fetch_secret *s, bool *changed, struct why *why)
{
    if (s->path.n == 0)
        return 0;
    struct buf file;
    buf_init(&file, FETCH_SECRET_MAX);
    char *path = mem_text(s->path.p, s->path.n);
    int err = file_read(path, &file, why);
    mem_free(path);
    struct str text = str_trim(buf_str(&file));
    if (err == 0 && !str_eq(text, buf_str(&s->file))) {
        buf_clear(&s->file);
        buf_put_str(&s->file, text);
        *changed = true;
    }
    fetch_secret_wipe(&file);
    return err;
}

struct str fetch_secret_text(const struct fetch_secret *s)
{
    return s->path.n > 0 ? buf_str(&s->file) : s->text;
}

void fetch_secret_basic(struct str username, struct str password, struct buf *ret)
{
    struct buf plain;
    buf_init(&plain, 2 * FETCH_SECRET_MAX + 1);
    buf_put_str(&plain, username);
    buf_put_c(&plain, ':');
    buf_put_str(&plain, password);
    buf_put_str(ret, STR("Authorization: Basic "));
    base64_put(ret, buf_str(&plain));
    fetch_secret_wipe(&plain);
}

void fetch_secret_open_all(struct fetch_client *c)
{
    const struct fetch_settings *s = c->settings;
    fetch_secret_init(&c->username, s->username, s->username_file);
    fetch_secret_init(&c->password, s->password, s->password_file);
    fetch_secret_init(&c->credentials, s->credentials, s->credentials_file);
    fetch_secret_init(&c->cert, s->tls.cert, s->tls.cert_file);
    fetch_secret_init(&c->key, s->tls.key, s->tls.key_file);
    buf_init(&c->authorization, 4 * FETCH_SECRET_MAX);
    for (size_t i = 0; i < s->headers_n; i++)
        c->header_files_n += s->headers[i].files_n;
    c->header_files = mem_array(c->header_files_n + 1, sizeof *c->header_files);
    struct fetch_secret *next = c->header_files;
    for (size_t i = 0; i < s->headers_n; i++)
        for (size_t j = 0; j < s->headers[i].files_n; j++)
            fetch_secret_init(next++, STR(""), s->headers[i].files[j]);
}

void fetch_secret_close_all(struct fetch_client *c)
{
    fetch_secret_done(&c->username);
    fetch_secret_done(&c->password);
    fetch_secret_done(&c->credentials);
    fetch_secret_done(&c->cert);
    fetch_secret_done(&c->key);
    for (size_t i = 0; i < c->header_files_n; i++)
        fetch_secret_done(&c->header_files[i]);
    mem_free(c->header_files);
    fetch_secret_wipe(&c->authorization);
}

static void make_authorization(struct fetch_client *c)
{
    const struct fetch_settings *s = c->settings;
    buf_clear(&c->authorization);
    if (s->username.n + s->username_file.n + s->password.n + s->password_file.n > 0) {
        fetch_secret_basic(fetch_secret_text(&c->username), fetch_secret_text(&c->password),
                           &c->authorization);
    } else if (s->authorization_type.n > 0) {
        buf_put_str(&c->authorization, STR("Authorization: "));
        buf_put_str(&c->authorization, s->authorization_type);
        buf_put_c(&c->authorization, ' ');
        buf_put_str(&c->authorization, fetch_secret_text(&c->credentials));
    }
    buf_put_c(&c->authorization, '\0');
    c->authorization.n--;
}

int fetch_secret_read_all(struct fetch_client *c, struct why *why)
{
    int64_t now = loop_now_ms(c->fetcher->loop);
    if (c->read_ms != 0 && now - c->read_ms < FETCH_FRESH_MS)
        return 0;
    bool changed = c->read_ms == 0, tls_changed = false;
    struct {
        struct fetch_secret *secret;
        bool *changed;
        const char *what;
    } all[] = {
        {&c->username, &changed, "basic auth username"},
        {&c->password, &changed, "basic auth password"},
        {&c->credentials, &changed, "authorization credentials"},
        {&c->cert, &tls_changed, "client cert"},
        {&c->key, &tls_changed, "client key"},
    };
    for (size_t i = 0; i < COUNTOF(all); i++) {
        int err = fetch_secret_read(all[i].secret, all[i].changed, why);
        if (err) {
            (void)why_prefix(why, "unable to read %s", all[i].what); /* err is what counts */
            return err;
        }
    }
    for (size_t i = 0; i < c->header_files_n; i++) {
        int err = fetch_secret_read(&c->header_files[i], &changed, why);
        if (err)
            return err;
    }
    if (changed)
        make_authorization(c);
    if (tls_changed)
        c->version++;
    c->read_ms = MAX(now, 1);
    return 0;
}
