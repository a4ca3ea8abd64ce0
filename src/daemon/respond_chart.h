/* daemon/respond_chart.h - the series that an alert is about, over the last hour, for the picture
 * in a mail.
 *
 * The expression is that of the alert's generator URL; of a comparison with a number the number is
 * the line that was crossed. Only series that the alerts are about are drawn.
 *
 * Flow:    message -> expression -> query -> JSON (helper/chart/main.c)
 * Threads: any; it waits for the store.
 */
#ifndef DAEMON_RESPOND_CHART_H
#define DAEMON_RESPOND_CHART_H

#include "notify/notifier.h"
#include "store/face/series.h"

/* context is a struct series_store: notify_chart of notify/outbox.h. */
int respond_chart(void *context, const struct message *m, struct arena *a, struct buf *ret);

#endif
