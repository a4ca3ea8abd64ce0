/* client/sonde/init.h - the life of the library: start, flush, fork, exit.
 *
 * Flow:    sonde_init(): settings -> clock -> modules in their order -> the one thread
 * Threads: any; one lock.
 */
#ifndef CLIENT_SONDE_INIT_H
#define CLIENT_SONDE_INIT_H

#include <stddef.h>

#include "client/core/module.h"

/* All modules, in their order. */
size_t init_modules(const struct module *const **ret);

/* Keeps the sentence that sonde_last_problem() gives to this thread. */
void init_problem(const char *sentence);

#endif
