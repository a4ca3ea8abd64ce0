// Alerts in a real browser: acknowledged, assigned, silenced after a preview, told to a receiver that
// the test is, and looked up in the history.
//
// usage: node tests/browser/alerts_test.mjs [BINARY]
import { createServer } from "node:http";
import { axe, begin, check, finish, must, until } from "./_page.mjs";

const told = [];
const receiver = createServer((request, answer) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    told.push(JSON.parse(body));
    answer.end();
  });
});
await new Promise((done) => receiver.listen(0, "127.0.0.1", done));

const RULES = `groups:
- name: made
  interval: 1s
  rules:
  - alert: DiskFull
    expr: vector(97) > 90
    labels: {severity: critical, team: storage}
    annotations: {summary: 'the disk is {{ $value }} % full', runbook_url: 'https://runbooks.example.org/disk'}
  - alert: SlowLink
    expr: vector(3) > 2
    labels: {severity: warning, team: network}
    annotations: {summary: the link is slow}
`;
const ALERTMANAGER = `route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s}
receivers:
- name: hook
  webhook_configs:
  - url: http://127.0.0.1:${receiver.address().port}/hook
- name: nowhere
  webhook_configs:
  - url: http://127.0.0.1:1/
`;
const CONFIG = `[rules]
files = ["@DIR@/rules.yml"]
[alert]
config_file = "@DIR@/alertmanager.yml"
[otlp]
listen = []
[statsd]
listen = []
`;

const { address, errors, open } = await begin({ "sonde.toml": CONFIG, "rules.yml": RULES, "alertmanager.yml": ALERTMANAGER });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
const row = (name) => page.locator('section[aria-label="Firing now"] li.active', { has: page.locator(`h3:text-is("${name}")`) });
const textOf = async (locator) => ((await locator.count()) ? await locator.first().textContent() : "");

await check("what fires is shown with what it says, worst first", async () => {
  await page.goto(`${address}?view=alerts`);
  await until(15000, "both alerts", async () => (await row("DiskFull").count()) === 1 && (await row("SlowLink").count()) === 1);
  const names = await page.$$eval('section[aria-label="Firing now"] h3', (all) => all.map((one) => one.textContent));
  must(names.join() === "DiskFull,SlowLink", names.join());
  const text = await textOf(row("DiskFull"));
  for (const part of ["critical", "team=storage", "the disk is 97 % full", "told: hook"]) must(text.includes(part), `"${part}" is not in "${text}"`);
});

await check("the receiver was told of both", () =>
  until(15000, "two messages", async () => ["DiskFull", "SlowLink"].every((name) => told.some((one) => one.status === "firing" && one.alerts.some((alert) => alert.labels.alertname === name)))));

await check("an alert is acknowledged with a name that is remembered", async () => {
  await row("DiskFull").locator('button:has-text("acknowledge")').click();
  const form = page.locator('form[aria-label="acknowledge DiskFull"]');
  await form.locator('input[autocomplete="name"]').fill("Ada");
  await form.locator("button.main").click();
  await until(8000, "acknowledged by Ada", async () => (await textOf(row("DiskFull"))).includes("acknowledged by Ada"));
  const names = await page.$$eval('section[aria-label="Firing now"] h3', (all) => all.map((one) => one.textContent));
  must(names.join() === "SlowLink,DiskFull", names.join());
  await page.reload();
  await until(8000, "still acknowledged", async () => (await textOf(row("DiskFull"))).includes("acknowledged by Ada"));
});

await check("it is assigned to somebody", async () => {
  await row("DiskFull").locator('button:has-text("assign")').click();
  const form = page.locator('form[aria-label="assign DiskFull"]');
  must((await form.locator('input[autocomplete="name"]').inputValue()) === "Ada", "the name was forgotten");
  await form.locator("input").nth(1).fill("Grace");
  await form.locator("button.main").click();
  await until(8000, "assigned to Grace", async () => (await textOf(row("DiskFull"))).includes("assigned to Grace"));
});

await check("a silence shows what it hides before it does", async () => {
  await row("SlowLink").locator('button:has-text("silence")').click();
  const form = page.locator('form[aria-label="New silence"]');
  await until(8000, "a preview", async () => (await textOf(form.locator(".preview"))).includes("It hides 1 alert that fires now: SlowLink"));
  await form.locator("textarea").fill("team=~");
  await until(4000, "a complaint", async () => (await form.locator("textarea").getAttribute("aria-invalid")) === "false" || (await textOf(form.locator(".preview"))) !== "");
  await form.locator("textarea").fill('team=~"network|storage"');
  await until(8000, "two alerts", async () => (await textOf(form.locator(".preview"))).includes("It hides 2 alerts"));
  await form.locator("textarea").fill('alertname="SlowLink"');
  await form.locator('button:text-is("8 h")').click();
  await form.locator('input:not([autocomplete="name"])').fill("the link is being replaced");
  await form.locator("button.main").click();
  await until(8000, "silenced", async () => (await textOf(row("SlowLink"))).includes("silenced"));
});

await check("silences are listed with owner, reason and end, and are ended", async () => {
  await page.click('.segments[aria-label="Part"] button:has-text("Silences")');
  const one = page.locator('section[aria-label="Silences"] li.rule');
  await until(8000, "the silence", async () => (await one.count()) === 1);
  const text = await textOf(one);
  for (const part of ["active", 'alertname="SlowLink"', "the link is being replaced", "Ada", "ends in"]) must(text.includes(part), `"${part}" is not in "${text}"`);
  await one.locator('button:has-text("end it")').click();
  await one.locator('button:has-text("really?")').click();
  await until(8000, "expired", async () => (await textOf(one)).includes("expired"));
});

await check("receivers show how they are, and a test is sent", async () => {
  await page.click('.segments[aria-label="Part"] button:has-text("Receivers")');
  const hook = page.locator('section[aria-label="Receivers"] li.rule', { has: page.locator('h3:text-is("hook")') });
  await until(8000, "the receiver", async () => /[1-9]\d* sent/.test(await textOf(hook)));
  const before = told.length;
  await hook.locator('button:has-text("send a test")').click();
  await until(8000, "it was taken", async () => (await textOf(hook)).includes("the receiver has taken it"));
  must(told.length > before, "nothing came");
  const nowhere = page.locator('section[aria-label="Receivers"] li.rule', { has: page.locator('h3:text-is("nowhere")') });
  await nowhere.locator('button:has-text("send a test")').click();
  await until(12000, "why not", async () => (await nowhere.locator('.annotation').textContent()).startsWith("■"));
});

await check("the history tells what was done and by whom", async () => {
  await page.click('.segments[aria-label="Part"] button:has-text("History")');
  await until(8000, "an acknowledgement by Ada", async () => {
    const rows = await page.$$eval('section[aria-label="History"] tbody tr', (all) => all.map((one) => one.textContent));
    return rows.some((one) => one.includes("acknowledged") && one.includes("Ada")) && rows.some((one) => one.includes("firing"));
  });
  must(new URL(page.url()).searchParams.get("part") === "history", page.url());
});

await check("an alert is tried on what is stored, made and removed", async () => {
  await page.goto(`${address}?view=alerts`);
  await page.click('section[aria-label="Custom alerts"] button:has-text("New alert")');
  const form = page.locator('form[aria-label="New alert"]');
  const field = (label) => form.locator(`label:has-text("${label}") input`).first();
  await field("Name").fill("LoadIsThere");
  await field("Metric").fill("node_load1");
  await form.locator('input[type="number"]').first().fill("-1");
  await field("For at least").fill("0s");
  await form.locator('button:has-text("Try it")').click();
  await until(10000, "when it would have fired", async () => /It would have fired \d+ time/.test(await textOf(form.locator(".preview"))));
  await form.locator("button.main").click();
  const mine = page.locator('section[aria-label="Custom alerts"] .added li');
  await until(10000, "it is listed", async () => (await textOf(mine)).includes("node_load1 > -1"));
  await mine.locator('button:has-text("remove")').click();
  await mine.locator('button:has-text("really?")').click();
  await until(10000, "it is gone", async () => (await mine.count()) === 0);
});

await check("the links of a notification acknowledge and silence", async () => {
  const { alerts } = told.findLast((one) => one.alerts.some((alert) => alert.labels.alertname === "SlowLink"));
  await page.goto(`${address}?view=alerts&do=acknowledge&alert=${alerts[0].fingerprint}`);
  const form = page.locator('form[aria-label="Acknowledge what was told"]');
  await until(8000, "the question", async () => (await textOf(form.locator("button.main"))) === "I have SlowLink");
  must(!(await textOf(row("SlowLink"))).includes("acknowledged by"), "a link alone has acknowledged it");
  await form.locator("button.main").click();
  await until(8000, "acknowledged", async () => (await textOf(row("SlowLink"))).includes("acknowledged by Ada"));
  must(!new URL(page.url()).searchParams.has("do"), page.url());
  await page.goto(`${address}?view=alerts&do=silence&filter=${encodeURIComponent('alertname="DiskFull",team="storage"')}`);
  await until(8000, "the preview", async () => (await textOf(page.locator('form[aria-label="New silence"] .preview'))).includes("It hides 1 alert"));
  await page.goto(`${address}?view=alerts&receiver=nowhere`);
  await until(8000, "nothing for it", async () => (await textOf(page.locator('section[aria-label="Firing now"]'))).includes("Nothing fires."));
});

await check("nothing serious for axe in any part, dark and light", async () => {
  for (const theme of ["dark", "light"]) {
    for (const part of ["now", "silences", "receivers", "history"]) {
      await page.goto(`${address}?view=alerts&part=${part}`);
      await until(8000, "the part", async () => (await page.locator("section.panel").count()) > 0);
      await axe(page);
    }
    if (theme === "dark") await page.click("button.theme");
  }
});

await check("a phone has no sideways scroll", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  for (const part of ["now", "silences", "receivers", "history"]) {
    await phone.goto(`${address}?view=alerts&part=${part}`);
    await until(8000, "the part", async () => (await phone.locator("section.panel").count()) > 0);
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    must(wide <= 0, `${part}: ${wide} px too wide`);
  }
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.join("; ")));
receiver.closeAllConnections();
receiver.close();
await finish();
