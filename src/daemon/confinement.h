/* daemon/confinement.h - what the worker may still open once it is confined.
 *
 * Threads: the main thread, before others start.
 */
#ifndef DAEMON_CONFINEMENT_H
#define DAEMON_CONFINEMENT_H

#include "daemon/config.h"

/* Confines the process as the configuration says; what the kernel lacks is logged and left out. */
void confinement_enter(const struct config *config);

#endif
