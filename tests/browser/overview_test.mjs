// The overview in a real browser: starts the daemon on a free port with an empty data directory and
// looks at what a new user sees.
//
// usage: node tests/browser/overview_test.mjs [BINARY]
import { hostname } from "node:os";
import { axe, begin, check, finish, must, sleep, until } from "./_page.mjs";

const { address, errors, open, startDaemon, started, stopDaemon } = await begin();

const endOf = (page, title) => page.$eval(`figure[aria-label="${title}"] .plot`, (plot) => Number(plot.dataset.end));

const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });

await check("the page shows this machine's numbers within ten seconds of the start", async () => {
  const opened = Date.now();
  await page.goto(address);
  await page.waitForSelector('figure[aria-label="CPU by mode"] canvas', { timeout: 10000 });
  const drawn = Date.now();
  must(drawn - started < 10000, `${drawn - started} ms after the start`);
  return `${drawn - opened} ms after opening, ${drawn - started} ms after the daemon's start`;
});

await check("it names the host, the kernel and its mounts", async () => {
  await until(10000, "the host's name", async () => (await page.textContent("h1")).trim() === hostname());
  await until(10000, "the kernel", async () => (await page.textContent(".host")).includes("Linux"));
  await until(10000, "a mount", async () => (await page.$$(".mounts li")).length > 0);
  return `${await page.textContent("h1")}, ${(await page.$$(".mounts li")).length} mounts`;
});

await check("the charts move: three new points in five seconds", async () => {
  const seen = new Set();
  for (let i = 0; i < 50; i++) {
    seen.add(await endOf(page, "CPU by mode"));
    await sleep(100);
  }
  must(seen.size >= 4, `the last point had ${seen.size} different times`);
  return `${seen.size - 1} new points`;
});

await check("memory, load, network and processes are there", async () => {
  for (const title of ["Memory", "Load"]) await page.waitForSelector(`figure[aria-label="${title}"] canvas`, { timeout: 10000 });
  await until(10000, "an interface", async () => (await page.$$("#network figure canvas")).length > 0);
  await until(20000, "a process", async () => (await page.$$(".processes tbody tr")).length > 0);
});

await check("a range is picked and stands in the URL", async () => {
  await page.click('button:text-is("15m")');
  must(page.url().includes("range=15m"), page.url());
  await page.waitForSelector('figure[aria-label="CPU by mode"] canvas');
  await page.goBack();
  await until(3000, "Back", () => !page.url().includes("range=15m"));
});

await check("dragging on a chart zooms, and a double click goes back", async () => {
  const plot = await page.waitForSelector('figure[aria-label="CPU by mode"] .u-over');
  await plot.scrollIntoViewIfNeeded();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.94, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.995, box.y + 60, { steps: 6 });
  await page.mouse.up();
  await until(3000, "a fixed range in the URL", () => page.url().includes("from="));
  const again = await page.waitForSelector('figure[aria-label="CPU by mode"] .u-over', { timeout: 10000 });
  const now = await again.boundingBox();
  await page.mouse.dblclick(now.x + now.width / 2, now.y + 60);
  await until(3000, "live again", () => !page.url().includes("from="));
});

await check("a typed range works, nonsense is explained", async () => {
  await page.keyboard.press("t");
  const fields = await page.$$(".sheet form > label input");
  await fields[0].fill("a while ago");
  await page.click('.sheet button:text-is("Show")');
  await page.waitForSelector(".sheet .problem");
  await fields[0].fill("2m ago");
  await fields[1].fill("now");
  await page.click('.sheet button:text-is("Show")');
  await until(3000, "two minutes in the URL", () => page.url().includes("range=120s"));
  await page.click('button:text-is("5m")');
});

await check("the keyboard moves a chart's cursor and hears the values", async () => {
  await page.waitForSelector('figure[aria-label="CPU by mode"] canvas');
  await page.focus('figure[aria-label="CPU by mode"] .plot');
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  await until(2000, "a spoken value", async () => (await page.textContent('figure[aria-label="CPU by mode"] [aria-live]')).includes("user"));
});

await check("the numbers can be read as a table", async () => {
  await page.hover('figure[aria-label="CPU by mode"]');
  await page.click('figure[aria-label="CPU by mode"] figcaption button');
  await page.waitForSelector('figure[aria-label="CPU by mode"] table tbody tr');
  await page.click('figure[aria-label="CPU by mode"] figcaption button');
});

await check("nothing serious for axe in the dark", () => axe(page));

await check("the theme is switched and remembered", async () => {
  must((await page.getAttribute("html", "data-theme")) === "dark", "it did not follow the system");
  await page.click("button.theme");
  must((await page.getAttribute("html", "data-theme")) === "light", "it did not switch");
  await page.reload();
  await until(5000, "light after a reload", async () => (await page.getAttribute("html", "data-theme")) === "light");
  await page.waitForSelector('figure[aria-label="CPU by mode"] canvas');
});

await check("nothing serious for axe in the light", () => axe(page));

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "dark" });
  await phone.goto(address);
  await phone.waitForSelector('figure[aria-label="CPU by mode"] canvas');
  await sleep(500);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  must(wide <= 390, `the page is ${wide} px wide`);
  await phone.context().close();
});

await check("a restart of the daemon is shown, survived and filled in", async () => {
  const before = await endOf(page, "CPU by mode");
  const known = errors.length;
  await stopDaemon();
  await page.waitForSelector(".strip.warn", { timeout: 5000 });
  must((await page.$$("figure.stale canvas")).length > 0, "the last good points are not there");
  startDaemon();
  await page.waitForSelector(".strip.warn", { state: "detached", timeout: 20000 });
  await until(10000, "newer points", async () => (await endOf(page, "CPU by mode")) > before);
  errors.splice(known); // the refused connections in between are the browser's own lines
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.slice(0, 5).join(" | ")));

await finish();
