/* helper/symbols/event.h - the event of an envelope: its frames get functions, files and lines.
 *
 * Threads: one.
 */
#ifndef HELPER_SYMBOLS_EVENT_H
#define HELPER_SYMBOLS_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/text.h"

enum { EVENT_FRAMES_MAX = 4096, EVENT_PROBLEM_MAX = 200 };

/* Appends the envelope [n] with its event's frames filled in; all else stays as it was. False with
 * a sentence in problem: it is no envelope, or there is no memory. */
bool event_symbolise(const char *bytes, size_t n, struct text *ret,
                     char problem[EVENT_PROBLEM_MAX]);

#endif
