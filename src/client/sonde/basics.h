/* client/sonde/basics.h - the commands about the library itself: info, help, settings, set.
 *
 * Threads: as of client/core/command.h.
 */
#ifndef CLIENT_SONDE_BASICS_H
#define CLIENT_SONDE_BASICS_H

void basics_start(void);

#endif
