/* cli/debug.h - `sonde debug`: asks a program that links libsonde, by its debug socket.
 *
 * Threads: one.
 */
#ifndef CLI_DEBUG_H
#define CLI_DEBUG_H

int debug_run(int argc, char **argv);

#endif
