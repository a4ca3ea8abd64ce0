/* client/error/checkin.h - check-ins of jobs on their way to Sentry's monitors.
 *
 * Threads: checkin_flush(): as of outgoing_put().
 */
#ifndef CLIENT_ERROR_CHECKIN_H
#define CLIENT_ERROR_CHECKIN_H

void checkin_flush(void);
void checkin_fork_child(void);

#endif
