#include "store/disk/log_segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"

static const uint64_t HEADER_MAGIC = 0x474f4c45444e4f53; /* "SONDELOG" */
static const uint32_t BLOCK_MAGIC = 0x4b4c4253;          /* "SBLK" */

/* Where things stand in a copy of the header. */
enum {
    COPY = 512,
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_FLAGS = 12,
    AT_NUMBER = 16,
    AT_BOUND = 24, /* all before is bound to the wrapped key */
    AT_WRAPPED = 24,
    AT_CRC = AT_WRAPPED + KEYRING_WRAPPED_BYTES,
    VERSION = 1,
    FLAG_ENCRYPTED = 1,
};

/* Where things stand in the header of a block. */
enum {
    BLOCK_AT_MAGIC = 0,
    BLOCK_AT_LENGTH = 4,
    BLOCK_AT_SEGMENT = 8,
    BLOCK_AT_SYNCED = 16,
    BLOCK_AT_INDEX = 24,
    BLOCK_AT_LANE = 28,
    BLOCK_AT_CRC = 32, /* of what is before; bound to the tag too */
    BLOCK_AT_TAG = 40,
};

void log_segment_path(const char *dir, uint64_t number, char ret[LOG_SEGMENT_PATH])
{
    snprintf(ret, LOG_SEGMENT_PATH, "%s/%016llx.log", dir, (unsigned long long)number);
}

bool log_segment_number(const char *name, uint64_t *ret)
{
    uint64_t number = 0;
    if (strlen(name) != 20 || strcmp(name + 16, ".log") != 0)
        return false;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = number;
    return true;
}

struct numbers {
    uint64_t *v;
    size_t n, capacity;
};

static int collect(void *context, const struct disk_entry *entry)
{
    uint64_t number;
    if (!entry->is_dir && log_segment_number(entry->name, &number))
        vec_push((struct numbers *)context, number);
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int log_segment_list(struct disk *d, const char *dir, uint64_t **ret, size_t *ret_n)
{
    struct numbers numbers = {0};
    int err = disk_list(d, dir, collect, &numbers);
    if (err && err != -ERR_NOENT) {
        vec_free(&numbers);
        return err;
    }
    if (numbers.n)
        qsort(numbers.v, numbers.n, sizeof *numbers.v, compare);
    *ret = numbers.v;
    *ret_n = numbers.n;
    return 0;
}

int log_segment_header_make(uint64_t number, const struct keyring *ring,
                            uint8_t ret[LOG_SEGMENT_HEADER], struct cipher **ret_cipher)
{
    uint8_t copy[COPY] = {0}, key[CIPHER_KEY_BYTES];
    store64(copy + AT_MAGIC, HEADER_MAGIC);
    store32(copy + AT_VERSION, VERSION);
    store32(copy + AT_FLAGS, ring ? FLAG_ENCRYPTED : 0);
    store64(copy + AT_NUMBER, number);
    if (ring) {
        int err = keyring_new_key(ring, str_of((char *)copy, AT_BOUND), key, copy + AT_WRAPPED);
        if (err)
            return err;
    }
    store32(copy + AT_CRC, hash_crc32c(0, copy, AT_CRC));
    memcpy(ret, copy, COPY);
    memcpy(ret + COPY, copy, COPY);
    *ret_cipher = ring ? cipher_new(key) : NULL;
    cipher_wipe(key, sizeof key);
    return 0;
}

static bool copy_is_sound(const uint8_t *p, uint64_t number)
{
    return load64(p + AT_MAGIC) == HEADER_MAGIC &&
           load32(p + AT_CRC) == hash_crc32c(0, p, AT_CRC) && load64(p + AT_NUMBER) == number;
}

int log_segment_header_read(const uint8_t *p, size_t n, uint64_t number, const struct keyring *ring,
                            const char *file, struct cipher **ret_cipher, struct why *why)
{
    const uint8_t *copy = NULL;
    for (size_t at = 0; !copy && at < LOG_SEGMENT_HEADER; at += COPY)
        if (n >= at + COPY && copy_is_sound(p + at, number))
            copy = p + at;
    if (!copy)
        return why_set(why, ERR_CORRUPT, "the header of %s is damaged", file);
    if (load32(copy + AT_VERSION) != VERSION)
        return why_set(why, ERR_FORMAT, "%s has format version %u, this program reads version %d",
                       file, load32(copy + AT_VERSION), VERSION);
    if (!(load32(copy + AT_FLAGS) & FLAG_ENCRYPTED)) {
        *ret_cipher = NULL;
        return 0;
    }

    uint8_t key[CIPHER_KEY_BYTES];
    int err = keyring_unwrap(ring, str_of((const char *)copy, AT_BOUND), copy + AT_WRAPPED, file,
                             key, why);
    if (err)
        return err;
    *ret_cipher = cipher_new(key);
    cipher_wipe(key, sizeof key);
    return 0;
}

/* The key is the segment's own and the index never comes twice in it. */
static void make_nonce(uint32_t index, uint8_t ret[CIPHER_NONCE_BYTES])
{
    memset(ret, 0, CIPHER_NONCE_BYTES);
    store32(ret + 8, index);
}

int log_segment_seal(const struct cipher *cipher, const struct log_segment_block *block, uint8_t *p)
{
    uint8_t *payload = p + LOG_SEGMENT_BLOCK;
    memset(p, 0, LOG_SEGMENT_BLOCK);
    store32(p + BLOCK_AT_MAGIC, BLOCK_MAGIC);
    store32(p + BLOCK_AT_LENGTH, block->length);
    store64(p + BLOCK_AT_SEGMENT, block->segment);
    store64(p + BLOCK_AT_SYNCED, block->synced);
    store32(p + BLOCK_AT_INDEX, block->index);
    store16(p + BLOCK_AT_LANE, block->lane);
    uint32_t crc = hash_crc32c(0, p, BLOCK_AT_CRC);
    store32(p + BLOCK_AT_CRC, crc);
    if (!cipher) {
        store32(p + BLOCK_AT_TAG, hash_crc32c(crc, payload, block->length));
        return 0;
    }
    uint8_t nonce[CIPHER_NONCE_BYTES];
    make_nonce(block->index, nonce);
    return cipher_seal(cipher, nonce, str_of((char *)p, BLOCK_AT_TAG), payload, block->length,
                       payload, p + BLOCK_AT_TAG);
}

bool log_segment_parse(const uint8_t *p, size_t n, uint64_t segment, struct log_segment_block *ret)
{
    if (n < LOG_SEGMENT_BLOCK || load32(p + BLOCK_AT_MAGIC) != BLOCK_MAGIC ||
        load64(p + BLOCK_AT_SEGMENT) != segment || load32(p + BLOCK_AT_LENGTH) == 0 ||
        load32(p + BLOCK_AT_LENGTH) > LOG_SEGMENT_PAYLOAD ||
        load16(p + BLOCK_AT_LANE) >= LOG_LANES_MAX ||
        load32(p + BLOCK_AT_CRC) != hash_crc32c(0, p, BLOCK_AT_CRC))
        return false;
    *ret = (struct log_segment_block){
        .length = load32(p + BLOCK_AT_LENGTH),
        .segment = segment,
        .index = load32(p + BLOCK_AT_INDEX),
        .lane = load16(p + BLOCK_AT_LANE),
        .synced = load64(p + BLOCK_AT_SYNCED),
    };
    return true;
}

int log_segment_open(const struct cipher *cipher, const struct log_segment_block *block,
                     const uint8_t *p, uint8_t *room, const uint8_t **ret_payload)
{
    const uint8_t *payload = p + LOG_SEGMENT_BLOCK;
    if (!cipher) {
        uint32_t crc = hash_crc32c(load32(p + BLOCK_AT_CRC), payload, block->length);
        if (load32(p + BLOCK_AT_TAG) != crc)
            return -ERR_CORRUPT;
        *ret_payload = payload;
        return 0;
    }
    uint8_t nonce[CIPHER_NONCE_BYTES];
    make_nonce(block->index, nonce);
    int err = cipher_open(cipher, nonce, str_of((const char *)p, BLOCK_AT_TAG), payload,
                          block->length, p + BLOCK_AT_TAG, room);
    if (!err)
        *ret_payload = room;
    return err;
}
