/* pack/pack.h - compression behind one interface, with hard caps.
 *
 * What is unpacked may come from strangers: every size that a stream declares is checked against
 * the caller's cap before anything is allocated, streams that declare none are stopped at the cap,
 * and a stream that grows by more than PACK_RATIO_MAX is refused as a bomb.
 *
 * Source:  RFC 1950-1952 (zlib), RFC 8878 (Zstandard), snappy format description, LZ4 frame format.
 * Threads: any; the contexts of zlib and zstd are kept one per thread.
 */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum pack_codec {
    PACK_IDENTITY,
    PACK_GZIP,
    PACK_DEFLATE, /* zlib format, as HTTP means it; raw deflate is read too */
    PACK_ZSTD,
    PACK_SNAPPY, /* the block format */
    PACK_LZ4,    /* the frame format; for our own files */
    PACK_COUNT
};

enum {
    PACK_RATIO_MAX = 1024,             /* bytes out for each byte in ... */
    PACK_RATIO_FREE = 64 * 1024,       /* ... above this many bytes out */
    PACK_WINDOW_MAX = 8 * 1024 * 1024, /* bytes of zstd's window, as RFC 8878 recommends */
    PACK_SLACK = 64, /* writable bytes behind the output that pack_unpack() leaves */
};

/* The codec of a Content-Encoding ("", "identity", "gzip", "x-gzip", "deflate", "zstd", "snappy",
 * "lz4"; case does not matter), or -ERR_UNSUPPORTED. */
MUST_USE int pack_codec_of(struct str name, enum pack_codec *ret);
const char *pack_codec_name(enum pack_codec codec);

/* Appends what in unpacks to, at most max bytes, to out (whose own cap must hold PACK_SLACK more,
 * or is what limits). Errors leave out as it was: -ERR_LIMIT where the result would be over max or
 * over the ratio, -ERR_FORMAT where in is damaged or cut off. why may be NULL. */
MUST_USE int pack_unpack(enum pack_codec codec, struct str in, struct buf *out, size_t max,
                         struct why *why);

/* Appends the packed form of in to out. level: 1 fast .. 9 small, 0 the codec's default; snappy has
 * none. -ERR_LIMIT where out's cap is reached (out as it was). */
MUST_USE int pack_pack(enum pack_codec codec, int level, struct str in, struct buf *out);

#endif
