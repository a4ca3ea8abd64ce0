# timeout: 240
"""libsonde as a stranger has it: installed, found by pkg-config, linked shared and static into C and
C++ programs; and the programs of examples/, each run against a daemon."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from _daemon import SONDE, Daemon, Skip, run, wait

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(SONDE)
place = tempfile.TemporaryDirectory(prefix="sonde-library-")
folder = place.name
PROGRAM = """#include <sonde/sonde.h>
#include <stdio.h>
int main(void) {
    if (sonde_init(NULL) != 0) { puts(sonde_last_problem()); return 1; }
    sonde_counter *jobs = sonde_counter_get("jobs_total", "Jobs that were done.", NULL);
    sonde_counter_add(jobs, 1);
    char answer[4096];
    sonde_query("info", answer, sizeof answer, NULL);
    puts(answer);
    return sonde_shutdown(1000);
}
"""


def call(words, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **more)
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def install():
    """The library's part of `meson install`, into a folder of the test."""
    root = os.path.join(folder, "root")
    if not os.path.exists(root):
        call(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root])
    return root


def environment(root):
    pc = [os.path.join(top, "") for top, _, files in os.walk(root) if "sonde.pc" in files][0]
    return {**os.environ, "PKG_CONFIG_PATH": pc, "PKG_CONFIG_SYSROOT_DIR": root,
            "SONDE_SOCKET": "none", "SONDE_SPOOL_DIR": "none"}


def compiled(language, static):
    root = install()
    env = environment(root)
    name = os.path.join(folder, f"program-{language}-{static}")
    source = name + (".c" if language == "c" else ".cc")
    with open(source, "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    flags = call(["pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "sonde"],
                 env=env).split()
    compiler = ["gcc", "-std=c11"] if language == "c" else ["g++", "-std=c++11"]
    if static:
        library = next(f[2:] for f in flags if f.startswith("-L"))
        flags = [os.path.join(library, "libsonde.a") if f == "-lsonde" else f for f in flags]
    call([*compiler, "-Wall", "-Wextra", "-Werror", source, "-o", name, *flags])
    library = next((f[2:] for f in flags if f.startswith("-L")), "")
    said = call([name], env={**env, "LD_LIBRARY_PATH": library})
    assert '"library":"sonde ' in said, said
    return name, flags


def a_c_program_links_the_installed_shared_library():
    name, _ = compiled("c", False)
    needs = call(["readelf", "-d", name])
    assert "libsonde.so.0" in needs, needs


def a_c_program_links_the_installed_static_library():
    name, _ = compiled("c", True)
    assert "libsonde" not in call(["readelf", "-d", name])


def a_cplusplus_program_links_it_as_well():
    compiled("c++", False)
    compiled("c++", True)


def the_library_needs_nothing_but_libc():
    library = os.path.join(BUILD, "libsonde.so")
    needed = [line.split("[")[1].split("]")[0] for line in call(["readelf", "-d", library]).splitlines()
              if "(NEEDED)" in line]
    assert set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed


def it_exports_nothing_but_its_own_names():
    shared = call(["nm", "-D", "--defined-only", os.path.join(BUILD, "libsonde.so")])
    static = call(["nm", "-g", "--defined-only", os.path.join(BUILD, "libsonde.a")])
    for line in (shared + static).splitlines():
        words = line.split()
        if len(words) == 3:
            assert words[2].startswith(("sonde_", "SONDE_")), line


def settings_table():
    """The rows of setting.tbl.h as the manual shows them."""
    with open(os.path.join(ROOT, "src/client/core/setting.tbl.h"), encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    rows = ["| key | default | what it is |", "| --- | --- | --- |"]
    pattern = (r'SETTING\(\s*(\w+),\s*"([^"]+)",\s*\w+,\s*(.+?),\s*[^",]+,\s*[^",]+,'
               r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
    for kind, key, standard, words in re.findall(pattern, text, flags=re.S):
        said = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words)).replace("|", "\\|").replace("\\\"", "\"")
        value = standard.strip('"') or "(empty)"
        if re.fullmatch(r"[\d\sULul*<]+", value):
            value = str(eval(re.sub(r"[ULul]", "", value)))  # digits and shifts alone
        rows.append(f"| `{key}` | {value} | {said} |")
    assert len(rows) - 2 == len(re.findall(r"\bSETTING\(", text)), "a row is not understood"
    return "\n".join(rows)


MANUAL = os.path.join(ROOT, "docs", "manual", "libsonde.md")


def manual_with_settings():
    with open(MANUAL, encoding="utf-8") as f:
        text = f.read()
    begin = text.index("-->", text.index("<!-- settings:")) + len("-->\n")
    end = text.index("<!-- end of settings -->")
    return text, text[:begin] + settings_table() + "\n" + text[end:]


def the_manual_has_every_setting_with_its_default():
    now, wanted = manual_with_settings()
    assert now == wanted, "write it anew: python3 tests/e2e/library.py --settings"


def every_example_runs_and_is_seen_by_the_daemon():
    names = sorted(n for n in os.listdir(BUILD) if n.startswith("example-")
                   and os.access(os.path.join(BUILD, n), os.X_OK)
                   and os.path.isfile(os.path.join(BUILD, n)))
    written = {os.path.splitext(n)[0] for n in os.listdir(os.path.join(ROOT, "examples"))
               if n.endswith((".c", ".cc"))}
    assert {n[len("example-"):] for n in names} == written, (names, written)
    if not names:
        raise Skip("there are no examples in this build")
    socket = os.path.join(folder, "apps.sock")
    with Daemon(config=f'[apps]\nlisten = ["unix:{socket}"]\n').start() as d:
        for name in names:
            spool = os.path.join(folder, "spool", name)
            done = subprocess.run(
                [os.path.join(BUILD, name)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=60, check=False,
                env={**os.environ, "SONDE_SOCKET": socket, "SONDE_SPOOL_DIR": spool,
                     "SONDE_INSTANCE": name})
            expected = -11 if name == "example-crash" else 0
            assert done.returncode == expected, (name, done.returncode, done.stdout, done.stderr)
        wait("all examples are known", lambda: {a["instance"] for a in d.json("/api/apps")["data"]}
             >= set(names))


def the_examples_of_metrics_print_what_they_count():
    wanted = {
        "example-metrics": ['shop_orders_total{kind="books",payment="cash"} ',
                            "# TYPE shop_order_duration_seconds histogram", "shop_free_shelves ",
                            'shop_order_items{quantile="0.5"} ', 'shop_order_euros_bucket{le="5.0"} '],
        "example-home_automation": [
            'home_events_total{event_type="internal.state_changed"} 20',
            'home_device_changes_total{room="kitchen",on="true"} ',
            'home_service_calls_total{domain="light",service="turn_on",status="ok"} 96',
            'home_storage_operations_total{operation="load",backend="sqlite",status="ok"} ',
            'home_plugin_state{integration="zigbee",version="2.1.0",state="loaded"} 1',
            'home_plugins{state="failed"} 1', "# motion was seen 50 times"]}
    for name, lines in wanted.items():
        out = call([os.path.join(BUILD, name)], env={
            **os.environ, "SONDE_SOCKET": "", "SONDE_SPOOL_DIR": os.path.join(folder, name)})
        missing = [line for line in lines if line not in out]
        assert not missing, (name, missing, out[-3000:])


if sys.argv[1:] == ["--settings"]:
    page = manual_with_settings()[1]
    with open(MANUAL, "w", encoding="utf-8") as out:
        out.write(page)
    sys.exit(0)
if not shutil.which("meson") or not shutil.which("gcc"):
    print("meson or gcc is missing\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
run(globals())
