// The views of queries and of alerts in a real browser, over rules that fire, pend, rest and fail.
//
// usage: node tests/browser/views_test.mjs [BINARY]
import { axe, begin, check, finish, must, sleep, until } from "./_page.mjs";

const RULES = `groups:
- name: first
  interval: 1s
  rules:
  - record: cpu:busy
    expr: 1 - avg(rate(node_cpu_seconds_total{mode="idle"}[10s]))
  - alert: LoadIsThere
    expr: node_load1 >= 0
    labels: {severity: page}
    annotations: {summary: 'the load of {{ $labels.job }}'}
  - alert: MemoryIsThere
    expr: node_memory_MemTotal_bytes > 0
    for: 1h
- name: second
  interval: 1s
  rules:
  - alert: NeverSeen
    expr: vector(1) > 2
  - alert: CannotBe
    expr: node_cpu_seconds_total * on (mode) node_cpu_seconds_total > 0
`;

const { address, errors, open } = await begin({ "sonde.toml": '[rules]\nfiles = ["@DIR@/*.yml"]\n', "rules.yml": RULES });
const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
const queryOf = (p = page) => new URL(p.url()).searchParams;
const field = 'textarea[aria-label="Expression"]';

async function ask(expression) {
  await page.fill(field, expression);
  await page.keyboard.press("Escape");
  await page.press(field, "Enter");
}

await page.goto(address);
await page.waitForSelector('figure[aria-label="CPU by mode"] canvas', { timeout: 10000 });

await check("the top bar leads to the three views, and Back from them", async () => {
  for (const [name, mark] of [["Query", field], ["Alerts", 'input[aria-label="Filter by text"]'], ["Overview", "#cpu"]]) {
    await page.click(`.views a:text-is("${name}")`);
    await page.waitForSelector(mark, { timeout: 5000 });
    must((await page.textContent(".views a[aria-current]")) === name, `${name} is not marked`);
  }
  await page.goBack();
  must(queryOf().get("view") === "alerts", page.url());
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await page.waitForSelector(field);
});

await check("a query that is typed shows its graph, what it cost and a link to it", async () => {
  await page.focus(field);
  await page.keyboard.type("count by (mode) (node_cpu_seconds_total)", { delay: 5 });
  await page.keyboard.press("Enter");
  await page.waitForSelector('figure[aria-label="Graph"] canvas', { timeout: 5000 });
  await until(5000, "the series in the legend", async () => (await page.textContent(".legend")).includes('{mode="user"}'));
  const cost = await page.textContent(".cost");
  must(/answered in .* looked at/.test(cost), cost);
  must(queryOf().get("expr") === "count by (mode) (node_cpu_seconds_total)", page.url());
  return cost;
});

await check("what is drawn is what the API says", async () => {
  const cpus = (await (await fetch(`${address}api/v1/query?query=count(node_cpu_seconds_total{mode="user"})`)).json()).data.result[0].value[1];
  const row = page.locator(".legend li", { hasText: '{mode="user"}' }).locator("b");
  must((await row.textContent()) === cpus, `${await row.textContent()}, not ${cpus}`);
});

await check("the graph follows the time", async () => {
  const end = () => page.$eval('figure[aria-label="Graph"] .plot', (plot) => Number(plot.dataset.end));
  const before = await end();
  await until(12000, "a later point", async () => (await end()) > before);
});

await check("names of metrics and functions are completed by keys alone", async () => {
  await page.fill(field, "");
  await page.focus(field);
  await page.keyboard.type("coun", { delay: 20 });
  await page.waitForSelector('.completions li:has-text("count")', { timeout: 3000 });
  await page.keyboard.press("Tab");
  must((await page.inputValue(field)) === "count(", await page.inputValue(field));
  await page.keyboard.type("node_load1", { delay: 20 });
  await page.waitForSelector('.completions li:has-text("node_load15")', { timeout: 3000 });
  await page.keyboard.press("ArrowDown");
  must((await page.getAttribute(field, "aria-activedescendant")) === "completion-0", "no option is active");
  await page.keyboard.press("Enter");
  must((await page.inputValue(field)) === "count(node_load15", await page.inputValue(field));
  await page.keyboard.press("Shift+Enter");
  must((await page.inputValue(field)).endsWith("\n"), "Shift+Enter began no line");
});

await check("an error shows its place", async () => {
  const known = errors.length;
  await ask('sum(\n  rate(node_cpu_seconds_total{mode="ü"}[5m]) +)');
  await page.waitForSelector("#expression-error", { timeout: 5000 });
  const [line, caret] = (await page.textContent(".wrong pre")).split("\n");
  must(line.includes("rate("), `the line is "${line}"`);
  must(caret.trimEnd().length - 1 === line.lastIndexOf(")"), `the caret stands at ${caret.length - 1} of "${line}"`);
  must(!(await page.textContent(".wrong")).includes("2:"), "the place is told twice");
  await page.click(".wrong button");
  const at = await page.$eval(field, (f) => f.value.slice(f.selectionStart));
  must(at === ")", `the cursor stands before "${at}"`);
  errors.splice(known); // the browser's own line about the status 400
});

await check("a table, warnings and the explanation are there", async () => {
  await ask("quantile(2, node_load1)");
  await page.waitForSelector(".strip.warn.notice", { timeout: 5000 });
  await page.click('button:text-is("Table")');
  await page.waitForSelector('figure[aria-label="Result"] tbody td:text-is("+Inf")', { timeout: 5000 });
  must(queryOf().get("tab") === "table", page.url());
  await page.click('button:text-is("Explain")');
  await page.waitForSelector('figure[aria-label="Explanation"] tbody tr:nth-child(3)', { timeout: 5000 });
  must((await page.textContent('figure[aria-label="Explanation"] tbody')).includes("node_load1"), "no part names the metric");
  await page.click('button:text-is("Explain")');
});

await check("more than fifty series are cut with a sentence", async () => {
  await page.click('button:text-is("Graph")');
  await ask('{__name__=~"node_.*"}');
  await page.waitForSelector('.strip.notice:has-text("Only the first 50 series")', { timeout: 5000 });
  await until(5000, "fifty lines", async () => (await page.$$(".legend li")).length === 50);
});

await check("a reload shows the same query", async () => {
  await ask("node_load1");
  await until(5000, "the answer", async () => (await page.$$(".legend li")).length === 1);
  await page.click('button:text-is("15m")');
  await page.reload();
  must((await page.inputValue(field)) === "node_load1", await page.inputValue(field));
  await page.waitForSelector('figure[aria-label="Graph"] canvas', { timeout: 5000 });
  must(queryOf().get("range") === "15m", page.url());
});

await check("nothing serious for axe in the query", () => axe(page));

await check("a link of an alert (/graph?g0.expr=) opens the query", async () => {
  await page.goto(`${address}graph?g0.expr=${encodeURIComponent('node_load1{job!=""} >= 0')}&g0.tab=1`);
  must((await page.inputValue(field)) === 'node_load1{job!=""} >= 0', await page.inputValue(field));
  await page.waitForSelector('figure[aria-label="Result"] tbody tr:has-text("node_load1")', { timeout: 5000 });
});

await check("an alert that fires is seen, with its labels and annotations", async () => {
  await page.goto(`${address}alerts`);
  const rule = page.locator(".group:not([aria-label='Firing now']) .rule", { hasText: "LoadIsThere" });
  await until(10000, "firing", async () => (await rule.count()) === 1 && (await rule.locator(".alerts .badge").textContent()).includes("firing"));
  const text = await rule.textContent();
  for (const part of ["severity=page", "the load of node", "since ", "✓ ok"]) must(text.includes(part), `"${part}" is not in "${text}"`);
  const failed = page.locator(".group:not([aria-label='Firing now']) .rule", { hasText: "CannotBe" });
  await until(10000, "the error", async () => (await failed.textContent()).includes("many-to-many"));
});

await check("rules are filtered by state and text, and the filter stands in the URL", async () => {
  const names = () => page.$$eval(".group:not([aria-label='Firing now']) .rule h3", (all) => all.map((one) => one.textContent));
  const is = async (...wanted) => until(5000, wanted.join(), async () => (await names()).join() === wanted.join());
  await page.click('.segments button:has-text("Pending")');
  await is("MemoryIsThere");
  await page.click('.segments button:has-text("Failing")');
  await is("CannotBe");
  await page.click('.segments button:has-text("All")');
  await page.fill('input[type="search"]', "severity");
  await is();
  await page.fill('input[type="search"]', "PAGE");
  await is("LoadIsThere");
  must(queryOf().get("q") === "PAGE", page.url());
  await page.reload();
  await is("LoadIsThere");
});

await check("nothing serious for axe in the alerts, dark and light", async () => {
  await page.fill('input[type="search"]', "");
  await axe(page);
  await page.click("button.theme");
  await axe(page);
});

await check("a rule's expression opens the query", async () => {
  await page.click('.rule a:has-text("node_load1")');
  await page.waitForSelector('figure[aria-label="Result"], figure[aria-label="Graph"] canvas', { timeout: 5000 });
  must((await page.inputValue(field)) === "node_load1 >= 0", await page.inputValue(field));
  await axe(page);
});

await check("a phone has no sideways scroll in either view", async () => {
  const phone = await open({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: "light" });
  for (const [path, mark] of [["?view=query&expr=node_cpu_seconds_total", ".legend"], ["?view=query&tab=table&expr=node_cpu_seconds_total", "tbody"], ["?view=alerts", ".rule"]]) {
    await phone.goto(`${address}${path}`);
    await phone.waitForSelector(mark, { timeout: 5000 });
    await sleep(200);
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
    must(wide <= 390, `${path} is ${wide} px wide`);
  }
  await phone.context().close();
});

await check("the console stayed clean and no request left the server", () => must(errors.length === 0, errors.slice(0, 5).join(" | ")));

await finish();
