/* daemon/respond_status.h - the status of machine, daemon and programs as a file, for who cannot
 * ask over HTTP.
 *
 * Flow:    [status] -> thread -> system_api_write() -> FILE.new -> FILE
 * Threads: its own; open, close: the worker's main thread.
 */
#ifndef DAEMON_RESPOND_STATUS_H
#define DAEMON_RESPOND_STATUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "os/thread.h"
#include "serve/system_settings.h"

struct serve;

struct respond_status {
    const struct system_settings *settings;
    struct serve *serve;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool ending, told;
};

/* Nothing happens where no file is named. */
void respond_status_start(struct respond_status *r, const struct conf *conf, struct serve *serve);
void respond_status_stop(struct respond_status *r); /* never started is fine */

#endif
