#!/usr/bin/env python3
"""kill -9 amid writes on several connections: nothing acknowledged is lost.

SONDE_KILLS sets how often the worker dies (25); the parent dies a fifth as often.
"""
# timeout: 120
import os
import random
import signal
import time

from _client import Daemon, Ledger, kill_all, ready, run

KILLS = int(os.environ.get("SONDE_KILLS", "25"))
IN_A_ROW = 5  # then the parent is killed too, whose pauses before a restart would grow


def kill_worker(d):
    worker = d.worker()
    if not worker:
        return False
    os.kill(worker, signal.SIGKILL)
    return True


def nothing_acknowledged_is_lost_over_kills_of_worker_and_parent():
    random.seed(11)
    with Daemon(settings=["collect.enabled=false", "store.flush_samples_max=20000"]) as d:
        d.start()
        ledger = Ledger(d.port)
        kills = parents = looked = 0
        try:
            while kills < KILLS:
                before = ledger.steps()
                time.sleep(random.uniform(0.02, 0.35))
                kills += kill_worker(d)
                if kills % IN_A_ROW == 0:
                    kill_all(d)
                    d.start(ready=False)
                    parents += 1
                ready(d)
                count, missing = ledger.lost(d, last=ledger.steps() - before + 50)
                looked += count
                assert not missing, (kills, missing[:10])
        finally:
            ledger.stop()
        count, missing = ledger.lost(d)
        print(f"{kills} kills of the worker, {parents} of the parent, {ledger.steps()} writes "
              f"acknowledged; {count} samples looked for, {looked} in between, {len(missing)} lost")
        assert not missing, missing[:10]
        assert ledger.steps() > 10 * kills, "hardly anything was written"
        assert ledger.refusals() == 0, [w.refused for w in ledger.writers]


def a_stop_amid_writes_loses_nothing():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        ledger = Ledger(d.port)
        time.sleep(0.7)
        assert d.stop() == 0, d.said()
        ledger.stop()
        d.start()
        count, missing = ledger.lost(d)
        assert count > 1000 and not missing, (count, missing[:10])


run(globals())
