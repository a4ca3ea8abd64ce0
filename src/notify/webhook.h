/* notify/webhook.h - a message as Alertmanager's webhooks carry it: version 4 of its JSON.
 *
 * Flow:    message -> JSON -> webhook.c, command.c
 * Source:  Alertmanager's documentation, webhook_config.
 * Threads: pure functions.
 */
#ifndef NOTIFY_WEBHOOK_H
#define NOTIFY_WEBHOOK_H

#include "base/buf.h"
#include "notify/message.h"

/* alerts_max 0: all of them. */
void webhook_put(const struct message *m, uint64_t alerts_max, struct arena *a, struct buf *out);

#endif
