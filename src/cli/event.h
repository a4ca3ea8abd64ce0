/* cli/event.h - `sonde event`: tells the daemon that something happened, from a pipeline's line.
 *
 * Threads: one.
 */
#ifndef CLI_EVENT_H
#define CLI_EVENT_H

/* Exit status 0: it is kept; 1: the daemon refuses it; 2: wrong words, or nobody answers. */
int event_run(int argc, char **argv);

#endif
