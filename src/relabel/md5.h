/* relabel/md5.h - MD5 of a text, for hashmod: targets are spread as Prometheus spreads them.
 *
 * Not for anything that somebody could want to forge.
 *
 * Source:  RFC 1321.
 * Threads: a pure function.
 */
#ifndef RELABEL_MD5_H
#define RELABEL_MD5_H

#include <stddef.h>
#include <stdint.h>

enum { MD5_BYTES = 16 };

void md5(const void *p, size_t n, uint8_t ret[MD5_BYTES]);

#endif
