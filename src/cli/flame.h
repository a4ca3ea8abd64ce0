/* cli/flame.h - folded stacks ("main;work;hash 42" lines) -> a flame graph as SVG.
 *
 * Frames are as wide as their share of the samples, callers below; equal frames beside each other
 * are one. The file stands alone: titles are shown by hovering, a click on a frame makes it as wide
 * as the picture.
 *
 * Source:  the picture is Brendan Gregg's (queue.acm.org/detail.cfm?id=2927301)
 * Threads: pure functions.
 */
#ifndef CLI_FLAME_H
#define CLI_FLAME_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* -ERR_FORMAT for a line that is no stack and count; -ERR_SPARSE where there is none. */
MUST_USE int flame_svg(struct str folded, struct str title, struct buf *out, struct why *why);

#endif
