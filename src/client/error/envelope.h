/* client/error/envelope.h - a Sentry envelope: header, items; and the event's common members.
 *
 * What is written here is masked (client/core/redact.h): paths of files lose the user's name. There
 * is no sent_at: an envelope may wait on disk, and who sends it says when.
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

enum { ENVELOPE_MAX = 1 << 20, ENVELOPE_IMAGES_MAX = 256 };

struct module_list;
struct envelope_frame {
    uint64_t address;
    bool is_return;
};

/* Which program an event is from, where that is not this process as it is now (a crash of its
 * forerunner). */
struct envelope_origin {
    const char *service, *release, *environment, *host; /* "": none */
    int64_t started_unix_ns;                            /* 0: not known */
    uint64_t memory_bytes;                              /* resident; 0: not known */
};
void envelope_origin_here(struct envelope_origin *ret); /* of this process */

/* Writes the header line; event_id NULL: none (sessions). */
void envelope_begin(struct text *t, const uint8_t event_id[16]);
/* An item with its length; type "event", "session", "client_report", "attachment", .. */
void envelope_item(struct text *t, const char *type, const char *payload, size_t n);

/* The members of an event that all kinds share: event_id, timestamp, platform, release,
 * environment, server_name, sdk, contexts (os, device, runtime, app), into the open object. */
void envelope_common(struct jot *j, const uint8_t event_id[16], int64_t unix_ns);
/* The same in two halves, for who has contexts of its own: all but contexts, and what stands in the
 * open object "contexts". */
void envelope_head(struct jot *j, const uint8_t event_id[16], int64_t unix_ns,
                   const struct envelope_origin *origin);
void envelope_contexts(struct jot *j, const struct envelope_origin *origin);
/* A member that is free text, masked. NULL and "" are left out. */
void envelope_text(struct jot *j, const char *key, const char *value);
/* "stacktrace": frames, given the innermost first and written the outermost first, as Sentry wants
 * them, with instruction_addr, function, symbol_addr, package, image_addr, in_app. */
void envelope_stack(struct jot *j, const struct envelope_frame *frames, size_t n,
                    const struct module_list *modules);
/* "debug_meta": the images that the frames lie in. */
void envelope_images(struct jot *j, const struct envelope_frame *frames, size_t n,
                     const struct module_list *modules);
/* "fatal", "error", .. of enum sonde_level. */
const char *envelope_level(int level);

#endif
