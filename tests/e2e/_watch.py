"""sonde watch in a folder of its own, for the tests of the watchdog."""
import json
import os
import signal
import subprocess
import tempfile

from _daemon import SONDE, wait

ENDED_S = 30


class Watch:
    """`sonde watch` in the foreground; every command asks that one."""

    def __init__(self, config=None):
        self.folder = tempfile.mkdtemp(prefix="sonde-watch-")
        self.process, self.errors = None, os.path.join(self.folder, "stderr")
        if config is not None:
            self.write(config)

    def write(self, config):
        with open(os.path.join(self.folder, "sonde.toml"), "w", encoding="utf-8") as f:
            f.write(config)

    def start(self, *words):
        with open(self.errors, "ab") as f:
            self.process = subprocess.Popen([SONDE, "watch", *words], cwd=self.folder, stderr=f,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            start_new_session=True)
        wait("the control socket", lambda: self.process.poll() is not None or
             self.ask("status").returncode != 3)
        assert self.process.poll() is None, self.said()
        return self

    def said(self):
        try:
            with open(self.errors, encoding="utf-8", errors="replace") as f:
                return f.read()[-2000:]
        except OSError:
            return ""

    def ask(self, *words, seconds=90):
        return subprocess.run([SONDE, "watch", *words], cwd=self.folder, capture_output=True,
                              text=True, timeout=seconds, check=False)

    def ctl(self, *words, status=0):
        done = self.ask("ctl", *words)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr,
                                           self.said())
        return done.stdout

    def units(self):
        """By name, as sonde-watch tells of them."""
        done = self.ask("status", "--json")
        assert done.stdout, (done.stderr, self.said())
        return {u["name"]: u for u in json.loads(done.stdout)["programs"]}

    def unit(self, name):
        return self.units()[name]

    def until(self, name, what, condition, patience=20):
        """The unit, once condition(unit) is true."""
        def look():
            u = self.units().get(name)
            return u if u is not None and condition(u) else None
        try:
            return wait(f"{name} {what}", look, patience)
        except AssertionError as fault:
            raise AssertionError(f"{fault}: {self.units().get(name)} {self.said()}") from None

    def running(self, name):
        return self.until(name, "runs", lambda u: u["state"] == "running" and u["pid"] > 0)

    def stop(self):
        """Ends it with its programs."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(ENDED_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise AssertionError("sonde-watch does not end: " + self.said()) from None


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
