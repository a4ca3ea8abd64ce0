/* serve/gpu_api.h - GET /api/metrics/gpu: the state of the graphics cards now, as JSON.
 *
 * Made of the last values of the collectors, sonde_gpu_*; a host without cards gives an empty list.
 * docs/api.md shows an answer.
 *
 * Threads: the request's loop.
 */
#ifndef SERVE_GPU_API_H
#define SERVE_GPU_API_H

#include "net/http.h"

void gpu_api_state(struct http_request *r, void *serve);

#endif
