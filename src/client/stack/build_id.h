/* client/stack/build_id.h - the build id among the notes of an ELF file or of what is loaded of it.
 *
 * Source:  elf(5)
 * Threads: pure function.
 */
#ifndef CLIENT_STACK_BUILD_ID_H
#define CLIENT_STACK_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

enum { BUILD_ID_MAX = 20 };

/* Reads the notes at [n] bytes, however damaged, and gives the build id's length (cut at
 * BUILD_ID_MAX); 0 where there is none: ret is untouched then. */
uint32_t build_id_find(const uint8_t *at, size_t n, uint8_t ret[BUILD_ID_MAX]);

#endif
