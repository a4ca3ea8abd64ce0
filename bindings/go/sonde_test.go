package sonde

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

// One test, because the library is one for the process.
func TestTheLibrarySeesWhatAProgramDoes(t *testing.T) {
	if _, err := Start(Options{Settings: []string{"colour=red"}}); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Fatal(err)
	}
	library, err := Start(Options{Service: "go", Settings: []string{"socket=none", "spool.dir=none"}})
	if err != nil {
		t.Fatal(err)
	}
	defer library.Stop()
	jobs := NewCounter("jobs_total", "Jobs.", map[string]string{"kind": "nightly"})
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for k := 0; k < 1000; k++ {
				jobs.Add(1)
			}
		}()
	}
	all.Wait()
	if jobs.Value() != 4000 {
		t.Fatal(jobs.Value())
	}
	order := NewOperation("shop", "order")
	_ = order.Run(func() error { return nil })
	_ = order.Run(func() error { return errors.New("no such card") })
	order.Begin().Abandon()
	said := Query("operation shop order")
	for _, part := range []string{`"completed":1`, `"errors":1`, `"abandoned":1`, "no such card"} {
		if !strings.Contains(said, part) {
			t.Fatal(part, said)
		}
	}
	outer := NewSpan("outer", Server, nil)
	outer.Set("n", 1)
	inner := NewSpan("inner", Internal, outer)
	if outer.Traceparent()[:35] != inner.Traceparent()[:35] || len(outer.Traceparent()) != 55 {
		t.Fatal(outer.Traceparent(), inner.Traceparent())
	}
	inner.End()
	outer.End()
	Log(Info, "test", "a line")
	Breadcrumb(Info, "test", "a crumb")
	if !Capture(Error, errors.New("on purpose")) {
		t.Fatal("not captured")
	}
	ReportHealth("store", Degraded, "slow")
	if !library.Flush(5000) || !strings.Contains(Query("health"), "slow") {
		t.Fatal(Query("health"))
	}
}
