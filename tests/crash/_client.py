"""What the crash tests share: remote-write bodies made here, writers that note what was
acknowledged, and the check that all of it is still there. Standard library only.
"""
import fcntl
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import _wire as wire  # noqa: E402
from _daemon import Daemon, Skip, run, wait  # noqa: E402,F401  (the tests take them from here)
from _port import port_free  # noqa: E402


def labels(pairs):
    return b"".join(wire.block(1, wire.block(1, k.encode()) + wire.block(2, v.encode()))
                    for k, v in sorted(pairs.items()))


def body(samples):
    """[(label bytes, value, time in ms)] -> WriteRequest."""
    return wire.snappy(b"".join(
        wire.block(1, key + wire.block(2, wire.double(1, value) + wire.number(2, ts_ms)))
        for key, value, ts_ms in samples))


class Writer(threading.Thread):
    """One connection that writes step after step: `series` samples of value step at time
    base + step ms. Every `life` steps its series are new ones."""

    def __init__(self, ledger, number, series, life, pause_s):
        super().__init__(daemon=True)
        self.ledger, self.number, self.series, self.life = ledger, number, series, life
        self.pause_s, self.step, self.acknowledged, self.refused = pause_s, 0, [], {}
        self.keys, self.last_ack_s = None, 0.0

    def samples(self, step):
        if self.keys is None or step % self.life == 0:
            self.keys = [labels({"__name__": "crash_test", "writer": str(self.number),
                                 "life": str(step // self.life), "series": str(i)})
                         for i in range(self.series)]
        return [(key, float(step) + self.ledger.noise(), self.ledger.base_ms + step)
                for key in self.keys]

    def run(self):
        connection = None
        while not self.ledger.stopped.is_set():
            self.ledger.paused.wait()
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.ledger.port,
                                                                      timeout=30)
                connection.request("POST", "/api/v1/write", body(self.samples(self.step)),
                                   wire.headers())
                answer = connection.getresponse()
                answer.read()
                if answer.status // 100 == 2:
                    self.acknowledged.append(self.step)
                    self.last_ack_s = time.monotonic()
                else:
                    self.refused[answer.status] = self.refused.get(answer.status, 0) + 1
                    time.sleep(0.02)
            except (OSError, http.client.HTTPException):
                connection = None
                time.sleep(0.01)
            self.step += 1
            time.sleep(self.pause_s)


class Ledger:
    """Writers and what was acknowledged to them."""

    def __init__(self, port, writers=3, series=10, life=40, pause_s=0.004, noise=lambda: 0.0):
        self.port, self.noise = port, noise
        self.base_ms = int(time.time() * 1000) - 3600 * 1000
        self.stopped, self.paused = threading.Event(), threading.Event()
        self.paused.set()
        self.writers = [Writer(self, i, series, life, pause_s) for i in range(writers)]
        for w in self.writers:
            w.start()

    def stop(self):
        self.stopped.set()
        for w in self.writers:
            w.join(60)
            assert not w.is_alive(), "a writer hangs"

    def steps(self):
        return sum(len(w.acknowledged) for w in self.writers)

    def refusals(self):
        return sum(sum(w.refused.values()) for w in self.writers)

    def lost(self, daemon, last=None):
        """Acknowledged samples that are not there (of the last steps only, where given):
        how many were looked for, and what is missing."""
        looked, missing = 0, []
        for w in self.writers:
            wanted = w.acknowledged[-last:] if last else list(w.acknowledged)
            for at in range(0, len(wanted), 2000):
                piece = wanted[at:at + 2000]
                found = self.found(daemon, w, piece[0], piece[-1])
                looked += len(piece) * w.series
                missing += [(w.number, step, found.get(step, 0)) for step in piece
                            if found.get(step, 0) != w.series]
        return looked, missing

    def found(self, daemon, w, first, last):
        """step -> series that have the step's value at the step's time."""
        window = f"{last - first + 1}ms"
        query = f'crash_test{{writer="{w.number}"}}[{window}]'
        path = "/api/v1/query?" + urllib.parse.urlencode(
            {"query": query, "time": f"{(self.base_ms + last) / 1000:.3f}"})
        status, text = daemon.get(path, timeout=60)
        assert status == 200, text[:300]
        count = {}
        for series in json.loads(text)["data"]["result"]:
            for at, value in series["values"]:
                step = round(at * 1000) - self.base_ms
                if step == int(float(value)):
                    count[step] = count.get(step, 0) + 1
        return count


class Volume:
    """A small ext4 file system on a loop device, whose power can be cut."""

    def __init__(self, folder, megabytes):
        if os.geteuid() != 0:
            raise Skip("mounting needs root")
        self.image, self.path = os.path.join(folder, "image"), os.path.join(folder, "volume")
        os.makedirs(self.path)
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image], check=True)
        self.mount()

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.path], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise Skip("no loop device: " + done.stderr.strip())

    def cut(self):
        """EXT4_IOC_SHUTDOWN without flushing the journal: what was not synced is gone."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(fd)

    def unmount(self):
        for _ in range(100):
            done = subprocess.run(["umount", self.path], capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("cannot unmount: " + done.stderr.decode())

    def done(self):
        """Unmounts at the end of a test, whatever became of it."""
        try:
            self.unmount()
        except AssertionError:
            pass


def kill_all(daemon):
    """SIGKILL to parent and worker; waits until both are gone. The parent is stopped first, so that
    it does not start another worker meanwhile."""
    daemon.process.send_signal(signal.SIGSTOP)
    worker = daemon.worker()
    if worker:
        os.kill(worker, signal.SIGKILL)
    daemon.process.kill()
    daemon.process.wait(20)
    wait("the worker's last thread is gone", lambda: port_free(daemon.port))


def ready(daemon, patience=30):
    wait("ready", lambda: daemon.status("/readyz") == 200 or daemon.process.poll() is not None,
         patience)
    assert daemon.process.poll() is None, daemon.said()
