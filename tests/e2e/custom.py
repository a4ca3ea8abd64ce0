#!/usr/bin/env python3
"""Custom metrics on the running, confined daemon: programs, HTTP, SQL and log files that do what
they should, and that fail in every way that they can."""
# timeout: 240
# suites: plain asan
import http.server
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time

from _daemon import SONDE, Daemon, Skip, run, wait
from _port import free_port

HELPER = os.path.join(os.path.dirname(os.path.abspath(SONDE)), "sonde-helper-sql")


def rows(d):
    return {f"{r['kind']}/{r['name']}": r for r in d.json("/api/custom")["custom"]}


def state(d, name):
    return rows(d)[name]


def value(d, text):
    """The only value of an expression, None where there is none."""
    found = d.query(text)
    assert len(found) < 2, found
    return found[0][1] if found else None


def down(d, name):
    return wait(f"{name} down", lambda: state(d, name)["state"] == "down" and state(d, name))


COMMANDS = """
[[custom.command]]
name = "answer"
command = ["/bin/echo", "42"]
interval_ms = 500
labels = ["team=blue"]

[[custom.command]]
name = "pool"
command = ["/bin/sh", "-c", "echo size=5; echo 'used{kind=\\"a b\\"} 3'"]
format = "lines"
interval_ms = 500

[[custom.command]]
name = "check_disk"
command = ["/bin/sh", "-c", "echo \\"DISK WARNING | '/var'=12.5GB;20;30 inodes=3\\"; exit 1"]
format = "nagios"
interval_ms = 500

[[custom.command]]
name = "own"
command = ["/bin/sh", "-c", "echo '# TYPE own_total counter'; echo 'own_total{x=\\"1\\"} 7'"]
format = "prometheus"
interval_ms = 500

[[custom.command]]
name = "items"
command = ["/bin/echo", '{"items":[{"host":"h1","v":true},{"host":"h2","v":"2.5"},{"host":"h3","v":null}]}']
format = "json"
metrics = ["v=$.items[*].v"]
labels = ["host=$.items[*].host", "site=here"]
interval_ms = 500

[[custom.command]]
name = "status"
command = ["/bin/echo", "conns: 17 of pool main"]
format = "regex"
metrics = ['conns=conns: (?P<value>\\d+) of pool (?P<pool>\\w+)']
interval_ms = 500
"""


def programs_give_metrics_in_every_format():
    with Daemon(config=COMMANDS) as d:
        d.start()
        wait("all up", lambda: all(r["state"] == "up" for r in rows(d).values()) and rows(d))
        wait("a value", lambda: value(d, 'answer{team="blue",job="custom"}') == 42)
        wait("lines", lambda: value(d, 'pool_used{kind="a b"}') == 3)
        assert value(d, "pool_size") == 5
        assert value(d, "check_disk_status") == 1
        assert value(d, 'check_disk{perfdata="/var",unit="GB"}') == 12.5
        assert value(d, 'check_disk{perfdata="inodes"}') == 3
        assert value(d, 'own_total{x="1"}') == 7
        assert value(d, 'items_v{host="h1",site="here"}') == 1
        assert value(d, 'items_v{host="h2"}') == 2.5
        assert not d.query('items_v{host="h3"}')
        assert value(d, 'status_conns{pool="main"}') == 17
        assert value(d, 'sonde_custom_up{kind="command",name="answer"}') == 1
        assert value(d, 'sonde_custom_exit_status{name="check_disk"}') == 1
        row = state(d, "command/answer")
        assert row["series"] == 1 and row["error"] == "" and row["last_run"], row
        assert row["runs"] > 0 and row["failures"] == 0, row


BROKEN = """
[[custom.command]]
name = "fails"
command = ["/bin/sh", "-c", "echo 1; echo 'what went wrong' >&2; exit 3"]
interval_ms = 300

[[custom.command]]
name = "hangs"
command = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
interval_ms = 300
timeout_ms = 400

[[custom.command]]
name = "floods"
command = ["/bin/sh", "-c", "exec yes"]
output_bytes_max = 100000
interval_ms = 300

[[custom.command]]
name = "missing"
command = ["/nowhere/at/all"]
interval_ms = 300

[[custom.command]]
name = "words"
command = ["/bin/echo", "many words"]
interval_ms = 300

[[custom.command]]
name = "crowd"
command = ["/bin/sh", "-c", "for i in 1 2 3 4 5; do echo m$i $i; done"]
format = "lines"
series_max = 3
interval_ms = 300

[[custom.command]]
name = "good"
command = ["/bin/echo", "1"]
interval_ms = 300
"""


def programs_that_fail_are_told_and_hold_up_nobody():
    with Daemon(config=BROKEN) as d:
        d.start()
        said = {n: down(d, "command/" + n)["error"]
                for n in ("fails", "hangs", "floods", "missing", "words", "crowd")}
        assert "status 3" in said["fails"] and "what went wrong" in said["fails"], said
        assert "400 ms" in said["hangs"], said
        assert "100000 bytes" in said["floods"], said
        assert "/nowhere/at/all" in said["missing"], said
        assert "many words" in said["words"], said
        assert "series_max = 3" in said["crowd"], said
        wait("the exit status", lambda: value(d, 'sonde_custom_exit_status{name="fails"}') == 3)
        assert value(d, 'sonde_custom_up{name="hangs"}') == 0
        assert not d.query("fails") and len(d.query('{__name__=~"crowd_.*"}')) == 3
        before = state(d, "command/good")["runs"]
        wait("more runs", lambda: state(d, "command/good")["runs"] > before + 3)
        assert state(d, "command/good")["state"] == "up"
        begun = time.monotonic()
        assert d.stop() == 0
        assert time.monotonic() - begun < 10, "programs hold up the end"


def series_end_when_a_program_stops_to_give_them():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "out")
    with open(path, "w", encoding="utf-8") as f:
        f.write("a 1\nb 2\n")
    config = f"""
[[custom.command]]
name = "gone"
command = ["/bin/cat", "{path}"]
format = "lines"
interval_ms = 300
"""
    try:
        with Daemon(config=config) as d:
            d.start()
            wait("both", lambda: len(d.query('{__name__=~"gone_.*"}')) == 2)
            with open(path, "w", encoding="utf-8") as f:
                f.write("a 1\n")
            wait("one", lambda: len(d.query('{__name__=~"gone_.*"}')) == 1)
            os.remove(path)
            down(d, "command/gone")
            wait("none", lambda: not d.query("gone_a"))
    finally:
        shutil.rmtree(folder)


def bad_rows_are_refused_with_their_place():
    for text, said in (
            ('[[custom.command]]\nname = "x y"\ncommand = ["/bin/true"]', "name is"),
            ('[[custom.command]]\nname = "x"', "command is empty"),
            ('[[custom.command]]\nname = "x"\ncommand = ["a"]\nformat = "json"', "needs metrics"),
            ('[[custom.http]]\nname = "x"\nurl = "http://h/"\nmetrics = ["a=$.a["]', "character"),
            ('[[custom.http]]\nname = "x"\nurl = "ftp://h/"\nmetrics = ["a=$.a"]', "url is"),
            ('[[custom.sql]]\nname = "x"\nquery = "select 1"', "needs dsn"),
            ('[[custom.log]]\nname = "x"\npath = "/x"\nregex = "("', "regex"),
            ('[[custom.log]]\nname = "x"\npath = "/x"\nregex = "a"\nmode = "sum"', "group"),
            ('[[custom.log]]\nname = "x"\npath = "/x"\nregex = "a"\n' * 2, "of that name")):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
            f.write(text + "\n")
            f.flush()
            out = subprocess.run([SONDE, "check", f.name], capture_output=True, text=True,
                                 check=False, timeout=20)
        assert out.returncode == 1 and said in out.stdout + out.stderr, (text, out)
        assert "[[custom." in out.stdout + out.stderr, out


class Answers(http.server.BaseHTTPRequestHandler):
    """JSON with credentials, a text to search, and what fails."""
    length = 7

    def do_GET(self):
        authorized = self.headers.get("Authorization") == "Bearer sesame"
        status, body = 200, b""
        if self.path == "/json":
            status = 200 if authorized and self.headers.get("X-Own") == "1" else 401
            body = json.dumps({"queue": {"length": self.length}}).encode()
        elif self.path == "/metrics":
            body = b"# TYPE a_total counter\na_total 5\n"
        elif self.path == "/text":
            body = b"up 3 days\nload 1.5\n"
        elif self.path == "/half":
            body = b'{"queue":'
        elif self.path == "/slow":
            time.sleep(3)
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # it has not waited

    def log_message(self, *_):
        pass


HTTP = """
[[custom.http]]
name = "app"
url = "{url}/json"
metrics = ["queue_length=$.queue.length"]
bearer_file = "{token}"
headers = ["X-Own: 1"]
interval_ms = 300

[[custom.http]]
name = "other"
url = "{url}/metrics"
format = "prometheus"
labels = ["zone=z"]
interval_ms = 300

[[custom.http]]
name = "text"
url = "{url}/text"
format = "regex"
metrics = ['days=up (\\d+) days', '=load (\\S+)']
interval_ms = 300

[[custom.http]]
name = "denied"
url = "{url}/json"
metrics = ["x=$.queue.length"]
bearer = "wrong-and-secret"
interval_ms = 300

[[custom.http]]
name = "half"
url = "{url}/half"
metrics = ["x=$.queue.length"]
interval_ms = 300

[[custom.http]]
name = "slow"
url = "{url}/slow"
metrics = ["x=$.queue.length"]
interval_ms = 300
timeout_ms = 200

[[custom.http]]
name = "nobody"
url = "http://127.0.0.1:{closed}/"
metrics = ["x=$.queue.length"]
interval_ms = 300
"""


def answers_of_servers_become_metrics():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp()
    token = os.path.join(folder, "token")
    with open(token, "w", encoding="utf-8") as f:
        f.write("sesame\n")
    try:
        with Daemon(config=HTTP.format(url=f"http://127.0.0.1:{server.server_port}",
                                       token=token, closed=free_port())) as d:
            d.start()
            wait("json", lambda: value(d, "app_queue_length") == 7)
            wait("prometheus", lambda: value(d, 'a_total{zone="z"}') == 5)
            wait("text", lambda: value(d, "text_days") == 3 and value(d, "text") == 1.5)
            assert "401" in down(d, "http/denied")["error"]
            assert "no JSON" in down(d, "http/half")["error"]
            assert down(d, "http/slow")["error"] and down(d, "http/nobody")["error"]
            Answers.length = 9
            wait("the new value", lambda: value(d, "app_queue_length") == 9)
            config = d.get("/api/v1/status/config")[1].decode()
            assert "custom.http" in config and "wrong-and-secret" not in config + d.said()
    finally:
        server.shutdown()
        shutil.rmtree(folder)


SQLITE = """
[[custom.sql]]
name = "shop"
driver = "sqlite"
path = "{path}"
query = "select region, count(*) as orders, sum(price) as value from orders group by region"
interval_ms = 300

[[custom.sql]]
name = "writes"
driver = "sqlite"
path = "{path}"
query = "delete from orders"
interval_ms = 300

[[custom.sql]]
name = "endless"
driver = "sqlite"
path = "{path}"
query = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
interval_ms = 300
timeout_ms = 500

[[custom.sql]]
name = "many"
driver = "sqlite"
path = "{path}"
query = "select price, id from orders"
values = ["price"]
label_columns = ["id"]
rows_max = 2
interval_ms = 300

[[custom.sql]]
name = "column"
driver = "sqlite"
path = "{path}"
query = "select price from orders"
values = ["prize"]
interval_ms = 300
"""


def rows_of_sqlite_become_metrics():
    if not os.path.exists(HELPER):
        raise Skip("sonde-helper-sql is not built")
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "shop.db")
    db = sqlite3.connect(path)
    db.execute("create table orders (id integer, region text, price real)")
    db.executemany("insert into orders values (?, ?, ?)",
                   [(1, "north", 2.5), (2, "north", 4.0), (3, "south", 1.0)])
    db.commit()
    try:
        with Daemon(config=SQLITE.format(path=path)) as d:
            d.start()
            wait("orders", lambda: value(d, 'shop_orders{region="north"}') == 2)
            assert value(d, 'shop{region="north"}') == 6.5
            assert "would change" in down(d, "sql/writes")["error"]
            assert "500 ms" in down(d, "sql/endless")["error"]
            assert "rows_max = 2" in down(d, "sql/many")["error"]
            assert "prize" in down(d, "sql/column")["error"]
            db.execute("insert into orders values (4, 'west', 8)")
            db.execute("delete from orders where region = 'south'")
            db.commit()
            wait("the new row", lambda: value(d, 'shop_orders{region="west"}') == 1)
            wait("the end of the old", lambda: not d.query('shop_orders{region="south"}'))
    finally:
        db.close()
        shutil.rmtree(folder)


def postgres_folder():
    for top in sorted(os.listdir("/usr/lib/postgresql"), reverse=True) \
            if os.path.isdir("/usr/lib/postgresql") else []:
        if os.path.exists(f"/usr/lib/postgresql/{top}/bin/initdb"):
            return f"/usr/lib/postgresql/{top}/bin"
    raise Skip("there is no PostgreSQL here")


class Postgres:
    """A cluster of its own, on a Unix socket alone."""

    def __init__(self):
        self.bin = postgres_folder()
        self.folder = tempfile.mkdtemp(prefix="sonde-pg-")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.process = None
        if os.getuid() == 0:
            if not shutil.which("setpriv"):
                raise Skip("root cannot become another user")
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres")
        else:
            self.user = []

    def __enter__(self):
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("a secret\n")
        subprocess.run([*self.user, f"{self.bin}/initdb", "-D", self.data, "-U", "postgres",
                        "--auth=scram-sha-256", f"--pwfile={secret}", "-N", "--no-instructions"],
                       check=True, capture_output=True, cwd=self.folder, timeout=60)
        self.process = subprocess.Popen(
            [*self.user, f"{self.bin}/postgres", "-D", self.data, "-k", self.folder, "-h", "",
             "-F"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("PostgreSQL", lambda: self.sql("select 1").returncode == 0)
        return self

    def sql(self, text):
        return subprocess.run([f"{self.bin}/psql", "-h", self.folder, "-U", "postgres", "-c", text],
                              env={**os.environ, "PGPASSWORD": "a secret"}, capture_output=True,
                              check=False, timeout=20)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder)


POSTGRES = """
[[custom.sql]]
name = "jobs"
dsn = "host={folder} user=postgres dbname=postgres"
password = "a secret"
query = "select state, count(*) as n, avg(took) as took, bool_or(late) as late from jobs group by 1"
interval_ms = 500

[[custom.sql]]
name = "writes"
dsn = "host={folder} user=postgres dbname=postgres password='a secret'"
query = "delete from jobs returning 1 as n"
interval_ms = 500

[[custom.sql]]
name = "sleeps"
dsn = "host={folder} user=postgres dbname=postgres"
password = "a secret"
query = "select 1 as n from pg_sleep(100)"
interval_ms = 500
timeout_ms = 400

[[custom.sql]]
name = "wrong"
dsn = "host={folder} user=postgres dbname=postgres"
password = "not it at all"
query = "select 1 as n"
interval_ms = 500
"""


def rows_of_postgresql_become_metrics():
    if not os.path.exists(HELPER):
        raise Skip("sonde-helper-sql is not built")
    with Postgres() as pg:
        pg.sql("create table jobs (state text, took numeric, late bool)")
        assert pg.sql("insert into jobs values ('done', 1.5, false), ('done', 2.5, true), "
                      "('new', null, false)").returncode == 0
        with Daemon(config=POSTGRES.format(folder=pg.folder)) as d:
            d.start()
            wait("jobs", lambda: value(d, 'jobs_n{state="done"}') == 2)
            assert value(d, 'jobs_took{state="done"}') == 2
            assert value(d, 'jobs_late{state="done"}') == 1
            assert value(d, 'jobs_n{state="new"}') == 1 and not d.query('jobs_took{state="new"}')
            assert "read-only" in down(d, "sql/writes")["error"]
            assert "timeout" in down(d, "sql/sleeps")["error"]
            assert "authentication failed" in down(d, "sql/wrong")["error"]
            config = d.get("/api/v1/status/config")[1].decode()
            said = config + d.said() + json.dumps(d.json("/api/custom"))
            assert "a secret" not in said and "not it at all" not in said, said
            assert b"3" in pg.sql("select count(*) from jobs").stdout


LOGS = """
[[custom.log]]
name = "requests_total"
path = "{folder}/app*.log"
regex = 'status=(?P<status>\\d+)'
interval_ms = 300
from_beginning = true

[[custom.log]]
name = "took_seconds"
path = "{folder}/app.log"
regex = 'took=(?P<value>\\S+)s'
mode = "histogram"
buckets = ["0.1", "1"]
interval_ms = 300

[[custom.log]]
name = "errors_total"
path = "{folder}/app.log"
regex = 'ERROR'
interval_ms = 300
"""


def lines_of_logs_are_counted_through_rotation_and_restarts():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "app.log")

    def write(text):
        with open(path, "a", encoding="utf-8") as f:
            f.write(text)

    write("status=200 took=0.05s\nstatus=200 ERROR\n")
    try:
        with Daemon(config=LOGS.format(folder=folder)) as d:
            d.start()
            wait("old lines", lambda: value(d, 'requests_total{status="200"}') == 2)
            wait("no old lines", lambda: value(d, "errors_total") == 0)
            write("status=500 took=0.5s ERROR\nstatus=200 tak")
            wait("a new line", lambda: value(d, 'requests_total{status="500"}') == 1)
            wait("the other row", lambda: value(d, "errors_total") == 1)
            wait("a bucket", lambda: value(d, 'took_seconds_bucket{le="1.0"}') == 1)
            assert value(d, 'took_seconds_bucket{le="0.1"}') == 0
            assert value(d, "took_seconds_sum") == 0.5
            os.rename(path, os.path.join(folder, "app-1.log"))
            with open(os.path.join(folder, "app-1.log"), "a", encoding="utf-8") as f:
                f.write("en=1s\n")
            write("status=404\n")
            wait("the new file", lambda: value(d, 'requests_total{status="404"}') == 1)
            wait("the rest of the old", lambda: value(d, 'requests_total{status="200"}') == 3)
            with open(path, "w", encoding="utf-8") as f:
                f.write("status=1\n")
            wait("a truncated file", lambda: value(d, 'requests_total{status="1"}') == 1)
            assert d.stop() == 0, d.said()
            write("status=2\nERROR\n")
            d.start()
            wait("what came meanwhile", lambda: value(d, 'requests_total{status="2"}') == 1)
            wait("its error", lambda: value(d, "errors_total") == 1)
            time.sleep(0.7)
            assert value(d, 'requests_total{status="2"}') == 1
            wait("the end of the old series", lambda: state(d, "log/requests_total")["series"] == 1)
            os.remove(path)
            os.remove(os.path.join(folder, "app-1.log"))
            assert "no file" in down(d, "log/requests_total")["error"]
    finally:
        shutil.rmtree(folder)


run(globals())
