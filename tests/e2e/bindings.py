# timeout: 400
"""libsonde from other languages: the tests of bindings/, each where its toolchain is there."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from _daemon import SONDE, Skip, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(SONDE)
place = tempfile.TemporaryDirectory(prefix="sonde-bindings-")
QUIET = {**os.environ, "SONDE_SOCKET": "none", "SONDE_SPOOL_DIR": "none"}


def call(words, cwd, **environment):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
                          env={**QUIET, **environment})
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def copied(name):
    """A copy to build in: the repository stays as it is."""
    target = os.path.join(place.name, name)
    shutil.copytree(os.path.join(ROOT, "bindings", name), target)
    return target


def the_header_for_cplusplus_does_what_it_says():
    call([os.path.join(BUILD, "host-cplusplus_host")], place.name)


def python_programs_are_seen():
    library = os.path.join(BUILD, "libsonde.so")
    said = call([sys.executable, "sonde_test.py"], copied("python"), SONDE_LIBRARY=library)
    assert "OK" in said, said


def python_goes_on_without_the_library():
    program = ("import sonde\nassert not sonde.start(service='x') and sonde.problem\n"
               "sonde.Counter('a').add()\n"
               "with sonde.operation('a', 'b') as c:\n    c.fail('x')\n"
               "with sonde.span('a', n=1) as s:\n    assert s.traceparent == ''\n"
               "assert not sonde.running() and sonde.query('info') == {}\n")
    call([sys.executable, "-c", program], os.path.join(ROOT, "bindings", "python"),
         SONDE_LIBRARY="/nonexistent/libsonde.so", PYTHONDONTWRITEBYTECODE="1",
         LD_LIBRARY_PATH="")


def rust_programs_are_seen():
    cargo = shutil.which("cargo")
    if not cargo:
        raise Skip("cargo is missing")
    said = call([cargo, "test", "--offline", "--quiet"], copied("rust"), SONDE_LIB_DIR=BUILD,
                CARGO_TARGET_DIR=os.path.join(place.name, "target"), CARGO_NET_OFFLINE="true")
    assert "1 passed" in said, said


def go_programs_are_seen():
    go = shutil.which("go")
    if not go:
        raise Skip("go is missing")
    root = os.path.join(place.name, "root")
    call(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root], place.name)
    pc = os.path.dirname(glob.glob(os.path.join(root, "**", "sonde.pc"), recursive=True)[0])
    call([go, "test", "./..."], copied("go"), PKG_CONFIG_PATH=pc, PKG_CONFIG_SYSROOT_DIR=root,
         LD_LIBRARY_PATH=BUILD, GOFLAGS="-mod=mod", GOCACHE=os.path.join(place.name, "gocache"),
         GOPATH=os.path.join(place.name, "gopath"))


run(globals())
