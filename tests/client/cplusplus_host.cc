// The C++ header from end to end: prints what it finds; ends with 1 where something is not as it
// should be.
#include <sonde/sonde.hpp>

#include <cstdio>
#include <stdexcept>
#include <thread>

static int failures;

static void must(bool condition, const char *what)
{
    if (!condition) {
        std::printf("failed: %s\n", what);
        failures++;
    }
}

static bool contains(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

static void early(bool leave)
{
    sonde::Tracker call("shop", "leave");
    if (leave) {
        return;
    }
    call.complete();
}

static void operations()
{
    int result = sonde::operation("shop", "order", [](sonde::Tracker &) { return 7; });
    must(result == 7, "the result comes through");
    try {
        sonde::operation("shop", "order",
                         [](sonde::Tracker &) { throw std::runtime_error("no such card"); });
        must(false, "the exception comes through");
    } catch (const std::runtime_error &) {
    }
    early(true);
    early(false);
    try {
        sonde::Tracker call("shop", "unwound");
        throw 1;
    } catch (int) {
    }
    std::string order = sonde::query("operation shop order");
    must(contains(order, "\"completed\":1") && contains(order, "\"errors\":1"), "order's counts");
    must(contains(order, "no such card"), "order's last error");
    must(contains(sonde::query("operation shop leave"), "\"abandoned\":1"), "leave is abandoned");
    must(contains(sonde::query("operation shop unwound"), "\"errors\":1"),
         "unwinding is a failure");
}

static void metrics()
{
    sonde::Counter jobs("jobs_total", "Jobs.", {{"kind", "nightly"}});
    std::thread other([&] { jobs.add(2); });
    other.join();
    jobs.add();
    must(jobs.value() == 3, "the counter's value");
    sonde::Gauge depth("depth", "Depth.");
    depth.set(4);
    depth.add(-1);
    must(depth.value() == 3, "the gauge's value");
    sonde::Histogram times("work_seconds", "Work.");
    {
        auto timer = times.time();
    }
    times.observe(0.5);
    must(contains(sonde::query("metrics jobs_*"), "nightly"), "the label");
    must(contains(sonde::query("prometheus"), "work_seconds_count 2\n") ||
             contains(sonde::query("prometheus"), "work_seconds_count 2\\n"),
         "the histogram's count");
}

static void spans()
{
    std::string parent;
    {
        sonde::Span span("outer", SONDE_SPAN_SERVER);
        span.set("n", 1)
            .set("x", 0.5)
            .set("yes", true)
            .set("name", "a")
            .set("text", std::string("b"));
        span.event("half way");
        parent = span.traceparent();
        sonde::Span inner("inner");
        must(inner.traceparent().substr(0, 35) == parent.substr(0, 35), "one trace");
    }
    must(parent.size() == 55, "a traceparent");
}

static void errors()
{
    try {
        try {
            throw std::invalid_argument("the inner one");
        } catch (...) {
            std::throw_with_nested(std::runtime_error("the outer one"));
        }
    } catch (const std::exception &e) {
        must(sonde::capture(e) != 0, "an exception is captured");
    }
    try {
        throw 42;
    } catch (...) {
        must(sonde::capture_current() != 0, "any exception is captured");
    }
    must(sonde_flush(5000) == 0, "errors are flushed");
    std::string captured = sonde::query("captured");
    must(contains(captured, "std::runtime_error") && contains(captured, "the outer one"),
         "the type's plain name");
}

int main()
{
    {
        sonde::Tracker before("shop", "before"); // nothing runs yet: harmless
        sonde::Span none("none");
        must(!none.recording(), "no span before the start");
    }
    sonde::Options wrong;
    wrong.settings = {"colour=red"};
    must(contains(sonde::Library(wrong).problem(), "colour"), "a bad setting is told");
    sonde::Options options;
    options.service = "cplusplus-host";
    options.settings = {"socket=none", "spool.dir=none"};
    sonde::Library library(options);
    must(library.running(), "it runs");
    operations();
    metrics();
    spans();
    errors();
    must(library.flush(5000), "it flushes");
    std::printf("%s\n", failures ? "not well" : "well");
    return failures ? 1 : 0;
}
