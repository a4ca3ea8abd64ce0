/* base/hash.h - checksums and hashes.
 *
 * CRC32C (Castagnoli) guards bytes on disk; XXH3 (64 bits, seeded) spreads keys over tables. None
 * of them withstands an attacker who knows the seed: tables over hostile keys take a random one.
 *
 * Threads: pure functions.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C of n bytes, continuing from crc (0 to begin). Hardware instruction where there is one. */
uint32_t hash_crc32c(uint32_t crc, const void *p, size_t n);

/* XXH3 64-bit of n bytes. Stable over versions and machines: fit for disk. */
uint64_t hash_xxh3(const void *p, size_t n, uint64_t seed);

/* XXH64 of n bytes, seed 0: for what other programs hash so. */
uint64_t hash_xxh64(const void *p, size_t n);

/* Mixes one 64-bit number (splitmix64's finaliser). */
static inline uint64_t hash_u64(uint64_t v)
{
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ULL;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebULL;
    return v ^ (v >> 31);
}

#endif
