// Services in a real browser: a program that links libsonde appears with its operations, its cache and
// its errors, and is told as gone when it ends.
//
// usage: node tests/browser/services_test.mjs [BINARY]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { axe, begin, build, check, finish, must, until } from "./_page.mjs";

const folder = mkdtempSync(join(tmpdir(), "sonde-shop-"));
const socket = join(folder, "apps.sock");
const { address, open } = await begin({ "sonde.toml": `[otlp]\nlisten = []\n[statsd]\nlisten = []\n[apps]\nlisten = ["unix:${socket}"]\n` });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
const textOf = async (selector) => ((await page.locator(selector).count()) ? await page.locator(selector).first().textContent() : "");
const section = (name) => `section[aria-label="${name}"]`;

await check("where no program is connected the view says how one is made", async () => {
  await page.goto(`${address}?view=services`);
  await until(10000, "what to do", async () => (await textOf(".skeleton.still")).includes("sonde_init"));
});

const shop = spawn(join(build, "host-shop_host"), [], { stdio: ["pipe", "ignore", "inherit"],
  env: { ...process.env, SONDE_SOCKET: socket, SONDE_SPOOL_DIR: join(folder, "spool") } });

await check("a program's services are there soon after its start", async () => {
  await until(15000, "both services", async () => {
    const text = await textOf(section("All services"));
    return text.includes("shop") && text.includes("store");
  });
  must((await textOf(section("Programs"))).includes("shop-host"), "no program");
});

await check("a service is opened with its operations, their errors and what was said last", async () => {
  await page.click(`${section("All services")} a:text-is("shop")`);
  await until(10000, "its operation", async () => (await textOf(section("Operations"))).includes("take order"));
  await until(10000, "the last error", async () => (await textOf(section("Operations"))).includes("the card was refused"));
  must(new URL(page.url()).searchParams.get("service") === "shop", page.url());
  const calls = async () => Number((await page.locator(`${section("Operations")} tbody td:nth-child(11)`).first().textContent()).replaceAll(",", ""));
  const before = await calls();
  await until(10000, "more calls", async () => (await calls()) > before);
});

await check("a program is opened with its parts, and answers commands", async () => {
  await page.click(`${section("Programs")} a`);
  await until(10000, "its cache", async () => (await textOf(section("Program"))).includes("images"));
  await page.click(`${section("Program")} button:text-is("Program")`);
  await until(10000, "who it is", async () => (await textOf(section("Program"))).includes("shop@1.2.3"));
  await page.fill(`${section("Program")} input`, "help info");
  await page.press(`${section("Program")} input`, "Enter");
  await until(10000, "the command's help", async () => (await textOf(section("Program"))).includes("Who this program is"));
  await page.fill(`${section("Program")} input`, "nonsense");
  await page.press(`${section("Program")} input`, "Enter");
  await until(10000, "why not", async () => /no such command/.test(await textOf(section("Program"))));
});

await check("its errors are listed without personal data", async () => {
  await until(20000, "the error", async () => (await textOf(section("Errors of applications"))).includes("CardError"));
  must(!(await textOf(section("Errors of applications"))).includes("jane"), "an address is shown");
});

await check("a reset lets its counts begin anew", async () => {
  const calls = async () => Number((await page.locator(`${section("Operations")} tbody td:nth-child(11)`).first().textContent()).replaceAll(",", ""));
  await until(10000, "many calls", async () => (await calls()) > 150);
  await page.click(`${section("Operations")} button:text-is("Reset")`);
  await until(10000, "few calls", async () => (await calls()) < 150);
});

await check("nothing serious for axe, dark and light", async () => {
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await phone.goto(page.url());
  await until(10000, "the services", async () => (await phone.locator(section("All services")).count()) > 0);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  must(wide <= 0, `${wide} pixels too wide`);
});

await check("a program that ends is told as gone, with its errors still there", async () => {
  shop.stdin.end();
  await until(15000, "gone", async () => (await textOf(section("Programs"))).includes("gone"));
  must((await textOf(section("Errors of applications"))).includes("CardError"), "its errors are lost");
});

if (shop.exitCode === null) shop.kill("SIGKILL");
rmSync(folder, { recursive: true, force: true });
await finish();
