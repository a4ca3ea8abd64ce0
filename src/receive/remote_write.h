/* receive/remote_write.h - POST /api/v1/write: Prometheus remote write 1.0 and 2.0.
 *
 * The body is unpacked within the budget, read 256 samples at a time and appended on the loop's own
 * lane; the answer waits for the commit. A bad sample costs itself alone, in both versions: the
 * good ones are kept and the answer (400) names up to ten of the bad ones with their reasons.
 *
 * Answers: 204 all written; 400 something never can be; 415 content type or encoding; 413 too
 * large; 503 and 507 with Retry-After where a retry helps. Answers to 2.0 carry
 * X-Prometheus-Remote-Write-{Samples,Histograms,Exemplars}-Written.
 *
 * Source:  Prometheus Remote-Write 1.0 and 2.0 specifications.
 * Threads: handlers run on their loops; one scratch space per lane.
 */
#ifndef RECEIVE_REMOTE_WRITE_H
#define RECEIVE_REMOTE_WRITE_H

#include "receive/receiver.h"

enum {
    REMOTE_WRITE_BODY_MAX = 8 << 20,      /* bytes as sent, packed */
    REMOTE_WRITE_UNPACKED_MAX = 32 << 20, /* bytes unpacked */
};

extern const struct receiver_ops remote_write_receiver;

#endif
