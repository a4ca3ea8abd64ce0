/* client/debug/dbus_answer.h - a call to one of the objects -> its reply.
 *
 * Threads: the worker.
 */
#ifndef CLIENT_DEBUG_DBUS_ANSWER_H
#define CLIENT_DEBUG_DBUS_ANSWER_H

#include "client/core/command.h"

/* A new message, given to the caller; NULL: no memory. An error is a message too. */
void *dbus_answer(void *call, enum command_level level);

#endif
