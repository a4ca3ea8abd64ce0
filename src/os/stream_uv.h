/* os/stream_uv.h - how a listener makes a stream; for os/ only, since it includes uv.h.
 *
 * Threads: the loop's.
 */
#ifndef OS_STREAM_UV_H
#define OS_STREAM_UV_H

#include <uv.h>

#include "os/stream.h"

/* Takes the connection that waits at a listening handle; NULL where it has gone already. */
struct stream *stream_accept(uv_stream_t *listening);

#endif
