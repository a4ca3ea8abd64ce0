// The view of targets in a real browser, over a Prometheus file with targets that are up, down and
// dropped.
//
// usage: node tests/browser/targets_test.mjs [BINARY]
import { createServer } from "node:http";
import { axe, begin, check, finish, must, sleep, until } from "./_page.mjs";

const PROMETHEUS = `global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
- job_name: self
  static_configs:
  - targets: ['127.0.0.1:@PORT@']
    labels: {team: operations}
- job_name: gone
  static_configs:
  - targets: ['127.0.0.1:1']
- job_name: filtered
  static_configs:
  - targets: ['127.0.0.1:2']
  relabel_configs:
  - {source_labels: [__address__], regex: '.*:2', action: drop}
`;
const CONFIG = '[prometheus]\nconfig_file = "@DIR@/prometheus.yml"\n[otlp]\nlisten = []\n[statsd]\nlisten = []\n';

// An exporter on one of the ports that are usual for them, where one is free.
const exporter = createServer((_request, answer) => {
  answer.writeHead(200, { "Content-Type": "text/plain; version=0.0.4" });
  answer.end("# TYPE made_up gauge\nmade_up 1\nmade_up_too 2\n");
});
let offered = 0;
for (const port of [9617, 9445, 9419, 9308, 9290]) {
  offered = await new Promise((done) => {
    exporter.once("error", () => done(0));
    exporter.listen(port, "127.0.0.1", () => done(port));
  });
  if (offered) break;
}
must(offered, "no port of an exporter is free");

const { address, errors, open } = await begin({ "sonde.toml": CONFIG, "prometheus.yml": PROMETHEUS });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
const queryOf = () => new URL(page.url()).searchParams;
const urls = () => page.$$eval(".target .what > .mono", (all) => all.map((one) => one.textContent));
const is = (...wanted) => until(8000, wanted.join() || "nothing", async () => (await urls()).join() === wanted.join());
const port = new URL(address).port;
const [self, gone] = [`http://127.0.0.1:${port}/metrics`, "http://127.0.0.1:1/metrics"];
const pool = (name) => page.locator(`section[aria-label="Pool ${name}"]`);

await check("a link of Prometheus (/targets) leads to the targets, each with how it is", async () => {
  await page.goto(`${address}targets`);
  must(queryOf().get("view") === "targets", page.url());
  await until(15000, "one up", async () => (await pool("self").count()) === 1 && (await pool("self").textContent()).includes("1 of 1 up"));
  // A target that was not scraped yet is not up either, so it is the reason that is waited for.
  await until(15000, "one down, with its reason", async () => {
    const text = await pool("gone").textContent();
    return text.includes("0 of 1 up") && text.includes("127.0.0.1 port 1");
  });
  const text = await pool("self").textContent();
  for (const part of ["team=operations", "✓ up", " ago", "took ", "every 1s"]) must(text.includes(part), `"${part}" is not in "${text}"`);
  must((await page.textContent(".host p")).includes("1 dropped"), await page.textContent(".host p"));
});

await check("the page follows the scrapes", async () => {
  const last = () => page.getAttribute('section[aria-label="Pool self"] time', "datetime");
  const before = await last();
  await until(5000, "a later scrape", async () => (await last()) > before);
});

await check("they are filtered by health and text, and the filter stands in the URL", async () => {
  await is(gone, self);
  await page.click('.segments button:has-text("Down")');
  await is(gone);
  await page.click('.segments button:has-text("Up")');
  await is(self);
  await page.click('.segments button:has-text("All")');
  await page.fill('input[type="search"]', "OPERATIONS self");
  await is(self);
  must(queryOf().get("q") === "OPERATIONS self", page.url());
  await page.reload();
  await is(self);
  await page.fill('input[type="search"]', "no such thing");
  await is();
  await page.click('button:text-is("Show all 2")');
  await is(gone, self);
});

await check("dropped targets show what was discovered of them", async () => {
  await page.click('.segments button:has-text("Dropped")');
  await is("127.0.0.1:2");
  must((await pool("filtered").textContent()).includes("__scrape_interval__=1s"), await pool("filtered").textContent());
  await page.click('.segments button:has-text("All")');
  await is(gone, self);
});

await check("labels as they were discovered open by the keyboard", async () => {
  const more = pool("self").locator("button.more");
  await more.focus();
  await page.keyboard.press("Enter");
  must((await more.getAttribute("aria-expanded")) === "true", "it is not said to be open");
  must((await pool("self").textContent()).includes("__scheme__=http"), "they are not there");
  await page.keyboard.press("Enter");
});

await check("a target's up opens in the query", async () => {
  await pool("self").locator('a:text-is("up over time")').click();
  await page.waitForSelector('figure[aria-label="Graph"] canvas', { timeout: 8000 });
  must(queryOf().get("expr") === `up{job="self",instance="127.0.0.1:${port}"}`, page.url());
  await page.keyboard.press("Escape");
  await page.$eval("textarea", (field) => field.blur());
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await is(gone, self);
});

await check("an exporter of this machine is offered, and scraped once accepted", async () => {
  const found = page.locator('section[aria-label="Found on this machine"] li', { hasText: `127.0.0.1:${offered}` });
  await until(25000, "the offer", async () => (await found.count()) === 1);
  must((await found.textContent()).includes("2 samples"), await found.textContent());
  await found.locator("button").click();
  await until(8000, "no offer of it any more", async () => (await found.count()) === 0);
  await until(8000, "its pool", async () => (await urls()).includes(`http://127.0.0.1:${offered}/metrics`));
  await until(30000, "its samples", async () => (await (await fetch(`${address}api/v1/query?query=made_up`)).json()).data.result.length === 1);
});

await check("a target is added by hand, and removed after a second click", async () => {
  await page.fill('.adding input >> nth=0', "127.0.0.1:3");
  await page.fill('.adding input >> nth=1', "typed");
  await page.keyboard.press("Enter");
  const added = page.locator(".added li", { hasText: "job=typed" });
  await until(8000, "it in the list", async () => (await added.count()) === 1);
  await until(8000, "it among the targets", async () => (await urls()).includes("http://127.0.0.1:3/metrics"));
  await added.locator("button").click();
  must((await added.locator("button").textContent()).includes("really?"), "it did not ask");
  await added.locator("button").click();
  await until(8000, "it is gone", async () => (await added.count()) === 0);
  await until(8000, "it is no target", async () => !(await urls()).includes("http://127.0.0.1:3/metrics"));
});

await check("what cannot be added is told", async () => {
  const known = errors.length;
  await page.fill('.adding input >> nth=0', "no port");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.strip.crit[role="alert"]', { timeout: 5000 });
  const text = await page.textContent('.strip.crit[role="alert"]');
  await page.click('.strip.crit[role="alert"] button');
  errors.splice(known); // the browser's own line about the status 400
  return text.replace(/\s+/g, " ").trim();
});

await check("nothing serious for axe, dark and light", async () => {
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "light" });
  await phone.goto(`${address}?view=targets`);
  await phone.waitForSelector(".target", { timeout: 8000 });
  await sleep(200);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  must(wide <= 390, `the page is ${wide} px wide`);
  await phone.context().close();
});

await check("5,000 targets that change every second are shown in pages, without long waits", async () => {
  const many = await open({ viewport: { width: 1280, height: 900 } });
  let answers = 0;
  await many.route("**/api/v1/targets?*", (route) => {
    answers++;
    const lastScrape = new Date().toISOString();
    const activeTargets = Array.from({ length: 5000 }, (_, i) => ({ discoveredLabels: { __address__: `host${i}:9100` }, labels: { job: `job${i % 7}`, instance: `host${i}:9100` },
      scrapePool: `job${Math.floor(i / 1000)}`, scrapeUrl: `http://host${i}:9100/metrics`, globalUrl: "", lastError: "", lastScrape, lastScrapeDuration: Math.random() / 10,
      health: "up", scrapeInterval: "1s", scrapeTimeout: "1s" }));
    return route.fulfill({ json: { status: "success", data: { activeTargets, droppedTargets: [], droppedTargetCounts: {} } } });
  });
  await many.addInitScript(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => { for (const one of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, one.duration); }).observe({ type: "longtask" });
  });
  await many.goto(`${address}?view=targets`);
  await many.waitForSelector(".target", { timeout: 8000 });
  must((await many.$$(".target")).length === 200, `${(await many.$$(".target")).length} rows`);
  await many.click('.pager button:has-text("next") >> nth=0');
  must(new URL(many.url()).searchParams.get("page") === "2", many.url());
  must((await many.textContent(".target .what > .mono")) === "http://host200:9100/metrics", await many.textContent(".target .what > .mono"));
  await many.evaluate(() => (globalThis.longest = 0));
  const before = answers;
  await until(15000, "two more answers", () => answers >= before + 2);
  await many.fill('input[type="search"]', "host4321");
  await until(5000, "the one", async () => (await many.$$(".target")).length === 1);
  const longest = await many.evaluate(() => globalThis.longest);
  must(longest < 1000, `the page was busy for ${longest} ms`);
  await many.context().close();
  return `busy for ${Math.round(longest)} ms at most`;
});

await check("nobody to scrape: the page says what to do", async () => {
  const empty = await open({ viewport: { width: 1280, height: 900 } });
  await empty.route("**/api/v1/targets?*", (route) => route.fulfill({ json: { status: "success", data: { activeTargets: [], droppedTargets: [], droppedTargetCounts: {} } } }));
  await empty.goto(`${address}?view=targets`);
  await empty.waitForSelector('.empty pre:has-text("config_file")', { timeout: 5000 });
  await empty.context().close();
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.slice(0, 5).join(" | ")));

exporter.close();
exporter.closeAllConnections();
await finish();
