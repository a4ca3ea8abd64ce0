#!/usr/bin/env python3
"""The data directory on a small disk of its own: it fills up, and its power is cut.

Needs root for a loop device. SONDE_CUTS sets how often the power is cut (5).
"""
# timeout: 120
import os
import random
import shutil
import tempfile
import time

from _client import Daemon, Ledger, Volume, kill_all, ready, run, wait

CUTS = int(os.environ.get("SONDE_CUTS", "5"))
BALLAST_MB = 24


def read_works(d):
    status, _ = d.get("/api/v1/query?query=count(crash_test)")
    return status == 200


def a_full_disk_refuses_writes_and_takes_them_again_once_there_is_room():
    random.seed(5)
    folder = tempfile.mkdtemp(prefix="sonde-full-")
    volume = Volume(folder, 48)
    try:
        ballast = os.path.join(volume.path, "ballast")
        with open(ballast, "wb") as f:
            f.write(os.urandom(1 << 20) * BALLAST_MB)
        with Daemon(data=os.path.join(volume.path, "data"),
                    settings=["collect.enabled=false"]) as d:
            d.start()
            ledger = Ledger(d.port, writers=2, series=2000, life=1000000, pause_s=0,
                            noise=random.random)
            try:
                wait("the disk is full", lambda: ledger.refusals() > 5, 60)
                assert read_works(d), "no answer while the disk is full"
                assert d.process.poll() is None
                filled = ledger.steps()
                time.sleep(1)
                assert read_works(d)
                before = ledger.steps()
                os.unlink(ballast)
                begin = time.monotonic()
                wait("writes are taken again", lambda: ledger.steps() > before, 10)
                took = time.monotonic() - begin
                time.sleep(0.5)
            finally:
                ledger.stop()
            print(f"{filled} writes until it was full, taken again {took:.2f} s after room came")
            assert took < 2, took
            _, missing = ledger.lost(d)
            assert not missing, missing[:10]
            kill_all(d)
            d.start()
            count, missing = ledger.lost(d)
            assert count > 10000 and not missing, (count, missing[:10])
    finally:
        volume.done()
        shutil.rmtree(folder)


def nothing_acknowledged_is_lost_when_the_power_is_cut():
    random.seed(6)
    folder = tempfile.mkdtemp(prefix="sonde-power-")
    volume = Volume(folder, 256)
    try:
        with Daemon(data=os.path.join(volume.path, "data"),
                    settings=["collect.enabled=false", "store.flush_samples_max=20000"]) as d:
            d.start()
            ledger = Ledger(d.port)
            try:
                for _ in range(CUTS):
                    time.sleep(random.uniform(0.1, 0.8))
                    volume.cut()
                    kill_all(d)
                    volume.unmount()
                    volume.mount()
                    d.start()
                    _, missing = ledger.lost(d, last=500)
                    assert not missing, missing[:10]
            finally:
                ledger.stop()
            ready(d)
            count, missing = ledger.lost(d)
            print(f"{CUTS} cuts, {ledger.steps()} writes acknowledged, {count} samples looked for, "
                  f"{len(missing)} lost")
            assert not missing, missing[:10]
            assert ledger.steps() > 20 * CUTS, "hardly anything was written"
    finally:
        volume.done()
        shutil.rmtree(folder)


run(globals())
