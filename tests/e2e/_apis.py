"""Servers that answer as those that discovery asks: Consul, Docker, Kubernetes, a list over HTTP;
and an exporter to be found by them. All on loopback, on free ports."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HANG_S = 30  # that a query or a watch is kept at most


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that end early: that is what tests do."""

    def handle_error(self, request, client_address):
        pass


class Server:
    """An HTTP server on a thread of its own; a subclass answers by handle()."""

    def __init__(self, port=0):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.path)
                parts = urlsplit(self.path)
                try:
                    if outer.down:
                        self.reply(503, b"down")
                    else:
                        outer.handle(self, parts.path, {k: v[-1] for k, v in
                                                        parse_qs(parts.query, True).items()})
                except OSError:
                    self.close_connection = True  # who asked has gone

            def reply(self, status, body, **headers):
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                headers.setdefault("Content_Type", "application/json")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.asked, self.down = [], False
        self.changed = threading.Condition()
        self.server = Quiet(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handle(self, request, path, params):
        raise NotImplementedError

    def close(self):
        self.down = True
        with self.changed:
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def fail(self, down=True):
        """From now on everything is answered by 503, hanging queries too; or no longer."""
        with self.changed:
            self.down = down
            self.changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Exporter(Server):
    """Has one metric."""

    def handle(self, request, path, params):
        request.reply(200, b"# TYPE found gauge\nfound 1\n",
                      Content_Type="text/plain; version=0.0.4")


class Listing(Server):
    """GET /targets: groups (http_sd_configs)."""

    groups = []

    def handle(self, request, path, params):
        request.reply(200, self.groups)


class Consul(Server):
    """services: {name: [instance]}; queries with the present index wait for another one."""

    def __init__(self):
        self.services, self.index = {}, 1
        super().__init__()

    def set(self, **services):
        with self.changed:
            self.services = services
            self.index += 1
            self.changed.notify_all()

    @staticmethod
    def instance(name, port, tags=(), status="passing"):
        return {"Node": {"Node": "n1", "Address": "127.0.0.1", "Meta": {}, "TaggedAddresses": {}},
                "Service": {"ID": f"{name}-{port}", "Address": "", "Port": port, "Tags": list(tags),
                            "Meta": {}},
                "Checks": [{"CheckID": "c", "Status": status}]}

    def handle(self, request, path, params):
        if path == "/v1/agent/self":
            return request.reply(200, {"Config": {"Datacenter": "dc1"}})
        with self.changed:
            self.changed.wait_for(lambda: self.down or int(params.get("index", 0)) != self.index,
                                  HANG_S)
            if self.down:
                return request.reply(503, b"down")
            if path == "/v1/catalog/services":
                body = {name: sorted({t for i in all_ for t in i["Service"]["Tags"]})
                        for name, all_ in self.services.items()}
            else:
                body = self.services.get(path.rsplit("/", 1)[1], [])
            return request.reply(200, body, X_Consul_Index=str(self.index))


class Docker(Server):
    """containers: what /containers/json answers."""

    containers, networks = [], []

    @staticmethod
    def container(name, port, **labels):
        return {"Id": f"id-{name}", "Names": [f"/{name}"], "Labels": labels,
                "HostConfig": {"NetworkMode": "bridge"},
                "Ports": [{"PrivatePort": port, "Type": "tcp"}],
                "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "n1",
                                                            "IPAddress": "127.0.0.1"}}}}

    def handle(self, request, path, params):
        if path == "/_ping":
            return request.reply(200, b"OK", Api_Version="1.40")
        if path == "/v1.40/containers/json":
            return request.reply(200, self.containers)
        if path == "/v1.40/networks":
            return request.reply(200, self.networks)
        return request.reply(404, b"no")


class Kubernetes(Server):
    """Pods: listed, and watched from any version that is not forgotten."""

    def __init__(self):
        self.pods, self.events, self.version, self.oldest = {}, [], 1, 1
        super().__init__()

    def _event(self, kind, pod):
        with self.changed:
            self.version += 1
            pod["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, kind, pod))
            self.changed.notify_all()

    def put(self, name, port, **labels):
        kind = "MODIFIED" if name in self.pods else "ADDED"
        self.pods[name] = {
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"nodeName": "node1", "containers": [
                {"name": "main", "ports": [{"name": "metrics", "containerPort": port,
                                            "protocol": "TCP"}]}]},
            "status": {"podIP": "127.0.0.1", "phase": "Running",
                       "conditions": [{"type": "Ready", "status": "True"}]}}
        self._event(kind, self.pods[name])

    def delete(self, name):
        self._event("DELETED", self.pods.pop(name))

    def bookmark(self):
        self._event("BOOKMARK", {"kind": "Pod", "metadata": {}})

    def forget(self):
        """All watches end with 410, and old versions are of no use."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.events = []
            self.changed.notify_all()

    def handle(self, request, path, params):
        if path != "/api/v1/pods":
            return request.reply(404, b"no")
        if params.get("watch") == "true":
            return self._watch(request, int(params["resourceVersion"]))
        with self.changed:
            return request.reply(200, {"metadata": {"resourceVersion": str(self.version)},
                                       "items": list(self.pods.values())})

    def _watch(self, request, seen):
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        until = time.monotonic() + HANG_S
        while time.monotonic() < until:
            with self.changed:
                self.changed.wait_for(lambda: self.down or seen < self.oldest or
                                      self.version > seen, 1)
                if self.down:
                    break
                old = seen < self.oldest
                fresh = [{"type": k, "object": o} for v, k, o in self.events if v > seen]
                seen = self.version
            if old:
                fresh = [{"type": "ERROR", "object": {"kind": "Status", "code": 410,
                                                      "message": "too old resource version"}}]
            for event in fresh:
                line = json.dumps(event).encode() + b"\n"
                request.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                request.wfile.flush()
            if old:
                break
        request.wfile.write(b"0\r\n\r\n")
        return None
