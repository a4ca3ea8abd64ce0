/* client/crash/handler.h - the signal handlers: a crash is recorded, handed over, and then happens.
 *
 * Installed for the signals of the setting crash.signals that the program does not ignore, on the
 * alternative stack of the thread where it has one (client/crash/altstack.h). The first thread that
 * crashes writes the record, all others wait for it. Afterwards the handler that was there before
 * is called; without one the default action happens with the signal's own siginfo, so that exit
 * status and core dump are those without the library.
 *
 * Flow:    signal -> gather -> handover -> the previous handler | the default action
 * Threads: start and stop: one at a time.
 */
#ifndef CLIENT_CRASH_HANDLER_H
#define CLIENT_CRASH_HANDLER_H

#include <stdbool.h>

#include "client/crash/record_file.h"

/* Checks the setting crash.signals: false with a sentence in problem [SETTING_PROBLEM_MAX]. */
bool handler_check(char *problem);
void handler_start(struct record_file *file); /* file: where the record is written */
/* Lets the signals of crashes in on the calling thread, which has blocked all. */
void handler_let_in(void);
void handler_stop(void); /* the previous handlers are back */

#endif
