/* os/terminal.h - what a command may know of where its output goes.
 *
 * Threads: any; the keys are one thread's.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Is the descriptor a terminal? */
bool terminal_is(int fd);

/* Its columns and lines; both stay untouched where it is none or does not say. */
void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines);

/* Does the locale (LC_ALL, LC_CTYPE, LANG) say that texts are UTF-8? */
bool terminal_utf8(void);

/* Lets keys come one by one and unseen, or as before. False where standard input is no terminal.
 * Signals of the keyboard come as keys too (TERMINAL_END for Ctrl-C), so that the screen can be put
 * back. */
enum { TERMINAL_NONE = 0, TERMINAL_ESCAPE = 27, TERMINAL_END = 3 };
bool terminal_keys(bool on);

/* The next key within timeout_ms, or TERMINAL_NONE; TERMINAL_END at the end of the input. */
int terminal_key(int64_t timeout_ms);

#endif
