#!/usr/bin/env python3
"""Does what the manual shows, as a new user would: each `toml`, `yaml` and `sh` block of
docs/ingest.md and docs/manual/*.md, one case for a section.

`toml` is checked with `sonde check` and a daemon begins with it (together with the blocks before it
in its section, where they fit); `yaml` is checked and lies beside it as prometheus.yml; `sh` runs
against that daemon. Each curl has to be answered with success, and what is asked for (queries,
targets, cards) has to come within some seconds. The ports of the text are replaced by free ones,
paths below /etc, /run, /srv and /tmp by such in the daemon's folder. A block is passed over where
the line before it is <!-- not run: REASON -->.
"""
# timeout: 600
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib

from _daemon import PATIENCE_S, ROOT, SONDE, Daemon, Skip, run, wait
from _peers import api, prometheus
from _port import free_port

PAGES = [os.path.join(ROOT, "docs", "ingest.md"),
         *sorted(glob.glob(os.path.join(ROOT, "docs", "manual", "*.md")))]
KINDS = ("sh", "toml", "yaml")
MINIMAL = "scrape_configs: []\n"
MINIMAL_ALERTMANAGER = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
CURL = """#!{python}
import json, subprocess, sys, time
asks = any(path in a for a in sys.argv[1:] for path in
           ("/api/v1/query", "/api/v1/targets", "/api/v1/series", "/api/v1/label", "/api/metrics/gpu"))
def found(data):
    if isinstance(data, dict):
        return any(found(v) for k, v in data.items() if k not in ("resultType", "droppedTargetCounts"))
    return bool(data) if isinstance(data, (list, str)) else False
until = time.monotonic() + {patience}
while True:
    done = subprocess.run([{curl!r}, "--fail-with-body", "--max-time", "20", *sys.argv[1:]],
                          stdin=sys.stdin if not asks else subprocess.DEVNULL,
                          capture_output=True)
    good = done.returncode == 0
    if good and asks:
        answer = json.loads(done.stdout)
        good = found(answer.get("data", {{k: v for k, v in answer.items() if k != "status"}}))
    if good or not asks or time.monotonic() > until:
        break
    time.sleep(0.2)
sys.stdout.buffer.write(done.stdout)
sys.stderr.buffer.write(done.stderr)
if not good:
    open({failed!r}, "a").close()  # in a pipe the last program alone says how it went
    sys.exit(done.returncode or "nothing is found by: curl " + " ".join(sys.argv[1:]))
"""


# A new user's daemon has the default address; here it has another.
TOOL = """#!/bin/sh
case "$1 $*" in
*" --server "* | *" --data "*) ;;
dump* | query* | status*) exec {sonde} "$@" --server {url} ;;
esac
exec {sonde} "$@"
"""


class Block:
    def __init__(self, line, kind, text, reason):
        self.line, self.kind, self.text, self.reason = line, kind, text, reason


def sections(text):
    """{heading as in links: its blocks}, in their order."""
    found, here, block, reason, heading = {}, [], None, None, "top"
    found[heading] = here
    for n, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(.*)", line)
        if block is not None:
            if fence:
                if block.kind in KINDS:
                    here.append(block)
                block = None
            else:
                block.text += line + "\n"
        elif fence:
            block = Block(n, fence.group(1).strip(), "", reason)
        elif line.startswith("## "):
            heading = re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-")
            here = found.setdefault(heading, [])
        marked = re.fullmatch(r"<!-- not run: (.+) -->", line)
        reason = marked.group(1) if marked else reason if not line.strip() else None
    assert block is None, "a block without an end"
    return found


class Stage:
    """The machine of a section: its ports and folders, its files, the daemon that runs now."""

    def __init__(self, name, patience=PATIENCE_S):
        self.name, self.patience, self.ports = name, patience, {}
        self.daemon, self.config, self.settings, self.beside = None, "", [], []
        self.home = Daemon(config="")  # never started: its folder, and its port for 7663
        self.folder = self.home.folder
        self.data = os.path.join(self.folder, "daemon")  # ./data is nobody's
        self.ports["7663"] = str(self.home.port)
        tools = os.path.join(self.folder, "bin")
        os.mkdir(tools)
        for tool, text in (("sonde", TOOL.format(sonde=SONDE, url=self.home.url)), (
                "curl", CURL.format(python=sys.executable, curl=shutil.which("curl"),
                                    patience=patience, failed=os.path.join(self.folder, "failed")))):
            self.write("bin/" + tool, text)
            os.chmod(os.path.join(tools, tool), stat.S_IRWXU)
        self.environment = {**os.environ, "PATH": tools + ":" + os.environ["PATH"]}

    def __enter__(self):
        if self.name in STAND_INS:
            STAND_INS[self.name](self)
        return self

    def __exit__(self, *_):
        self.end_daemon()
        for peer in self.beside:
            peer.__exit__()
        self.home.__exit__()

    def end_daemon(self):
        if self.daemon:
            self.daemon.process.terminate()
            self.daemon.process.wait(PATIENCE_S)
            self.daemon = None

    def port(self, n):
        if n not in self.ports:
            self.ports[n] = str(free_port())
        return self.ports[n]

    def here(self, text):
        """The text with this stage's ports and folders."""
        text = re.sub(r"(127\.0\.0\.1|localhost|\[::1\])([:/])(\d{2,5})\b",
                      lambda m: m[1] + m[2] + self.port(m[3]), text)
        return re.sub(r"(?<![\w.}/-])/(etc|run|srv|tmp|var)/", lambda m: f"{self.folder}/{m[1]}/", text)

    def run(self, *command, **more):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=120, check=False, **more)
        return done.returncode, done.stdout

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def make_files(self, text):
        """The files that a configuration names: a prometheus.yml, else some secret."""
        for key, path in re.findall(r'^(\w+)\s*[=:]\s*"?(/[^"\s]+)"?', text, re.M):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if key.endswith("_file") and not os.path.exists(path):
                beside = os.path.join(self.folder, "prometheus.yml")
                words = "user: word\n"
                if key == "config_file" and "alertmanager" in path:
                    words = MINIMAL_ALERTMANAGER
                elif key == "config_file":
                    words = MINIMAL
                    if os.path.exists(beside):
                        with open(beside, encoding="utf-8") as f:
                            words = f.read()
                self.write(path, words)
        for path in re.findall(r'"unix:(/[^"]+)/[^"/]*"', text):
            os.makedirs(path, exist_ok=True)

    def toml(self, text, page_so_far):
        text = self.here(text)
        self.make_files(text)
        if not os.path.exists(os.path.join(self.folder, "prometheus.yml")):
            self.write("prometheus.yml", MINIMAL)
        first = None
        for before in (self.config, "", self.here(page_so_far)):
            self.make_files(before)
            self.write("sonde.toml", before + text)
            status, said = self.run("sonde", "check", "sonde.toml")
            if status == 0:
                self.config = before + text
                self.begin_daemon()
                return
            first = first or said
        raise AssertionError(first)

    def yaml(self, text):
        text = self.here(text)
        if re.match(r"  \w+_configs:", text):  # a part of a receiver
            text = "receivers:\n- name: ops\n" + text
        if re.search(r"^groups:", text, re.M):
            self.write("rules.yml", text)
            status, said = self.run("sonde", "check", "rules", "rules.yml")
        elif re.search(r"^(receivers|route):", text, re.M):
            first = re.search(r"^- name: (.*)$", text, re.M)
            route = "" if "route:" in text else f"route: {{receiver: {first[1]}}}\n"
            self.make_files(text)
            for name in re.findall(r"^ *-? *\w+_file: ([^/{\s]+)$", text, re.M):
                self.write(name, "word\n")
            self.write("alertmanager.yml", route + text)
            status, said = self.run("sonde", "check", "alertmanager", "alertmanager.yml")
        else:
            self.write("prometheus.yml", text)
            status, said = self.run("sonde", "check", "prometheus.yml")
        assert status == 0, said

    def begin_daemon(self):
        """A fresh daemon with the configuration; the ports of the text are its default ones."""
        self.end_daemon()
        shutil.rmtree(self.data, ignore_errors=True)
        said = tomllib.loads(self.config)
        defaults = [f"{way}.listen={','.join('127.0.0.1:' + self.port(p) for p in ports)}"
                    for way, ports in (("otlp", ("4317", "4318")), ("statsd", ("8125",)))
                    if "listen" not in said.get(way, {})]
        daemon = Daemon(config=self.config, settings=[*defaults, *self.settings], data=self.data)
        shutil.rmtree(daemon.folder)
        daemon.folder, daemon.port, daemon.url = self.folder, self.home.port, self.home.url
        daemon.argv[daemon.argv.index("--listen") + 1] = f"127.0.0.1:{daemon.port}"
        daemon.argv[daemon.argv.index("--config") + 1] = os.path.join(self.folder, "sonde.toml")
        self.write("sonde.toml", self.config)
        self.daemon = daemon.start()

    def sh(self, text):
        if not self.daemon:
            self.begin_daemon()
        for folder in ("etc", "run", "srv", "tmp", "var"):
            os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        status, said = self.run("sh", "-e", "-c", self.here(text))
        bad = status != 0 or os.path.exists(os.path.join(self.folder, "failed"))
        assert not bad, f"ends with {status}: {said[-2000:]}\n{self.daemon.said()[-2000:]}"


def a_graphics_card(stage):
    library = os.path.join(os.path.dirname(os.path.abspath(SONDE)), "libnvml-stand-in.so")
    if not os.path.exists(library):
        raise Skip("the stand-in library is not built")
    stage.settings.append("collect.gpu_nvml_library=" + library)


def a_running_prometheus(stage):
    """At 127.0.0.1:9090, with samples of the job node."""
    peer = prometheus([{"job_name": "node", "static_configs": [{"targets": ["127.0.0.1:1"]}]}])
    peer.__enter__()
    stage.beside.append(peer)
    stage.ports["9090"] = str(peer.port)
    wait("samples of prometheus", lambda: api(peer.url, "query", query="up")["result"])
    return peer


def a_prometheus_data_directory(stage):
    peer = a_running_prometheus(stage)
    shutil.copytree(os.path.join(peer.folder, "data"),
                    os.path.join(stage.folder, "var", "lib", "prometheus", "metrics2"))


def a_text_file(stage):
    stage.write("metrics.om", "# TYPE a gauge\na{b=\"c\"} 1 1795000000\n# EOF\n")


# What a section needs of the machine, by its heading.
STAND_INS = {"graphics-cards": a_graphics_card,
             "from-a-prometheus-data-directory": a_prometheus_data_directory,
             "from-a-running-server": a_running_prometheus,
             "from-text-files": a_text_file}


def play(blocks, name, patience=PATIENCE_S, page_so_far=""):
    """Does what the blocks of a section say, in their order."""
    with Stage(name, patience) as stage:
        for block in blocks:
            if block.reason:
                continue
            try:
                if block.kind == "toml":
                    stage.toml(block.text, page_so_far)
                else:
                    getattr(stage, block.kind)(block.text)
            except AssertionError as e:
                raise AssertionError(f"the {block.kind} block at line {block.line}: {e}") from None


def refused(text):
    """What is wrong with the one section of a text; fails where nothing is."""
    try:
        play(sections(text)["top"], "top", patience=1)
    except AssertionError as e:
        return str(e)
    raise AssertionError("taken: " + text)


def snippets_that_do_not_work_are_found():
    assert "line 1: " in refused("```toml\n[server]\nlsten = []\n```\n")
    assert "did you mean listen" in refused("```toml\n[server]\nlsten = []\n```\n")
    assert "yaml block" in refused("```yaml\nscrape_configs: [{jb_name: a}]\n```\n")
    assert "expr" in refused("```yaml\ngroups: [{name: a, rules: [{record: b, expr: 'c('}]}]\n```\n")
    assert "ends with 3" in refused("```sh\nsh -c 'exit 3'\ntrue\n```\n")
    assert "nothing is found" in refused(
        "```sh\ncurl -s 'http://127.0.0.1:7663/api/v1/query?query=nothing_here'\n```\n")
    assert "404" in refused("```sh\ncurl -sS http://127.0.0.1:7663/no/such/way\n```\n")
    assert "404" in refused("```sh\ncurl -sS http://127.0.0.1:7663/no/such/way | cat\n```\n")
    assert "ends with 1" in refused(
        "```sh\ncurl -s http://127.0.0.1:7663/metrics | grep no_such\n```\n")


def snippets_that_are_not_run_have_their_reason():
    blocks = sections("<!-- not run: because -->\n\n```sh\nfalse\n```\n\n```sh\ntrue\n```\n")["top"]
    assert [b.reason for b in blocks] == ["because", None]
    play(blocks, "top")


def sections_of_ways_in_are_in_order_and_listed():
    with open(PAGES[0], encoding="utf-8") as f:
        text = f.read()
    headings = [h for h in sections(text) if h != "top"]
    assert headings == sorted(headings), headings
    assert re.findall(r"^- \[.*\]\(#(.*)\)$", text.split("\n## ")[0], re.M) == headings


def cases():
    """Adds a case for each section and for each block that is not run."""
    for path in PAGES:
        page = os.path.basename(path).removesuffix(".md")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        before = ""
        for heading, blocks in sections(text).items():
            name = f"{page}_{heading}".replace("-", "_")

            def section_works(blocks=tuple(blocks), heading=heading, before=before):
                play(blocks, heading, page_so_far=before)

            if any(not b.reason for b in blocks):
                add(section_works, f"the_snippets_of_{name}_work")
            for b in blocks:
                if b.reason:
                    def not_run(b=b):
                        raise Skip(b.reason)
                    add(not_run, f"the_snippet_of_{name}_line_{b.line}")
            before += "".join(b.text for b in blocks if b.kind == "toml" and not b.reason)


def add(function, name):
    function.__name__ = name
    function.__code__ = function.__code__.replace(co_name=name)
    globals()[name] = lambda: function()  # without the parameters that bind what a loop had
    globals()[name].__name__ = name


cases()
run(globals())
