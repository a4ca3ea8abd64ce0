// Unit tests of the page's plain modules: every src/**/*.test.ts, bundled by Vite's esbuild and run
// by node's own test runner. usage: npm test
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(new URL(".", import.meta.url)), "..");
const require = createRequire(import.meta.url);
const esbuild = createRequire(require.resolve("vite"))("esbuild");
const out = mkdtempSync(join(tmpdir(), "sonde-ui-"));
const tests = readdirSync(join(root, "src"), { recursive: true }).map(String).filter((name) => name.endsWith(".test.ts"));
for (const name of tests)
  await esbuild.build({ entryPoints: [join(root, "src", name)], outfile: join(out, basename(name).replace(/\.ts$/, ".mjs")),
    bundle: true, format: "esm", platform: "node", logLevel: "error" });
const files = readdirSync(out).map((name) => join(out, name));
const run = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit", env: { ...process.env, TZ: "Europe/Berlin" } });
rmSync(out, { recursive: true, force: true });
process.exit(files.length ? (run.status ?? 1) : 1);
