#!/usr/bin/env python3
"""Backups, keys, verify and repair, with the real commands and a real daemon."""
# timeout: 180
import glob
import os
import subprocess

from _daemon import SONDE, Daemon, run

QUIET = ("collect.enabled=false",)


def sonde(*words, status=0):
    done = subprocess.run([SONDE, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def write(d, value):
    assert d.push({"name": "stored", "value": value})[0] in (200, 204)


def value_of(d):
    return [v for _, v in d.query("last_over_time(stored[1h])")]


def a_backup_of_a_running_daemon_is_restored_and_served():
    with Daemon(settings=QUIET) as d:
        d.start()
        backups, copy = os.path.join(d.folder, "backups"), os.path.join(d.folder, "copy")
        write(d, 1)
        sonde("backup", backups, "--data", d.data, "--server", d.url)
        write(d, 2)
        said = sonde("backup", backups, "--data", d.data, "--server", d.url)
        assert "new" in said, said
        assert os.listdir(os.path.join(d.data, "snapshots")) == []
        first = sonde("backup", "--list", backups).split()[0]
        assert "stop it first" in sonde("store", "verify", "--data", d.data, status=1)
        d.stop()
        assert " 0 problems" in sonde("store", "verify", "--data", d.data)
        sonde("restore", backups, "--data", copy, "--backup", first)
        sonde("restore", backups, "--data", copy, status=1)
        with Daemon(data=copy, settings=QUIET) as restored:
            restored.start()
            assert value_of(restored) == [1.0]
            restored.stop()


def a_rotated_key_opens_what_the_old_one_closed():
    with Daemon(config="", settings=QUIET) as d:
        keys = os.path.join(d.folder, "keys")
        d.argv += ["--set", "store.key_file=" + keys]
        old, new = "a " + "1" * 64 + "\n", "b " + "2" * 64 + "\n"
        for text in (old, new + old, new):
            with open(keys, "w", encoding="ascii") as f:
                f.write(text)
            if text == new + old:
                said = sonde("store", "rotate-key", "--data", d.data, "--key-file", keys)
                assert "key b" in said, said
                continue
            d.start()
            if text == old:
                write(d, 7)
            else:
                assert value_of(d) == [7.0]
            d.stop()
        with open(keys, "w", encoding="ascii") as f:
            f.write(old)
        d.start(ready=False)
        assert d.exit() == 1
        assert 'key "b"' in d.said() and keys in d.said(), d.said()


def a_flipped_bit_is_found_and_repaired():
    with Daemon(settings=QUIET) as d:
        d.start()
        write(d, 1)
        d.stop()
        [path] = glob.glob(os.path.join(d.data, "tenants", "0001", "manifest"))
        with open(path, "r+b") as f:
            f.seek(40)
            byte = f.read(1)
            f.seek(40)
            f.write(bytes([byte[0] ^ 4]))
        assert "manifest" in sonde("store", "verify", "--data", d.data, status=1)
        assert "quarantine" in sonde("store", "repair", "--data", d.data)
        assert " 0 problems" in sonde("store", "verify", "--data", d.data)
        d.start()
        assert value_of(d) == [1.0]
        d.stop()


run(globals())
