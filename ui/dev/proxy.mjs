// The page of dist/ in front of a running daemon, for working on it without a rebuild of the
// binary. usage: node dev/proxy.mjs DAEMON_PORT [PORT]
import { createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(new URL(".", import.meta.url)), "..", "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const port = Number(process.argv[2]);
const host = `127.0.0.1:${port}`;

function own(headers) {
  const copy = { ...headers, host };
  if (copy.origin) copy.origin = `http://${host}`;
  return copy;
}

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://proxy").pathname);
  const file = join(root, path === "/" ? "index.html" : path);
  if (file.startsWith(root) && existsSync(file) && extname(file)) {
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("content-security-policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    response.end(readFileSync(file));
    return;
  }
  const onward = httpRequest({ host: "127.0.0.1", port, path: request.url, method: request.method, headers: own(request.headers) }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.writeHead(502).end());
  request.pipe(onward);
});

server.on("upgrade", (request, socket) => {
  const onward = connect(port, "127.0.0.1", () => {
    const headers = Object.entries(own(request.headers)).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    onward.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    onward.pipe(socket);
    socket.pipe(onward);
  });
  for (const one of [onward, socket]) {
    one.on("error", () => {});
    one.on("close", () => { onward.destroy(); socket.destroy(); });
  }
});

server.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
