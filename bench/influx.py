"""Rows about InfluxDB's line protocol: the same bodies to Sonde and to VictoriaMetrics."""
import http.client
import json
import random
import threading
import time

# Tags and fields of the time series benchmark suite's cpu lines.
REGIONS = ["us-east-1", "us-west-1", "eu-west-1", "eu-central-1", "ap-southeast-1"]
CPU_FIELDS = ["usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait", "usage_irq",
              "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"]


def suite_tags(dice, i):
    region = dice.choice(REGIONS)
    return (f"hostname=host_{i},region={region},datacenter={region}{dice.choice('abc')},"
            f"rack={dice.randrange(100)},os={dice.choice(['Ubuntu16.10', 'Ubuntu16.04LTS'])},"
            f"arch={dice.choice(['x64', 'x86'])},team={dice.choice(['SF', 'NYC', 'LON', 'CHI'])},"
            f"service={dice.randrange(20)},service_version={dice.randrange(2)},"
            f"service_environment={dice.choice(['production', 'staging', 'test'])}")


def suite_step(dice, hosts, state, at_ns):
    """One line of ten whole numbers for each host."""
    lines = []
    for i, tags in enumerate(hosts):
        values = state[i]
        for k in range(10):
            values[k] = min(100, max(0, values[k] + dice.randrange(-3, 4)))
        fields = ",".join(f"{name}={v}i" for name, v in zip(CPU_FIELDS, values))
        lines.append(f"cpu,{tags} {fields} {at_ns}")
    return "\n".join(lines) + "\n", 10 * len(hosts)


def agent_step(dice, hosts, _, at_ns):
    """What an agent writes of a host: floats with all their digits, and whole numbers."""
    lines, samples = [], 0
    for i in range(len(hosts)):
        host = f"host=web-{i}.example"
        for cpu in range(2):
            user, system = dice.uniform(0, 60), dice.uniform(0, 30)
            lines.append(f"cpu,cpu=cpu{cpu},{host} usage_user={user!r},usage_system={system!r},"
                         f"usage_idle={100 - user - system!r},usage_active={user + system!r},"
                         f"usage_nice=0,usage_iowait={dice.uniform(0, 2)!r},usage_irq=0,"
                         f"usage_softirq={dice.uniform(0, 1)!r},usage_steal=0,usage_guest=0 {at_ns}")
        used = dice.randrange(1 << 33)
        lines.append(f"mem,{host} active={used // 2}i,available={(1 << 34) - used}i,buffered=22831104i,"
                     f"cached=3221225472i,free={(1 << 33) - used // 2}i,total=17179869184i,used={used}i,"
                     f"used_percent={used / (1 << 34) * 100!r} {at_ns}")
        lines.append(f"disk,device=nvme0n1p1,fstype=ext4,{host},mode=rw,path=/ free={1 << 36}i,"
                     f"inodes_free=6029312i,inodes_total=6553600i,inodes_used=524288i,"
                     f"total=105089261568i,used={used}i,used_percent={dice.uniform(0, 99)!r} {at_ns}")
        lines.append(f"net,{host},interface=eth0 bytes_recv={at_ns // 1000}i,bytes_sent={at_ns // 3000}i,"
                     f"drop_in=0i,drop_out=0i,err_in=0i,err_out=0i,packets_recv={at_ns // 100000}i,"
                     f"packets_sent={at_ns // 200000}i {at_ns}")
        lines.append(f"system,{host} load1={dice.randrange(400) / 100},load15=0.31,load5=0.42,n_cpus=2i,"
                     f"n_users=1i,uptime={at_ns // 10**9}i,uptime_format=\"12 days, 3:04\" {at_ns}")
        samples += 20 + 8 + 7 + 8 + 6
    return "\n".join(lines) + "\n", samples


def bodies(step, hosts_n, steps):
    """Steps of 10 s that end a minute ago, one body each."""
    dice = random.Random(1)
    hosts = [suite_tags(dice, i) for i in range(hosts_n)]
    state = [[dice.randrange(100) for _ in range(10)] for _ in hosts]
    begin_ns = (int(time.time()) - 60 - 10 * steps) * 10**9
    made, samples = [], 0
    for i in range(steps):
        text, n = step(dice, hosts, state, begin_ns + i * 10 * 10**9)
        made.append(text.encode())
        samples += n
    return made, samples


def post_all(server, made):
    """Two connections, each with every second body."""
    failed = []

    def post(mine):
        c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        for body in mine:
            c.request("POST", "/write?db=bench", body)
            r = c.getresponse()
            said = r.read()
            if r.status != 204:
                failed.append(f"{r.status} {said[:300]}")
                return
        c.close()

    threads = [threading.Thread(target=post, args=(made[i::2],)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise RuntimeError(f"{server.name}: {failed[0]}")


def count(server):
    """All samples that are there, name by name."""
    now = time.time()
    status, body = server.get("/api/v1/label/__name__/values?start=" + str(int(now) - 86400))
    if status != 200:
        raise RuntimeError(f"{server.name}: {status} {body[:300]}")
    return sum(server.value(f"sum(count_over_time({name}{{db=\"bench\"}}[1d]))", now)
               for name in json.loads(body)["data"])


def measure(b, server, made, samples):
    server.start()
    cpu, begin = server.cpu_precise_s(), time.monotonic()
    post_all(server, made)
    seconds = time.monotonic() - begin
    server.idle()
    cpu = server.cpu_precise_s() - cpu
    if server.name == "victoria-metrics":
        server.get("/internal/force_flush")  # it shows samples later otherwise
    stored = count(server)
    server.remove()
    texts = sum(body.count(b"uptime_format=") for body in made)  # VictoriaMetrics stores them as 0
    if stored not in (samples, samples + texts):
        raise RuntimeError(f"{server.name} has {stored} of {samples} samples")
    b.say(f"{server.name}: {samples} samples in {seconds:.1f} s, CPU {cpu:.2f} s")
    return {"samples": samples, "seconds": seconds, "cpu_s": cpu, "per_cpu_s": samples / cpu}


def influx(b):
    for what, step, hosts, steps in (
            ("cpu lines of 10 tags and 10 fields", suite_step, b.size(1000, 400), b.size(400, 100)),
            ("an agent's lines", agent_step, b.size(400, 200), b.size(200, 60))):
        made, samples = bodies(step, hosts, steps)
        found = [measure(b, s, made, samples) for s in (b.sonde(), b.victoria()) if s is not None]
        ours, peers = found[0]["per_cpu_s"], found[1:]
        ratio = ours / peers[0]["per_cpu_s"] if peers else None
        b.add(f"Influx: {what}, samples per CPU-second", f"{ours / 1e6:.2f} M/s",
              f"VictoriaMetrics {peers[0]['per_cpu_s'] / 1e6:.2f} M/s" if peers else "",
              f"{ratio:.1f} x" if peers else "", "3 x", "6 x", ratio >= 3 if peers else None,
              ratio >= 6 if peers else None, sonde=found[0], peers=peers)
