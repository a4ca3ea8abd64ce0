/* A C++ program that std::terminate() ends, for tests/e2e/crash_matrix.py.
 * usage: host-thrower HOW */
#include <cstdio>
#include <cstring>
#include <exception>
#include <sonde/sonde.h>
#include <stdexcept>
#include <string>
#include <thread>

namespace shop {
struct out_of_stock : std::runtime_error {
    using std::runtime_error::runtime_error;
};

__attribute__((noinline)) void sell(const std::string &what)
{
    throw out_of_stock("no more " + what);
}
} // namespace shop

struct base {
    base()
    {
        call();
    }
    virtual ~base() = default;
    __attribute__((noinline)) void call()
    {
        act();
    }
    virtual void act() = 0;
};
struct derived : base {
    void act() override
    {
    }
};

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "thrower";
    options.release = "thrower@1.0";
    if (sonde_init(&options) != 0) {
        std::fprintf(stderr, "%s\n", sonde_last_problem());
        return 2;
    }
    if (!std::strcmp(how, "throw")) {
        shop::sell("bolts");
    } else if (!std::strcmp(how, "thread")) {
        std::thread([] { shop::sell("nuts"); }).join();
    } else if (!std::strcmp(how, "int")) {
        throw 42;
    } else if (!std::strcmp(how, "rethrow")) {
        std::exception_ptr p;
        try {
            shop::sell("washers");
        } catch (...) {
            p = std::current_exception();
        }
        std::rethrow_exception(p);
    } else if (!std::strcmp(how, "pure")) {
        derived d;
    } else if (!std::strcmp(how, "joinable")) {
        std::thread t([] {});
        t.~thread();
    }
    sonde_shutdown(2000);
    return 0;
}
