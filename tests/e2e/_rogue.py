"""Targets to scrape that misbehave, one way a path; and what their servers need."""
import gzip
import http.server
import os
import subprocess
import threading
import time

from _peers import needs

TEXT = "text/plain; version=0.0.4"


def job(name, *targets, **more):
    return {"job_name": name, "static_configs": [{"targets": list(targets)}], **more}


class Rogue:
    """One server with a path for each way to misbehave; /good is good."""

    def __init__(self):
        self.n, rogue = 0, self
        self.packed = gzip.compress(b"# " + b"0" * (64 << 20) + b"\n", 1)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                getattr(rogue, self.path.strip("/").split("?")[0])(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200  # else the kernel lets connections wait for a second

            def handle_error(self, *_):
                pass  # the other end hangs up on most

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def give(h, body, kind=TEXT, status=200, length=None, encoding=None):
        h.send_response(status)
        if kind:
            h.send_header("Content-Type", kind)
        if encoding:
            h.send_header("Content-Encoding", encoding)
        h.send_header("Content-Length", str(len(body) if length is None else length))
        h.end_headers()
        h.wfile.write(body)

    def good(self, h):
        self.give(h, b"# TYPE fine gauge\nfine 1\n")

    def hang(self, h):
        time.sleep(5)
        h.close_connection = True

    def long(self, h):
        self.give(h, b"lie 1\n", length=100)
        h.close_connection = True

    def short(self, h):
        self.give(h, b"lie 1\nlie_more 12345\n", length=5)

    def error(self, h):
        self.give(h, b"sorry", status=500)

    def html(self, h):
        self.give(h, b"<html></html>", kind="text/html")

    def blank(self, h):
        self.give(h, b"untyped_body 1\n", kind=None)

    def bomb(self, h):
        self.give(h, self.packed, encoding="gzip")

    def endless(self, h):
        h.send_response(200)
        h.send_header("Content-Type", TEXT)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        line = b"endless 1\n" * 10000
        while True:
            h.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def twice(self, h):
        self.give(h, b"dup{a=\"1\"} 1\ndup{a=\"1\"} 2\ndup{a=\"2\"} 3\n")

    def changing(self, h):
        self.n += 1
        self.give(h, b"moving{n=\"%d\"} 1\nstaying 1\n" % self.n)

    def broken(self, h):
        self.give(h, b"half 1\nhalf{ 2\n")


def certificates(folder):
    """A CA, a certificate for 127.0.0.1 and one for a client."""
    needs("openssl")

    def call(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    call("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
         "-days", "2", "-subj", "/CN=test ca")
    for name in ("server", "client"):
        call("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
             f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=IP:127.0.0.1\n")
        call("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "ext")
