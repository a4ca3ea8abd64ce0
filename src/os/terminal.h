/* os/terminal.h - what a command may know of where its output goes.
 *
 * Threads: any.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>

/* Is the descriptor a terminal? */
bool terminal_is(int fd);

/* Its columns and lines; both stay untouched where it is none or does not say. */
void terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines);

/* Does the locale (LC_ALL, LC_CTYPE, LANG) say that texts are UTF-8? */
bool terminal_utf8(void);

#endif
