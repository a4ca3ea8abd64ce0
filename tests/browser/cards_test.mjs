// The graphics cards of the overview in a real browser, with the stand-in for NVIDIA's library: two
// made-up cards, of which the second tells its memory alone.
//
// usage: node tests/browser/cards_test.mjs [BINARY]
import { existsSync } from "node:fs";
import { join } from "node:path";
import { axe, begin, build, check, finish, must, sleep, until } from "./_page.mjs";

const library = join(build, "libnvml-stand-in.so");
if (!existsSync(library)) {
  console.error(`${library} is missing: build it first`);
  process.exit(1);
}
const { address, errors, open } = await begin({ "sonde.toml": `[collect]\ngpu_nvml_library = "${library}"\n` });
const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
const row = (name) => page.locator(".cards tbody tr", { hasText: name });
const endOf = (title) => page.$eval(`figure[aria-label="${title}"] .plot`, (plot) => Number(plot.dataset.end));
const legend = (title) => page.$$eval(`figure[aria-label="${title}"] .legend .key`, (all) => all.map((one) => one.textContent.replace(/\s+/g, " ").trim()));

await page.goto(address);

await check("the cards and their values are those of the API", async () => {
  await page.waitForSelector("#gpu .cards", { timeout: 15000 });
  const { gpus } = await (await fetch(`${address}api/metrics/gpu`)).json();
  must((await page.$$(".cards tbody tr")).length === gpus.length, "not a row for each card");
  const { values } = gpus[0];
  const shown = [`${(100 * values.utilization_ratio).toFixed(1)} %`, `${(values.memory_used_bytes / 2 ** 30).toFixed(2)} GiB of ${(values.memory_total_bytes / 2 ** 30).toFixed(2)} GiB`,
    `${values.temperature_celsius.gpu.toFixed(1)} °C`, `of ${values.power_limit_watts} W`, `${(values.clock_hertz.graphics / 1e9).toFixed(2)} GHz`,
    `${(100 * values.encoder_utilization_ratio).toFixed(1)} %`, "slowed: hardware thermal, software power"];
  const text = async () => (await row(gpus[0].gpu).textContent()).replace(/\s+/g, " ");
  await until(10000, shown.join("; "), async () => { const all = await text(); return shown.every((one) => all.includes(one)); });
  return gpus.map((one) => one.name).join(", ");
});

await check("what a card does not tell is a dash", async () => {
  const text = await row("nvidia1").textContent();
  must(text.includes("2.79 GiB") && text.includes("–") && !text.includes("°C"), text);
});

await check("programs and encoding sessions are listed", async () => {
  await page.waitForSelector('figure[aria-label="Programs on graphics cards"] tbody td:text-is("compute")', { timeout: 10000 });
  const session = (await page.textContent('figure[aria-label="Encoding sessions"] tbody tr')).replace(/\s+/g, " ");
  for (const part of ["4711", "hevc 1920x1080", "30", "15.6 ms", "0.47"]) must(session.includes(part), `"${part}" is not in "${session}"`);
});

await check("the charts move, a line for each card", async () => {
  await until(10000, "two cards' memory", async () => (await legend("Memory of the cards")).join() === "nvidia0 2.79 GiB,nvidia1 2.79 GiB");
  const before = await endOf("Memory of the cards");
  await until(5000, "a later point", async () => (await endOf("Memory of the cards")) > before);
});

await check("one card is chosen, and the choice stands in the URL", async () => {
  await page.click('.segments button:text-is("nvidia0")');
  must(new URL(page.url()).searchParams.get("gpu") === "nvidia0", page.url());
  await until(5000, "drawn power and its limit", async () => (await legend("Power of the card")).join() === "drawn 216 W,limit 300 W");
  must((await legend("Clocks of the card")).length === 4, "not four clocks");
  await page.reload();
  await until(10000, "the same card after a reload", async () => (await page.$$('figure[aria-label="Power of the card"] canvas')).length === 1);
  must((await legend("Encoder and decoder")).join() === "encoder 50.0 %,decoder 25.0 %", (await legend("Encoder and decoder")).join());
});

await check("nothing serious for axe, dark and light", async () => {
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a fixed window shows what was", async () => {
  await page.goto(`${address}?from=${encodeURIComponent("10s ago")}&to=now`);
  await until(10000, "the memory", async () => (await legend("Memory of the cards")).length === 2);
  must((await row("nvidia0").textContent()).includes("61.0 °C"), "no temperature at the window's end");
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "dark" });
  await phone.goto(address);
  await phone.waitForSelector("#gpu .cards", { timeout: 10000 });
  await sleep(300);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  must(wide <= 390, `the page is ${wide} px wide`);
  await phone.context().close();
});

await check("a machine without cards has no such section", async () => {
  const bare = await open({ viewport: { width: 1440, height: 900 } });
  let asked = 0;
  await bare.route("**/api/metrics/gpu", (route) => {
    asked++;
    return route.fulfill({ json: { gpus: [] } });
  });
  await bare.goto(address);
  await bare.waitForSelector('figure[aria-label="CPU by mode"] canvas', { timeout: 10000 });
  must(asked > 0, "the page did not ask for cards");
  must((await bare.$$("#gpu")).length === 0, "it is there");
  await bare.context().close();
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.slice(0, 5).join(" | ")));

await finish();
