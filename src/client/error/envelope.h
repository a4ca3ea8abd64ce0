/* client/error/envelope.h - a Sentry envelope: header, items; and the event's common members.
 *
 * Source:  develop.sentry.dev, envelopes and envelope items (docs/format/envelope.md)
 * Threads: one at a time; not for signal handlers.
 */
#ifndef CLIENT_ERROR_ENVELOPE_H
#define CLIENT_ERROR_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"

enum { ENVELOPE_MAX = 1 << 20 };

struct module_list;
struct envelope_frame {
    uint64_t address;
    bool is_return;
};

/* Writes the header line; event_id NULL: none (sessions). */
void envelope_begin(struct text *t, const uint8_t event_id[16]);
/* An item with its length; type "event", "session", "client_report", "attachment", .. */
void envelope_item(struct text *t, const char *type, const char *payload, size_t n);

/* The members of an event that all kinds share: event_id, timestamp, platform, release,
 * environment, server_name, sdk, contexts (os, device, runtime), into the open object. */
void envelope_common(struct jot *j, const uint8_t event_id[16], int64_t unix_ns);
/* "stacktrace": frames (the outermost first, as Sentry wants them) with instruction_addr, function,
 * package, image_addr, in_app. */
void envelope_stack(struct jot *j, const struct envelope_frame *frames, size_t n,
                    const struct module_list *modules);
/* "debug_meta": the images that the frames lie in. */
void envelope_images(struct jot *j, const struct envelope_frame *frames, size_t n,
                     const struct module_list *modules);

#endif
