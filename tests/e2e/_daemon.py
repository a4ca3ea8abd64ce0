"""What the end-to-end tests share: a daemon in a folder of its own, cases, and the closing line.

A case is a function with a sentence as its name; run(globals()) runs those of the script in their
order. A case that raises Skip is counted as skipped.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

from _port import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SONDE = os.environ.get("SONDE", os.path.join(ROOT, "build", "sonde"))
SANITIZED = os.environ.get("SONDE_SUITE", "plain") != "plain"
PATIENCE_S = 60 if SANITIZED else 20


class Skip(Exception):
    """This machine cannot run the case."""


def wait(what, condition, patience=PATIENCE_S):
    """Until condition() is true; fails with what after patience seconds."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


class Daemon:
    """sonde serve on a free port with its data in a temporary folder."""

    def __init__(self, config=None, data=None, settings=(), listen=None, wrapper=()):
        self.folder = tempfile.mkdtemp(prefix="sonde-e2e-")
        self.data = data or os.path.join(self.folder, "data")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = os.path.join(self.folder, "sonde.toml")
        self.argv = [*wrapper, SONDE, "serve", "--data", self.data,
                     "--listen", listen or f"127.0.0.1:{self.port}"]
        if config is not None:
            self.write_config(config)
            self.argv += ["--config", self.config]
        # The ports that are the same for every daemon, but where a case is about them; a case that
        # adds another --set behind these is heard too. A sanitizer's own calls are none that a
        # confined process may make.
        said = (config or "") + " ".join(settings)
        quiet = [f"{way}.listen=" for way in ("otlp", "statsd", "apps") if f"[{way}]" not in said
                 and f"{way}.listen" not in said]
        for setting in [*quiet, *settings, *(["server.confine=off"] if SANITIZED else [])]:
            self.argv += ["--set", setting]
        self.lines, self.errors, self.process = [], [], None

    def write_config(self, text):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)

    def start(self, ready=True):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, errors="replace", cwd=self.folder)
        for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()
        if ready:
            wait("ready: " + self.said(), lambda: self.status("/readyz") == 200 or
                 self.process.poll() is not None)
            assert self.process.poll() is None, self.said()
        return self

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def said(self):
        return "\n".join([*self.lines, *self.errors])

    def get(self, path, data=None, headers=None, timeout=10):
        request = urllib.request.Request(self.url + path, data=data, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def status(self, path):
        """The HTTP status, or 0 where nobody answers."""
        try:
            return self.get(path, timeout=5)[0]
        except (OSError, urllib.error.URLError):
            return 0

    def json(self, path):
        return json.loads(self.get(path)[1])

    def query(self, text):
        """The instant vector of an expression: [(labels, value)]."""
        answer = self.json("/api/v1/query?query=" + urllib.request.quote(text))
        assert answer["status"] == "success", answer
        return [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]

    def push(self, *samples):
        """Writes samples by POST /api/metrics; the status."""
        body = json.dumps({"metrics": list(samples)} if len(samples) != 1 else samples[0])
        return self.get("/api/metrics", body.encode(), {"Content-Type": "application/json"})

    def worker(self):
        """The worker's process id."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:  # another child may start programs for it
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                if "--worker" in f.read().split("\0"):
                    return int(pid)
        return 0

    def crash_reports(self):
        folder = os.path.join(self.data, "crash")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def exit(self, patience=PATIENCE_S):
        """The exit status of a daemon that ends by itself."""
        status = self.process.wait(patience)
        time.sleep(0.1)
        return status

    def stop(self, signum=signal.SIGTERM, patience=PATIENCE_S):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signum)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("does not end:\n" + self.said()) from None
        return self.process.returncode if self.process else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def run(names):
    """Runs the script's cases, prints the counts, ends the process."""
    only = sys.argv[1:]
    cases = [f for name, f in names.items() if callable(f) and getattr(f, "__module__", "") ==
             "__main__" and name.count("_") >= 3 and not name.startswith("_")
             and f.__code__.co_argcount == 0]
    passed = failed = skipped = 0
    for case in cases:
        if only and case.__name__ not in only:
            continue
        begin = time.monotonic()
        try:
            case()
            passed += 1
            result = "ok"
        except Skip as e:
            skipped += 1
            result = f"skipped ({e})"
        except Exception:  # every failure is told, and the next case goes on
            failed += 1
            result = "FAILED"
            traceback.print_exc(file=sys.stdout)
        print(f"{result}: {case.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
