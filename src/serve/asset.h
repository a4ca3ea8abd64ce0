/* serve/asset.h - one file of the page, as the build embeds it.
 *
 * The table is made by ui/embed at build time and linked into the executable only, so that the
 * library needs no page to be built or tested.
 *
 * Threads: constant data.
 */
#ifndef SERVE_ASSET_H
#define SERVE_ASSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path;    /* "/assets/index-1a2b.js"; "/" is the page itself */
    const char *type;    /* Content-Type */
    const char *etag;    /* with its quotes */
    const uint8_t *gzip; /* [gzip_n] */
    size_t gzip_n;
    size_t plain_n; /* bytes when unpacked */
    bool immutable; /* its name holds a hash of its content */
};

/* What the build made (defined beside the executable's main, not in the library). */
extern const struct asset ui_assets[];
extern const size_t ui_assets_n;

#endif
