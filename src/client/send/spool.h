/* client/send/spool.h - what is promised waits on disk: one file for each thing, in one folder.
 *
 * DIR/KIND-TIME-ID.KINDEXT written whole, fsynced and renamed into place; taken up in the order of
 * time by whichever process of this service and user finds them (a lock file keeps two from sending
 * the same). Bounded by spool.bytes and spool.age; the oldest go first, counted.
 *
 * Threads: the worker; spool_path() is for everybody.
 */
#ifndef CLIENT_SEND_SPOOL_H
#define CLIENT_SEND_SPOOL_H

/* Where files of this service lie; made (0700) where it is missing. "" where there is no place:
 * $SONDE_SPOOL, $XDG_STATE_HOME/sonde/SERVICE, ~/.local/state/sonde/SERVICE, /var/tmp/sonde-UID/
 * SERVICE, the first that can be written. Lives as long as the library. */
const char *spool_path(void);

#endif
