#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./run bench [p2p] [normal] [tcp]: Sluice beside its peers, in turn, in one run, on the same ports.

p2p     one forwarding core, port to port by one OpenFlow flow, 64-byte packets: Sluice, OVS-DPDK, testpmd io
normal  the same with NORMAL and one pair of MAC addresses
tcp     TCP between two namespaces: Sluice, Linux bridge (both with TSO)

Ports are net_pcap vdevs whose receive side replays one packet for ever from memory (infinite_rx), so the generator's
cost is inside every figure and testpmd io is the limit. Absolute figures say little about another machine; compare
within a run. Figures are medians of --rounds; a JSON file with all of them goes to bench/results.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import pkt  # noqa: E402

HUGE = "/proc/sys/vm/nr_hugepages"
OVS_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def run(*command, env=None, timeout=30, check=True):
    done = subprocess.run(command, env=env, timeout=timeout, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), (done.stderr or done.stdout).strip()))
    return done.stdout


def until(seconds, condition):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise RuntimeError("not within %d s" % seconds)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        # A leader that is a zombie may have threads that still end, and hold the memory.
        return fields[0] not in "ZX" or int(fields[17]) > 1
    except OSError:
        return False


def hugepages_free():
    values = dict(re.findall(r"HugePages_(Total|Free):\s+(\d+)", open("/proc/meminfo", encoding="ascii").read()))
    return values["Free"] == values["Total"]


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("=IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)


def ports(folder):
    """devargs of the two ports: the first replays one packet without end, the second receives one packet, once."""
    there = pkt.eth("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800, pkt.udp4("10.0.0.1", "10.0.0.2", 1000, 2000))
    back = pkt.eth("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, pkt.udp4("10.0.0.2", "10.0.0.1", 2000, 1000))
    write_pcap(folder + "/there.pcap", [there])
    write_pcap(folder + "/back.pcap", [back])
    return ("net_pcap0,rx_pcap=%s/there.pcap,infinite_rx=1" % folder, "net_pcap1,rx_pcap=%s/back.pcap" % folder)


class Switch:
    """Sluice or OVS-DPDK in a run directory of its own, one forwarding core."""

    def __init__(self, program, dpdk_config, worker_core):
        self.folder = tempfile.mkdtemp(prefix="sluice-bench.", dir="/tmp")
        self.env = dict(os.environ, OVS_RUNDIR=self.folder, OVS_DBDIR=self.folder, OVS_LOGDIR=self.folder)
        self.pids = []
        run("ovsdb-tool", "create", self.folder + "/conf.db", SCHEMA)
        run("ovsdb-server", "--detach", "--no-chdir", "--pidfile", "-vconsole:off", "--log-file=%s/db.log" % self.folder,
            "--remote=punix:%s/db.sock" % self.folder, self.folder + "/conf.db", env=self.env)
        self.vsctl("--no-wait", "init")
        config = ["other_config:pmd-cpu-mask=%#x" % (1 << worker_core), "other_config:dpdk-lcore-mask=0x1"]
        if dpdk_config:
            config += ["other_config:dpdk-init=true", "other_config:dpdk-extra=--no-pci --no-telemetry",
                       "other_config:dpdk-socket-mem=512"]
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *config)
        try:
            # Under this name the daemon's own files get the names that the tools look for.
            os.symlink(os.path.abspath(program), self.folder + "/ovs-vswitchd")
            run(self.folder + "/ovs-vswitchd", "unix:%s/db.sock" % self.folder, "--detach", "--no-chdir", "--pidfile", "-vconsole:off",
                "--log-file=%s/switch.log" % self.folder, env=self.env)
            self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
        except Exception:
            self.stop()
            raise

    def vsctl(self, *arguments):
        return run("ovs-vsctl", "--timeout=20", *arguments, env=self.env)

    def ofctl(self, *arguments):
        return run("ovs-ofctl", "--timeout=10", *arguments, env=self.env)

    def appctl(self, *arguments):
        return run("ovs-appctl", "--timeout=10", *arguments, env=self.env)

    def stop(self):
        for name in ("ovs-vswitchd", "ovsdb-server"):
            try:
                with open("%s/%s.pid" % (self.folder, name), encoding="ascii") as file:
                    pid = int(file.read())
                # OVS with a busy worker may take seconds to end; its memory must be back before the next starts.
                for sign, limit in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
                    os.kill(pid, sign)
                    deadline = time.monotonic() + limit
                    while alive(pid) and time.monotonic() < deadline:
                        time.sleep(0.02)
            except (OSError, ValueError):
                pass
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            until(10, hugepages_free)
        except RuntimeError:
            pass  # somebody else uses some

    def packets_out(self, ofport):
        text = self.ofctl("dump-ports", "br0", str(ofport))
        return int(re.search(r"tx pkts=(\d+)", text).group(1))


def teach(switch):
    """Lets the switch learn the second port's address from a packet that is as if received there."""
    back = pkt.eth("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, pkt.udp4("10.0.0.2", "10.0.0.1", 2000, 1000))
    switch.ofctl("packet-out", "br0", "in_port=2 packet=%s actions=NORMAL" % back.hex())
    return "02:00:00:00:00:02" in switch.appctl("fdb/show", "br0")


def measure_switch(program, dpdk_config, normal, args):
    switch = Switch(program, dpdk_config, args.core)
    try:
        devargs = ports(switch.folder)
        if not normal:
            switch.vsctl("set-fail-mode", "br0", "secure")
        for number in (2, 1):  # the second port first: with NORMAL its address is known before traffic comes
            switch.vsctl("add-port", "br0", "p%d" % number, "--", "set", "interface", "p%d" % number, "type=dpdk",
                         "ofport_request=%d" % number, "options:dpdk-devargs=" + devargs[number - 1])
            if normal and number == 2:
                until(10, lambda: teach(switch))
        if not normal:
            switch.ofctl("add-flow", "br0", "in_port=1,actions=output:2")
        until(10, lambda: switch.packets_out(2) > 1000)
        time.sleep(args.settle)
        rates = []
        before, start = switch.packets_out(2), time.monotonic()
        time.sleep(args.seconds)
        after, end = switch.packets_out(2), time.monotonic()
        rates.append((after - before) / (end - start) / 1e6)
        return rates[0]
    finally:
        switch.stop()


def measure_testpmd(args):
    folder = tempfile.mkdtemp(prefix="sluice-bench.", dir="/tmp")
    try:
        devargs = ports(folder)
        total = int(args.settle + args.seconds) + 2
        process = subprocess.Popen(
            ["dpdk-testpmd", "--in-memory", "--no-pci", "--no-telemetry", "-m", "256", "--lcores", "0@0,1@%d" % args.core,
             "--vdev", devargs[0], "--vdev", devargs[1], "--", "--forward-mode=io", "--stats-period=1", "--total-num-mbufs=16384",
             "--no-lsc-interrupt", "--no-flush-rx"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(total)
        process.send_signal(signal.SIGINT)
        try:
            text = process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            text = process.communicate()[0]
        rates = [int(rate) / 1e6 for rate in re.findall(r"NIC statistics for port 1.*?Tx-pps:\s+(\d+)", text, re.S)]
        rates = [rate for rate in rates if rate > 0][1:]
        if not rates:
            raise RuntimeError("testpmd printed no rate: " + text[-600:])
        return statistics.median(rates)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def iperf(args):
    server = subprocess.Popen(["ip", "netns", "exec", "right", "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(5, lambda: ":5201" in run("ip", "netns", "exec", "right", "ss", "-ltn"))
        text = run("ip", "netns", "exec", "left", "iperf3", "-c", "10.0.0.2", "-t", str(int(args.seconds) + 1), "-O", "1", "-J",
                   "--connect-timeout", "3000", timeout=60, check=False)
        result = json.loads(text)
        if "sum_received" not in result.get("end", {}):
            raise RuntimeError("iperf3: " + result.get("error", "no result"))
        return result["end"]["sum_received"]["bits_per_second"] / 1e9
    finally:
        server.kill()
        server.wait()


def with_guests(connect, disconnect, args):
    """Two namespaces whose veths `connect` joins; iperf3 between them."""
    names = ("left", "right")
    try:
        for number, name in enumerate(names, 1):
            run("ip", "netns", "add", name)
            run("ip", "link", "add", "v-" + name, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", "v-" + name, "up")
            run("ip", "-n", name, "addr", "add", "10.0.0.%d/24" % number, "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        connect()
        until(10, lambda: " 0% packet loss" in run("ip", "netns", "exec", "left", "ping", "-c", "1", "-W", "1", "10.0.0.2", check=False))
        return iperf(args)
    finally:
        disconnect()
        for name in names:
            run("ip", "link", "del", "v-" + name, check=False)
            run("ip", "netns", "del", name, check=False)


def tcp_sluice(args):
    switch = Switch(args.sluiced, False, args.core)
    return with_guests(lambda: switch.vsctl("add-port", "br0", "v-left", "--", "add-port", "br0", "v-right"), switch.stop, args)


def tcp_linux(args):
    def connect():
        run("ip", "link", "add", "lbr0", "type", "bridge")
        run("ip", "link", "set", "lbr0", "up")
        for name in ("v-left", "v-right"):
            run("ip", "link", "set", name, "master", "lbr0")
    return with_guests(connect, lambda: run("ip", "link", "del", "lbr0", check=False), args)


def contenders(name, args):
    if name == "tcp":
        return "Gbit/s", [("Sluice", lambda: tcp_sluice(args)), ("Linux bridge", lambda: tcp_linux(args))]
    normal = name == "normal"
    return "Mpps", [("Sluice", lambda: measure_switch(args.sluiced, True, normal, args)),
                    ("OVS-DPDK", lambda: measure_switch(OVS_DPDK, True, normal, args)), ("testpmd io", lambda: measure_testpmd(args))]


def bench(name, args):
    unit, all_of_them = contenders(name, args)
    wanted = [(who, measure) for who, measure in all_of_them if not args.only or who.split()[0].lower() in args.only.lower().split(",")]
    figures = {who: [] for who, _ in wanted}
    failed = {}
    for number in range(args.rounds):
        for who, measure in wanted:
            if who in failed:
                continue
            if sys.stderr.isatty():
                print("\r%s: round %d of %d, %s      " % (name, number + 1, args.rounds, who), end="", file=sys.stderr)
            try:
                figures[who].append(measure())
            except (RuntimeError, subprocess.SubprocessError, OSError, ValueError) as error:
                failed[who] = str(error)
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    medians = {who: statistics.median(values) for who, values in figures.items() if values}
    print("\n%s (%s, median of %d)" % (name, unit, args.rounds))
    print("  %-14s %9s %9s %9s   Sluice is" % ("", "median", "least", "most"))
    for who, _ in wanted:
        if who not in medians:
            print("  %-14s failed: %s" % (who, failed[who]))
            continue
        ratio = "%.2f times this" % (medians["Sluice"] / medians[who]) if "Sluice" in medians and who != "Sluice" else ""
        print("  %-14s %9.2f %9.2f %9.2f   %s" % (who, medians[who], min(figures[who]), max(figures[who]), ratio))
    return {"unit": unit, "figures": figures, "medians": medians, "failed": failed}


def reserve_hugepages(count):
    """OVS-DPDK does not start without hugepages; returns what was reserved before, to restore."""
    with open(HUGE, encoding="ascii") as file:
        before = int(file.read())
    if before < count:
        with open(HUGE, "w", encoding="ascii") as file:
            file.write(str(count))
    return before


def main():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="p2p, normal, tcp; all without any")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--settle", type=float, default=1, help="seconds before it begins")
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1, help="core of the worker")
    parser.add_argument("--only", default="", help="some contenders: sluice,ovs-dpdk,testpmd,linux")
    parser.add_argument("--sluiced", default=os.path.join(ROOT, "build/release/bin/sluiced"))
    args = parser.parse_args()
    for name in args.names:
        if name not in ("p2p", "normal", "tcp"):
            parser.error("unknown bench %s: there are p2p, normal and tcp" % name)
    if os.geteuid() != 0:
        sys.exit("bench: needs root, for network namespaces and hugepages")
    if not os.environ.get("SLUICE_BENCH_INSIDE"):
        os.environ["SLUICE_BENCH_INSIDE"] = "1"
        before = reserve_hugepages(800)
        try:
            code = subprocess.call(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
                                    "private", "/usr/bin/python3"] + sys.argv)
        finally:
            with open(HUGE, "w", encoding="ascii") as file:
                file.write(str(before))
        sys.exit(code)
    os.makedirs("/run/netns", exist_ok=True)
    run("mount", "-t", "tmpfs", "none", "/run/netns")
    run("ip", "link", "set", "lo", "up")
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    results = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "kernel": platform.release(),
               "cpu": model.group(1) if model else platform.machine(), "cpus": os.cpu_count(), "arguments": vars(args),
               "commit": run("git", "-C", ROOT, "rev-parse", "--short", "HEAD", check=False).strip(), "benches": {}}
    results["arguments"]["sluiced"] = os.path.relpath(args.sluiced, ROOT)
    print("%s, %d CPUs, Linux %s; worker on core %d" % (results["cpu"], results["cpus"], results["kernel"], args.core))
    for name in args.names or ["p2p", "normal", "tcp"]:
        results["benches"][name] = bench(name, args)
    folder = os.path.join(ROOT, "bench/results")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, results["when"].replace(":", "").replace("+0000", "Z") + ".json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(results, out, indent=1)
    print("\nall figures: " + os.path.relpath(path, ROOT))
    sys.exit(1 if any(b["failed"] for b in results["benches"].values()) else 0)


if __name__ == "__main__":
    main()
