#!/usr/bin/env python3
"""The examples of libsonde run without a daemon, end well, and say what their manual promises.

BUILD says where they are (build).
"""
import os
import shutil
import subprocess
import tempfile

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
# What must be in the output of each; those that are not named must only end with 0.
WANTED = {
    "caches": ["hit rate 0.716", '"name":"squares"', '"fragmentation":0.4375'],
    "memory": ["lines has grown by 2700 bytes in 100 blocks", '"subsystem":"pictures"'],
    "health": ["replica: state 1, it lags behind", '"component":"folder"', '"free_ratio":'],
}


def main():
    folder = tempfile.mkdtemp(prefix="sonde-examples-")
    environment = dict(os.environ, SONDE_SOCKET="none", SONDE_SPOOL_DIR=folder)
    for name, wanted in WANTED.items():
        path = os.path.join(BUILD, f"example-{name}")
        done = subprocess.run([path], capture_output=True, text=True, timeout=30, env=environment)
        assert done.returncode == 0, f"{name}: {done.returncode}, {done.stderr}"
        for text in wanted:
            assert text in done.stdout, f"{name}: no {text!r} in {done.stdout}"
        print(f"{name}: ok")
    shutil.rmtree(folder)


main()
