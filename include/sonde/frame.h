/* sonde/frame.h - frame times: how even a loop runs that should run at a rate.
 *
 *     sonde_frames_options options = SONDE_FRAMES_OPTIONS_INIT;
 *     options.name = "main";
 *     sonde_frames *frames = sonde_frames_new(&options);
 *     while (running) {
 *         update();
 *         draw();
 *         swap_buffers();
 *         sonde_frame_mark(frames); // a frame is what lies between two marks
 *     }
 *
 * A refresh is 1 / target_hz. A frame is one of
 *     slow     longer than slow_factor refreshes (and not frozen),
 *     frozen   longer than frozen_ms,
 *     normal   otherwise;
 * besides, a frame longer than a refresh
 *     is janky where it took more than twice the median of the nine frames before it (three at the
 *              least): a step that is seen, while a loop that is evenly slow is not;
 *     drops    the refreshes that went by without it: its duration in refreshes, rounded, less one;
 *     delays   by what it took beyond a refresh.
 *
 * Threads: all functions from any thread. One thread at a time should say when the frames of one
 *          object begin and end; of frames that two threads end at the very same time one may be
 *          left out (counted as lost).
 * Units:   durations are seconds, times are milliseconds since 1970.
 */
#ifndef SONDE_FRAME_H
#define SONDE_FRAME_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Frames of one loop. Lives until the process ends. Every function takes NULL and does nothing. */
typedef struct sonde_frames sonde_frames;

enum {
    SONDE_FRAMES_MAX = 64,         /* objects */
    SONDE_FRAMES_NAME_MAX = 64,    /* bytes of a name; cut there */
    SONDE_FRAMES_WINDOW_MAX = 65535,
    SONDE_FRAMES_WORST_MAX = 64,
    SONDE_FRAMES_RUNNING_MAX = 8, /* operations and spans that are kept of one of the worst */
};

/* Zeros are the defaults. */
typedef struct sonde_frames_options {
    size_t struct_size;
    const char *name;        /* NULL: "main" */
    double target_hz;        /* 60; 1 to 1000 */
    unsigned window_samples; /* the rolling window is at most so many frames: 1000; to 65535 */
    double window_seconds;   /* and not older than this: 10; to 3600 */
    double slow_factor;      /* 1; 1 to 100. Marks at the rate of a display jitter around a refresh:
                                1.1 leaves that out */
    double frozen_ms;        /* 700; 1 to 3600000 */
    unsigned worst;          /* how many of the slowest frames are kept: 16; to 64 */
} sonde_frames_options;
#define SONDE_FRAMES_OPTIONS_INIT {sizeof(sonde_frames_options), NULL, 0, 0, 0, 0, 0, 0}

/* The object of that name: a new one, or that which there is (which keeps its options). options may
 * be NULL. Works before sonde_init() too. NULL: an option beyond its limits, SONDE_FRAMES_MAX
 * objects (counted as lost), no memory. */
SONDE_API sonde_frames *sonde_frames_new(const sonde_frames_options *options);

/* A frame ends and the next one begins. A clock read and about 15 ns. */
SONDE_API void sonde_frame_mark(sonde_frames *frames);
/* The loop stops for a while on purpose: the time until the next mark is no frame. */
SONDE_API void sonde_frame_pause(sonde_frames *frames);
/* A frame that does not fill the time: its duration is that of the work between the two. An end
 * without a begin does nothing. */
SONDE_API void sonde_frame_begin(sonde_frames *frames);
SONDE_API void sonde_frame_end(sonde_frames *frames);
/* A frame that was timed by other means and ends now. Not finite or negative: left out. */
SONDE_API void sonde_frame_record(sonde_frames *frames, double seconds);

typedef struct sonde_frames_info {
    size_t struct_size;
    const char *name;
    double target_hz;
    /* since the start or the last reset */
    uint64_t count, slow, frozen, janky, dropped;
    double delay;    /* seconds that frames took beyond a refresh */
    int64_t last_ms; /* end of the last one; 0: none */
    /* over the window: exact, by nearest rank; NaN where it is empty */
    uint64_t window_count, window_slow, window_frozen;
    double minimum, maximum, mean, p50, p95, p99;
    double rate; /* frames a second; 0 where there are fewer than two */
} sonde_frames_info;

/* Fills *ret, whose struct_size the caller sets. Copies and sorts the window. */
SONDE_API int sonde_frames_read(sonde_frames *frames, sonde_frames_info *ret);
/* All of them in the order in which they were made; returns how many. */
SONDE_API size_t sonde_frames_each(void (*visit)(const sonde_frames_info *info, void *user),
                                   void *user);

/* What was running in a frame, on its thread. */
typedef struct sonde_frame_running {
    const char *service; /* of an operation; NULL: a span */
    const char *name;
    double seconds; /* so far */
    bool ended;     /* within the frame; else it still went on at its end */
} sonde_frame_running;

/* One of the slowest frames. */
typedef struct sonde_frame_worst {
    size_t struct_size;
    const char *name; /* of the object */
    int64_t start_ms;
    double seconds;
    int thread;
    bool frozen;
    size_t running_n;
    const sonde_frame_running *running; /* [running_n], the longest first */
} sonde_frame_worst;

/* The slowest frames of one object (NULL: of all), the slowest first: of those that were slow or
 * frozen since the start or reset. Returns how many. The structs are the library's, for the time
 * of the call. */
SONDE_API size_t sonde_frames_worst(sonde_frames *frames, size_t max,
                                    void (*visit)(const sonde_frame_worst *worst, void *user),
                                    void *user);

/* Begins again at nothing (NULL: all objects). */
SONDE_API void sonde_frames_reset(sonde_frames *frames);

#ifdef __cplusplus
}
#endif
#endif
