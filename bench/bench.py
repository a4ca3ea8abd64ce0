"""One run: the folder, the daemon's path, the data that rows share, and what they found."""
import os
import shutil

from load import Load
from server import Prometheus, Sonde, VictoriaMetrics


class Bench:
    def __init__(self, folder, binary, quick):
        self.folder, self.binary, self.quick = folder, binary, quick
        self.load = Load(folder)
        self.results, self.row, self.shared, self.open = [], "", {}, []
        self.count = 0

    def size(self, whole, quick):
        return quick if self.quick else whole

    def place(self):
        self.count += 1
        return os.path.join(self.folder, f"server-{self.count}")

    def sonde(self, *more, collect=False):
        return self.watched(Sonde(self.place(), self.binary, *more, collect=collect))

    def victoria(self, *more):
        return self.peer(VictoriaMetrics, "victoria-metrics", *more)

    def prometheus(self, *more):
        return self.peer(Prometheus, "prometheus", *more)

    def peer(self, kind, program, *more):
        """None where the program is not installed: the row then has no ratio."""
        return self.watched(kind(self.place(), *more)) if shutil.which(program) else None

    def watched(self, server):
        self.open.append(server)
        return server

    def close(self):
        for server in self.open:
            if server.process is not None and server.process.poll() is None:
                server.kill()

    def say(self, text):
        print(f"   {text}", flush=True)

    def add(self, what, ours, peer="", ratio="", gate="", aim="", met=None, aim_met=None,
            **figures):
        """A line of the table: texts as shown; met and aim_met None where there is no gate."""
        self.results.append({"row": self.row, "what": what, "ours": ours, "peer": peer,
                             "ratio": ratio, "gate": gate, "aim": aim, "met": met,
                             "aim_met": aim_met, "figures": figures})
        self.say(f"{what}: {ours} | {peer} | {ratio} | gate {gate} | "
                 f"{ {True: 'met', False: 'MISSED', None: '-'}[met]}")


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
