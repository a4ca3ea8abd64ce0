#include "receive/collectd_users.h"

#include "base/mem.h"
#include "crypt/digest.h"
#include "os/file.h"

void collectd_users_init(struct collectd_users *u)
{
    map_init(&u->passwords, 0);
    buf_init(&u->text, COLLECTD_USERS_FILE_MAX);
    u->v = NULL;
}

void collectd_users_done(struct collectd_users *u)
{
    map_done(&u->passwords);
    buf_done(&u->text);
    mem_free(u->v);
}

int collectd_users_read(struct collectd_users *u, const char *path, struct why *why)
{
    int err = file_read(path, &u->text, why);
    if (err != 0)
        return err;
    u->v = mem_array(COLLECTD_USERS_MAX, sizeof *u->v);
    struct str rest = buf_str(&u->text), line;
    size_t n = 0;
    for (size_t number = 1; str_split(&rest, '\n', &line); number++) {
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        size_t colon = str_find(line, ':');
        struct str user = str_trim(str_sub(line, 0, colon));
        struct str password = str_trim(str_sub(line, colon + 1, line.n));
        if (user.n == 0 || password.n == 0 || n == COLLECTD_USERS_MAX)
            return why_set(why, ERR_FORMAT,
                           "collectd.auth_file: line %zu of %s is not \"USER: PASSWORD\"", number,
                           path);
        u->v[n] = password;
        map_put(&u->passwords, user, NULL)->p = &u->v[n++];
    }
    return 0;
}

static const struct str *password_of(const struct collectd_users *u, struct str user)
{
    const union map_value *v = map_get(&u->passwords, user);
    return v == NULL ? NULL : v->p;
}

bool collectd_users_check(const struct collectd_users *u, const struct collectd_item *item)
{
    uint8_t mac[DIGEST_SHA256_BYTES];
    const struct str *password = password_of(u, item->user);
    return password != NULL && digest_hmac_sha256(*password, item->covered, mac) == 0 &&
           digest_same(mac, (const uint8_t *)item->mac.p, sizeof mac);
}

bool collectd_users_open(const struct collectd_users *u, const struct collectd_item *item,
                         struct buf *out)
{
    uint8_t key[DIGEST_KEY_BYTES], digest[DIGEST_SHA1_BYTES];
    const struct str *password = password_of(u, item->user);
    buf_clear(out);
    char *to = buf_reserve(out, item->sealed.n);
    if (password == NULL || to == NULL || digest_sha256(*password, key) != 0 ||
        digest_ofb_open(key, (const uint8_t *)item->iv.p, item->sealed, (uint8_t *)to) != 0)
        return false;
    buf_commit(out, item->sealed.n);
    struct str payload = str_sub(buf_str(out), COLLECTD_DIGEST_BYTES, out->n);
    if (digest_sha1(payload, digest) != 0 ||
        !digest_same(digest, (const uint8_t *)out->p, sizeof digest))
        return false;
    buf_shift(out, COLLECTD_DIGEST_BYTES);
    return true;
}
