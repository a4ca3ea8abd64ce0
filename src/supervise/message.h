/* supervise/message.h - what parent and worker say to each other over their channel.
 *
 * Threads: constants.
 */
#ifndef SUPERVISE_MESSAGE_H
#define SUPERVISE_MESSAGE_H

enum message {
    /* worker to parent */
    MESSAGE_READY = 'R', /* it serves; text: a sentence for the service manager */
    MESSAGE_BEAT = 'B',  /* its loops turn */
    MESSAGE_ASK = 'A',   /* somebody asks for what SIGHUP asks for */
    MESSAGE_QUIT = 'Q',  /* somebody asks for what SIGTERM asks for */
    /* parent to worker */
    MESSAGE_START = 'S',   /* the first one; text: how often it was restarted, then why */
    MESSAGE_RELOAD = 'C',  /* a new configuration is in the shared memory */
    MESSAGE_PROBLEM = 'P', /* the new configuration is wrong; text: what; empty: mended */
};

/* Exit statuses of a worker. */
enum {
    MESSAGE_EXIT_STOPPED = 0, /* as it was told to */
    MESSAGE_EXIT_REFUSED = 3, /* it cannot start until a person changes something */
};

#endif
