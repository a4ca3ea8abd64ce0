// The ways in which metrics come in: where each listens, by the configuration in force, what sends
// a first sample, and which of the daemon's own counters tell that something came.

export type Settings = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

// The settings as /api/v1/status/config tells them: our TOML, each line a comment.
export function settingsOf(text: string): Settings {
  const out = new Map<string, Map<string, unknown>>();
  let section: Map<string, unknown> | null = null;
  for (const line of text.split("\n")) {
    const head = /^# \[+([\w.]+)\]+$/.exec(line);
    if (head) out.set(head[1] ?? "", (section = new Map<string, unknown>()));
    const pair = /^# (\w+) = (.*)$/.exec(line);
    if (!pair || !section) continue;
    try {
      section.set(pair[1] ?? "", JSON.parse(pair[2] ?? ""));
    } catch {
      section.set(pair[1] ?? "", pair[2]);
    }
  }
  return out;
}

function listOf(settings: Settings, section: string, ...keys: string[]): string[] {
  return keys.flatMap((key) => {
    const value = settings.get(section)?.get(key);
    return Array.isArray(value) ? value.map(String) : [];
  });
}

// An address that somebody can send to: who listens everywhere is reached as the page is.
export function reachable(listen: string, host: string): string {
  const any = /^(?:0\.0\.0\.0|\[::\]|\*|):(\d+)$/.exec(listen);
  return any ? `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${any[1]}` : listen;
}

// The settings that the daemon's kinds of sockets (sonde_sockets_listening) come from.
const DOORS: Readonly<Record<string, readonly [string, string]>> = {
  otlp: ["otlp", "listen"], statsd: ["statsd", "listen"], collectd: ["collectd", "listen"],
  graphite: ["graphite", "listen"], graphite_udp: ["graphite", "listen_udp"], graphite_pickle: ["graphite", "listen_pickle"],
};

// What is left of the settings without the addresses that nobody listens on, and these.
function heard(settings: Settings, deaf: ReadonlySet<string>): { settings: Settings; taken: Map<string, string[]> } {
  const out = new Map([...settings].map(([name, section]) => [name, new Map(section)]));
  const taken = new Map<string, string[]>();
  for (const door of deaf) {
    const [section, key] = DOORS[door] ?? ["", ""];
    const addresses = listOf(settings, section, key);
    if (addresses.length === 0) continue;
    taken.set(section, [...(taken.get(section) ?? []), ...addresses]);
    out.get(section)?.set(key, []);
  }
  return { settings: out, taken };
}

export interface Way {
  name: string; // also the label of its counts
  title: string;
  about: string;
  addresses: string[]; // none: it is off
  taken: string[]; // addresses that another program has
  how: string; // what `snippet` is
  snippet: string;
  on: string; // how to turn it on, where it is off
  counts: string; // what the counter counts
  counter: string;
  refused: string; // its counter; "" where there is none
}

interface Row {
  name: string;
  title: string;
  about: string;
  at: (settings: Settings, origin: string) => string[];
  how: string;
  snippet: (at: string, origin: string, settings: Settings) => string;
  on?: string;
  counts: string;
  counter: string;
  refused: string;
}

const shell = "in a shell";
const port = (address: string): [string, string] => {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon).replace(/^\[|\]$/g, ""), address.slice(colon + 1)];
};
const device = (kind: "tcp" | "udp", address: string): string => `/dev/${kind}/${port(address).join("/")}`;
const plain = (addresses: readonly string[]): string => addresses.find((one) => !one.startsWith("unix:")) ?? "";

const ROWS: readonly Row[] = [
  { name: "remote_write", title: "Prometheus remote write", about: "From Prometheus, vmagent, Alloy and others.",
    at: (_s, origin) => [`${origin}/api/v1/write`], how: "in prometheus.yml", snippet: (at) => `remote_write: [{url: "${at}"}]`,
    counts: "requests", counter: "sonde_remote_write_requests_total", refused: "sonde_remote_write_rejected_total" },
  { name: "otlp", title: "OpenTelemetry", about: "OTLP over HTTP and gRPC, of any SDK or collector.",
    at: (s, origin) => [...listOf(s, "otlp", "listen").sort((a, b) => Number(b.endsWith(":4318")) - Number(a.endsWith(":4318"))).map((one) => (one.startsWith("unix:") ? one : `http://${one}/v1/metrics`)), `${origin}/v1/metrics`],
    how: shell, snippet: (at) => `curl -s ${at} -H 'Content-Type: application/json' -d '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"hello_otlp","gauge":{"dataPoints":[{"timeUnixNano":"'$(date +%s%N)'","asInt":"1"}]}}]}]}]}'`,
    counts: "points", counter: "sonde_otlp_points_total", refused: "sonde_otlp_rejected_points_total" },
  { name: "statsd", title: "StatsD and DogStatsD", about: "Datagrams of programs that count and time.",
    at: (s) => listOf(s, "statsd", "listen"), how: shell, snippet: (at) => `bash -c 'printf "hello_statsd:1|c" > ${device("udp", at)}'`,
    on: `[statsd]\nlisten = ["127.0.0.1:8125"]`,
    counts: "values", counter: "sonde_statsd_metrics_total", refused: "sonde_statsd_bad_lines_total" },
  { name: "influx", title: "InfluxDB's line protocol", about: "From Telegraf and clients of InfluxDB 1 and 2.",
    at: (_s, origin) => [`${origin}/write`, `${origin}/api/v2/write`], how: shell,
    snippet: (at) => `curl -s '${at}?db=test' --data-binary 'hello_influx,room=attic value=1'`,
    counts: "requests", counter: "sonde_influx_requests_total", refused: "sonde_influx_rejected_total" },
  { name: "graphite", title: "Graphite", about: "Lines over TCP and UDP, pickles of carbon-relay.",
    at: (s) => listOf(s, "graphite", "listen", "listen_udp", "listen_pickle"), how: shell,
    snippet: (at, _origin, s) => {
      const [lines, datagrams] = [plain(listOf(s, "graphite", "listen")), plain(listOf(s, "graphite", "listen_udp"))];
      return lines || datagrams ? `bash -c 'echo "hello.graphite 1 $(date +%s)" > ${device(lines ? "tcp" : "udp", at)}'` : "";
    },
    on: `[graphite]\nlisten = ["127.0.0.1:2003"]`,
    counts: "samples", counter: "sonde_graphite_samples_total", refused: "sonde_graphite_refused_total" },
  { name: "collectd", title: "collectd's network plugin", about: "Binary packets, plain, signed or encrypted.",
    at: (s) => listOf(s, "collectd", "listen"), how: "in <Plugin network> of collectd.conf", snippet: (at) => `Server "${port(at)[0]}" "${port(at)[1]}"`,
    on: `[collectd]\nlisten = ["127.0.0.1:25826"]`,
    counts: "samples", counter: "sonde_collectd_samples_total", refused: "sonde_collectd_bad_packets_total" },
  { name: "collectd_http", title: "collectd over HTTP", about: "What its write_http plugin sends.",
    at: (_s, origin) => [`${origin}/api/collectd`], how: shell, snippet: (at) => `curl -s ${at} -d 'PUTVAL web1/load/load N:0.5:0.4:0.3'`,
    counts: "requests", counter: "sonde_collectd_http_requests_total", refused: "sonde_collectd_http_rejected_total" },
  { name: "pushgateway", title: "Pushgateway", about: "Jobs that end push what they have to say.",
    at: (_s, origin) => [`${origin}/metrics/job/NAME`], how: shell,
    snippet: (_at, origin) => `echo 'hello_push 1' | curl -s --data-binary @- ${origin}/metrics/job/test`,
    counts: "requests", counter: "sonde_pushgateway_requests_total", refused: "sonde_pushgateway_rejected_total" },
  { name: "metrics", title: "JSON and text by hand", about: "One sample or many, without a library.",
    at: (_s, origin) => [`${origin}/api/metrics`], how: shell,
    snippet: (at) => `curl -s ${at} -H 'Content-Type: application/json' -d '{"name":"hello_json","value":1}'`,
    counts: "requests", counter: "sonde_metrics_push_requests_total", refused: "sonde_metrics_push_rejected_total" },
];

// deaf: the daemon's kinds of sockets of which it has none.
export function waysOf(configured: Settings, origin: string, host: string, deaf: ReadonlySet<string> = new Set()): Way[] {
  const { settings, taken } = heard(configured, deaf);
  return ROWS.map((row) => {
    const addresses = row.at(settings, origin).map((one) => one.replace(/^(http:\/\/|)([^/]*)(.*)$/, (_all, scheme: string, at: string, path: string) => scheme + reachable(at, host) + path));
    const at = plain(addresses);
    return { name: row.name, title: row.title, about: row.about, addresses, taken: taken.get(row.name) ?? [], how: row.how, snippet: at ? row.snippet(at, origin, settings) : "",
      on: row.on ?? "", counts: row.counts, counter: row.counter, refused: row.refused };
  });
}

// What counters grew by in the last minute, each with the label `way`. Differences, not increase():
// one that came is to be shown as one. A counter that is lower than it was has begun anew.
export function minuteQuery(counters: readonly { way: string; metric: string }[], own: string): string {
  return counters.filter((one) => one.metric).map(({ way, metric }) => {
    const sum = `sum(${metric}${own})`;
    const before = `sum(${metric}${own} offset 1m)`;
    return `label_replace((${sum} - (${before} <= ${sum})) or ${sum}, "way", "${way}", "", "")`;
  }).join(" or ");
}
