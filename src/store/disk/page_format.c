#include "store/disk/page_format.h"

#include <string.h>

#include "base/bits.h"
#include "base/hash.h"

static const uint64_t MAGIC = 0x45474150444e4f53; /* "SONDPAGE" */

/* Where things stand in a slot. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_KIND = 12,
    AT_FLAGS = 16,
    AT_PAGE = 20,
    AT_ID = 24,
    AT_SIZE = 32,
    AT_GENERATION = 40, /* all before is bound to the wrapped key */
    AT_WRAPPED = 48,
    AT_CRC = AT_WRAPPED + KEYRING_WRAPPED_BYTES,
    VERSION = 1,
    FLAG_ENCRYPTED = 1,
    AAD = 20, /* bytes: id, page, kind */
};

void page_format_bound(const struct page_format *f, uint8_t ret[PAGE_FORMAT_BOUND])
{
    store64(ret + AT_MAGIC, MAGIC);
    store32(ret + AT_VERSION, VERSION);
    store32(ret + AT_KIND, f->kind);
    store32(ret + AT_FLAGS, f->encrypted ? FLAG_ENCRYPTED : 0);
    store32(ret + AT_PAGE, PAGE_BYTES);
    store64(ret + AT_ID, f->id);
    store64(ret + AT_SIZE, f->size);
}

void page_format_write(const struct page_format *f, uint8_t ret[PAGE_FORMAT_SLOT])
{
    memset(ret, 0, PAGE_FORMAT_SLOT);
    page_format_bound(f, ret);
    store64(ret + AT_GENERATION, f->generation);
    memcpy(ret + AT_WRAPPED, f->wrapped, sizeof f->wrapped);
    store32(ret + AT_CRC, hash_crc32c(0, ret, AT_CRC));
}

static bool slot_is_sound(const uint8_t *p)
{
    return load64(p + AT_MAGIC) == MAGIC && load32(p + AT_CRC) == hash_crc32c(0, p, AT_CRC);
}

int page_format_read(const uint8_t p[PAGE_HEADER_BYTES], struct page_format *ret)
{
    const uint8_t *slot = NULL;
    for (int i = 0; i < PAGE_FORMAT_SLOTS; i++) {
        const uint8_t *q = p + (size_t)i * PAGE_FORMAT_SLOT;
        if (slot_is_sound(q) && (!slot || load64(q + AT_GENERATION) > load64(slot + AT_GENERATION)))
            slot = q;
    }
    if (!slot)
        return -ERR_CORRUPT;
    const uint8_t *other = slot == p ? p + PAGE_FORMAT_SLOT : p;
    if (load32(slot + AT_VERSION) != VERSION || load32(slot + AT_PAGE) != PAGE_BYTES)
        return -ERR_FORMAT;
    ret->kind = load32(slot + AT_KIND);
    ret->encrypted = load32(slot + AT_FLAGS) & FLAG_ENCRYPTED;
    ret->id = load64(slot + AT_ID);
    ret->size = load64(slot + AT_SIZE);
    ret->generation = load64(slot + AT_GENERATION);
    memcpy(ret->wrapped, slot + AT_WRAPPED, sizeof ret->wrapped);
    ret->uneven = !slot_is_sound(other) ||
                  memcmp(slot + AT_WRAPPED, other + AT_WRAPPED, sizeof ret->wrapped) != 0;
    return 0;
}

size_t page_format_payload(uint64_t size, uint64_t number)
{
    uint64_t whole = size / PAGE_PAYLOAD;
    if (number < whole)
        return PAGE_PAYLOAD;
    return number == whole ? (size_t)(size % PAGE_PAYLOAD) : 0;
}

/* A page is bound to its place, so that one that was written to another place is found out. */
static void make_aad(const struct page_format *f, uint64_t number, uint8_t ret[AAD])
{
    store64(ret, f->id);
    store64(ret + 8, number);
    store32(ret + 16, f->kind);
}

static void make_nonce(const struct page_format *f, uint64_t number,
                       uint8_t ret[CIPHER_NONCE_BYTES])
{
    store64(ret, f->id);
    store32(ret + 8, (uint32_t)number);
}

int page_format_seal(const struct page_format *f, const struct cipher *cipher, uint64_t number,
                     uint8_t *p, size_t n)
{
    uint8_t aad[AAD], nonce[CIPHER_NONCE_BYTES];
    make_aad(f, number, aad);
    memset(p + n, 0, PAGE_TAG_BYTES);
    if (number > UINT32_MAX)
        return -ERR_LIMIT; /* 128 TiB: the nonce would come again */
    if (!cipher) {
        store32(p + n, hash_crc32c(hash_crc32c(0, aad, sizeof aad), p, n));
        return 0;
    }
    make_nonce(f, number, nonce);
    return cipher_seal(cipher, nonce, str_of((char *)aad, sizeof aad), p, n, p, p + n);
}

int page_format_open(const struct page_format *f, const struct cipher *cipher, uint64_t number,
                     uint8_t *p, size_t n)
{
    uint8_t aad[AAD], nonce[CIPHER_NONCE_BYTES];
    make_aad(f, number, aad);
    if (!cipher)
        return load32(p + n) == hash_crc32c(hash_crc32c(0, aad, sizeof aad), p, n) ? 0
                                                                                   : -ERR_CORRUPT;
    make_nonce(f, number, nonce);
    return cipher_open(cipher, nonce, str_of((char *)aad, sizeof aad), p, n, p + n, p);
}
