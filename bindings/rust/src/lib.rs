//! libsonde for Rust, a thin layer over its C interface and without dependencies.
//!
//! ```no_run
//! let library = sonde::Library::start(&sonde::Options { service: "shop", ..Default::default() });
//! let jobs = sonde::Counter::new("jobs_total", "Jobs that were done.", &[("kind", "nightly")]);
//! jobs.add(1.0);
//! let order = sonde::Operation::new("shop", "order");
//! let done: Result<(), std::io::Error> = order.run(|| Ok(())); // failed where it is an Err
//! # let _ = (library, done);
//! ```
//!
//! The C headers say units, limits and threads. Everything is harmless where the library does not
//! run. A call or span that is dropped without an end was abandoned, or has failed where a panic
//! drops it.

use std::ffi::{c_char, c_double, c_int, c_uint, c_void, CStr, CString};
use std::fmt::Display;
use std::ptr;

mod c {
    use super::*;

    #[repr(C)]
    pub struct Options {
        pub struct_size: usize,
        pub service: *const c_char,
        pub release: *const c_char,
        pub environment: *const c_char,
        pub instance: *const c_char,
        pub settings: *const *const c_char,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct Label {
        pub name: *const c_char,
        pub value: *const c_char,
    }

    #[repr(C)]
    pub struct Tracker {
        pub operation: *mut c_void,
        pub start: u64,
        pub place: *mut c_void,
        pub number: u64,
        pub span: *mut c_void,
    }

    #[repr(C)]
    #[derive(Default)]
    pub struct Context {
        pub trace_id: [u8; 16],
        pub span_id: [u8; 8],
        pub flags: u8,
        pub spare: [u8; 7],
    }

    extern "C" {
        pub fn sonde_init(options: *const Options) -> c_int;
        pub fn sonde_shutdown(timeout_ms: c_uint) -> c_int;
        pub fn sonde_flush(timeout_ms: c_uint) -> c_int;
        pub fn sonde_running() -> bool;
        pub fn sonde_last_problem() -> *const c_char;
        pub fn sonde_query(
            command: *const c_char,
            ret: *mut c_char,
            size: usize,
            length: *mut usize,
        ) -> c_int;
        pub fn sonde_counter_get(
            name: *const c_char,
            help: *const c_char,
            labels: *const Label,
        ) -> *mut c_void;
        pub fn sonde_counter_add(counter: *mut c_void, n: c_double);
        pub fn sonde_counter_value(counter: *const c_void) -> c_double;
        pub fn sonde_gauge_get(
            name: *const c_char,
            help: *const c_char,
            labels: *const Label,
        ) -> *mut c_void;
        pub fn sonde_gauge_set(gauge: *mut c_void, value: c_double);
        pub fn sonde_gauge_add(gauge: *mut c_void, n: c_double);
        pub fn sonde_gauge_value(gauge: *const c_void) -> c_double;
        pub fn sonde_histogram_get(
            name: *const c_char,
            help: *const c_char,
            labels: *const Label,
            options: *const c_void,
        ) -> *mut c_void;
        pub fn sonde_histogram_observe(histogram: *mut c_void, value: c_double);
        pub fn sonde_operation_get(service: *const c_char, operation: *const c_char)
            -> *mut c_void;
        pub fn sonde_operation_begin(operation: *mut c_void) -> Tracker;
        pub fn sonde_operation_complete(tracker: *mut Tracker);
        pub fn sonde_operation_fail(tracker: *mut Tracker, message: *const c_char);
        pub fn sonde_operation_recover(tracker: *mut Tracker, message: *const c_char);
        pub fn sonde_operation_abandon(tracker: *mut Tracker);
        pub fn sonde_span_begin(name: *const c_char, name_n: usize, kind: c_int) -> *mut c_void;
        pub fn sonde_span_finish(span: *mut c_void, end_unix_ns: i64);
        pub fn sonde_span_put_string(
            span: *mut c_void,
            key: *const c_char,
            key_n: usize,
            value: *const c_char,
            value_n: usize,
        );
        pub fn sonde_span_put_word(
            span: *mut c_void,
            key: *const c_char,
            key_n: usize,
            kind: c_int,
            word: u64,
        );
        pub fn sonde_span_set_error(
            span: *mut c_void,
            kind: *const c_char,
            message: *const c_char,
        );
        pub fn sonde_span_context(span: *const c_void) -> Context;
        pub fn sonde_context_format(context: *const Context, ret: *mut c_char);
        pub fn sonde_log_write(
            level: c_int,
            category: *const c_char,
            message: *const c_char,
            attrs: *const c_void,
            n: usize,
        );
        pub fn sonde_breadcrumb(
            level: c_int,
            category: *const c_char,
            message: *const c_char,
            attrs: *const c_void,
            n: usize,
        );
        pub fn sonde_error_capture(
            level: c_int,
            kind: *const c_char,
            message: *const c_char,
        ) -> u64;
        pub fn sonde_health_report(
            component: *const c_char,
            state: c_int,
            message: *const c_char,
            figures: *const c_void,
            n: usize,
        ) -> c_int;
    }
}

/// A text for C; what is behind a NUL is left out.
fn text(s: &str) -> CString {
    CString::new(s.split('\0').next().unwrap_or("")).unwrap_or_default()
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
}

/// How a part of the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Health {
    Healthy,
    Degraded,
    Unhealthy,
}

/// What `Library::start` takes; an empty text is not given. Settings are "key=value".
#[derive(Default)]
pub struct Options<'a> {
    pub service: &'a str,
    pub release: &'a str,
    pub environment: &'a str,
    pub instance: &'a str,
    pub settings: &'a [&'a str],
}

/// The library, until it is dropped.
pub struct Library {
    problem: String,
}

impl Library {
    /// Starts it. The program goes on where it does not start: `problem` says why.
    pub fn start(options: &Options) -> Library {
        let given = [options.service, options.release, options.environment, options.instance];
        let given: Vec<CString> = given.iter().map(|s| text(s)).collect();
        let mut lines: Vec<CString> = options.settings.iter().map(|s| text(s)).collect();
        lines.push(text("language=rust"));
        let mut settings: Vec<*const c_char> = lines.iter().map(|s| s.as_ptr()).collect();
        settings.push(ptr::null());
        let or_null = |s: &CString| if s.is_empty() { ptr::null() } else { s.as_ptr() };
        let options = c::Options {
            struct_size: std::mem::size_of::<c::Options>(),
            service: or_null(&given[0]),
            release: or_null(&given[1]),
            environment: or_null(&given[2]),
            instance: or_null(&given[3]),
            settings: settings.as_ptr(),
        };
        // SAFETY: all pointers live until the call returns, which copies what it keeps.
        let problem = unsafe {
            if c::sonde_init(&options) == 0 {
                String::new()
            } else {
                CStr::from_ptr(c::sonde_last_problem()).to_string_lossy().into_owned()
            }
        };
        Library { problem }
    }

    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// True where all that was recorded is with the daemon, or in the spool.
    pub fn flush(&self, timeout_ms: u32) -> bool {
        // SAFETY: takes no pointers.
        unsafe { c::sonde_flush(timeout_ms) == 0 }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if self.problem.is_empty() {
            // SAFETY: takes no pointers.
            unsafe { c::sonde_shutdown(1000) };
        }
    }
}

/// The answer to a command line, as JSON.
pub fn query(command: &str) -> String {
    let command = text(command);
    let mut room = vec![0u8; 65536];
    loop {
        let mut length = 0;
        // SAFETY: room has as many bytes as are said.
        unsafe {
            c::sonde_query(command.as_ptr(), room.as_mut_ptr().cast(), room.len(), &mut length)
        };
        if length < room.len() {
            room.truncate(length);
            return String::from_utf8_lossy(&room).into_owned();
        }
        room = vec![0u8; length + 1024];
    }
}

fn with_labels<T>(labels: &[(&str, &str)], f: impl FnOnce(*const c::Label) -> T) -> T {
    let texts: Vec<_> = labels.iter().map(|(n, v)| (text(n), text(v))).collect();
    let mut rows: Vec<c::Label> =
        texts.iter().map(|(n, v)| c::Label { name: n.as_ptr(), value: v.as_ptr() }).collect();
    rows.push(c::Label { name: ptr::null(), value: ptr::null() });
    f(rows.as_ptr())
}

macro_rules! handle {
    ($name:ident, $words:literal) => {
        #[doc = $words]
        #[derive(Clone, Copy)]
        pub struct $name(*mut c_void);
        // SAFETY: handles of the library live for ever and may be used by any thread.
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}
    };
}

handle!(Counter, "What only grows.");
handle!(Gauge, "What goes up and down.");
handle!(Histogram, "How values are distributed.");
handle!(Operation, "Something that a service does again and again.");

impl Counter {
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        let (name, help) = (text(name), text(help));
        // SAFETY: everything is copied before the call returns; so below.
        with_labels(labels, |l| Counter(unsafe {
            c::sonde_counter_get(name.as_ptr(), help.as_ptr(), l)
        }))
    }
    pub fn add(&self, n: f64) {
        unsafe { c::sonde_counter_add(self.0, n) }
    }
    pub fn value(&self) -> f64 {
        unsafe { c::sonde_counter_value(self.0) }
    }
}

impl Gauge {
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        let (name, help) = (text(name), text(help));
        with_labels(labels, |l| Gauge(unsafe {
            c::sonde_gauge_get(name.as_ptr(), help.as_ptr(), l)
        }))
    }
    pub fn set(&self, value: f64) {
        unsafe { c::sonde_gauge_set(self.0, value) }
    }
    pub fn add(&self, n: f64) {
        unsafe { c::sonde_gauge_add(self.0, n) }
    }
    pub fn value(&self) -> f64 {
        unsafe { c::sonde_gauge_value(self.0) }
    }
}

impl Histogram {
    pub fn new(name: &str, help: &str, labels: &[(&str, &str)]) -> Histogram {
        let (name, help) = (text(name), text(help));
        with_labels(labels, |l| Histogram(unsafe {
            c::sonde_histogram_get(name.as_ptr(), help.as_ptr(), l, ptr::null())
        }))
    }
    pub fn observe(&self, value: f64) {
        unsafe { c::sonde_histogram_observe(self.0, value) }
    }
}

impl Operation {
    pub fn new(service: &str, name: &str) -> Operation {
        let (service, name) = (text(service), text(name));
        Operation(unsafe { c::sonde_operation_get(service.as_ptr(), name.as_ptr()) })
    }
    pub fn begin(&self) -> Call {
        Call(unsafe { c::sonde_operation_begin(self.0) })
    }
    /// Runs it as one call: completed where it is Ok, failed with what the Err says.
    pub fn run<T, E: Display>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let call = self.begin();
        let result = body();
        match &result {
            Ok(_) => call.complete(),
            Err(e) => call.fail(&e.to_string()),
        }
        result
    }
}

/// One call of an operation.
pub struct Call(c::Tracker);

impl Call {
    pub fn complete(mut self) {
        unsafe { c::sonde_operation_complete(&mut self.0) }
    }
    pub fn fail(mut self, message: &str) {
        unsafe { c::sonde_operation_fail(&mut self.0, text(message).as_ptr()) }
    }
    pub fn recover(mut self, message: &str) {
        unsafe { c::sonde_operation_recover(&mut self.0, text(message).as_ptr()) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        unsafe {
            if std::thread::panicking() {
                c::sonde_operation_fail(&mut self.0, text("a panic").as_ptr());
            }
            c::sonde_operation_abandon(&mut self.0);
        }
    }
}

/// What a span is in its trace.
#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Kind {
    Internal = 1,
    Server,
    Client,
    Producer,
    Consumer,
}

/// A span of this thread, until it is dropped.
pub struct Span {
    handle: *mut c_void, // not Send: the thread works in it
}

impl Span {
    pub fn start(name: &str, kind: Kind) -> Span {
        // SAFETY: the library copies the name; it is only asked where it runs.
        let handle = unsafe {
            if c::sonde_running() {
                c::sonde_span_begin(name.as_ptr().cast(), name.len(), kind as c_int)
            } else {
                ptr::null_mut()
            }
        };
        Span { handle }
    }
    /// As sonde_span_recording() has it.
    pub fn recording(&self) -> bool {
        self.handle as usize & 1 != 0
    }
    fn put_word(&self, key: &str, kind: c_int, word: u64) {
        if self.recording() {
            let (key, n) = (key.as_ptr().cast(), key.len());
            unsafe { c::sonde_span_put_word(self.handle, key, n, kind, word) }
        }
    }
    pub fn set_text(&self, key: &str, value: &str) {
        if self.recording() {
            let (key, n) = (key.as_ptr().cast(), key.len());
            let (value, m) = (value.as_ptr().cast(), value.len());
            unsafe { c::sonde_span_put_string(self.handle, key, n, value, m) }
        }
    }
    pub fn set_int(&self, key: &str, value: i64) {
        self.put_word(key, 1, value as u64)
    }
    pub fn set_number(&self, key: &str, value: f64) {
        self.put_word(key, 2, value.to_bits())
    }
    pub fn set_bool(&self, key: &str, value: bool) {
        self.put_word(key, 3, u64::from(value))
    }
    pub fn set_error(&self, kind: &str, message: &str) {
        let (kind, message) = (text(kind), text(message));
        unsafe { c::sonde_span_set_error(self.handle, kind.as_ptr(), message.as_ptr()) }
    }
    /// The header that hands the trace on.
    pub fn traceparent(&self) -> String {
        let mut room = [0u8; 56];
        unsafe {
            let context = c::sonde_span_context(self.handle);
            c::sonde_context_format(&context, room.as_mut_ptr().cast());
        }
        String::from_utf8_lossy(&room[..55]).into_owned()
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.set_error("panic", "left by a panic");
        }
        if !self.handle.is_null() {
            unsafe { c::sonde_span_finish(self.handle, 0) }
        }
    }
}

pub fn log(level: Level, category: &str, message: &str) {
    let (category, message) = (text(category), text(message));
    unsafe {
        c::sonde_log_write(level as c_int, category.as_ptr(), message.as_ptr(), ptr::null(), 0)
    }
}

pub fn breadcrumb(level: Level, category: &str, message: &str) {
    let (category, message) = (text(category), text(message));
    unsafe {
        c::sonde_breadcrumb(level as c_int, category.as_ptr(), message.as_ptr(), ptr::null(), 0)
    }
}

/// Captures an error; false where it was left out (one of many that are alike, or nothing runs).
pub fn capture(level: Level, kind: &str, message: &str) -> bool {
    let (kind, message) = (text(kind), text(message));
    unsafe { c::sonde_error_capture(level as c_int, kind.as_ptr(), message.as_ptr()) != 0 }
}

/// Reports how a part of the program is.
pub fn health(component: &str, state: Health, message: &str) {
    let (component, message) = (text(component), text(message));
    unsafe {
        c::sonde_health_report(component.as_ptr(), state as c_int, message.as_ptr(), ptr::null(), 0)
    };
}
