// The view of the ways in, in a real browser: each line that it shows is run, and what came is seen.
//
// usage: node tests/browser/ways_test.mjs [BINARY]
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { axe, begin, check, finish, must, sleep, until } from "./_page.mjs";

// A port that another program has.
const other = createServer().listen(0, "127.0.0.1");
await new Promise((done) => other.once("listening", done));
const CONFIG = `[otlp]
listen = []
[statsd]
listen = ["127.0.0.1:@FREE1@"]
[graphite]
listen = ["127.0.0.1:@FREE2@"]
listen_pickle = ["127.0.0.1:${other.address().port}"]
`;
const { address, errors, open } = await begin({ "sonde.toml": CONFIG });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark", permissions: ["clipboard-read", "clipboard-write"] });
const way = (title) => page.locator(`section[aria-label="${title}"]`);
const count = async (title) => (await way(title).locator(".came strong").textContent()).trim();

await check("each way says whether it is open", async () => {
  await page.goto(address);
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await page.waitForSelector(".way", { timeout: 8000 });
  must(new URL(page.url()).searchParams.get("view") === "ways", page.url());
  await until(8000, "the configuration", async () => (await page.textContent(".host p")).includes("8 of 9 ways are open"));
  for (const title of ["StatsD and DogStatsD", "Graphite", "Pushgateway", "OpenTelemetry"]) must((await way(title).textContent()).includes("✓ on"), `${title} is not open`);
  const off = await way("collectd's network plugin").textContent();
  must(off.includes("○ off") && off.includes("[collectd]"), off);
});

await check("an address that another program has is told", async () => {
  const graphite = way("Graphite");
  await until(15000, "it", async () => (await graphite.textContent()).includes(`Another program has 127.0.0.1:${other.address().port}`));
  must((await graphite.textContent()).includes("✓ on"), "the other address is open");
});

await check("nothing has come yet", async () => {
  await until(20000, "counts", async () => (await count("JSON and text by hand")) === "0");
  for (const title of ["Prometheus remote write", "OpenTelemetry", "StatsD and DogStatsD", "InfluxDB's line protocol", "Graphite"]) must((await count(title)) === "0", `${title}: ${await count(title)}`);
});

await check("each line of the page, run as it stands, is seen to arrive", async () => {
  const lines = await page.$$eval(".way", (all) => all.flatMap((one) => {
    const heading = [...one.querySelectorAll("h3")].find((h) => h.textContent.includes("in a shell"));
    return heading ? [{ title: one.getAttribute("aria-label"), line: heading.nextElementSibling.querySelector("code").textContent }] : [];
  }));
  must(lines.length === 7, `${lines.length} lines for a shell`);
  for (const { line } of lines) execFileSync("sh", ["-c", line], { timeout: 10000 });
  for (const { title } of lines) await until(25000, `one that came by ${title}`, async () => (await count(title)) === "1");
  return lines.map((one) => one.title).join(", ");
});

await check("what was sent can be asked for", async () => {
  for (const name of ["hello_otlp", "hello_statsd_total", "hello_influx_value", "hello.graphite", "collectd_load_shortterm", "hello_push", "hello_json"]) {
    const query = encodeURIComponent(`last_over_time({__name__=~"${name.replace("_total", "(_total)?")}"}[5m])`);
    await until(8000, name, async () => (await (await fetch(`${address}api/v1/query?query=${query}`)).json()).data.result.length === 1);
  }
});

await check("what was refused is told", async () => {
  await fetch(`${address}write?db=x`, { method: "POST", body: "this is no line protocol at all" });
  await until(25000, "it", async () => /1 refused/.test(await way("InfluxDB's line protocol").textContent()));
});

await check("a line is copied", async () => {
  const copied = way("Pushgateway").locator(".copied").last();
  await copied.locator("button").click();
  await until(3000, "the word", async () => (await copied.locator("button").textContent()).startsWith("copied"));
  const text = await page.evaluate(() => navigator.clipboard.readText());
  must(text === (await copied.locator("code").textContent()), text);
});

await check("nothing serious for axe, dark and light", async () => {
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "light" });
  await phone.goto(`${address}?view=ways`);
  await phone.waitForSelector(".way", { timeout: 8000 });
  await sleep(500);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  must(wide <= 390, `the page is ${wide} px wide`);
  await phone.context().close();
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.slice(0, 5).join(" | ")));

other.close();
await finish();
