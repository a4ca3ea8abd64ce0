#include "crypt/keyring.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"
#include "crypt/kdf.h"
#include "os/file.h"

/* Where things stand in a wrapped key. */
enum {
    AT_NONCE = KEYRING_ID_BYTES,
    AT_KEY = AT_NONCE + CIPHER_NONCE_BYTES,
    AT_TAG = AT_KEY + CIPHER_KEY_BYTES
};

struct key {
    char id[KEYRING_ID_BYTES]; /* NUL-padded */
    struct cipher *cipher;     /* wraps data keys */
};

struct keyring {
    char *file;
    struct key keys[KEYRING_KEYS_MAX]; /* [n], newest first */
    size_t n;
};

static bool parse_hex(struct str text, uint8_t ret[CIPHER_KEY_BYTES])
{
    if (text.n != 2 * (size_t)CIPHER_KEY_BYTES)
        return false;
    for (size_t i = 0; i < CIPHER_KEY_BYTES; i++) {
        int high = str_hex(text.p[2 * i]), low = str_hex(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_id(struct str id)
{
    if (id.n == 0 || id.n >= KEYRING_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static const struct key *find(const struct keyring *r, const char id[KEYRING_ID_BYTES])
{
    for (size_t i = 0; i < r->n; i++)
        if (memcmp(r->keys[i].id, id, KEYRING_ID_BYTES) == 0)
            return &r->keys[i];
    return NULL;
}

static int add_key(struct keyring *r, struct str id, struct str hex, int line, struct why *why)
{
    if (!is_id(id))
        return why_set(
            why, ERR_KEY,
            "key file %s, line %d: a key's id has 1 to %d characters of A-Z a-z 0-9 . _ -", r->file,
            line, KEYRING_ID_BYTES - 1);
    if (r->n == KEYRING_KEYS_MAX)
        return why_set(why, ERR_KEY, "key file %s has more than %d keys", r->file,
                       KEYRING_KEYS_MAX);
    struct key *key = &r->keys[r->n];
    memcpy(key->id, id.p, id.n);
    if (find(r, key->id)) {
        memset(key->id, 0, sizeof key->id);
        return why_set(why, ERR_KEY, "key file %s, line %d: the id " STR_FMT " is there twice",
                       r->file, line, STR_ARG(id));
    }
    uint8_t master[CIPHER_KEY_BYTES], wrapping[CIPHER_KEY_BYTES];
    if (!parse_hex(hex, master))
        return why_set(why, ERR_KEY,
                       "key file %s, line %d: after the id there must be 64 hexadecimal digits "
                       "(make them with: openssl rand -hex 32)",
                       r->file, line);
    int err = kdf_derive(master, STR("sonde wrap v1"), wrapping);
    if (!err) {
        key->cipher = cipher_new(wrapping);
        r->n++;
    }
    cipher_wipe(master, sizeof master);
    cipher_wipe(wrapping, sizeof wrapping);
    return err ? why_set(why, ERR_IO, "OpenSSL cannot derive a key (HKDF-SHA256)") : 0;
}

static int parse_line(struct keyring *r, struct str line, int number, struct why *why)
{
    struct str id, hex, more;
    line = str_trim(str_sub(line, 0, str_find(line, '#')));
    if (!str_word(&line, &id))
        return 0;
    if (!str_word(&line, &hex))
        hex = (struct str){0};
    if (str_word(&line, &more))
        hex = (struct str){0};
    return add_key(r, id, hex, number, why);
}

int keyring_parse(struct str text, const char *name, struct keyring **ret, struct why *why)
{
    struct keyring *r = mem_new(sizeof *r);
    r->file = mem_text(name, strlen(name));
    struct str line;
    int err = 0;
    for (int number = 1; !err && str_split(&text, '\n', &line); number++)
        err = parse_line(r, line, number, why);
    if (!err && r->n == 0)
        err = why_set(why, ERR_KEY,
                      "key file %s holds no key: write a line \"ID HEX64\" (openssl rand -hex 32)",
                      name);
    if (err) {
        keyring_free(r);
        return err;
    }
    *ret = r;
    return 0;
}

int keyring_load(const char *path, struct keyring **ret, struct why *why)
{
    struct buf text;
    struct why own = {0};
    buf_init(&text, KEYRING_FILE_BYTES_MAX);
    /* All at once, so that growing leaves no copy behind. By its path alone: a confined process may
     * open the file and not its directory. */
    must(buf_reserve(&text, KEYRING_FILE_BYTES_MAX) != NULL);
    int err = file_read(path, &text, &own);
    if (err)
        err = why_set(why, ERR_KEY, "cannot read the key file: %s", own.text);
    else
        err = keyring_parse(buf_str(&text), path, ret, why);
    cipher_wipe(text.p, text.capacity);
    buf_done(&text);
    return err;
}

void keyring_free(struct keyring *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        cipher_free(r->keys[i].cipher);
    mem_free(r->file);
    mem_free(r);
}

const char *keyring_newest(const struct keyring *r)
{
    return r->keys[0].id;
}

void keyring_id_of(const uint8_t wrapped[KEYRING_WRAPPED_BYTES], char ret[KEYRING_ID_BYTES])
{
    size_t n = strnlen((const char *)wrapped, KEYRING_ID_BYTES);
    memset(ret, 0, KEYRING_ID_BYTES);
    if (is_id(str_of((const char *)wrapped, n)))
        memcpy(ret, wrapped, n);
}

int keyring_wrap(const struct keyring *r, struct str aad, const uint8_t key[CIPHER_KEY_BYTES],
                 uint8_t ret_wrapped[KEYRING_WRAPPED_BYTES])
{
    uint8_t out[KEYRING_WRAPPED_BYTES];
    memcpy(out, r->keys[0].id, KEYRING_ID_BYTES);
    int err = cipher_random(out + AT_NONCE, CIPHER_NONCE_BYTES);
    if (!err)
        err = cipher_seal(r->keys[0].cipher, out + AT_NONCE, aad, key, CIPHER_KEY_BYTES,
                          out + AT_KEY, out + AT_TAG);
    if (!err)
        memcpy(ret_wrapped, out, sizeof out);
    return err;
}

int keyring_new_key(const struct keyring *r, struct str aad, uint8_t ret_key[CIPHER_KEY_BYTES],
                    uint8_t ret_wrapped[KEYRING_WRAPPED_BYTES])
{
    uint8_t key[CIPHER_KEY_BYTES];
    int err = cipher_random(key, sizeof key);
    if (!err)
        err = keyring_wrap(r, aad, key, ret_wrapped);
    if (!err)
        memcpy(ret_key, key, sizeof key);
    cipher_wipe(key, sizeof key);
    return err;
}

int keyring_unwrap(const struct keyring *r, struct str aad,
                   const uint8_t wrapped[KEYRING_WRAPPED_BYTES], const char *file,
                   uint8_t ret_key[CIPHER_KEY_BYTES], struct why *why)
{
    char id[KEYRING_ID_BYTES];
    keyring_id_of(wrapped, id);
    if (!r)
        return why_set(why, ERR_KEY,
                       "%s is encrypted with key \"%s\", but no key file is configured: set "
                       "[store] key_file",
                       file, id);
    const struct key *key = id[0] ? find(r, id) : NULL;
    if (!key)
        return why_set(why, ERR_KEY,
                       "%s is encrypted with key \"%s\", which the key file %s does not hold: add "
                       "its line again",
                       file, id, r->file);
    uint8_t out[CIPHER_KEY_BYTES];
    int err = cipher_open(key->cipher, wrapped + AT_NONCE, aad, wrapped + AT_KEY, CIPHER_KEY_BYTES,
                          wrapped + AT_TAG, out);
    if (err)
        return why_set(why, ERR_KEY,
                       "the key \"%s\" in the key file %s does not open %s: it is another key of "
                       "that name, or the file's header is damaged",
                       id, r->file, file);
    memcpy(ret_key, out, sizeof out);
    cipher_wipe(out, sizeof out);
    return 0;
}
