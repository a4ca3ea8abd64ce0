// A picture of a running daemon's page, of any view, for the README and for looking at.
// usage: node tests/browser/picture.mjs ADDRESS FILE [dark|light] [WIDTH] [HEIGHT]
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));
const { chromium } = createRequire(join(root, "ui/package.json"))("playwright-core");
const [address, file, colorScheme = "dark", width = "1440", height = "1180"] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.SONDE_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await (await browser.newContext({ viewport: { width: Number(width), height: Number(height) }, colorScheme })).newPage();
await page.goto(address);
await page.waitForSelector("figure canvas, .target, .way, .rule, .empty, .skeleton.still");
await page.waitForTimeout(3000);
// The kernel's name tells about the machine that made the picture, not about the page.
if (!new URL(address).searchParams.get("view")) await page.$eval(".host p span", (kernel) => kernel.remove());
await page.screenshot({ path: file, fullPage: height === "0" });
await browser.close();
