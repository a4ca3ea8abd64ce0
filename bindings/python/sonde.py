"""libsonde for Python: metrics, operations, spans, logs, errors and health of a program, seen by the
Sonde daemon.

    import sonde
    sonde.start(service="shop")
    jobs = sonde.Counter("jobs_total", "Jobs that were done.", kind="nightly")
    jobs.add()
    with sonde.operation("shop", "order"):     # failed where an exception leaves it
        ...

A file alone over the C library (ctypes); the C headers say units and limits. Where the library is not
found, every call does nothing and start() says why in `problem`.
"""
import contextlib
import ctypes
import ctypes.util
import json
import logging
import os
import threading
import traceback

__all__ = ["Counter", "Gauge", "Histogram", "Span", "LogHandler", "breadcrumb", "capture", "flush",
           "health", "operation", "problem", "query", "running", "span", "start", "stop",
           "traceparent"]
LEVELS = {"trace": 0, "debug": 1, "info": 2, "warning": 3, "error": 4, "fatal": 5}
HEALTHY, DEGRADED, UNHEALTHY = 0, 1, 2
problem = ""  # why start() failed, or why there is no library


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("service", ctypes.c_char_p),
                ("release", ctypes.c_char_p), ("environment", ctypes.c_char_p),
                ("instance", ctypes.c_char_p), ("settings", ctypes.POINTER(ctypes.c_char_p))]


class _Label(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class _Tracker(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("start", ctypes.c_uint64),
                ("place", ctypes.c_void_p), ("number", ctypes.c_uint64), ("span", ctypes.c_void_p)]


class _Context(ctypes.Structure):
    _fields_ = [("trace_id", ctypes.c_uint8 * 16), ("span_id", ctypes.c_uint8 * 8),
                ("flags", ctypes.c_uint8), ("spare", ctypes.c_uint8 * 7)]


class _Cause(ctypes.Structure):
    pass


_Cause._fields_ = [("struct_size", ctypes.c_size_t), ("type", ctypes.c_char_p),
                   ("message", ctypes.c_char_p), ("module", ctypes.c_char_p),
                   ("has_code", ctypes.c_bool), ("code", ctypes.c_int64),
                   ("stack", ctypes.c_void_p), ("stack_n", ctypes.c_size_t),
                   ("cause", ctypes.POINTER(_Cause))]


class _ErrorInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("level", ctypes.c_int),
                ("flags", ctypes.c_uint), ("type", ctypes.c_char_p), ("message", ctypes.c_char_p),
                ("pattern", ctypes.c_char_p), ("logger", ctypes.c_char_p),
                ("module", ctypes.c_char_p), ("mechanism", ctypes.c_char_p),
                ("has_code", ctypes.c_bool), ("code", ctypes.c_int64),
                ("cause", ctypes.POINTER(_Cause)), ("stack", ctypes.c_void_p),
                ("stack_n", ctypes.c_size_t), ("context", ctypes.c_char_p),
                ("tags", ctypes.POINTER(_Label)), ("extra", ctypes.c_void_p),
                ("extra_n", ctypes.c_size_t), ("user", ctypes.c_void_p),
                ("fingerprint", ctypes.c_void_p), ("fingerprint_n", ctypes.c_size_t),
                ("transaction", ctypes.c_char_p), ("context_of_trace", ctypes.c_void_p)]


_NO_STACK = 2
# name: what it gives, and what it takes
_FUNCTIONS = {
    "sonde_init": (ctypes.c_int, [ctypes.POINTER(_Options)]),
    "sonde_shutdown": (ctypes.c_int, [ctypes.c_uint]),
    "sonde_flush": (ctypes.c_int, [ctypes.c_uint]),
    "sonde_running": (ctypes.c_bool, []),
    "sonde_last_problem": (ctypes.c_char_p, []),
    "sonde_query": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t,
                                   ctypes.POINTER(ctypes.c_size_t)]),
    "sonde_counter_get": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p,
                                            ctypes.POINTER(_Label)]),
    "sonde_counter_add": (None, [ctypes.c_void_p, ctypes.c_double]),
    "sonde_counter_value": (ctypes.c_double, [ctypes.c_void_p]),
    "sonde_gauge_get": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p,
                                          ctypes.POINTER(_Label)]),
    "sonde_gauge_set": (None, [ctypes.c_void_p, ctypes.c_double]),
    "sonde_gauge_add": (None, [ctypes.c_void_p, ctypes.c_double]),
    "sonde_gauge_value": (ctypes.c_double, [ctypes.c_void_p]),
    "sonde_histogram_get": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p,
                                              ctypes.POINTER(_Label), ctypes.c_void_p]),
    "sonde_histogram_observe": (None, [ctypes.c_void_p, ctypes.c_double]),
    "sonde_operation_get": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]),
    "sonde_operation_begin": (_Tracker, [ctypes.c_void_p]),
    "sonde_operation_complete": (None, [ctypes.POINTER(_Tracker)]),
    "sonde_operation_fail": (None, [ctypes.POINTER(_Tracker), ctypes.c_char_p]),
    "sonde_operation_recover": (None, [ctypes.POINTER(_Tracker), ctypes.c_char_p]),
    "sonde_span_begin": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]),
    "sonde_span_finish": (None, [ctypes.c_void_p, ctypes.c_int64]),
    "sonde_span_put_string": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t,
                                     ctypes.c_char_p, ctypes.c_size_t]),
    "sonde_span_put_word": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int,
                                   ctypes.c_uint64]),
    "sonde_span_set_error": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    "sonde_span_context": (_Context, [ctypes.c_void_p]),
    "sonde_context_format": (None, [ctypes.POINTER(_Context), ctypes.c_char_p]),
    "sonde_context_parse": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(_Context)]),
    "sonde_context_attach": (ctypes.c_void_p, [ctypes.POINTER(_Context)]),
    "sonde_context_detach": (None, [ctypes.c_void_p]),
    "sonde_log_write": (None, [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p,
                               ctypes.c_size_t]),
    "sonde_breadcrumb": (None, [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p,
                                ctypes.c_size_t]),
    "sonde_error_capture_info": (ctypes.c_uint64, [ctypes.POINTER(_ErrorInfo)]),
    "sonde_health_report": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p,
                                           ctypes.c_void_p, ctypes.c_size_t]),
}


def _nothing(*_):
    return None


class _Absent:
    """Stands for the library where there is none."""

    def __getattr__(self, name):
        return _nothing


def _load():
    global problem
    tried = [os.environ.get("SONDE_LIBRARY"), "libsonde.so.0", ctypes.util.find_library("sonde")]
    for name in filter(None, tried):
        try:
            library = ctypes.CDLL(name)
        except OSError as error:
            problem = f"{name}: {error}"
            continue
        for function, (gives, takes) in _FUNCTIONS.items():
            if hasattr(library, function):
                getattr(library, function).restype = gives
                getattr(library, function).argtypes = takes
            else:  # an older library: that call does nothing
                setattr(library, function, _nothing)
        return library
    problem = problem or "libsonde.so.0 is not installed; SONDE_LIBRARY may name it"
    return _Absent()


_library = _load()


def _bytes(text):
    return None if text is None else str(text).encode("utf-8", "replace").replace(b"\0", b"")


def start(service=None, release=None, environment=None, instance=None, **settings):
    """Starts the library; settings are those of the manual with "_" for ".": trace_sample_rate=0.1
    is trace.sample_rate unless a key with that very name exists ("shutdown_ms"). True where it runs;
    `problem` says why not."""
    global problem
    lines = [_bytes(f"{key}={_setting(value)}") for key, value in _keys(settings)]
    lines.append(b"language=python")
    array = (ctypes.c_char_p * (len(lines) + 1))(*lines, None)
    options = _Options(ctypes.sizeof(_Options), _bytes(service), _bytes(release),
                       _bytes(environment), _bytes(instance), array)
    if isinstance(_library, _Absent):
        return False
    status = _library.sonde_init(ctypes.byref(options))
    problem = "" if status == 0 else _library.sonde_last_problem().decode()
    return status == 0


def _setting(value):
    return str(value).lower() if isinstance(value, bool) else value


def _keys(settings):
    """trace_sample_rate -> trace.sample_rate: the first "_" is a dot where a group begins so."""
    groups = ("export", "trace", "log", "error", "session", "debug", "metric", "operation", "crash",
              "spool", "send", "redact", "remote", "otlp", "breadcrumbs", "stack", "clock")
    for key, value in settings.items():
        group, _, rest = key.partition("_")
        yield (f"{group}.{rest}" if rest and group in groups else key), value


def stop(timeout_ms=1000):
    return _library.sonde_shutdown(timeout_ms) == 0


def flush(timeout_ms=2000):
    """True where all that was recorded is with the daemon, or in the spool."""
    return _library.sonde_flush(timeout_ms) == 0


def running():
    return bool(_library.sonde_running())


def query(command):
    """The answer to a command line, as Python values."""
    size = ctypes.c_size_t(65536)
    while True:
        room = ctypes.create_string_buffer(size.value)
        length = ctypes.c_size_t(0)
        if _library.sonde_query(_bytes(command), room, len(room), ctypes.byref(length)) is None:
            return {}
        if length.value < len(room):
            return json.loads(room.value or b"{}")
        size.value = length.value + 1024


def _labels(labels):
    rows = [_Label(_bytes(name), _bytes(value)) for name, value in sorted(labels.items())]
    return (_Label * (len(rows) + 1))(*rows, _Label(None, None))


class Counter:
    def __init__(self, name, help="", **labels):
        self._handle = _library.sonde_counter_get(_bytes(name), _bytes(help), _labels(labels))

    def add(self, n=1.0):
        _library.sonde_counter_add(self._handle, n)

    @property
    def value(self):
        return _library.sonde_counter_value(self._handle)


class Gauge:
    def __init__(self, name, help="", **labels):
        self._handle = _library.sonde_gauge_get(_bytes(name), _bytes(help), _labels(labels))

    def set(self, value):
        _library.sonde_gauge_set(self._handle, value)

    def add(self, n):
        _library.sonde_gauge_add(self._handle, n)

    @property
    def value(self):
        return _library.sonde_gauge_value(self._handle)


class Histogram:
    def __init__(self, name, help="", **labels):
        self._handle = _library.sonde_histogram_get(_bytes(name), _bytes(help), _labels(labels),
                                                    None)

    def observe(self, value):
        _library.sonde_histogram_observe(self._handle, value)


class operation(contextlib.ContextDecorator):
    """One call of an operation: `with operation("shop", "order") as call:` or a decorator. Completed
    at the end of the block, failed where an exception leaves it; call.fail(..) and call.recover(..)
    say otherwise."""

    def __init__(self, service, name):
        self._handle = _library.sonde_operation_get(_bytes(service), _bytes(name))
        self._calls = threading.local()  # a decorated function may be called by many, and by itself

    def _recreate_cm(self):
        return self

    @property
    def _stack(self):
        if not hasattr(self._calls, "stack"):
            self._calls.stack = []
        return self._calls.stack

    def __enter__(self):
        self._stack.append(_library.sonde_operation_begin(self._handle))
        return self

    def __exit__(self, kind, error, _):
        tracker = self._stack.pop()
        if tracker is None:
            return
        if kind is None:
            _library.sonde_operation_complete(ctypes.byref(tracker))
        else:
            _library.sonde_operation_fail(ctypes.byref(tracker),
                                          _bytes(f"{kind.__name__}: {error}"))

    def fail(self, message=None):
        if self._stack and self._stack[-1] is not None:
            _library.sonde_operation_fail(ctypes.byref(self._stack[-1]), _bytes(message))

    def recover(self, message=None):
        if self._stack and self._stack[-1] is not None:
            _library.sonde_operation_recover(ctypes.byref(self._stack[-1]), _bytes(message))


class Span:
    """`with span("GET /cart", kind="server", parent=request.headers.get("traceparent")) as s:`"""
    KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}

    def __init__(self, name, kind="internal", parent=None, **attributes):
        self._name, self._kind = _bytes(name), self.KINDS[kind]
        self._parent, self._attributes = parent, attributes
        self._handle = self._scope = None

    def __enter__(self):
        context = _Context()
        if self._parent and _library.sonde_context_parse(_bytes(self._parent),
                                                         ctypes.byref(context)) == 0:
            self._scope = _library.sonde_context_attach(ctypes.byref(context))
        if running():
            self._handle = _library.sonde_span_begin(self._name, len(self._name), self._kind)
        for key, value in self._attributes.items():
            self.set(key, value)
        return self

    def __exit__(self, kind, error, _):
        if kind is not None:
            _library.sonde_span_set_error(self._handle, _bytes(kind.__name__), _bytes(error))
        if self._handle:
            _library.sonde_span_finish(self._handle, 0)
        if self._scope:
            _library.sonde_context_detach(self._scope)
        self._handle = self._scope = None

    def set(self, key, value):
        key = _bytes(key)
        if not self._handle or not self._handle & 1:  # as sonde_span_recording() has it
            return
        if isinstance(value, bool):
            _library.sonde_span_put_word(self._handle, key, len(key), 3, int(value))
        elif isinstance(value, int) and -1 << 63 <= value < 1 << 63:
            _library.sonde_span_put_word(self._handle, key, len(key), 1, value & (1 << 64) - 1)
        elif isinstance(value, float):
            word = ctypes.c_uint64.from_buffer(ctypes.c_double(value)).value
            _library.sonde_span_put_word(self._handle, key, len(key), 2, word)
        else:
            text = _bytes(value)
            _library.sonde_span_put_string(self._handle, key, len(key), text, len(text))

    @property
    def traceparent(self):
        return traceparent(self._handle)


span = Span


def traceparent(handle=None):
    """Of what the thread works in, to be sent along with a request; "" where that is nothing."""
    context = _library.sonde_span_context(handle)
    if context is None or not any(context.trace_id):
        return ""
    text = ctypes.create_string_buffer(56)
    _library.sonde_context_format(ctypes.byref(context), text)
    return text.value.decode()


def breadcrumb(category, message, level="info"):
    _library.sonde_breadcrumb(LEVELS[level], _bytes(category), _bytes(message), None, 0)


def _causes(error):
    """What an exception came from, as `raise .. from ..` and nesting have it."""
    chain, seen = [], {id(error)}
    while len(chain) < 16:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error is None or id(error) in seen:
            return chain
        seen.add(id(error))
        chain.append(error)
    return chain


def capture(error, level="error", **tags):
    """Captures an exception with its causes and where it was raised; True where it was taken (not
    left out as one of many that are alike)."""
    cause = None
    for one in reversed(_causes(error)):
        inner = cause
        cause = _Cause(ctypes.sizeof(_Cause), _bytes(type(one).__name__), _bytes(one))
        if inner is not None:
            cause.cause = ctypes.pointer(inner)
    frames = traceback.extract_tb(error.__traceback__)
    where = [{"file": f.filename, "line": f.lineno, "function": f.name, "text": f.line}
             for f in frames[-50:]]
    info = _ErrorInfo()
    info.struct_size = ctypes.sizeof(_ErrorInfo)
    info.level, info.flags = LEVELS[level], _NO_STACK
    info.type, info.message = _bytes(type(error).__name__), _bytes(error)
    # alike are those of one type that were raised at one place
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    info.pattern = _bytes(f"{type(error).__name__} {place}")
    info.mechanism = b"python"
    info.context = _bytes(json.dumps({"python_traceback": {"frames": where}}))
    if cause is not None:
        info.cause = ctypes.pointer(cause)
    if tags:
        info.tags = _labels(tags)
    return bool(_library.sonde_error_capture_info(ctypes.byref(info)))


class LogHandler(logging.Handler):
    """logging.getLogger().addHandler(sonde.LogHandler()): records go to Sonde with the trace that the
    thread works in; those with an exception are captured as errors besides."""

    def emit(self, record):
        try:
            level = min(5, max(0, record.levelno // 10))
            _library.sonde_log_write(level, _bytes(record.name), _bytes(self.format(record)), None,
                                     0)
            if record.exc_info and record.exc_info[1] is not None:
                capture(record.exc_info[1], logger=record.name)
        except Exception:  # logging's own way with what fails inside a handler
            self.handleError(record)


def health(component, state, message=""):
    """Reports HEALTHY, DEGRADED or UNHEALTHY of a part of the program."""
    return _library.sonde_health_report(_bytes(component), state, _bytes(message), None, 0) == 0
