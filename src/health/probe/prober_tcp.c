/* A connection, some words, and what is expected of the answer; or a conversation of somebody's. */
#include "health/probe/prober_inside.h"

static int begin_tcp(struct prober_probe *p, struct why *why)
{
    (void)why;
    buf_put_str(&p->out, p->first);
    return p->expect.n || p->first.n ? PROBER_MORE : PROBER_DONE;
}

static int take_tcp(struct prober_probe *p, struct str bytes, struct why *why)
{
    buf_put_str(&p->in, str_sub(bytes, 0, p->in.max - p->in.n));
    if (str_search(buf_str(&p->in), p->expect) < p->in.n || p->expect.n == 0)
        return PROBER_DONE;
    if (p->in.n == p->in.max)
        return why_set(why, ERR_STATE, "what was expected is not in the first %zu bytes",
                       p->in.max);
    return PROBER_MORE;
}

static int closed_tcp(struct prober_probe *p, struct why *why)
{
    if (p->in.n == 0)
        return why_set(why, ERR_CLOSED, "the server closed the connection without an answer");
    return why_set(why, ERR_STATE,
                   "the server closed the connection, and what was expected had "
                   "not come");
}

static const struct prober_kind TCP = {false, begin_tcp, take_tcp, closed_tcp, NULL};

int prober_tcp_new(struct prober *prober, const struct prober_tcp *how, struct prober_probe **ret,
                   struct why *why)
{
    struct prober_probe *p;
    if (how->send.n > PROBER_BODY_MAX || how->expect.n > PROBER_BODY_MAX)
        return why_set(why, ERR_LIMIT, "what is sent or expected is longer than %d bytes",
                       PROBER_BODY_MAX);
    int err = prober_inside_new(prober, &how->place, &TCP, how->timeout_ms, &p, why);
    if (err != 0)
        return err;
    p->first = prober_inside_copy(how->send);
    p->expect = prober_inside_copy(how->expect);
    *ret = p;
    return 0;
}

/* ---- conversations */

static int step(struct prober_probe *p, bool first, struct why *why)
{
    buf_clear(&p->out);
    p->sent = 0;
    return p->talk.step(p->talk.context, first, buf_str(&p->in), &p->out, why);
}

static int begin_talk(struct prober_probe *p, struct why *why)
{
    return step(p, true, why);
}

static int take_talk(struct prober_probe *p, struct str bytes, struct why *why)
{
    if (bytes.n > p->in.max - p->in.n)
        return why_set(why, ERR_LIMIT, "the answer is longer than %zu bytes", p->in.max);
    buf_put_str(&p->in, bytes);
    return step(p, false, why);
}

static int closed_talk(struct prober_probe *p, struct why *why)
{
    return why_set(why, ERR_CLOSED,
                   p->in.n ? "the server closed the connection within its answer"
                           : "the server closed the connection without an answer");
}

static const struct prober_kind TALK = {false, begin_talk, take_talk, closed_talk, NULL};

int prober_talk_new(struct prober *prober, const struct prober_talk *how, struct prober_probe **ret,
                    struct why *why)
{
    struct prober_probe *p;
    int err = prober_inside_new(prober, &how->place, &TALK, how->timeout_ms, &p, why);
    if (err != 0)
        return err;
    p->talk = *how;
    *ret = p;
    return 0;
}
