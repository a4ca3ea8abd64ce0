// What the tests of the page share: the daemon on a free port with a data directory of its own, and
// Chromium. Needs chromium (SONDE_CHROMIUM, default /usr/bin/chromium) and ui/node_modules; where
// one of them is missing it says so and the test counts as skipped.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));
const binary = resolve(process.argv[2] ?? process.env.SONDE_BINARY ?? join(root, "build/sonde"));
export const build = dirname(binary); // where other things of the build lie
const chromiumPath = process.env.SONDE_CHROMIUM ?? "/usr/bin/chromium";

function skip(why) {
  console.log(`${why}\n0 passed, 0 failed, 1 skipped`);
  process.exit(0);
}
if (!existsSync(chromiumPath)) skip(`${chromiumPath} is missing (apt-get install chromium)`);
if (!existsSync(join(root, "ui/node_modules/playwright-core"))) skip("ui/node_modules is missing (npm ci in ui/)");
if (!existsSync(binary)) {
  console.error(`${binary} is missing: build it first`);
  process.exit(1);
}
const require = createRequire(join(root, "ui/package.json"));
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let failures = 0;
let passed = 0;
let log = "";
let daemon = null;
let browser = null;
let data = "";
const errors = [];

export async function check(name, f) {
  const began = Date.now();
  try {
    const note = await f();
    passed++;
    console.log(`ok      ${name} (${Date.now() - began} ms${note ? `: ${note}` : ""})`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${name}: ${error.message.split("\n")[0]}`);
  }
}

export function must(condition, text) {
  if (!condition) throw new Error(text);
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(ms, what, f) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(100);
  }
}

async function stopDaemon() {
  if (!daemon || daemon.exitCode !== null) return;
  const ended = new Promise((done) => daemon.once("exit", done));
  daemon.kill("SIGTERM");
  const late = setTimeout(() => daemon.kill("SIGKILL"), 10000);
  await ended;
  clearTimeout(late);
}

// Starts the daemon with the files of `files` beside its data; one named sonde.toml is its
// configuration. In any of them @DIR@ is where they lie, @PORT@ the daemon's port and @FREE1@,
// @FREE2@ two that are free.
export async function begin(files = {}) {
  const port = await freePort();
  const address = `http://127.0.0.1:${port}/`;
  data = mkdtempSync(join(tmpdir(), "sonde-browser-"));
  const words = { "@DIR@": data, "@PORT@": port, "@FREE1@": await freePort(), "@FREE2@": await freePort() };
  const filled = (text) => Object.entries(words).reduce((all, [word, value]) => all.replaceAll(word, value), text);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(data, name), filled(text));
  const config = files["sonde.toml"] ? ["--config", join(data, "sonde.toml")] : [];

  const startDaemon = () => {
    daemon = spawn(binary, ["serve", ...config, "--data", join(data, "store"), "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"] });
    daemon.stdout.on("data", (chunk) => (log += chunk));
    daemon.stderr.on("data", (chunk) => (log += chunk));
  };

  const started = Date.now();
  startDaemon();
  await until(10000, "the daemon answers /livez", async () => {
    try {
      return (await fetch(`${address}livez`)).ok;
    } catch {
      return false;
    }
  }).catch(async (error) => {
    console.log(log);
    await stopDaemon();
    console.error(error.message);
    process.exit(1);
  });
  browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });

  const open = async (settings) => {
    const context = await browser.newContext(settings);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith(address) && !request.url().startsWith(`ws://127.0.0.1:${port}/`)) errors.push(`a request left the server: ${request.url()}`);
    });
    return page;
  };
  return { address, errors, open, startDaemon, started, stopDaemon };
}

export async function axe(page) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag22aa"] });
    return result.violations.filter((one) => one.impact === "serious" || one.impact === "critical")
      .map((one) => `${one.id} (${one.nodes.length}): ${one.nodes[0]?.html.slice(0, 120)}`);
  });
  must(found.length === 0, found.join("; "));
}

// Ends everything, prints the count and leaves.
export async function finish() {
  await browser.close();
  await stopDaemon();
  rmSync(data, { recursive: true, force: true });
  if (failures) console.log(`---- the daemon said:\n${log.slice(-3000)}`);
  console.log(`${passed} passed, ${failures} failed, 0 skipped`);
  process.exit(failures ? 1 : 0);
}
