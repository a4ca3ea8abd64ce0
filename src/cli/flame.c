#include "cli/flame.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    WIDTH = 1200,
    ROW = 17,
    TOP = 40,
    MARGIN = 10,
    LETTER = 7,
    FRAMES_MAX = 1 << 20,
    DEPTH_MAX = 512
};

struct line {
    struct str stack;
    uint64_t count;
};

struct lines {
    struct line *p;
    size_t n, cap;
};

static int read_lines(struct str folded, struct lines *ret, uint64_t *ret_total, struct why *why)
{
    struct str line;
    size_t number = 0;
    while (str_split(&folded, '\n', &line)) {
        number++;
        if (line.n == 0)
            continue;
        size_t at = line.n;
        while (at > 0 && line.p[at - 1] != ' ')
            at--;
        uint64_t count;
        if (at == 0 || !str_u64(str_sub(line, at, line.n), &count))
            return why_set(why, ERR_FORMAT, "line %zu is no stack with a count", number);
        if (ret->n == FRAMES_MAX)
            return why_set(why, ERR_LIMIT, "more than a million stacks");
        if (ret->n == ret->cap) {
            ret->cap = ret->cap ? ret->cap * 2 : 1024;
            ret->p = mem_resize(ret->p, ret->cap * sizeof *ret->p);
        }
        ret->p[ret->n++] = (struct line){str_sub(line, 0, at - 1), count};
        *ret_total += count;
    }
    return ret->n > 0 && *ret_total > 0 ? 0
                                        : why_set(why, ERR_SPARSE, "the profile has no samples");
}

static int by_stack(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return str_cmp(x->stack, y->stack);
}

static void put_text(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<')
            buf_printf(out, "&lt;");
        else if (c == '>')
            buf_printf(out, "&gt;");
        else if (c == '&')
            buf_printf(out, "&amp;");
        else
            buf_put(out, &c, 1);
    }
}

/* Warm colors, the same for the same name. */
static void put_color(struct buf *out, struct str name)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
    buf_printf(out, "rgb(%u,%u,%u)", 205 + (unsigned)(h >> 8 & 0xff) % 50,
               80 + (unsigned)(h >> 16 & 0xff) % 130, (unsigned)(h >> 24 & 0xff) % 55);
}

struct open_frame {
    struct str name;
    uint64_t from;
};

struct drawing {
    struct open_frame open[DEPTH_MAX];
    size_t depth, deepest;
    uint64_t total;
    struct buf *out;
};

/* Draws the frames that end at `at`, down to `keep` open ones. */
static void close_frames(struct drawing *d, size_t keep, uint64_t at)
{
    while (d->depth > keep) {
        const struct open_frame *f = &d->open[--d->depth];
        double scale = (double)(WIDTH - 2 * MARGIN) / (double)d->total;
        double x = MARGIN + (double)f->from * scale, w = (double)(at - f->from) * scale;
        if (w < 0.1)
            continue;
        buf_printf(d->out, "<g class=\"f\" data-x=\"%.2f\" data-w=\"%.2f\" data-d=\"%zu\"><title>",
                   x, w, d->depth);
        put_text(d->out, f->name);
        buf_printf(d->out,
                   " (%llu samples, %.2f %%)</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" "
                   "height=\"%d\" fill=\"",
                   (unsigned long long)(at - f->from),
                   100 * (double)(at - f->from) / (double)d->total, x, -(int)(d->depth + 1) * ROW,
                   w, ROW - 1);
        put_color(d->out, f->name);
        buf_printf(d->out, "\"/><text x=\"%.2f\" y=\"%d\">", x + 3, -(int)d->depth * ROW - 5);
        size_t room = w < 3 * LETTER ? 0 : (size_t)((w - 6) / LETTER);
        put_text(d->out, f->name.n <= room ? f->name : str_sub(f->name, 0, room));
        buf_printf(d->out, "</text></g>\n");
    }
}

static void draw_stack(struct drawing *d, const struct line *line, uint64_t at)
{
    struct str rest = line->stack, name;
    size_t depth = 0;
    while (depth < DEPTH_MAX && str_split(&rest, ';', &name)) {
        if (depth < d->depth && !str_eq(d->open[depth].name, name))
            close_frames(d, depth, at);
        if (depth >= d->depth)
            d->open[d->depth++] = (struct open_frame){name, at};
        depth++;
    }
    close_frames(d, depth, at);
    d->deepest = depth > d->deepest ? depth : d->deepest;
}

/* A click lays out again; without scripts the picture is as it was drawn. */
static const char SCRIPT[] =
    "<script><![CDATA[\n"
    "const all=[...document.querySelectorAll('.f')],W=%d,M=%d;\n"
    "function lay(x0,w0,d0){for(const g of all){const "
    "x=+g.dataset.x,w=+g.dataset.w,d=+g.dataset.d;\n"
    "const k=(W-2*M)/w0;let a=M+(x-x0)*k,b=w*k;if(d<d0&&x<=x0&&x+w>=x0+w0){a=M;b=W-2*M}\n"
    "const l=Math.max(a,M),r=Math.min(a+b,W-M);g.style.display=r-l<0.3?'none':'';\n"
    "const q=g.querySelector('rect'),t=g.querySelector('text');\n"
    "q.setAttribute('x',l);q.setAttribute('width',Math.max(r-l-0.5,0.2));\n"
    "t.setAttribute('x',l+3);\n"
    "const n=g.querySelector('title').textContent.replace(/ "
    "\\([^(]*$/,''),m=Math.floor((r-l-6)/%d);\n"
    "t.textContent=m<3?'':n.length<=m?n:n.slice(0,m-1)+'\\u2026'}}\n"
    "for(const g of all)g.onclick=()=>lay(+g.dataset.x,+g.dataset.w,+g.dataset.d);\n"
    "document.getElementById('all').onclick=()=>lay(M,W-2*M,0);lay(M,W-2*M,0);\n"
    "]]></script>\n";

int flame_svg(struct str folded, struct str title, struct buf *out, struct why *why)
{
    struct lines lines = {0};
    struct drawing d = {0};
    struct buf frames;
    int err = read_lines(folded, &lines, &d.total, why);
    if (err != 0) {
        mem_free(lines.p);
        return err;
    }
    qsort(lines.p, lines.n, sizeof *lines.p, by_stack);
    buf_init(&frames, (size_t)256 << 20);
    d.out = &frames;
    uint64_t at = 0;
    for (size_t i = 0; i < lines.n; at += lines.p[i++].count)
        draw_stack(&d, &lines.p[i], at);
    close_frames(&d, 0, at);
    size_t height = TOP + d.deepest * ROW + MARGIN;
    buf_printf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 "
        "%d %zu\">\n<style>text{font:12px monospace;pointer-events:none}.f{cursor:pointer}"
        "</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fafaf7\"/>\n<g id=\"all\">"
        "<rect width=\"100%%\" height=\"%d\" fill=\"#fafaf7\"/><text x=\"%d\" y=\"22\">",
        WIDTH, height, WIDTH, height, TOP - MARGIN, MARGIN);
    put_text(out, title);
    buf_printf(out, " (%llu samples; click a frame to widen it, here for all)</text></g>\n",
               (unsigned long long)d.total);
    buf_printf(out, "<g transform=\"translate(0,%zu)\">\n", height - MARGIN);
    buf_put(out, frames.p, frames.n);
    buf_printf(out, "</g>\n");
    buf_printf(out, SCRIPT, WIDTH, MARGIN, LETTER);
    buf_printf(out, "</svg>\n");
    bool cut = buf_failed(&frames) || buf_failed(out);
    buf_done(&frames);
    mem_free(lines.p);
    return cut ? why_set(why, ERR_LIMIT, "the picture is too large") : 0;
}
