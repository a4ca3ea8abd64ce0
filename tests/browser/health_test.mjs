// Health in a real browser: checks that are well, bad and explained by others; programs that are
// kept running.
//
// usage: node tests/browser/health_test.mjs [BINARY]
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { axe, begin, build, check, finish, must, until } from "./_page.mjs";

let well = true;
const shop = createServer((_request, answer) => {
  answer.writeHead(well ? 200 : 503);
  answer.end("ok");
});
await new Promise((done) => shop.listen(0, "127.0.0.1", done));

const folder = mkdtempSync(join(tmpdir(), "sonde-programs-"));
const PROGRAMS = `[watch]
folder = "${folder}/run"
socket = "${folder}/control"
[[watch.program]]
name = "sleeper"
command = ["/bin/sleep", "1000"]
pauses = ["0s"]
`;
const CONFIG = `${PROGRAMS}
[otlp]
listen = []
[statsd]
listen = []
[[check]]
name = "shop"
kind = "http"
url = "http://127.0.0.1:${shop.address().port}/"
interval_ms = 1000
fall = 1
rise = 1
[[check]]
name = "cellar"
kind = "tcp"
address = "127.0.0.1:1"
interval_ms = 1000
fall = 1
[[check]]
name = "bottle"
kind = "tcp"
address = "127.0.0.1:1"
interval_ms = 1000
fall = 1
depends_on = ["cellar"]
`;
writeFileSync(join(folder, "sonde.toml"), PROGRAMS);
const watch = spawn(join(build, "sonde"), ["watch", "--config", join(folder, "sonde.toml")], { cwd: folder, stdio: "ignore" });

const { address, errors, open } = await begin({ "sonde.toml": CONFIG });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
const one = (section, name) => page.locator(`section[aria-label="${section}"] li.rule`, { has: page.locator(`h3:text-is("${name}")`) });
const textOf = async (locator) => ((await locator.count()) ? await locator.first().textContent() : "");

await check("checks are shown, worst first, with why they are bad", async () => {
  await page.goto(`${address}?view=health`);
  await until(15000, "shop healthy", async () => (await textOf(one("Checks", "shop"))).includes("healthy"));
  await until(15000, "cellar unhealthy", async () => (await textOf(one("Checks", "cellar"))).includes("unhealthy"));
  await until(15000, "bottle explained", async () => (await textOf(one("Checks", "bottle"))).includes("because cellar is down"));
  const names = await page.$$eval('section[aria-label="Checks"] h3', (all) => all.map((each) => each.textContent));
  must(names.join() === "cellar,bottle,shop", names.join());
});

await check("a check is made on demand and its change is in the history", async () => {
  well = false;
  await one("Checks", "shop").locator('button:has-text("check now")').click();
  await until(10000, "shop unhealthy", async () => (await textOf(one("Checks", "shop"))).includes("unhealthy"));
  await one("Checks", "shop").locator('button:has-text("history")').click();
  await until(8000, "two states", async () => {
    const rows = await one("Checks", "shop").locator("tbody tr").allTextContents();
    return rows.some((row) => row.includes("unhealthy")) && rows.some((row) => / healthy|Zhealthy|\dhealthy/.test(row) || row.replace("unhealthy", "").includes("healthy"));
  });
  well = true;
  await until(10000, "shop healthy again", async () => /✓ healthy/.test(await textOf(one("Checks", "shop"))));
});

await check("programs are shown, and one that dies is back with its reason", async () => {
  await until(20000, "it runs", async () => (await textOf(one("Programs", "sleeper"))).includes("running"));
  const pid = Number(/pid (\d+)/.exec(await textOf(one("Programs", "sleeper")))?.[1]);
  must(pid > 1, "no pid");
  process.kill(pid, "SIGKILL");
  await until(15000, "another pid", async () => {
    const now = Number(/pid (\d+)/.exec(await textOf(one("Programs", "sleeper")))?.[1]);
    return now > 1 && now !== pid;
  });
  const text = await textOf(one("Programs", "sleeper"));
  for (const part of ["1 restart", "died", "SIGKILL"]) must(text.includes(part), `"${part}" is not in "${text}"`);
});

await check("a program is stopped after a second click, and started", async () => {
  await one("Programs", "sleeper").locator('button:has-text("stop")').click();
  await one("Programs", "sleeper").locator('button:has-text("really?")').click();
  await until(15000, "stopped", async () => (await textOf(one("Programs", "sleeper"))).includes("stopped"));
  await one("Programs", "sleeper").locator('button:has-text("start")').first().click();
  await until(15000, "running", async () => (await textOf(one("Programs", "sleeper"))).includes("running"));
});

await check("its history is there", async () => {
  await one("Programs", "sleeper").locator('button:has-text("history and output")').click();
  await until(8000, "exits and starts", async () => {
    const rows = await one("Programs", "sleeper").locator("tbody tr").allTextContents();
    return rows.some((row) => row.includes("exit")) && rows.some((row) => row.includes("start"));
  });
});

await check("nothing serious for axe, dark and light", async () => {
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await phone.goto(`${address}?view=health`);
  await until(15000, "checks", async () => (await phone.locator('section[aria-label="Checks"] li').count()) === 3);
  const wide = await phone.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > room + 0.5).map((one) => `${one.tagName}.${one.className}`);
    return document.documentElement.scrollWidth > room ? out.slice(0, 5).join(" ") : "";
  });
  must(wide === "", `too wide: ${wide}`);
});

await check("an incident gathers what has failed", async () => {
  await page.goto(`${address}?view=incidents`);
  const incident = page.locator("section.incident");
  await until(20000, "the cellar's", async () => (await page.locator('a:has-text("cellar is unhealthy")').count()) === 1);
  await page.locator('a:has-text("cellar is unhealthy")').click();
  await until(20000, "an incident", async () => (await incident.count()) === 1);
  await until(10000, "its alerts", async () => (await textOf(page.locator('section[aria-label="Alerts of the incident"]'))).includes("cellar"));
  const form = page.locator('form[aria-label="Add a note"]');
  await form.locator("input").nth(0).fill("Ada");
  await form.locator("input").nth(1).fill("nobody is in the cellar");
  await form.locator("button.main").click();
  await until(8000, "the note", async () => (await textOf(page.locator(".timeline"))).includes("nobody is in the cellar"));
  await axe(page);
});

await check("events are marked on the charts", async () => {
  const answer = await fetch(`${address}api/events`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind: "deployment", title: "shop v2", status: "succeeded" }) });
  must(answer.ok, `${answer.status}`);
  await page.goto(address);
  const plot = page.locator('figure[aria-label="Load"] .plot');
  await until(15000, "the deployment in the tip", async () => {
    const box = await plot.boundingBox();
    if (!box) return false;
    for (let x = box.width - 12; x > 80; x -= 12) {
      await page.mouse.move(box.x + x, box.y + 60);
      if ((await plot.locator(".tip").textContent()).includes("shop v2")) return true;
    }
    return false;
  });
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.join("; ")));
const ended = new Promise((done) => watch.once("exit", done));
watch.kill("SIGTERM");
await ended;
rmSync(folder, { recursive: true, force: true });
shop.closeAllConnections();
shop.close();
await finish();
