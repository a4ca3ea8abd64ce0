/* launch/launch_message.h - what the worker and the launcher say to each other (os/channel.h).
 *
 * Numbers are decimal texts, separated by blanks; what follows the last is free text.
 *
 * Threads: constants.
 */
#ifndef LAUNCH_LAUNCH_MESSAGE_H
#define LAUNCH_LAUNCH_MESSAGE_H

enum launch_message {
    /* worker to launcher */
    LAUNCH_START = 'S', /* "ID DEADLINE_MS NAME" */
    LAUNCH_KILL = 'K',  /* "ID" */
    /* launcher to worker */
    LAUNCH_STARTED = 'B', /* "ID" with one or two descriptors: its output, its input */
    LAUNCH_REFUSED = 'R', /* "ID ERR SENTENCE" */
    LAUNCH_ENDED = 'E',   /* "ID STATUS SIGNAL TIMED_OUT TEXT", the end of its standard error */
};

#endif
