"""The programs that make and send samples, compiled on first use, and what they are asked for."""
import json
import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def cases(*path):
    """A file of the shared test data, or None."""
    found = os.path.join(ROOT, os.environ.get("SONDE_CASES", "../shared"), *path)
    return os.path.normpath(found) if os.path.exists(found) else None


class Load:
    SERIES = 463  # of one host, in the recording and in the made-up machine

    def __init__(self, folder):
        self.folder = folder
        self.trace = cases("bench", "trace.txt.gz")
        self.compile("generate", ["generate.c", "node.c"], ["-lsnappy", "-lz", "-lm"])
        self.compile("send", ["send.c"], ["-lpthread"])
        self.compile("otlp", ["otlp.c"], ["-lsnappy"])

    def compile(self, name, sources, libraries):
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", os.path.join(self.folder, name),
                        *[os.path.join(HERE, s) for s in sources], *libraries], check=True)

    def make(self, name, hosts, steps, interval_ms=15000, stride=15, batch=2000, shards=2,
             jitter_ms=0, churn_steps=0, routes=0, first_step=0, start_ms=None):
        """Bodies whose last sample lies a minute ago; what was made."""
        if start_ms is None:
            start_ms = int(time.time() * 1000) - 60000 - steps * interval_ms
        out = os.path.join(self.folder, name)
        command = [os.path.join(self.folder, "generate"), "--start-ms", str(start_ms)]
        if self.trace:
            command += ["--trace", self.trace]
        for key, value in (("hosts", hosts), ("steps", steps), ("interval-ms", interval_ms),
                           ("stride", stride), ("batch", batch), ("shards", shards),
                           ("jitter-ms", jitter_ms), ("churn-steps", churn_steps), ("routes", routes),
                           ("first-step", first_step)):
            command += [f"--{key}", str(value)]
        made = json.loads(subprocess.run([*command, out], check=True, capture_output=True).stdout)
        made.update(files=[f"{out}.{i}" for i in range(shards)], hosts=hosts,
                    series=made["series_per_host"] * hosts, start_s=start_ms / 1000,
                    end_s=(start_ms + steps * interval_ms) / 1000, batch=batch)
        return made

    def as_otlp(self, made, batch):
        """The same samples as OpenTelemetry's metrics in protobuf, not packed."""
        files = []
        for path in made["files"]:
            subprocess.run([os.path.join(self.folder, "otlp"), "--batch", str(batch), path,
                            path + ".otlp"], check=True, capture_output=True)
            files.append(path + ".otlp")
        return {**made, "files": files, "path": "/v1/metrics", "encoding": "identity"}

    def send(self, server, made, rate=0, seconds=0, files=None):
        done = subprocess.run([os.path.join(self.folder, "send"), "--rate", str(rate), "--seconds",
                               str(seconds), "--path", made.get("path", server.write_path),
                               "--encoding", made.get("encoding", "snappy"), str(server.port),
                               *(files or made["files"])], check=True, capture_output=True)
        sent = json.loads(done.stdout)
        if sent["refused"] or sent["unknown"]:
            raise RuntimeError(f"{server.name} refused {sent['refused']} samples, left open "
                               f"{sent['unknown']}: {done.stderr.decode()[:300]} {server.said()}")
        return sent

    def drop(self, made):
        for path in made["files"]:
            os.unlink(path)
