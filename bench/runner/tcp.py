# SPDX-License-Identifier: Apache-2.0
"""TCP between two namespaces through a switch: `measure: tcp`."""
import contextlib
import json
import os
import subprocess

from . import host

NAMES = ("left", "right")


class LinuxBridge:
    """A bridge of the kernel between the two."""

    name = "linux"

    def __init__(self, case):
        self.case, self.pages, self.pid = case, {}, os.getpid()

    def load(self, _rules):
        return 0

    def connect(self):
        host.run("ip", "link", "add", "lbr0", "type", "bridge")
        host.run("ip", "link", "set", "lbr0", "up")
        for name in NAMES:
            host.run("ip", "link", "set", "v-" + name, "master", "lbr0")

    def log_tail(self):
        return ""

    def stop(self):
        host.run("ip", "link", "del", "lbr0", check=False)


@contextlib.contextmanager
def guests():
    try:
        for number, name in enumerate(NAMES, 1):
            host.run("ip", "netns", "add", name)
            host.run("ip", "link", "add", "v-" + name, "type", "veth", "peer", "name", "eth0", "netns", name)
            host.run("ip", "link", "set", "v-" + name, "up")
            host.run("ip", "-n", name, "addr", "add", "10.0.0.%d/24" % number, "dev", "eth0")
            host.run("ip", "-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in NAMES:
            host.run("ip", "link", "del", "v-" + name, check=False)
            host.run("ip", "netns", "del", name, check=False)


def iperf(seconds):
    inside = ("ip", "netns", "exec")
    server = subprocess.Popen([*inside, "right", "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        host.until(5, lambda: ":5201" in host.run(*inside, "right", "ss", "-ltn"), "iperf3 -s")
        text = host.run(*inside, "left", "iperf3", "-c", "10.0.0.2", "-t", str(int(seconds) + 1), "-O", "1", "-J", "--connect-timeout", "3000",
                        timeout=60, check=False)
        result = json.loads(text)
        if "sum_received" not in result.get("end", {}):
            raise RuntimeError("iperf3: " + result.get("error", "no result"))
        return result["end"]["sum_received"]["bits_per_second"] / 1e9
    finally:
        server.kill()
        server.wait()


def measure(contender, args):
    if args.nice:
        for pid in {os.getpid(), contender.pid}:
            host.prefer(pid, args.nice)
    with guests():
        if isinstance(contender, LinuxBridge):
            contender.connect()
        else:
            # As it comes: the worker runs where the kernel puts it, like the threads of the others.
            contender.vsctl("remove", "Open_vSwitch", ".", "other_config", "pmd-cpu-mask")
            contender.vsctl("add-port", "br0", "v-left", "--", "add-port", "br0", "v-right")
            contender.ofctl("add-flow", "br0", "actions=NORMAL")
        ping = ("ip", "netns", "exec", "left", "ping", "-c", "1", "-W", "1", "10.0.0.2")
        host.until(15, lambda: " 0% packet loss" in host.run(*ping, check=False), "a ping through the switch")
        return {"main": iperf(args.seconds), "wrong": []}
