// sonde/sonde.hpp - libsonde for C++17: handles that know their functions, scopes that end by
// themselves, exceptions as errors with their causes.
//
//     #include <sonde/sonde.hpp>
//     int main() {
//         sonde::Options options;
//         options.service = "shop";
//         sonde::Library library(options);
//         sonde::Counter jobs{"jobs_total", "Jobs that were done."};
//         jobs.add();
//         sonde::operation("shop", "order", [&](sonde::Tracker &) { /* may throw */ });
//     }
//
// A header alone over the C interface, which says units, threads and limits; nothing here throws.
#ifndef SONDE_SONDE_HPP
#define SONDE_SONDE_HPP

#include <sonde/sonde.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#if defined(__GNUG__)
#include <cstdlib>
#include <cxxabi.h>
#endif

namespace sonde
{

struct Options {
    std::string service, release, environment, instance;
    std::vector<std::string> settings; // "key=value"
};

// The library from here to the end of its scope.
class Library
{
  public:
    explicit Library(const Options &options = {}, unsigned shutdown_ms = 1000)
        : shutdown_ms_(shutdown_ms)
    {
        std::vector<const char *> settings;
        for (const std::string &one : options.settings) {
            settings.push_back(one.c_str());
        }
        settings.push_back(nullptr);
        sonde_options o = SONDE_OPTIONS_INIT;
        o.service = given(options.service);
        o.release = given(options.release);
        o.environment = given(options.environment);
        o.instance = given(options.instance);
        o.settings = settings.data();
        status_ = sonde_init(&o);
        if (status_ != 0) {
            problem_ = sonde_last_problem();
        }
    }
    ~Library()
    {
        if (status_ == 0) {
            sonde_shutdown(shutdown_ms_);
        }
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;

    bool running() const
    {
        return status_ == 0 && sonde_running();
    }
    // Why it did not start; empty where it did. The program runs all the same.
    const std::string &problem() const
    {
        return problem_;
    }
    bool flush(unsigned timeout_ms) const
    {
        return sonde_flush(timeout_ms) == 0;
    }

  private:
    static const char *given(const std::string &s)
    {
        return s.empty() ? nullptr : s.c_str();
    }
    unsigned shutdown_ms_;
    int status_;
    std::string problem_;
};

// The answer to a command line, as JSON.
inline std::string query(const std::string &command)
{
    std::string answer(4096, '\0');
    std::size_t length = 0;
    sonde_query(command.c_str(), &answer[0], answer.size(), &length);
    if (length >= answer.size()) { // it was longer: once more with room
        answer.assign(length + 1024, '\0');
        sonde_query(command.c_str(), &answer[0], answer.size(), &length);
    }
    answer.resize(length < answer.size() ? length : answer.size() - 1);
    return answer;
}

using Labels = std::initializer_list<sonde_label>;

namespace inside
{
// The list with its end.
inline std::vector<sonde_label> ended(Labels labels)
{
    std::vector<sonde_label> v(labels);
    v.push_back({nullptr, nullptr});
    return v;
}

inline std::string type_name(const std::type_info &type)
{
#if defined(__GNUG__)
    int status = 0;
    char *plain = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
    std::string name = status == 0 && plain ? plain : type.name();
    std::free(plain);
    return name;
#else
    return type.name();
#endif
}
} // namespace inside

class Counter
{
  public:
    explicit Counter(const char *name, const char *help, Labels labels = {})
        : counter_(sonde_counter_get(name, help, inside::ended(labels).data()))
    {
    }
    void add(double n = 1) const
    {
        sonde_counter_add(counter_, n);
    }
    double value() const
    {
        return sonde_counter_value(counter_);
    }

  private:
    sonde_counter *counter_;
};

class Gauge
{
  public:
    explicit Gauge(const char *name, const char *help, Labels labels = {})
        : gauge_(sonde_gauge_get(name, help, inside::ended(labels).data()))
    {
    }
    void set(double value) const
    {
        sonde_gauge_set(gauge_, value);
    }
    void add(double n) const
    {
        sonde_gauge_add(gauge_, n);
    }
    double value() const
    {
        return sonde_gauge_value(gauge_);
    }

  private:
    sonde_gauge *gauge_;
};

class Histogram
{
  public:
    // options NULL: classic buckets, as sonde_histogram_get() says.
    explicit Histogram(const char *name, const char *help, Labels labels = {},
                       const sonde_histogram_options *options = nullptr)
        : histogram_(sonde_histogram_get(name, help, inside::ended(labels).data(), options))
    {
    }
    void observe(double value) const
    {
        sonde_histogram_observe(histogram_, value);
    }
    double quantile(double q) const
    {
        return sonde_histogram_quantile(histogram_, q);
    }

    // Observes the seconds from here to the end of its scope.
    class Timer
    {
      public:
        explicit Timer(sonde_histogram *histogram)
            : histogram_(histogram), begun_(sonde_histogram_begin())
        {
        }
        ~Timer()
        {
            sonde_histogram_end(histogram_, begun_);
        }
        Timer(const Timer &) = delete;
        Timer &operator=(const Timer &) = delete;

      private:
        sonde_histogram *histogram_;
        std::uint64_t begun_;
    };
    Timer time() const
    {
        return Timer(histogram_);
    }

  private:
    sonde_histogram *histogram_;
};

// One call of an operation. Left by an exception it has failed, with what that says; left otherwise
// without an end it was abandoned.
class Tracker
{
  public:
    explicit Tracker(sonde_operation *operation)
        : tracker_(sonde_operation_begin(operation)), exceptions_(std::uncaught_exceptions())
    {
    }
    Tracker(const char *service, const char *operation)
        : Tracker(sonde_operation_get(service, operation))
    {
    }
    ~Tracker()
    {
        if (std::uncaught_exceptions() > exceptions_) {
            sonde_operation_fail(&tracker_, "left by an exception");
        }
        sonde_operation_abandon(&tracker_);
    }
    Tracker(const Tracker &) = delete;
    Tracker &operator=(const Tracker &) = delete;

    void complete()
    {
        sonde_operation_complete(&tracker_);
    }
    void fail(const char *message = nullptr)
    {
        sonde_operation_fail(&tracker_, message);
    }
    void recover(const char *message = nullptr)
    {
        sonde_operation_recover(&tracker_, message);
    }
    double elapsed() const
    {
        return sonde_operation_elapsed(&tracker_);
    }

  private:
    sonde_tracker tracker_;
    int exceptions_;
};

// Runs body(tracker) as one call: completed where it returns without an end of its own, failed with
// the exception's words where it throws, which goes on to the caller.
template <class Body>
auto operation(const char *service, const char *name, Body &&body)
    -> std::invoke_result_t<Body, Tracker &>
{
    Tracker tracker(service, name);
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Body, Tracker &>>) {
            std::forward<Body>(body)(tracker);
            tracker.complete();
        } else {
            auto result = std::forward<Body>(body)(tracker);
            tracker.complete();
            return result;
        }
    } catch (const std::exception &e) {
        tracker.fail(e.what());
        throw;
    } catch (...) {
        tracker.fail("an exception that is no std::exception");
        throw;
    }
}

// A span from here to the end of its scope; with the status error where an exception leaves it.
class Span
{
  public:
    explicit Span(const char *name, int kind = SONDE_SPAN_INTERNAL)
        : span_(sonde_span_start(name, kind)), exceptions_(std::uncaught_exceptions())
    {
    }
    Span(const char *name, const sonde_span_options &options)
        : span_(sonde_span_start_with(name, &options)), exceptions_(std::uncaught_exceptions())
    {
    }
    ~Span()
    {
        if (std::uncaught_exceptions() > exceptions_) {
            sonde_span_set_status(span_, SONDE_SPAN_ERROR, "left by an exception");
        }
        sonde_span_end(span_);
    }
    Span(const Span &) = delete;
    Span &operator=(const Span &) = delete;

    bool recording() const
    {
        return sonde_span_recording(span_);
    }
    template <class Value> Span &set(const char *key, const Value &value)
    {
        if constexpr (std::is_same_v<Value, bool>) {
            sonde_span_set_bool(span_, key, value);
        } else if constexpr (std::is_integral_v<Value>) {
            sonde_span_set_int(span_, key, static_cast<std::int64_t>(value));
        } else if constexpr (std::is_floating_point_v<Value>) {
            sonde_span_set_double(span_, key, static_cast<double>(value));
        } else {
            std::string_view text(value);
            sonde_span_set_string_n(span_, key, text.data(), text.size());
        }
        return *this;
    }
    Span &event(const char *name)
    {
        sonde_span_event(span_, name, nullptr, 0);
        return *this;
    }
    Span &status(enum sonde_span_status status, const char *message = nullptr)
    {
        sonde_span_set_status(span_, status, message);
        return *this;
    }
    std::string traceparent() const
    {
        sonde_context context = sonde_span_context(span_);
        char text[SONDE_TRACEPARENT_SIZE];
        sonde_context_format(&context, text);
        return text;
    }
    sonde_span *get() const
    {
        return span_;
    }

  private:
    sonde_span *span_;
    int exceptions_;
};

namespace inside
{
struct Cause {
    std::string type, message;
};

inline void causes_of(const std::exception &e, std::vector<Cause> &causes)
{
    constexpr std::size_t most = 16;
    causes.push_back({type_name(typeid(e)), e.what()});
    if (causes.size() == most) {
        return;
    }
    try {
        std::rethrow_if_nested(e);
    } catch (const std::exception &inner) {
        causes_of(inner, causes);
    } catch (...) {
        causes.push_back({"unknown", "an exception that is no std::exception"});
    }
}
} // namespace inside

// Captures an exception with those that are nested in it (std::throw_with_nested).
inline sonde_error_ref capture(const std::exception &e, int level = SONDE_LEVEL_ERROR)
{
    std::vector<inside::Cause> causes;
    inside::causes_of(e, causes);
    std::vector<sonde_error_cause> chain(causes.size());
    for (std::size_t i = causes.size(); i-- > 1;) {
        chain[i] = SONDE_ERROR_CAUSE_INIT;
        chain[i].type = causes[i].type.c_str();
        chain[i].message = causes[i].message.c_str();
        chain[i].cause = i + 1 < causes.size() ? &chain[i + 1] : nullptr;
    }
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.level = level;
    info.type = causes[0].type.c_str();
    info.message = causes[0].message.c_str();
    info.mechanism = "c++ exception";
    info.cause = causes.size() > 1 ? &chain[1] : nullptr;
    return sonde_error_capture_info(&info);
}

// Captures what a catch (...) has caught.
inline sonde_error_ref capture_current(int level = SONDE_LEVEL_ERROR)
{
    try {
        throw;
    } catch (const std::exception &e) {
        return capture(e, level);
    } catch (...) {
        return sonde_error_capture(level, "unknown", "an exception that is no std::exception");
    }
}

} // namespace sonde

#endif
