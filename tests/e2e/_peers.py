"""The other programs that the end-to-end tests start beside the daemon, and a target to scrape."""
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from _daemon import Skip, free_port, wait

CASES = os.path.abspath(os.environ.get("SONDE_CASES", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")))


def cases(path):
    """A file of the test data; skips where it is absent."""
    full = os.path.join(CASES, path)
    if not os.path.exists(full):
        raise Skip(f"no {path} in SONDE_CASES")
    return full


def needs(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")
    return program


class Peer:
    """A program on a free port with a folder of its own; ended by its process id."""

    def __init__(self, program, ready, arguments, files=()):
        self.program = needs(program)
        self.folder = tempfile.mkdtemp(prefix="sonde-peer-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready = ready
        for name, text in files:
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        self.argv = [program, *(a.format(port=self.port, dir=self.folder) for a in arguments)]
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log, cwd=self.folder)
        try:
            wait(f"{self.program} ready", self._is_up, 30)
        except BaseException:
            print(self.log()[-2000:])
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_up(self):
        assert self.process.poll() is None, self.log()[-2000:]
        return fetch(self.url + self.ready)[0] == 200

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()


def fetch(url, data=None, headers=None, timeout=20):
    """(status, bytes); status 0 where nobody answers."""
    try:
        request = urllib.request.Request(url, data=data, headers=headers or {})
        with urllib.request.urlopen(request, timeout=timeout) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError as e:
        return 0, str(e).encode()


def api(url, path, headers=None, **parameters):
    """data of an answer of the query API; lists repeat their parameter."""
    text = urllib.parse.urlencode(parameters, doseq=True)
    status, body = fetch(f"{url}/api/v1/{path}", text.encode(), headers) if path in (
        "query", "query_range", "series", "query_exemplars") else fetch(
            f"{url}/api/v1/{path}?{text}", headers=headers)
    answer = json.loads(body) if body[:1] == b"{" else {"status": body}
    assert answer["status"] == "success", (url, path, parameters, status, body[:500])
    return answer["data"]


def key_of(labels):
    return tuple(sorted(labels.items()))


def histogram_text(h):
    """A histogram as text, its bounds to 14 digits: prometheus has them from a table whose last
    digit is not always the nearest (0.7071067811865475 for the root of a half)."""
    buckets = [(rule, f"{float(low):.14g}", f"{float(high):.14g}", n)
               for rule, low, high, n in h.get("buckets", [])]
    return json.dumps({**h, "buckets": buckets}, sort_keys=True)


def raw_samples(url, selector, at, headers=None):
    """{labels: [(time, value or histogram)]} of all samples in the hour before at."""
    data = api(url, "query", headers, query=selector + "[1h]", time=f"{at:.3f}")
    return {key_of(s["metric"]): [(t, v) for t, v in s.get("values", [])] +
            [(t, histogram_text(h)) for t, h in s.get("histograms", [])]
            for s in data["result"]}


def differences(one, other):
    """What two results of raw_samples differ in, as lines; at most 20."""
    lines = []
    for key in sorted(set(one) | set(other)):
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        if a is None or b is None:
            lines.append(f"only in the {'second' if a is None else 'first'}: {key}")
            continue
        lines.append(f"{key}: {len(a)} against {len(b)} samples; only in the first "
                     f"{sorted(set(a) - set(b))[:3]}, only in the second "
                     f"{sorted(set(b) - set(a))[:3]}")
    return lines[:20]


def prometheus(scrapes=(), remote_write=None, flags=(), interval="1s", more=None):
    """Debian's prometheus with these scrape_configs and more of its configuration, as a context."""
    config = {"global": {"scrape_interval": interval, "scrape_timeout": interval},
              "scrape_configs": list(scrapes)}
    if remote_write:
        config["remote_write"] = [remote_write]
    for key, value in (more or {}).items():
        config[key] = {**config[key], **value} if key == "global" else value
    return Peer("prometheus", "/-/ready",
                ["--config.file={dir}/prometheus.yml", "--storage.tsdb.path={dir}/data",
                 "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                 "--storage.tsdb.retention.time=100y", "--log.level=warn", *flags],
                [("prometheus.yml", json.dumps(config))])


def victoria(*flags):
    """Debian's victoria-metrics, as a context."""
    return Peer("victoria-metrics", "/health",
                ["-storageDataPath={dir}/data", "-httpListenAddr=127.0.0.1:{port}",
                 "-search.latencyOffset=0s", "-retentionPeriod=100y", "-search.disableCache",
                 "-search.maxUniqueTimeseries=1000000", "-loggerLevel=ERROR", *flags])


class Target:
    """A web server whose /metrics is what page(number of the scrape, Accept) gives:
    (Content-Type, bytes). down = True answers nothing but 503."""

    def __init__(self, page):
        self.page, self.scrapes, self.down = page, 0, False
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if target.down:
                    self.send_error(503)
                    return
                target.scrapes += 1
                kind, body = target.page(target.scrapes, self.headers.get("Accept", ""))
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def settle(seconds):
    """Lets other programs work for a while."""
    time.sleep(seconds)
