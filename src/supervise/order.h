/* supervise/order.h - what parent and worker say to each other over their channel.
 *
 * Threads: constants.
 */
#ifndef SUPERVISE_ORDER_H
#define SUPERVISE_ORDER_H

enum order {
    /* worker to parent */
    ORDER_READY = 'R', /* it serves; text: a sentence for the service manager */
    ORDER_BEAT = 'B',  /* its loops turn */
    ORDER_ASK = 'A',   /* somebody asks for what SIGHUP asks for */
    ORDER_QUIT = 'Q',  /* somebody asks for what SIGTERM asks for */
    /* parent to worker */
    ORDER_START = 'S',   /* the first one; text: how often it was restarted, then why */
    ORDER_RELOAD = 'C',  /* a new configuration is in the shared memory */
    ORDER_PROBLEM = 'P', /* the new configuration is wrong; text: what; empty: mended */
};

/* Exit statuses of a worker. */
enum {
    ORDER_EXIT_STOPPED = 0, /* as it was told to */
    ORDER_EXIT_REFUSED = 3, /* it cannot start until a person changes something */
};

#endif
