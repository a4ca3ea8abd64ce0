/* watch/conf/watch_conf_words.h - one program from a command line:
 * `sonde watch --health http://127.0.0.1:8000/health --restarts 5 -- ./backend --port 8000`.
 *
 * A switch is a key of [[watch.program]] with dashes. A key that ends in _ms may be written without
 * that and then takes a duration (--stop-timeout 10s), one that ends in _bytes_max a size (--memory
 * 512MiB), one that ends in _max its number (--restarts 5). What is a list of texts for a program
 * (health_command, hooks) is one text that /bin/sh runs; --environment may be said again and again.
 *
 * Flow:    words -> struct watch_conf_program
 * Threads: pure functions.
 */
#ifndef WATCH_CONF_WATCH_CONF_WORDS_H
#define WATCH_CONF_WATCH_CONF_WORDS_H

#include "watch/conf/watch_conf.h"

/* Takes switches from the front of words [n] until one that is none; what is left begins at
 * *ret_used ("--" is passed over). -ERR_FORMAT: a switch or a value that is not known; NULL members
 * of words are passed over. Memory is a's. */
MUST_USE int watch_conf_words(char *const *words, size_t n, struct arena *a,
                              struct watch_conf_program *ret, size_t *ret_used, struct why *why);

/* A row with the defaults; memory is a's. */
void watch_conf_words_defaults(struct arena *a, struct watch_conf_program *ret);

#endif
