/* notify/msteams.h - what the two ways into Microsoft Teams share: cards of connectors (msteams.c)
 * and adaptive cards of workflows (msteamsv2.c).
 *
 * Threads: the outbox's; reading any.
 */
#ifndef NOTIFY_MSTEAMS_H
#define NOTIFY_MSTEAMS_H

#include "notify/kind.h"

/* Bytes that Teams takes are 28 KB for all of it; the rest is left for what stands around. */
enum { MSTEAMS_TEXT_BYTES = 24 * 1024, MSTEAMS_TITLE_RUNES = 1024 };

struct msteams {
    struct fetch_settings http;
    struct str webhook_url, webhook_url_file, title, summary, text;
};

#define MSTEAMS_FIELDS                                                                             \
    KIND_TEXT(msteams, webhook_url), KIND_TEXT(msteams, webhook_url_file),                         \
        KIND_TEXT(msteams, title), KIND_TEXT(msteams, text)

/* Sends the body that put() makes of the settings. */
void msteams_send(struct notify_send *s, void (*put)(struct kind_body *b, const void *settings));

int msteams_check(const struct notify_reading *r, void *settings, struct why *why);
int msteams_row(const struct notify_reading *r, const struct notify_row *row, void *settings,
                struct why *why);

#endif
