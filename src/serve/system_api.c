#include "serve/system_api.h"

#include "serve/answer.h"
#include "serve/job.h"
#include "serve/system_report.h"

static void own_work(struct job *j)
{
    struct json_writer w;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    system_report_own(j->serve, &w);
    answer_end(j, NULL, STR(""));
}

static void host_work(struct job *j)
{
    struct json_writer w;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    system_report_host(j->serve, &w);
    answer_end(j, NULL, STR(""));
}

static void put_status(struct serve *s, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    system_report_status(s, &w);
    json_end_object(&w);
}

static void status_work(struct job *j)
{
    answer_begin(j);
    put_status(j->serve, &j->body);
    answer_end(j, NULL, STR(""));
}

void system_api_own(struct http_request *r, void *serve)
{
    job_start(serve, r, own_work, NULL);
}

void system_api_host(struct http_request *r, void *serve)
{
    job_start(serve, r, host_work, NULL);
}

void system_api_status(struct http_request *r, void *serve)
{
    job_start(serve, r, status_work, NULL);
}

void system_api_write(struct serve *s, struct buf *out)
{
    put_status(s, out);
    buf_put_c(out, '\n');
}
