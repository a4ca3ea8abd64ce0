// The queries that make the overview of this machine.

import { live } from "../api/live.svelte";
import { range } from "../state/range.svelte";
import { Feed } from "./feed.svelte";

// The series of this host, among all that others may have pushed. The server says its own labels.
export function own(more = ""): string {
  const hello = live.hello;
  const parts: string[] = [];
  if (hello?.job) parts.push(`job=${JSON.stringify(hello.job)}`);
  if (hello?.instance) parts.push(`instance=${JSON.stringify(hello.instance)}`);
  if (more) parts.push(more);
  return parts.length ? `{${parts.join(",")}}` : "";
}

// A window for rates that holds several points of what is collected every `every` seconds.
function over(step: number, every = 1): string {
  return `[${Math.max(step, every * 5)}s]`;
}

const rate = (metric: string, step: number, more = "", every = 1): string => `rate(${metric}${own(more)}${over(step, every)})`;
const DISKS = 'device!~"(loop|ram|sr|fd).*"';

export class Host {
  // Charts: the whole window.
  readonly cpu = new Feed((s) => `100 * avg by (mode) (${rate("node_cpu_seconds_total", s, 'mode!="idle"')})`);
  readonly cores = new Feed((s) => `100 * sum by (cpu) (${rate("node_cpu_seconds_total", s, 'mode!="idle"')})`);
  readonly memory = new Feed(() => own('__name__=~"node_memory_(MemTotal|MemFree|MemAvailable|Buffers|Cached|SReclaimable|SwapTotal|SwapFree)_bytes"'));
  readonly load = new Feed(() => own('__name__=~"node_load(1|5|15)"'));
  readonly pressureCpu = new Feed((s) => `100 * ${rate("node_pressure_cpu_waiting_seconds_total", s)}`);
  readonly pressureMemory = new Feed((s) => `100 * ${rate("node_pressure_memory_waiting_seconds_total", s)}`);
  readonly pressureIo = new Feed((s) => `100 * ${rate("node_pressure_io_waiting_seconds_total", s)}`);
  readonly diskRead = new Feed((s) => rate("node_disk_read_bytes_total", s, DISKS));
  readonly diskWrite = new Feed((s) => rate("node_disk_written_bytes_total", s, DISKS));
  readonly diskBusy = new Feed((s) => `100 * ${rate("node_disk_io_time_seconds_total", s, DISKS)}`);
  readonly receive = new Feed((s) => rate("node_network_receive_bytes_total", s, 'device!="lo"'));
  readonly transmit = new Feed((s) => rate("node_network_transmit_bytes_total", s, 'device!="lo"'));
  readonly temperature = new Feed(() => `node_hwmon_temp_celsius${own()}`);
  readonly fans = new Feed(() => `node_hwmon_fan_rpm${own()}`);
  readonly ownCpu = new Feed((s) => `100 * sum(${rate("process_cpu_seconds_total", s, "", 5)})`);
  readonly ownMemory = new Feed(() => `sum(process_resident_memory_bytes${own()})`);
  readonly ownSamples = new Feed((s) => `sum(${rate("sonde_ingest_samples_total", s, "", 5)})`);

  // Lists: the present, or the end of a fixed window.
  readonly uname = new Feed(() => `node_uname_info${own()}`);
  readonly boot = new Feed(() => `node_boot_time_seconds${own()}`);
  readonly sizes = new Feed(() => `node_filesystem_size_bytes${own('fstype!~"ramfs|squashfs|overlay|nsfs"')}`);
  readonly available = new Feed(() => `node_filesystem_avail_bytes${own('fstype!~"ramfs|squashfs|overlay|nsfs"')}`);
  readonly free = new Feed(() => `node_filesystem_free_bytes${own('fstype!~"ramfs|squashfs|overlay|nsfs"')}`);
  readonly processCpu = new Feed(() => `100 * sonde_process_cpu_ratio${own()}`);
  readonly processMemory = new Feed(() => `sonde_process_resident_memory_bytes${own()}`);

  private readonly charts: readonly Feed[] = [this.cpu, this.cores, this.memory, this.load, this.pressureCpu,
    this.pressureMemory, this.pressureIo, this.diskRead, this.diskWrite, this.diskBusy, this.receive, this.transmit,
    this.temperature, this.fans, this.ownCpu, this.ownMemory, this.ownSamples];
  private readonly lists: readonly Feed[] = [this.uname, this.boot, this.sizes, this.available, this.free,
    this.processCpu, this.processMemory];

  open(): void {
    const { live: following, span, from, to } = range.window;
    const step = range.step;
    for (const feed of this.charts) {
      if (following) feed.follow(step, Math.round(span / step) + 1);
      else feed.load(from, to, step);
    }
    for (const feed of this.lists) {
      if (following) feed.follow(1, 1);
      else feed.load(to, to, 1);
    }
  }

  close(): void {
    for (const feed of [...this.charts, ...this.lists]) feed.close();
  }
}
