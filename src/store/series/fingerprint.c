#include "store/series/fingerprint.h"

#include "base/attr.h"
#include "base/hash.h"
#include "base/rand.h"

void fingerprint_key_init(struct fingerprint_key *key)
{
    for (size_t i = 0; i < COUNTOF(key->words); i++)
        key->words[i] = rand_seed();
}

struct fingerprint fingerprint_plain(const struct fingerprint_key *key, struct str bytes)
{
    uint64_t a = hash_xxh3(bytes.p, bytes.n, key->words[0]);
    uint64_t b = hash_xxh3(bytes.p, bytes.n, key->words[1]);
    return (struct fingerprint){hash_u64(a ^ key->words[2]), hash_u64(b ^ key->words[3])};
}

#ifdef __x86_64__
#include <immintrin.h>

/* Four lanes of 16 bytes hide the latency of the AES round; what is left over is read as blocks
 * that overlap the ones before, which is why the length goes into the end. */
TARGET("aes,sse4.1")
static struct fingerprint fingerprint_aes(const struct fingerprint_key *key, struct str bytes)
{
    const __m128i *k = (const __m128i *)(const void *)key->words;
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t n = bytes.n;
    __m128i k0 = _mm_loadu_si128(k), k1 = _mm_loadu_si128(k + 1), k2 = _mm_loadu_si128(k + 2),
            k3 = _mm_loadu_si128(k + 3);
    __m128i a = k0, b = k1, c = k2, d = k3;

    if (n < 16) {
        uint8_t block[16] = {0};
        for (size_t i = 0; i < n; i++)
            block[i] = p[i];
        a = _mm_aesenc_si128(
            _mm_xor_si128(a, _mm_loadu_si128((const __m128i *)(const void *)block)), k1);
    } else {
        const uint8_t *end = p + n;
        for (; (size_t)(end - p) >= 64; p += 64) {
            const __m128i *v = (const __m128i *)(const void *)p;
            a = _mm_aesenc_si128(_mm_xor_si128(a, _mm_loadu_si128(v)), k1);
            b = _mm_aesenc_si128(_mm_xor_si128(b, _mm_loadu_si128(v + 1)), k2);
            c = _mm_aesenc_si128(_mm_xor_si128(c, _mm_loadu_si128(v + 2)), k3);
            d = _mm_aesenc_si128(_mm_xor_si128(d, _mm_loadu_si128(v + 3)), k0);
        }
        for (; end - p >= 16; p += 16) {
            __m128i rest = a;
            a = _mm_aesenc_si128(
                _mm_xor_si128(b, _mm_loadu_si128((const __m128i *)(const void *)p)), k2);
            b = c;
            c = d;
            d = rest;
        }
        b = _mm_aesenc_si128(
            _mm_xor_si128(b, _mm_loadu_si128((const __m128i *)(const void *)(end - 16))), k3);
    }

    a = _mm_xor_si128(a, _mm_set_epi64x((long long)n, (long long)~n));
    a = _mm_aesenc_si128(_mm_xor_si128(a, c), _mm_xor_si128(b, k2));
    b = _mm_aesenc_si128(_mm_xor_si128(d, k3), a);
    a = _mm_aesenc_si128(a, b);
    a = _mm_aesenc_si128(a, k0);
    a = _mm_aesenc_si128(a, k1);
    a = _mm_aesenc_si128(a, _mm_xor_si128(b, k2));
    return (struct fingerprint){(uint64_t)_mm_extract_epi64(a, 0),
                                (uint64_t)_mm_extract_epi64(a, 1)};
}

struct fingerprint fingerprint_of(const struct fingerprint_key *key, struct str bytes)
{
    if (LIKELY(__builtin_cpu_supports("aes")))
        return fingerprint_aes(key, bytes);
    return fingerprint_plain(key, bytes);
}
#else
struct fingerprint fingerprint_of(const struct fingerprint_key *key, struct str bytes)
{
    return fingerprint_plain(key, bytes);
}
#endif
