/* client/send/send.h - the module that delivers: to the daemon, or directly to a DSN and to OTLP.
 *
 * It starts before and stops after all other modules, so that it takes what they hand over last
 * (client/core/outgoing.h).
 *
 * Threads: any.
 */
#ifndef CLIENT_SEND_SEND_H
#define CLIENT_SEND_SEND_H

#include "client/core/module.h"

extern const struct module send_module;

#endif
