// Pictures of the page against the mock, for looking at. usage: node dev/shots.mjs OUTDIR
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const out = process.argv[2] ?? "/tmp/shots";
mkdirSync(out, { recursive: true });
const mock = spawn(process.execPath, [new URL("./mock.mjs", import.meta.url).pathname, "0"], { stdio: ["ignore", "pipe", "inherit"] });
const address = await new Promise((resolve) => mock.stdout.once("data", (data) => resolve(String(data).trim())));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const problems = [];
for (const [name, options, full] of [
  ["dark", { viewport: { width: 1440, height: 900 }, colorScheme: "dark" }, true],
  ["light", { viewport: { width: 1440, height: 900 }, colorScheme: "light" }, true],
  ["phone", { viewport: { width: 390, height: 844 }, colorScheme: "dark", deviceScaleFactor: 2 }, true],
  ["tablet", { viewport: { width: 900, height: 900 }, colorScheme: "light" }, false],
]) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() !== "log") problems.push(`${name}: ${message.text()}`); });
  page.on("pageerror", (error) => problems.push(`${name}: ${error.message}`));
  await page.goto(address);
  await page.waitForSelector("canvas");
  await page.waitForTimeout(2500);
  if (full) await page.evaluate(async () => { for (let y = 0; y < document.body.scrollHeight; y += 400) { window.scrollTo(0, y); await new Promise((r) => setTimeout(r, 60)); } window.scrollTo(0, 0); });
  if (name === "light") {
    await page.hover('figure[aria-label="CPU by mode"] .plot', { position: { x: 500, y: 80 } });
    await page.waitForTimeout(200);
  }
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: full });
  await context.close();
}
await browser.close();
mock.kill();
for (const problem of problems) console.log(problem);
