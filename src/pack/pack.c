#include "pack/pack.h"

#include <limits.h>
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/must.h"
#include "pack/snappy.h"

enum {
    ROOM_FIRST = 64 * 1024, /* bytes made for a stream that does not say how long it is */
    SNAPPY_RATIO_MAX = 24,  /* an element of three bytes gives 64 at most */
    ZSTD_LEVEL = 3,
    GZIP_LEVEL = 6,
    WINDOW_LOG_MAX = 23,    /* PACK_WINDOW_MAX */
    RAW = -15,              /* zlib's window bits: no head and tail, */
    GZIP_OR_ZLIB = 15 + 32, /* either of both, found out, */
    GZIP_ONLY = 15 + 16,    /* and gzip */
};

/* What a thread keeps from call to call. */
struct contexts {
    z_stream inflate;
    bool inflate_made;
    ZSTD_DCtx *unzstd;
    ZSTD_CCtx *zstd;
    LZ4F_dctx *unlz4;
};

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void contexts_free(void *p)
{
    struct contexts *c = p;
    if (c->inflate_made)
        inflateEnd(&c->inflate);
    ZSTD_freeDCtx(c->unzstd);
    ZSTD_freeCCtx(c->zstd);
    LZ4F_freeDecompressionContext(c->unlz4);
    mem_free(c);
}

static void key_make(void)
{
    must(pthread_key_create(&key, contexts_free) == 0);
}

static struct contexts *contexts(void)
{
    must(pthread_once(&key_once, key_make) == 0);
    struct contexts *c = pthread_getspecific(key);
    if (!c) {
        c = mem_new(sizeof *c);
        must(pthread_setspecific(key, c) == 0);
    }
    return c;
}

static const char *const NAMES[PACK_COUNT] = {"identity", "gzip",   "deflate",
                                              "zstd",     "snappy", "lz4"};

int pack_codec_of(struct str name, enum pack_codec *ret)
{
    if (name.n == 0) {
        *ret = PACK_IDENTITY;
        return 0;
    }
    if (name.n == 6 && strncasecmp(name.p, "x-gzip", 6) == 0)
        name = STR("gzip");
    for (int i = 0; i < PACK_COUNT; i++) {
        if (name.n == strlen(NAMES[i]) && strncasecmp(name.p, NAMES[i], name.n) == 0) {
            *ret = (enum pack_codec)i;
            return 0;
        }
    }
    return -ERR_UNSUPPORTED;
}

const char *pack_codec_name(enum pack_codec codec)
{
    must(codec < PACK_COUNT);
    return NAMES[codec];
}

/* ---- unpacking */

/* The output of one call, and how far it may go. */
struct sink {
    struct buf *out;
    size_t start, limit; /* out->n may reach start + limit */
    size_t in_n;
    struct why *why;
};

static int too_large(struct sink *s)
{
    return why_set(s->why, ERR_LIMIT,
                   "the compressed data of %zu bytes unpacks to more than %zu bytes; send less at "
                   "once",
                   s->in_n, s->limit);
}

static int damaged(struct sink *s, const char *format)
{
    return why_set(s->why, ERR_FORMAT, "the data is not valid %s or is cut off", format);
}

/* Room for the next step: *ret_n bytes at *ret, one more than is allowed in the end, so that going
 * over shows itself. */
static int make_room(struct sink *s, char **ret, size_t *ret_n)
{
    size_t done = s->out->n - s->start;
    if (done > s->limit)
        return too_large(s);
    size_t step = MIN(MAX(done, (size_t)ROOM_FIRST), s->limit + 1 - done);
    char *p = buf_reserve(s->out, step + PACK_SLACK);
    if (!p)
        return too_large(s);
    *ret = p;
    *ret_n = MIN(step, (size_t)INT_MAX);
    return 0;
}

static int finish(struct sink *s)
{
    return s->out->n - s->start > s->limit ? too_large(s) : 0;
}

static int inflate_as(struct sink *s, struct str in, int window)
{
    z_stream *z = &contexts()->inflate;
    if (!contexts()->inflate_made) {
        must(inflateInit2(z, window) == Z_OK);
        contexts()->inflate_made = true;
    }
    must(inflateReset2(z, window) == Z_OK);
    z->next_in = (Bytef *)(uintptr_t)in.p; /* zlib only reads */
    for (;;) {
        char *room;
        size_t n;
        int err = make_room(s, &room, &n);
        if (err)
            return err;
        size_t left = in.n - (size_t)((const char *)z->next_in - in.p);
        uInt given = (uInt)MIN(left, (size_t)INT_MAX);
        z->avail_in = given;
        z->next_out = (Bytef *)room;
        z->avail_out = (uInt)n;
        int status = inflate(z, Z_NO_FLUSH);
        size_t used = given - z->avail_in, made = n - z->avail_out;
        buf_commit(s->out, made);
        left -= used;
        if (status == Z_STREAM_END) {
            if (left == 0)
                return finish(s);
            if (window != GZIP_ONLY) /* only gzip has files one after the other */
                return -ERR_FORMAT;
            must(inflateReset(z) == Z_OK);
        } else if (status != Z_OK || (used == 0 && made == 0)) {
            return -ERR_FORMAT;
        }
    }
}

static int unpack_zlib(struct sink *s, struct str in, bool gzip)
{
    int err = inflate_as(s, in, gzip ? GZIP_ONLY : GZIP_OR_ZLIB);
    if (err == -ERR_FORMAT && !gzip && s->out->n == s->start)
        err = inflate_as(s, in, RAW);
    return err == -ERR_FORMAT ? damaged(s, gzip ? "gzip" : "deflate") : err;
}

static int unpack_zstd(struct sink *s, struct str in)
{
    struct contexts *c = contexts();
    if (!c->unzstd) {
        c->unzstd = ZSTD_createDCtx();
        must(c->unzstd != NULL);
        must(!ZSTD_isError(ZSTD_DCtx_setParameter(c->unzstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)));
    }
    must(!ZSTD_isError(ZSTD_DCtx_reset(c->unzstd, ZSTD_reset_session_only)));
    unsigned long long declared = ZSTD_getFrameContentSize(in.p, in.n);
    if (declared == ZSTD_CONTENTSIZE_ERROR)
        return damaged(s, "zstd");
    if (declared != ZSTD_CONTENTSIZE_UNKNOWN && declared > s->limit)
        return too_large(s);
    ZSTD_inBuffer from = {in.p, in.n, 0};
    size_t more = 1;
    while (from.pos < from.size || more != 0) {
        char *room;
        size_t n, before = from.pos;
        int err = make_room(s, &room, &n);
        if (err)
            return err;
        ZSTD_outBuffer to = {room, n, 0};
        more = ZSTD_decompressStream(c->unzstd, &to, &from);
        if (ZSTD_isError(more) || (to.pos == 0 && from.pos == before))
            return damaged(s, "zstd");
        buf_commit(s->out, to.pos);
    }
    return finish(s);
}

static int unpack_lz4(struct sink *s, struct str in)
{
    struct contexts *c = contexts();
    if (!c->unlz4)
        must(!LZ4F_isError(LZ4F_createDecompressionContext(&c->unlz4, LZ4F_VERSION)));
    LZ4F_resetDecompressionContext(c->unlz4);
    size_t at = 0, more = 1;
    while (at < in.n || more != 0) {
        char *room;
        size_t made, used = in.n - at;
        int err = make_room(s, &room, &made);
        if (err)
            return err;
        more = LZ4F_decompress(c->unlz4, room, &made, in.p + at, &used, NULL);
        if (LZ4F_isError(more) || (used == 0 && made == 0))
            return damaged(s, "lz4");
        at += used;
        buf_commit(s->out, made);
    }
    return finish(s);
}

static int unpack_snappy(struct sink *s, struct str in)
{
    size_t n;
    if (snappy_length(in, &n) != 0)
        return damaged(s, "snappy");
    if (n > s->limit)
        return too_large(s);
    if (n / SNAPPY_RATIO_MAX > in.n)
        return damaged(s, "snappy");
    char *p = buf_reserve(s->out, n + PACK_SLACK);
    if (!p)
        return too_large(s);
    if (snappy_decode(in, (uint8_t *)p, n) != 0)
        return damaged(s, "snappy");
    buf_commit(s->out, n);
    return 0;
}

static int unpack_identity(struct sink *s, struct str in)
{
    if (in.n > s->limit)
        return too_large(s);
    buf_put(s->out, in.p, in.n);
    return buf_failed(s->out) ? too_large(s) : 0;
}

int pack_unpack(enum pack_codec codec, struct str in, struct buf *out, size_t max, struct why *why)
{
    _Static_assert((int)PACK_SLACK >= (int)SNAPPY_SLACK, "the decoder may write behind its output");
    if (buf_failed(out))
        return why_set(why, ERR_LIMIT, "the buffer to unpack into is full already");
    size_t by_ratio = in.n > SIZE_MAX / 2 / PACK_RATIO_MAX ? SIZE_MAX / 2 : in.n * PACK_RATIO_MAX;
    struct sink s = {.out = out, .start = out->n, .in_n = in.n, .why = why};
    s.limit = MIN(MIN(max, MAX(by_ratio, (size_t)PACK_RATIO_FREE)), SIZE_MAX / 4);
    int err;
    switch (codec) {
    case PACK_IDENTITY:
        s.limit = max;
        err = unpack_identity(&s, in);
        break;
    case PACK_GZIP:
    case PACK_DEFLATE:
        err = unpack_zlib(&s, in, codec == PACK_GZIP);
        break;
    case PACK_ZSTD:
        err = unpack_zstd(&s, in);
        break;
    case PACK_SNAPPY:
        err = unpack_snappy(&s, in);
        break;
    case PACK_LZ4:
        err = unpack_lz4(&s, in);
        break;
    default:
        must_not_reach();
    }
    if (err) {
        out->n = s.start;
        out->failed = false;
    }
    return err;
}

/* ---- packing */

static int pack_zlib(bool gzip, int level, struct str in, struct buf *out)
{
    if (in.n > UINT_MAX)
        return -ERR_LIMIT;
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    must(deflateInit2(&z, level ? level : GZIP_LEVEL, Z_DEFLATED, gzip ? GZIP_ONLY : 15, 8,
                      Z_DEFAULT_STRATEGY) == Z_OK);
    int err = -ERR_LIMIT;
    size_t bound = deflateBound(&z, (uLong)in.n);
    char *room = bound <= UINT_MAX ? buf_reserve(out, bound) : NULL;
    if (room) {
        z.next_out = (Bytef *)room;
        z.avail_out = (uInt)bound;
        must(deflate(&z, Z_FINISH) == Z_STREAM_END);
        buf_commit(out, bound - z.avail_out);
        err = 0;
    }
    deflateEnd(&z);
    return err;
}

static int pack_zstd(int level, struct str in, struct buf *out)
{
    struct contexts *c = contexts();
    if (!c->zstd)
        c->zstd = ZSTD_createCCtx();
    must(c->zstd != NULL);
    size_t bound = ZSTD_compressBound(in.n);
    char *room = ZSTD_isError(bound) ? NULL : buf_reserve(out, bound);
    if (!room)
        return -ERR_LIMIT;
    size_t n = ZSTD_compressCCtx(c->zstd, room, bound, in.p, in.n, level ? level : ZSTD_LEVEL);
    must(!ZSTD_isError(n));
    buf_commit(out, n);
    return 0;
}

static int pack_snappy(struct str in, struct buf *out)
{
    if (in.n > UINT32_MAX)
        return -ERR_LIMIT;
    size_t n = snappy_max_compressed_length(in.n);
    char *room = buf_reserve(out, n);
    if (!room)
        return -ERR_LIMIT;
    must(snappy_compress(in.p, in.n, room, &n) == SNAPPY_OK);
    buf_commit(out, n);
    return 0;
}

static int pack_lz4(int level, struct str in, struct buf *out)
{
    LZ4F_preferences_t how = {
        .frameInfo = {.contentSize = in.n, .contentChecksumFlag = LZ4F_contentChecksumEnabled},
        .compressionLevel = level};
    size_t bound = LZ4F_compressFrameBound(in.n, &how);
    char *room = buf_reserve(out, bound);
    if (!room)
        return -ERR_LIMIT;
    size_t n = LZ4F_compressFrame(room, bound, in.p, in.n, &how);
    must(!LZ4F_isError(n));
    buf_commit(out, n);
    return 0;
}

int pack_pack(enum pack_codec codec, int level, struct str in, struct buf *out)
{
    must(codec < PACK_COUNT && level >= 0 && level <= 9);
    if (buf_failed(out))
        return -ERR_LIMIT;
    int err = 0;
    if (codec == PACK_IDENTITY) {
        buf_put(out, in.p, in.n);
        err = buf_failed(out) ? -ERR_LIMIT : 0;
    } else if (codec == PACK_ZSTD) {
        err = pack_zstd(level, in, out);
    } else if (codec == PACK_SNAPPY) {
        err = pack_snappy(in, out);
    } else if (codec == PACK_LZ4) {
        err = pack_lz4(level, in, out);
    } else {
        err = pack_zlib(codec == PACK_GZIP, level, in, out);
    }
    if (err)
        out->failed = false; /* nothing was written */
    return err;
}
