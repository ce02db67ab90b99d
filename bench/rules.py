#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many rules, and rules that change under traffic: loads 100,000 rules with 500 masks into 40 tables, measures the
memory of one, checks which rule packets meet, then changes rules as fast as the switch takes them while a worker
forwards at full speed, and looks for a packet that was lost.

No rights, devices or hugepages needed: packets come from DPDK's null driver, which makes them, and go to it.
Exit code 1 when a packet was lost, met a wrong rule, or flow-mods were slower than --least.
"""
import argparse
import datetime
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, ROOT + "/tests")
from pkt import OpenFlow  # noqa: E402

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
TABLES = 40
SRC_BITS, DST_BITS = range(8, 33), range(13, 33)  # 25 x 20 masks
MASKS = [(s, d) for s in SRC_BITS for d in DST_BITS]
EVERYTHING = 0xFFFFFFFF
ADD, MODIFY_STRICT, DELETE, DELETE_STRICT = 0, 2, 3, 4


class Bench:
    def __init__(self, program, dummy):
        self.folder = tempfile.mkdtemp(prefix="sluice-rules.", dir="/tmp")
        self.env = dict(os.environ, OVS_RUNDIR=self.folder, OVS_DBDIR=self.folder, OVS_LOGDIR=self.folder)
        self.run("ovsdb-tool", "create", self.folder + "/conf.db", SCHEMA)
        self.run("ovsdb-server", "--detach", "--no-chdir", "--pidfile", "-vconsole:off", "--log-file",
                 "--remote=punix:%s/db.sock" % self.folder, self.folder + "/conf.db")
        self.run("ovs-vsctl", "--no-wait", "init")
        self.run(program, "unix:%s/db.sock" % self.folder, "--detach", "--no-chdir", "--pidfile", "-vconsole:off",
                 "--log-file=%s/switch.log" % self.folder, *(["--enable-dummy=override"] if dummy else []))
        self.pid = int(open(self.folder + "/ovs-vswitchd.pid").read())
        command = ["ovs-vsctl", "--timeout=30", "add-br", "br0", "--", "set", "bridge", "br0", "fail_mode=secure", "datapath_type=netdev"]
        for n in (1, 2, 3):
            command += ["--", "add-port", "br0", "p%d" % n, "--", "set", "interface", "p%d" % n, "ofport_request=%d" % n]
            command += ["type=dummy"] if dummy else ["type=dpdk", "options:dpdk-devargs=net_null%d,%s" % (n, "size=64" if n == 1 else "no-rx=1")]
        self.run(*command)
        self.openflow = OpenFlow(self.folder + "/br0.mgmt")
        self.openflow.sock.settimeout(120)

    def run(self, *command):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise SystemExit("%s: %s%s" % (" ".join(command[:4]), done.stdout, done.stderr))
        return done.stdout

    def rss_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % self.pid).read()).group(1))

    def stop(self):
        for name in ("ovs-vswitchd.pid", "ovsdb-server.pid"):
            try:
                os.kill(int(open("%s/%s" % (self.folder, name)).read()), 15)
            except (OSError, ValueError):
                pass
        deadline = time.time() + 10
        while time.time() < deadline and os.path.exists("/proc/%d" % self.pid):
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)


def oxm(field, value, mask=None):
    body = value + (mask or b"")
    return struct.pack("!HBB", 0x8000, field << 1 | (mask is not None), len(body)) + body


def flow_mod(command, table, priority, fields, instructions, cookie=0):
    match = struct.pack("!HH", 1, 4 + len(fields)) + fields
    match += b"\0" * (-len(match) % 8)
    body = struct.pack("!QQBBHHHIIIHxx", cookie, 0, table, command, 0, 0, priority, EVERYTHING, EVERYTHING, EVERYTHING, 0) + match + instructions
    return struct.pack("!BBHI", 4, 14, 8 + len(body), 1) + body


def output(port):
    action = struct.pack("!HHIH6x", 0, 16, port, 0xFFFF)
    return struct.pack("!HH4x", 4, 8 + len(action)) + action


def goto(table):
    return struct.pack("!HHB3x", 1, 8, table)


def prefix(bits):
    return EVERYTHING << (32 - bits) & EVERYTHING


def draw_rules(count, source):
    """(table, src, dst, mask number) of each rule; no two of a table are equal."""
    seen, rules = set(), []
    while len(rules) < count:
        number = len(rules)
        table, mask = number % TABLES, (number // TABLES) % len(MASKS)
        src_mask, dst_mask = prefix(MASKS[mask][0]), prefix(MASKS[mask][1])
        rule = (table, (10 << 24 | source.getrandbits(24)) & src_mask, (172 << 24 | source.getrandbits(24)) & dst_mask, mask)
        if rule not in seen:  # short prefixes have few values, but enough for the rules of one table
            rules.append(rule)
        seen.add(rule)
    return rules


def encode(number, rule):
    table, src, dst, mask = rule
    pack = lambda value: struct.pack("!I", value)
    fields = oxm(5, b"\x08\x00") + oxm(11, pack(src), pack(prefix(MASKS[mask][0]))) + oxm(12, pack(dst), pack(prefix(MASKS[mask][1])))
    return flow_mod(ADD, table, mask + 1, fields, goto(table + 1) if table + 1 < TABLES else output(2), number + 1)


def feed(openflow, messages, size=1000):
    """Sends in pieces, with a barrier at the end; seconds until its reply."""
    began = time.perf_counter()
    for at in range(0, len(messages), size):
        openflow.sock.sendall(b"".join(messages[at:at + size]))
    openflow.barrier()
    return time.perf_counter() - began


def expected_hits(rules, packets):
    """Packets each rule must have met, by cookie; the slow way."""
    tables = [{} for _ in range(TABLES)]
    for number, (table, src, dst, mask) in enumerate(rules):
        tables[table].setdefault(mask, {})[src, dst] = number + 1
    hits = {}
    for src, dst in packets:
        for table in tables:
            for mask in sorted(table, reverse=True):
                cookie = table[mask].get((src & prefix(MASKS[mask][0]), dst & prefix(MASKS[mask][1])))
                if cookie:
                    hits[cookie] = hits.get(cookie, 0) + 1
                    break
    return hits


def frame(src, dst):
    head = struct.pack("!BBHHHBBHII", 0x45, 0, 46, 0, 0, 64, 17, 0, src, dst)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return bytes.fromhex("020000000002020000000001") + b"\x08\x00" + head + struct.pack("!HHHH", 1, 2, 26, 0) + bytes(18)


def load(args, results):
    """Loads the rules into an idle switch and sends packets through them, one by one."""
    bench = Bench(args.sluiced, dummy=True)
    try:
        source = random.Random(args.seed)
        rules = draw_rules(args.rules, source)
        messages = [encode(n, rule) for n, rule in enumerate(rules)]
        messages += [flow_mod(ADD, t, 0, b"", goto(t + 1) if t + 1 < TABLES else output(2)) for t in range(TABLES)]
        before = bench.rss_kib()
        seconds = feed(bench.openflow, messages)
        after = bench.rss_kib()
        packets = []
        for _ in range(args.packets):
            _, src, dst, mask = source.choice(rules)
            packets.append((src | source.getrandbits(32) & ~prefix(MASKS[mask][0]) & EVERYTHING, dst | source.getrandbits(32) & ~prefix(MASKS[mask][1]) & EVERYTHING))
        for at in range(0, len(packets), 100):
            bench.run("ovs-appctl", "netdev-dummy/receive", "p1", *[frame(*p).hex() for p in packets[at:at + 100]])
        met = {}
        for cookie, count in re.findall(r"cookie=0x([0-9a-f]+).*?n_packets=(\d+)", bench.run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br0")):
            if int(count) and int(cookie, 16):
                met[int(cookie, 16)] = int(count)
        wanted = expected_hits(rules, packets)
        wrong = sum(1 for cookie in set(met) | set(wanted) if met.get(cookie) != wanted.get(cookie))
        loaded = int(re.search(r"flow_count=(\d+)", bench.run("ovs-ofctl", "-O", "OpenFlow13", "dump-aggregate", "br0")).group(1))
        results["load"] = {"rules": loaded, "masks": len(MASKS), "tables": TABLES, "seconds": round(seconds, 3), "rules_per_second": round(args.rules / seconds),
                           "rss_before_kib": before, "rss_after_kib": after, "bytes_per_rule": round((after - before) * 1024 / args.rules),
                           "packets": len(packets), "lookups": len(packets) * TABLES, "rules_met": len(wanted), "rules_met_wrongly": wrong}
        return wrong == 0
    finally:
        bench.stop()


def totals(bench):
    text = bench.run("ovs-appctl", "sluice/conservation")
    return {name: int(value) for name, value in re.findall(r"(\w+)[:=]\s*(\d+)", text)}, text


def drops(bench):
    return {name: int(count) for name, count in re.findall(r"^\s*(.*?)\s+(\d+)\s*$", bench.run("ovs-appctl", "sluice/drops"), re.M)}


def churn(args, results):
    """Changes rules for some seconds while a worker forwards what the null driver makes, as fast as it can."""
    bench = Bench(args.sluiced, dummy=False)
    try:
        source = random.Random(args.seed)
        in_port = oxm(0, struct.pack("!I", 1))
        bench.openflow.sock.sendall(flow_mod(ADD, 0, 1, in_port, output(2)))
        bench.openflow.barrier()
        others = [encode(n, rule) for n, rule in enumerate(draw_rules(20000, source))]
        for message in (others[n:n + 1000] for n in range(0, len(others), 1000)):
            bench.openflow.sock.sendall(b"".join(message))
        bench.openflow.barrier()
        # A round changes the rule that every packet meets in all ways there are, beside changes it never meets.
        round_of = [flow_mod(ADD, 0, 2000, in_port, output(3)), flow_mod(MODIFY_STRICT, 0, 2000, in_port, output(2)), flow_mod(MODIFY_STRICT, 0, 1, in_port, output(3)),
                    flow_mod(DELETE_STRICT, 0, 2000, in_port, b""), flow_mod(ADD, 0, 1, in_port, output(2))]
        time.sleep(0.5)
        first, _ = totals(bench)
        before = drops(bench)  # of packets that came before the first rule
        sent, began = 0, time.perf_counter()
        while time.perf_counter() - began < args.seconds:
            block = [m for n in range(20) for m in round_of + source.sample(others, 20)]
            bench.openflow.sock.sendall(b"".join(block))
            bench.openflow.barrier()
            sent += len(block)
        seconds = time.perf_counter() - began
        last, text = totals(bench)
        dropped = {name: count - before.get(name, 0) for name, count in drops(bench).items() if count != before.get(name, 0)}
        lost = sum(dropped.values())
        results["churn"] = {"seconds": round(seconds, 2), "flow_mods": sent, "flow_mods_per_second": round(sent / seconds),
                            "packets": last.get("received", 0) - first.get("received", 0), "packets_lost": lost, "drops": dropped, "conservation": text.strip()}
        return lost == 0 and sent / seconds >= args.least and last.get("received", 0) > first.get("received", 0)
    finally:
        bench.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=100000)
    parser.add_argument("--packets", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=20000, help="flow-mods a second that must be reached")
    parser.add_argument("--only", choices=["load", "churn"])
    parser.add_argument("--no-record", action="store_true", help="don't write bench/results")
    parser.add_argument("--sluiced", default=ROOT + "/build/release/bin/sluiced")
    args = parser.parse_args()
    results = {}
    good = True
    if args.only != "churn":
        good &= load(args, results)
    if args.only != "load":
        good &= churn(args, results)
    print(json.dumps(results, indent=1))
    if not args.no_record:
        now = datetime.datetime.now(datetime.timezone.utc)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        with open("%s/bench/results/rules-%s.json" % (ROOT, now.strftime("%Y-%m-%dT%H%M%SZ")), "w") as out:
            json.dump({"when": now.isoformat(), "commit": commit, "arguments": vars(args) | {"sluiced": os.path.relpath(args.sluiced, ROOT)}, **results}, out, indent=1)
            out.write("\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
