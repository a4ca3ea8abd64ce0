"""The row about a mixed load: two dashboards' queries again and again while samples arrive."""
import http.client
import threading
import time

from ingest import filled
from query import QUERIES, path_of

RATE = 200000  # samples a second
EVERY_S = {"q02": 0.01, "q03": 0.5}


class Asker(threading.Thread):
    """Asks one query at fixed times; what is late is asked at once, none is left out."""

    def __init__(self, server, name, made, seconds, cached):
        super().__init__()
        row = next(q for q in QUERIES if q[0] == name)
        self.path = path_of(*row[1:], made)
        if cached:
            self.path = self.path.replace("nocache=1", "nocache=0")
        self.port, self.every_s, self.seconds = server.port, EVERY_S[name], seconds
        self.ms, self.failed = [], 0

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begin = time.perf_counter()
        for i in range(int(self.seconds / self.every_s)):
            due = begin + i * self.every_s
            time.sleep(max(0, due - time.perf_counter()))
            c.request("GET", self.path)
            answer = c.getresponse()
            answer.read()
            self.failed += answer.status != 200
            self.ms.append((time.perf_counter() - due) * 1e3)
        c.close()


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def measure(b, server, w1, seconds, asked, cached):
    """Sends at the rate, with queries where asked; what the sender and the askers saw."""
    steps = int(seconds * RATE / w1["series"]) + 2
    made = b.load.make("mixed", w1["hosts"], steps, interval_ms=1000,
                       start_ms=int(time.time() * 1000) - steps * 1000)
    askers = [Asker(server, name, w1, seconds, cached) for name in EVERY_S] if asked else []
    cpu = server.cpu_s()
    for a in askers:
        a.start()
    sent = b.load.send(server, made, rate=RATE, seconds=seconds)
    for a in askers:
        a.join()
    b.load.drop(made)
    sent["cpu_cores"] = (server.cpu_s() - cpu) / seconds
    for a, name in zip(askers, EVERY_S):
        if a.failed:
            raise RuntimeError(f"{name}: {a.failed} of {len(a.ms)} queries failed")
        sent[name] = {"n": len(a.ms), "p50_ms": quantile(a.ms, 0.5), "p99_ms": quantile(a.ms, 0.99)}
    b.say(f"{server.name}: {sent['accepted'] / sent['seconds']:.0f} samples/s, p50 "
          f"{sent['p50_ms']:.2f} ms, p99 {sent['p99_ms']:.2f} ms, {sent['cpu_cores']:.2f} cores"
          + "".join(f"; {n} {sent[n]['n']} times, p50 {sent[n]['p50_ms']:.1f} ms, p99 "
                    f"{sent[n]['p99_ms']:.1f} ms" for n in EVERY_S if n in sent))
    return sent


def mixed(b):
    w1 = filled(b)
    server, seconds = w1["servers"][0], b.size(30, 8)
    server.flush_and_merge()
    server.idle()
    alone = measure(b, server, w1["made"], seconds, False, False)
    plain = measure(b, server, w1["made"], seconds, True, False)
    cached = measure(b, server, w1["made"], seconds, True, True)
    for what, found in (("q02 100 times and q03 twice a second, 200,000 samples/s: ingest p99",
                         plain), ("the same with the cache of results", cached)):
        gate = found is plain
        b.add(what, f"{found['p99_ms']:.2f} ms", f"without queries {alone['p99_ms']:.2f} ms", "",
              "20 ms" if gate else "", "5 ms" if gate else "",
              found["p99_ms"] < 20 if gate else None, found["p99_ms"] < 5 if gate else None,
              sonde=found, alone=alone)
