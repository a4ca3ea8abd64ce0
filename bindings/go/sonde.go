// Package sonde is libsonde for Go: metrics, operations, spans, logs and errors of a program, a thin
// layer over its C interface (cgo) and without other dependencies.
//
//	library, err := sonde.Start(sonde.Options{Service: "shop"})
//	defer library.Stop()
//	jobs := sonde.NewCounter("jobs_total", "Jobs that were done.", map[string]string{"kind": "nightly"})
//	jobs.Add(1)
//	err = sonde.NewOperation("shop", "order").Run(func() error { return nil })
//
// The C headers say units, limits and threads. Everything is harmless where the library does not run.
// Crash handlers stay off, because Go's runtime has its own; panics are reported by Recover.
package sonde

/*
#cgo pkg-config: sonde
#include <stdlib.h>
#include <sonde/sonde.h>

static int start(const char *service, const char *release, const char *environment, const char *instance, char **settings)
{
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = service;
    o.release = release;
    o.environment = environment;
    o.instance = instance;
    o.settings = (const char *const *)settings;
    return sonde_init(&o);
}
static void set_string(sonde_span *s, const char *k, const char *v) { sonde_span_set_string(s, k, v); }
static void set_int(sonde_span *s, const char *k, int64_t v) { sonde_span_set_int(s, k, v); }
static void set_double(sonde_span *s, const char *k, double v) { sonde_span_set_double(s, k, v); }
static void set_bool(sonde_span *s, const char *k, int v) { sonde_span_set_bool(s, k, v != 0); }
static sonde_span *begin_span(const char *name, int kind, const sonde_context *parent)
{
    sonde_span_options o = SONDE_SPAN_OPTIONS_INIT;
    o.kind = kind;
    o.detached = true;
    o.parent = parent;
    o.root = parent == NULL;
    return sonde_span_start_with(name, &o);
}
static void end_span(sonde_span *s) { sonde_span_end(s); }
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sort"
	"unsafe"
)

// Level says how bad something is.
type Level int

const (
	Trace Level = iota
	Debug
	Info
	Warning
	Error
	Fatal
)

// Health says how a part of the program is.
type Health int

const (
	Healthy Health = iota
	Degraded
	Unhealthy
)

// Kind says what a span is in its trace.
type Kind int

const (
	Internal Kind = iota + 1
	Server
	Client
	Producer
	Consumer
)

// Options of Start; an empty text is not given. Settings are "key=value".
type Options struct {
	Service, Release, Environment, Instance string
	Settings                                []string
}

// Library runs until Stop.
type Library struct{}

func given(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

// Start starts the library; the program may go on where that fails.
func Start(o Options) (*Library, error) {
	runtime.LockOSThread() // the reason of a failure is the thread's
	defer runtime.UnlockOSThread()
	lines := append([]string{"language=go", "crash.enabled=false"}, o.Settings...)
	list := (*[1 << 16]*C.char)(C.calloc(C.size_t(len(lines)+1), C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	defer C.free(unsafe.Pointer(list))
	for i, line := range lines {
		list[i] = C.CString(line)
		defer C.free(unsafe.Pointer(list[i]))
	}
	words := []*C.char{given(o.Service), given(o.Release), given(o.Environment), given(o.Instance)}
	for _, word := range words {
		defer C.free(unsafe.Pointer(word))
	}
	if C.start(words[0], words[1], words[2], words[3], &list[0]) != 0 {
		return nil, errors.New(C.GoString(C.sonde_last_problem()))
	}
	return &Library{}, nil
}

// Stop sends what there is, within a second.
func (*Library) Stop() { C.sonde_shutdown(1000) }

// Flush says whether all that was recorded is with the daemon, or in the spool.
func (*Library) Flush(timeoutMs uint) bool { return C.sonde_flush(C.uint(timeoutMs)) == 0 }

// Query answers a command line with JSON.
func Query(command string) string {
	word := C.CString(command)
	defer C.free(unsafe.Pointer(word))
	for size := C.size_t(65536); ; {
		room := (*C.char)(C.malloc(size))
		var length C.size_t
		C.sonde_query(word, room, size, &length)
		answer := C.GoString(room)
		C.free(unsafe.Pointer(room))
		if length < size {
			return answer
		}
		size = length + 1024
	}
}

// withLabels calls f with the labels as the C interface takes them.
func withLabels(labels map[string]string, f func(*C.sonde_label)) {
	names := make([]string, 0, len(labels))
	for name := range labels {
		names = append(names, name)
	}
	sort.Strings(names)
	rows := (*[1 << 12]C.sonde_label)(C.calloc(C.size_t(len(names)+1), C.size_t(unsafe.Sizeof(C.sonde_label{}))))
	defer C.free(unsafe.Pointer(rows))
	for i, name := range names {
		rows[i].name, rows[i].value = C.CString(name), C.CString(labels[name])
		defer C.free(unsafe.Pointer(rows[i].name))
		defer C.free(unsafe.Pointer(rows[i].value))
	}
	f(&rows[0])
}

// withTexts calls f with two texts as C has them.
func withTexts(a, b string, f func(a, b *C.char)) {
	x, y := C.CString(a), C.CString(b)
	defer C.free(unsafe.Pointer(x))
	defer C.free(unsafe.Pointer(y))
	f(x, y)
}

// Counter only grows.
type Counter struct{ handle *C.sonde_counter }

func NewCounter(name, help string, labels map[string]string) (c Counter) {
	withTexts(name, help, func(n, h *C.char) {
		withLabels(labels, func(l *C.sonde_label) { c.handle = C.sonde_counter_get(n, h, l) })
	})
	return
}
func (c Counter) Add(n float64)  { C.sonde_counter_add(c.handle, C.double(n)) }
func (c Counter) Value() float64 { return float64(C.sonde_counter_value(c.handle)) }

// Gauge goes up and down.
type Gauge struct{ handle *C.sonde_gauge }

func NewGauge(name, help string, labels map[string]string) (g Gauge) {
	withTexts(name, help, func(n, h *C.char) {
		withLabels(labels, func(l *C.sonde_label) { g.handle = C.sonde_gauge_get(n, h, l) })
	})
	return
}
func (g Gauge) Set(v float64)  { C.sonde_gauge_set(g.handle, C.double(v)) }
func (g Gauge) Add(n float64)  { C.sonde_gauge_add(g.handle, C.double(n)) }
func (g Gauge) Value() float64 { return float64(C.sonde_gauge_value(g.handle)) }

// Histogram tells how values are distributed.
type Histogram struct{ handle *C.sonde_histogram }

func NewHistogram(name, help string, labels map[string]string) (h Histogram) {
	withTexts(name, help, func(n, t *C.char) {
		withLabels(labels, func(l *C.sonde_label) { h.handle = C.sonde_histogram_get(n, t, l, nil) })
	})
	return
}
func (h Histogram) Observe(v float64) { C.sonde_histogram_observe(h.handle, C.double(v)) }

// Operation is what a service does again and again.
type Operation struct{ handle *C.sonde_operation }

func NewOperation(service, name string) (o Operation) {
	withTexts(service, name, func(s, n *C.char) { o.handle = C.sonde_operation_get(s, n) })
	return
}

// Call is one call of an operation; a goroutine may move between threads while it goes on.
type Call struct{ tracker C.sonde_tracker }

func (o Operation) Begin() *Call {
	c := &Call{C.sonde_operation_begin(o.handle)}
	C.sonde_operation_detach(&c.tracker)
	return c
}
func (c *Call) Complete() { C.sonde_operation_complete(&c.tracker) }
func (c *Call) Fail(message string) {
	withTexts(message, "", func(m, _ *C.char) { C.sonde_operation_fail(&c.tracker, m) })
}
func (c *Call) Abandon() { C.sonde_operation_abandon(&c.tracker) }

// Run runs body as one call: completed where it gives nil, failed with what the error says, or with
// the panic that leaves it.
func (o Operation) Run(body func() error) (err error) {
	call := o.Begin()
	defer func() {
		if p := recover(); p != nil {
			call.Fail(fmt.Sprint(p))
			panic(p)
		}
	}()
	if err = body(); err != nil {
		call.Fail(err.Error())
	} else {
		call.Complete()
	}
	return
}

// Span is handed on by the caller: goroutines have no thread of their own.
type Span struct{ handle *C.sonde_span }

// NewSpan begins a child of parent, or a trace (nil).
func NewSpan(name string, kind Kind, parent *Span) *Span {
	s := &Span{}
	withTexts(name, "", func(n, _ *C.char) {
		if parent == nil {
			s.handle = C.begin_span(n, C.int(kind), nil)
			return
		}
		context := C.sonde_span_context(parent.handle)
		s.handle = C.begin_span(n, C.int(kind), &context)
	})
	return s
}

// Set takes texts, booleans, integers and floats; anything else as it is printed.
func (s *Span) Set(key string, value any) {
	withTexts(key, fmt.Sprint(value), func(k, v *C.char) {
		switch one := value.(type) {
		case bool:
			n := C.int(0)
			if one {
				n = 1
			}
			C.set_bool(s.handle, k, n)
		case int:
			C.set_int(s.handle, k, C.int64_t(one))
		case int64:
			C.set_int(s.handle, k, C.int64_t(one))
		case float64:
			C.set_double(s.handle, k, C.double(one))
		default:
			C.set_string(s.handle, k, v)
		}
	})
}
func (s *Span) Fail(kind, message string) {
	withTexts(kind, message, func(k, m *C.char) { C.sonde_span_set_error(s.handle, k, m) })
}
func (s *Span) End() { C.end_span(s.handle) }

// Traceparent is the header that hands the trace on.
func (s *Span) Traceparent() string {
	context := C.sonde_span_context(s.handle)
	var room [56]C.char
	C.sonde_context_format(&context, &room[0])
	return C.GoString(&room[0])
}

// Log writes a record.
func Log(level Level, category, message string) {
	withTexts(category, message, func(c, m *C.char) { C.sonde_log_write(C.int(level), c, m, nil, 0) })
}

// Breadcrumb notes what happened, for errors that follow.
func Breadcrumb(level Level, category, message string) {
	withTexts(category, message, func(c, m *C.char) { C.sonde_breadcrumb(C.int(level), c, m, nil, 0) })
}

// Capture captures an error with those that it wraps in its words; false where it was left out.
func Capture(level Level, err error) (taken bool) {
	withTexts(fmt.Sprintf("%T", err), err.Error(), func(t, m *C.char) {
		taken = C.sonde_error_capture(C.int(level), t, m) != 0
	})
	return
}

// Recover is to be deferred: it captures a panic and lets it go on.
func Recover() {
	if p := recover(); p != nil {
		withTexts("panic", fmt.Sprint(p), func(t, m *C.char) { C.sonde_error_capture(C.int(Fatal), t, m) })
		C.sonde_flush(1000)
		panic(p)
	}
}

// ReportHealth reports how a part of the program is.
func ReportHealth(component string, state Health, message string) {
	withTexts(component, message, func(c, m *C.char) { C.sonde_health_report(c, C.int(state), m, nil, 0) })
}
