// A stand-in for the daemon while the page is worked on: serves dist/ and speaks /api/live, queries and
// rules with made-up values. usage: node dev/mock.mjs [port] (0: any free one)
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { join, extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(new URL(".", import.meta.url)), "..", "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const GIB = 2 ** 30;
const noise = (seed, t, slow = 37) =>
  (Math.sin(t / slow + seed * 7) + Math.sin(t / 11 + seed * 3) * 0.6 + Math.sin(t / 3.1 + seed) * 0.3 +
    (Math.abs(Math.sin(t * 12.9898 + seed * 78.233) * 43758.5453) % 1) * 0.7) / 2.6;
const up = (seed, t, low, high, slow) => low + (high - low) * Math.max(0, Math.min(1, (noise(seed, t, slow) + 1) / 2));
const flat = (labels, f) => [{ labels, f }];

const TABLE = [
  [/avg by \(mode\)/, () => [["user", 4, 34, 1], ["system", 2, 12, 2], ["iowait", 0, 5, 3], ["softirq", 0.1, 1, 4], ["steal", 0, 0.6, 5], ["nice", 0, 0, 6], ["irq", 0, 0, 7]]
    .map(([mode, low, high, seed]) => ({ labels: { mode }, f: (t) => up(seed, t, low, high) }))],
  [/sum by \(cpu\)/, () => Array.from({ length: 8 }, (_, i) => ({ labels: { cpu: String(i) }, f: (t) => Math.pow(up(i * 5, t, 0, 1, 20 + i), 2) * 100 }))],
  [/node_memory_\(MemTotal/, () => Object.entries({ MemTotal: () => 31.2 * GIB, MemFree: (t) => up(1, t, 4, 6) * GIB, MemAvailable: (t) => up(1, t, 18, 20) * GIB,
    Buffers: (t) => up(2, t, 0.7, 0.8) * GIB, Cached: (t) => up(3, t, 11, 12.4, 90) * GIB, SReclaimable: () => 0.9 * GIB, SwapTotal: () => 8 * GIB, SwapFree: (t) => up(4, t, 7.2, 7.4, 200) * GIB })
    .map(([name, f]) => ({ labels: { __name__: `node_memory_${name}_bytes` }, f }))],
  [/node_load/, () => [[1, 30], [5, 120], [15, 400]].map(([n, slow]) => ({ labels: { __name__: `node_load${n}` }, f: (t) => up(2, t, 0.8, 3.6, slow) }))],
  [/pressure_cpu/, () => flat({}, (t) => up(1, t, 0, 4))],
  [/pressure_memory/, () => flat({}, () => 0)],
  [/pressure_io/, () => flat({}, (t) => up(3, t, 0, 9))],
  [/disk_read_bytes/, () => [["nvme0n1", 4e6], ["sda", 4e7], ["dm-0", 0]].map(([device, top], i) => ({ labels: { device }, f: (t) => up(i, t, 0, top) }))],
  [/disk_written/, () => [["nvme0n1", 2.4e7], ["sda", 1e6], ["dm-0", 0]].map(([device, top], i) => ({ labels: { device }, f: (t) => up(i + 3, t, 0, top) }))],
  [/disk_io_time/, () => [["nvme0n1", 22], ["sda", 61], ["dm-0", 0]].map(([device, top], i) => ({ labels: { device }, f: (t) => up(i, t, 0, top) }))],
  [/receive_bytes/, () => [["eth0", 1.2e7], ["wg0", 3e5], ["docker0", 0]].map(([device, top], i) => ({ labels: { device }, f: (t) => up(i, t, 0, top) }))],
  [/transmit_bytes/, () => [["eth0", 3.2e6], ["wg0", 9e5], ["docker0", 0]].map(([device, top], i) => ({ labels: { device }, f: (t) => up(i + 9, t, 0, top) }))],
  [/hwmon_temp/, () => process.env.NO_SENSORS ? [] : [["coretemp", "Package", 48, 71], ["nvme", "Composite", 38, 44]].map(([chip_name, label, low, high], i) => ({ labels: { chip_name, label }, f: (t) => up(i, t, low, high, 100) }))],
  [/hwmon_fan/, () => process.env.NO_SENSORS ? [] : [{ labels: { chip: "nct6775", sensor: "fan1" }, f: (t) => up(8, t, 740, 1180, 120) }]],
  [/^sum\(process_resident/, () => flat({}, (t) => up(3, t, 18, 19, 300) * 2 ** 20)],
  [/^100 \* sum\(rate\(process_cpu/, () => flat({}, (t) => up(5, t, 0.2, 0.9))],
  [/ingest_samples/, () => flat({}, (t) => 1240 + Math.round(noise(1, t) * 12))],
  [/uname/, () => flat({ __name__: "node_uname_info", nodename: "atlas", release: "6.1.0-28-amd64", machine: "x86_64", sysname: "Linux" }, () => 1)],
  [/boot_time/, () => flat({}, () => Math.floor(Date.now() / 1000) - 1_209_977)],
  [/filesystem_(size|avail|free)/, (q) => [["/", "/dev/nvme0n1p2", "ext4", 220, 0.61], ["/home", "/dev/mapper/home", "ext4", 900, 0.88], ["/srv/media", "/dev/sda1", "xfs", 7400, 0.964], ["/boot/efi", "/dev/nvme0n1p1", "vfat", 0.5, 0.03], ["/run", "tmpfs", "tmpfs", 3, 0.01]]
    .map(([mountpoint, device, fstype, size, used]) => ({ labels: { mountpoint, device, fstype }, f: () => size * GIB * (/size/.test(q) ? 1 : 1 - used) }))],
  [/process_cpu|top_cpu/, () => [["postgres", 812], ["firefox", 3391], ["node", 9120], ["sonde", 771], ["systemd", 1], ["sshd", 902]].map(([name, pid], i) => ({ labels: { name, pid: String(pid) }, f: (t) => up(i, t, 0, 60 / (i + 1)) }))],
  [/process_resident|top_memory/, () => [["postgres", 812, 2.1], ["firefox", 3391, 3.4], ["node", 9120, 0.8], ["sonde", 771, 0.02], ["systemd", 1, 0.012], ["sshd", 902, 0.008]].map(([name, pid, size]) => ({ labels: { name, pid: String(pid) }, f: () => size * GIB }))],
];

const answer = (query) => (TABLE.find(([pattern]) => pattern.test(query)) ?? [null, () => []])[1](query);

function frame(kind, key, start, step, series, points) {
  const bytes = Buffer.alloc(40 + series.length * points * 8);
  const seq = Math.floor(start / step) + points - 1;
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(kind, 1);
  bytes.writeUInt32LE(key, 4);
  bytes.writeUInt32LE(seq % 2 ** 32, 8);
  bytes.writeUInt32LE(1, 12);
  bytes.writeBigInt64LE(BigInt(start) * 1000n, 16);
  bytes.writeUInt32LE(step * 1000, 24);
  bytes.writeUInt32LE(series.length, 32);
  bytes.writeUInt32LE(points, 36);
  series.forEach((one, s) => {
    for (let i = 0; i < points; i++) bytes.writeDoubleLE(one.f(start + i * step), 40 + (s * points + i) * 8);
  });
  return bytes;
}

function send(socket, payload, binary) {
  const data = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
  const head = data.length < 126 ? Buffer.from([0, data.length]) : data.length < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  if (data.length >= 65536) { head[1] = 127; head.writeBigUInt64BE(BigInt(data.length), 2); }
  else if (data.length >= 126) { head[1] = 126; head.writeUInt16BE(data.length, 2); }
  head[0] = binary ? 0x82 : 0x81;
  if (!socket.destroyed) socket.write(Buffer.concat([head, data]));
}

const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const rule = (name, query, state, more = {}) => ({ type: "alerting", name, query, state, duration: 300, labels: { severity: "page" }, annotations: {},
  alerts: state === "inactive" ? [] : [{ labels: { alertname: name, instance: "atlas" }, annotations: { summary: `${name} on atlas` }, state, activeAt: ago(400), value: "9.6e-01" }],
  health: "ok", evaluationTime: 0.0004, lastEvaluation: ago(3), ...more });
const rules = () => ({ groups: [{ name: "hosts", file: "/etc/sonde/rules/hosts.yml", interval: 15, evaluationTime: 0.002, lastEvaluation: ago(3), rules: [
  rule("CpuBusy", "avg by (mode) (x) > 0.9", "firing"), rule("DiskFills", "node_filesystem_free_bytes < 1e9", "pending"), rule("Quiet", "vector(1) > 2", "inactive"),
  rule("Wrong", "a * on (b) c", "inactive", { health: "err", lastError: "many-to-many matching not allowed" })] }] });

const target = (pool, instance, health, lastError = "") => ({ discoveredLabels: { __address__: instance, job: pool }, labels: { job: pool, instance }, scrapePool: pool,
  scrapeUrl: `http://${instance}/metrics`, globalUrl: `http://${instance}/metrics`, lastError, lastScrape: ago(4), lastScrapeDuration: 0.012, health, scrapeInterval: "15s", scrapeTimeout: "10s" });
const targets = () => ({ activeTargets: [target("gone", "10.0.0.9:9100", "down", "connection refused"), target("hosts", "10.0.0.2:9100", "up"), target("hosts", "10.0.0.3:9100", "up")],
  droppedTargets: [], droppedTargetCounts: { gone: 0, hosts: 0 } });

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  const json = (data) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ status: "success", data }));
  };
  if (url.pathname === "/api/v1/rules") return json(rules());
  if (url.pathname === "/api/v1/targets") return json(targets());
  if (url.pathname === "/api/v1/scrape_pools") return json({ scrapePools: ["gone", "hosts"] });
  if (url.pathname === "/api/v1/status/config") return json({ yaml: '# [otlp]\n# listen = ["127.0.0.1:4318"]\n# [statsd]\n# listen = ["127.0.0.1:8125"]\n# [graphite]\n# listen = []\n' });
  if (url.pathname === "/api/targets") return json([]);
  if (url.pathname === "/api/targets/offers") return json([{ address: "127.0.0.1:9187", job: "postgres", kind: "postgres", samples: 431, registered: false }]);
  if (url.pathname === "/api/metrics/gpu") {
    response.setHeader("content-type", "application/json");
    return response.end(JSON.stringify({ gpus: [] }));
  }
  if (["/api/v1/query_range", "/api/v1/query"].includes(url.pathname)) {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const p = new URLSearchParams(body || url.search);
      if (url.pathname === "/api/v1/query") {
        const time = Number(p.get("time"));
        return json({ resultType: "vector", result: answer(p.get("query")).map(({ labels, f }) => ({ metric: labels, value: [time, String(f(time))] })) });
      }
      const [start, end, step] = ["start", "end", "step"].map((name) => Number(p.get(name)));
      const result = answer(p.get("query")).map(({ labels, f }) => {
        const values = [];
        for (let t = start; t <= end; t += step) values.push([t, String(f(t))]);
        return { metric: labels, values };
      });
      json({ resultType: "matrix", result });
    });
    return;
  }
  const path = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
  const file = join(root, path);
  if (!file.startsWith(root) || !existsSync(file)) { response.statusCode = 404; response.end("not found"); return; }
  response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
  response.setHeader("content-security-policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
  response.end(readFileSync(file));
});

server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  send(socket, JSON.stringify({ op: "hello", version: 1, server: "mock", job: "sonde", instance: "atlas", ack_every: 8 }));
  const subs = new Map();
  let pending = Buffer.alloc(0);
  let key = 0;
  const text = (message) => {
    if (message.op === "unsub") subs.delete(message.id);
    if (message.op !== "sub") return;
    const sub = { key: ++key, step: message.step, series: answer(message.query), last: Math.floor(Date.now() / 1000 / message.step) };
    subs.set(message.id, sub);
    send(socket, JSON.stringify({ op: "sub", id: message.id, key: sub.key, step_ms: sub.step * 1000 }));
    send(socket, JSON.stringify({ op: "series", key: sub.key, generation: 1, append: false, labels: sub.series.map((one) => one.labels) }));
    send(socket, frame(1, sub.key, (sub.last - message.points + 1) * sub.step, sub.step, sub.series, message.points), true);
  };
  const timer = setInterval(() => {
    for (const sub of subs.values()) {
      const now = Math.floor(Date.now() / 1000 / sub.step);
      if (now > sub.last) send(socket, frame(2, sub.key, (sub.last + 1) * sub.step, sub.step, sub.series, now - sub.last), true);
      sub.last = now;
    }
  }, 500);
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 6) {
      let length = pending[1] & 127;
      let at = 2;
      if (length === 126) { length = pending.readUInt16BE(2); at = 4; }
      if (pending.length < at + 4 + length) return;
      const mask = pending.subarray(at, at + 4);
      const data = Buffer.from(pending.subarray(at + 4, at + 4 + length)).map((byte, i) => byte ^ mask[i % 4]);
      if ((pending[0] & 15) === 8) socket.end();
      else if ((pending[0] & 15) === 1) text(JSON.parse(data.toString()));
      pending = pending.subarray(at + 4 + length);
    }
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => clearInterval(timer));
});

server.listen(Number(process.argv[2] ?? 7664), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
