#!/usr/bin/env python3
"""Targets that come and go: by files, HTTP, Consul, Docker and Kubernetes, and by registration."""
# timeout: 240
import json
import os
import shutil
import signal
import tempfile

from _apis import Consul, Docker, Exporter, Kubernetes, Listing
from _daemon import Daemon, Skip, run, wait
from _port import port_free

SETTINGS = ["collect.enabled=false"]


class Scraper:
    """A daemon with one scrape config, whose discovery is given as YAML."""

    def __init__(self, discovery="", relabel=""):
        self.folder = tempfile.mkdtemp(prefix="sonde-discovery-")
        path = self.put("prometheus.yml", f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: found
{discovery}
{relabel}
""")
        self.daemon = Daemon(config="", settings=[f"prometheus.config_file={path}", *SETTINGS])

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def __enter__(self):
        try:
            self.daemon.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def active(self):
        return self.daemon.json("/api/v1/targets?state=active")["data"]["activeTargets"]

    def found(self, label="instance"):
        """The values of a label over all targets that are up."""
        return sorted(t["labels"].get(label, "") for t in self.active() if t["health"] == "up")

    def expect(self, *values, label="instance"):
        wait(f"{label} of all targets are {values}, not {self.found(label)}",
             lambda: self.found(label) == sorted(values))


def local(server):
    return f"127.0.0.1:{server.port}"


def files_are_read_as_they_change():
    with Exporter() as a, Exporter() as b, \
            Scraper("  file_sd_configs: [{files: ['*.json']}]") as s:
        s.put("one.json", json.dumps([{"targets": [local(a)], "labels": {"k": "v"}}]))
        s.expect(local(a))
        assert [t["labels"]["k"] for t in s.active()] == ["v"]
        s.put("two.json", json.dumps([{"targets": [local(b)]}]))
        s.expect(local(a), local(b))
        s.put("one.json", "[{")
        s.put("two.json", "[]")
        s.expect(local(a))  # a broken file keeps what it had
        os.unlink(os.path.join(s.folder, "one.json"))
        s.expect()
        wait("the series has ended", lambda: s.daemon.query("up") == [])


def a_list_over_http_is_asked_again():
    with Exporter() as a, Listing() as api, Scraper(
            f"  http_sd_configs: [{{url: 'http://{local(api)}/x', refresh_interval: 1s}}]") as s:
        api.groups = [{"targets": [local(a)], "labels": {"k": "v"}}]
        s.expect(local(a))
        api.fail()
        n = len(api.asked)
        wait("it was asked while it failed", lambda: len(api.asked) > n + 1)
        s.expect(local(a))
        api.fail(False)
        api.groups = []
        s.expect()


def services_of_consul_come_and_go():
    relabel = ("  relabel_configs: [{source_labels: [__meta_consul_service], "
               "target_label: service}]")
    with Exporter() as a, Exporter() as b, Consul() as api, Scraper(
            f"  consul_sd_configs: [{{server: '{local(api)}', refresh_interval: 1s}}]",
            relabel) as s:
        api.set(web=[api.instance("web", a.port)])
        s.expect("web", label="service")
        api.set(web=[api.instance("web", a.port)], db=[api.instance("db", b.port)])
        s.expect("db", "web", label="service")
        wait("a query hangs", lambda: any("index=" in path for path in api.asked))
        api.fail()
        n = len(api.asked)
        wait("it was asked while it failed", lambda: len(api.asked) > n + 1)
        s.expect("db", "web", label="service")
        api.fail(False)
        api.set(db=[api.instance("db", b.port)])
        s.expect("db", label="service")


def containers_of_docker_come_and_go():
    relabel = ("  relabel_configs: [{source_labels: [__meta_docker_container_label_tier], "
               "target_label: tier}]")
    with Exporter() as a, Exporter() as b, Docker() as api, Scraper(
            f"  docker_sd_configs: [{{host: 'tcp://{local(api)}', refresh_interval: 1s}}]",
            relabel) as s:
        api.containers = [api.container("web", a.port, tier="front")]
        s.expect("front", label="tier")
        api.containers += [api.container("db", b.port, tier="back")]
        s.expect("back", "front", label="tier")
        api.fail()
        n = len(api.asked)
        wait("it was asked while it failed", lambda: len(api.asked) > n + 1)
        s.expect("back", "front", label="tier")
        api.containers = []
        api.fail(False)
        s.expect()


def pods_of_kubernetes_come_and_go():
    relabel = ("  relabel_configs: [{source_labels: [__meta_kubernetes_pod_name], "
               "target_label: pod}]")
    with Exporter() as a, Exporter() as b, Kubernetes() as api:
        api.put("one", a.port)
        with Scraper(f"  kubernetes_sd_configs: [{{role: pod, api_server: 'http://{local(api)}'}}]",
                     relabel) as s:
            s.expect("one", label="pod")
            api.put("two", b.port)
            s.expect("one", "two", label="pod")
            api.bookmark()
            api.put("two", a.port)  # moved
            wait("it has moved", lambda: s.found() == [local(a), local(a)])
            api.delete("one")
            s.expect("two", label="pod")
            api.put("three", b.port)
            api.pods.pop("two")  # without an event: a list alone tells
            api.forget()
            s.expect("three", label="pod")
            api.fail()
            n = len(api.asked)
            wait("it was asked while it failed", lambda: len(api.asked) > n)
            s.expect("three", label="pod")
            api.put("four", a.port)
            api.fail(False)
            s.expect("four", "three", label="pod")


def post(daemon, path, body, method="POST", **headers):
    import urllib.error
    import urllib.request
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(daemon.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as r:
            text = r.read()
            return r.status, json.loads(text) if text else None
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def programs_register_themselves_and_survive_a_restart():
    with Exporter() as a, Daemon(settings=SETTINGS) as d:
        d.start()
        status, answer = post(d, "/api/targets", {
            "targets": [local(a)], "job": "mine", "interval": "1s", "labels": {"team": "x"}})
        assert status == 200, answer
        wait("it is up", lambda: d.query('up{job="mine",team="x"}'))
        status, answer = post(d, "/api/targets", {"targets": ["169.254.169.254:80"], "job": "x"})
        assert status == 403, answer
        status, answer = post(d, "/api/targets", {"targets": ["a:1"]})
        assert status == 400 and "job" in answer["error"], answer
        os.kill(d.worker(), signal.SIGKILL)
        wait("it is there again", lambda: d.status("/readyz") == 200)
        listed = d.json("/api/targets")["data"]
        assert [t["address"] for t in listed] == [local(a)], listed
        wait("it is up again", lambda: any(t["health"] == "up" for t in d.json(
            "/api/v1/targets")["data"]["activeTargets"]))
        assert post(d, "/api/targets/" + listed[0]["id"], None, "DELETE")[0] == 204
        assert post(d, "/api/targets/" + listed[0]["id"], None, "DELETE")[0] == 404
        wait("its series has ended", lambda: d.query("up") == [])


def who_registers_says_a_token_where_there_are_some():
    with Daemon(config='[discover]\nregister_tokens = ["secret"]\n', settings=SETTINGS) as d:
        d.start()
        body = {"targets": ["127.0.0.1:1"], "job": "j", "ttl_seconds": 2}
        assert post(d, "/api/targets", body)[0] == 403
        assert post(d, "/api/targets", body, Authorization="Bearer wrong")[0] == 403
        assert post(d, "/api/targets", body, Authorization="Bearer secret")[0] == 200
        assert d.status("/api/targets") == 403
        wait("it is forgotten", lambda: json.loads(d.get(
            "/api/targets", headers={"Authorization": "Bearer secret"})[1])["data"] == [])


def exporters_of_this_host_are_offered_not_taken():
    port = next((p for p in (9256, 9253, 9617, 9633, 9835) if port_free(p)), None)
    if port is None:
        raise Skip("all ports of exporters are taken")
    with Exporter(port) as a, Daemon(settings=SETTINGS) as d:
        d.start()
        offers = [o for o in d.json("/api/targets/offers")["data"] if o["address"] == local(a)]
        assert len(offers) == 1 and offers[0]["samples"] == 1, offers
        assert offers[0]["registered"] is False
        assert d.json("/api/targets")["data"] == []
        n = len(a.asked)
        status, answer = post(d, "/api/targets", {"targets": [offers[0]["address"]],
                                                  "job": offers[0]["job"], "interval": "1s",
                                                  "ttl_seconds": 0})
        assert status == 200, answer
        wait("it is scraped", lambda: len(a.asked) > n and d.query("found"))
        offers = [o for o in d.json("/api/targets/offers")["data"] if o["address"] == local(a)]
        assert offers[0]["registered"] is True


run(globals())
