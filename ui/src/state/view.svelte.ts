// Which view the page shows, and what each was asked for. All of it is in the URL, as the range is;
// a link with an expression and no view (`/?expr=up`) opens the query.

import { onUrl, urlText, writeUrl } from "./url";

export const VIEWS = [
  { name: "overview", title: "Overview", key: "o" },
  { name: "query", title: "Query", key: "q" },
  { name: "alerts", title: "Alerts", key: "a" },
  { name: "health", title: "Health", key: "h" },
  { name: "services", title: "Services", key: "s" },
  { name: "incidents", title: "Incidents", key: "i" },
  { name: "targets", title: "Targets", key: "t" },
  { name: "ways", title: "Ways in", key: "w" },
] as const;

export type ViewName = (typeof VIEWS)[number]["name"];
export type Tab = "graph" | "table";

export const RULE_STATES = ["all", "firing", "pending", "inactive", "failing"] as const;
export type RuleState = (typeof RULE_STATES)[number];

export const ALERT_PARTS = ["now", "silences", "receivers", "history"] as const;
export type AlertPart = (typeof ALERT_PARTS)[number];

// What the link of a notification asks for; done with once it was opened.
export interface Asked {
  action: "acknowledge" | "silence" | "";
  alerts: readonly string[]; // fingerprints
  matchers: string; // of a silence
}
const NOTHING: Asked = { action: "", alerts: [], matchers: "" };

export const TARGET_STATES = ["all", "up", "down", "unknown", "dropped"] as const;
export type TargetState = (typeof TARGET_STATES)[number];

// What is not said of a view in its link.
const BLANK = { expr: "", tab: "", state: "", q: "", page: "", gpu: "", part: "", incident: "", receiver: "", do: "", alert: "", filter: "", service: "", program: "", ask: "" };

// A click that stays in this page; others (a new tab, a copy) are the browser's.
const isPlain = (event: MouseEvent): boolean => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

class View {
  name = $state<ViewName>("overview");
  expression = $state("");
  tab = $state<Tab>("graph");
  ruleState = $state<RuleState>("all");
  ruleText = $state("");
  alertPart = $state<AlertPart>("now");
  alertReceiver = $state(""); // alerts that this one is told of; "": all
  asked = $state.raw<Asked>(NOTHING);
  incident = $state(0); // the one that is looked at; 0: the newest open one
  service = $state(""); // whose operations are shown; "": none
  program = $state(""); // the instance whose parts are shown; "": none
  programPart = $state("caches"); // the command that shows it
  card = $state(""); // the graphics card whose charts are shown; "": all
  targetState = $state<TargetState>("all");
  targetText = $state("");
  targetPage = $state(0); // of a list too long for one

  constructor() {
    this.readUrl();
    window.addEventListener("popstate", () => this.readUrl());
    onUrl((query) => this.put(query));
  }

  // The address of a view, for links: it keeps the range.
  link(name: ViewName, expression = this.expression): string {
    return urlText({ ...BLANK, view: name === "overview" ? "" : name, expr: name === "query" ? expression : "", tab: name === "query" && this.tab === "table" ? "table" : "" });
  }

  go(name: ViewName, expression = this.expression): void {
    this.name = name;
    this.expression = expression;
    writeUrl({ view: name });
    window.scrollTo(0, 0);
  }

  follow(event: MouseEvent, name: ViewName, expression?: string): void {
    if (!isPlain(event)) return;
    event.preventDefault();
    this.go(name, expression);
  }

  run(expression: string): void {
    this.expression = expression;
    writeUrl({ view: "query" });
  }

  show(tab: Tab): void {
    this.tab = tab;
    writeUrl({ view: "query" }, true);
  }

  filter(state: RuleState, text: string): void {
    this.ruleState = state;
    this.ruleText = text;
    writeUrl({ view: "alerts" }, true);
  }

  incidentLink(id: number): string {
    return urlText({ ...BLANK, view: "incidents", incident: String(id) });
  }

  followIncident(event: MouseEvent, id: number): void {
    if (!isPlain(event)) return;
    event.preventDefault();
    this.incident = id;
    this.go("incidents");
  }

  serviceLink(service: string): string {
    return urlText({ ...BLANK, view: "services", service });
  }

  followService(event: MouseEvent, service: string): void {
    if (!isPlain(event)) return;
    event.preventDefault();
    this.chooseService(service);
  }

  chooseService(service: string): void {
    this.service = service;
    writeUrl({ view: "services" });
  }

  programLink(program: string): string {
    return urlText({ ...BLANK, view: "services", program });
  }

  followProgram(event: MouseEvent, program: string): void {
    if (!isPlain(event)) return;
    event.preventDefault();
    this.chooseProgram(program);
  }

  chooseProgram(program: string, command = this.programPart): void {
    this.program = program;
    this.programPart = command;
    writeUrl({ view: "services" });
  }

  answered(): void {
    this.asked = NOTHING;
    writeUrl({ view: "alerts" }, true);
  }

  onlyReceiver(receiver: string): void {
    this.alertReceiver = receiver;
    writeUrl({ view: "alerts" }, true);
  }

  turnAlerts(part: AlertPart): void {
    this.alertPart = part;
    writeUrl({ view: "alerts" });
  }

  chooseCard(gpu: string): void {
    this.card = gpu;
    writeUrl({ view: "overview" }, true);
  }

  filterTargets(state: TargetState, text: string): void {
    this.targetState = state;
    this.targetText = text;
    this.turnTo(0);
  }

  turnTo(page: number): void {
    this.targetPage = page;
    writeUrl({ view: "targets" }, true);
  }

  private put(query: URLSearchParams): void {
    if (this.name !== "overview") query.set("view", this.name);
    if (this.name === "query") {
      if (this.expression) query.set("expr", this.expression);
      if (this.tab === "table") query.set("tab", "table");
    }
    if (this.name === "alerts") {
      if (this.ruleState !== "all") query.set("state", this.ruleState);
      if (this.ruleText) query.set("q", this.ruleText);
      if (this.alertPart !== "now") query.set("part", this.alertPart);
      if (this.alertReceiver) query.set("receiver", this.alertReceiver);
      if (this.asked.action) {
        query.set("do", this.asked.action);
        if (this.asked.alerts.length) query.set("alert", this.asked.alerts.join(","));
        if (this.asked.matchers) query.set("filter", this.asked.matchers);
      }
    }
    if (this.name === "services") {
      if (this.service) query.set("service", this.service);
      if (this.program) query.set("program", this.program);
      if (this.program && this.programPart !== "caches") query.set("ask", this.programPart);
    }
    if (this.name === "incidents" && this.incident) query.set("incident", String(this.incident));
    if (this.name === "overview" && this.card) query.set("gpu", this.card);
    if (this.name === "targets") {
      if (this.targetState !== "all") query.set("state", this.targetState);
      if (this.targetText) query.set("q", this.targetText);
      if (this.targetPage) query.set("page", String(this.targetPage + 1));
    }
  }

  private readUrl(): void {
    const query = new URLSearchParams(location.search);
    const asked = VIEWS.find((one) => one.name === query.get("view"));
    const expression = query.get("expr");
    this.name = asked?.name ?? (expression ? "query" : "overview");
    if (this.name === "query") {
      this.expression = expression ?? "";
      this.tab = query.get("tab") === "table" ? "table" : "graph";
    }
    if (this.name === "alerts") {
      this.ruleState = RULE_STATES.find((one) => one === query.get("state")) ?? "all";
      this.ruleText = query.get("q") ?? "";
      this.alertPart = ALERT_PARTS.find((one) => one === query.get("part")) ?? "now";
      this.alertReceiver = query.get("receiver") ?? "";
      const action = query.get("do");
      this.asked = action !== "acknowledge" && action !== "silence" ? NOTHING
        : { action, alerts: (query.get("alert") ?? "").split(",").filter((one) => /^[0-9a-f]{1,16}$/.test(one)), matchers: query.get("filter") ?? "" };
    }
    if (this.name === "services") {
      this.service = query.get("service") ?? "";
      this.program = query.get("program") ?? "";
      this.programPart = query.get("ask") ?? "caches";
    }
    if (this.name === "incidents") this.incident = Math.max(0, Math.trunc(Number(query.get("incident")) || 0));
    if (this.name === "overview") this.card = query.get("gpu") ?? "";
    if (this.name === "targets") {
      this.targetState = TARGET_STATES.find((one) => one === query.get("state")) ?? "all";
      this.targetText = query.get("q") ?? "";
      this.targetPage = Math.max(0, Math.trunc(Number(query.get("page")) || 1) - 1);
    }
  }
}

export const view = new View();
