# SPDX-License-Identifier: Apache-2.0
"""Those who are measured: Sluice and OVS-DPDK under the tools of Open vSwitch, testpmd as the limit."""
import os
import re
import shutil
import subprocess
import time

from . import host, tcp
from .page import Page

OVS_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
TUNNEL_MAC = "02:00:00:00:99:01"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def devargs(number, port, folder, extra=None):
    arguments = dict(port.args, stats="%s/port%d" % (folder, number), enable="0", **(extra or {}))
    return "net_sluice_gen%d," % number + ",".join("%s=%s" % item for item in arguments.items())


class Switch:
    """Sluice or OVS-DPDK in a run directory of its own, its workers on the last cores."""

    def __init__(self, name, program, case, setup):
        self.name, self.case, self.plugin = name, case, setup.plugin
        self.pages = {}
        self.folder = os.path.join(host.RUN, "run")
        os.makedirs(self.folder)
        self.env = dict(os.environ, OVS_RUNDIR=self.folder, OVS_DBDIR=self.folder, OVS_LOGDIR=self.folder)
        self.mask = sum(1 << core for core in setup.worker_cores(case.workers))
        try:
            self.start(program)
        except Exception:
            self.stop()
            raise

    def start(self, program):
        host.run("ovsdb-tool", "create", self.folder + "/conf.db", SCHEMA)
        host.run("ovsdb-server", "--detach", "--no-chdir", "--pidfile", "-vconsole:off", "--log-file=%s/db.log" % self.folder,
                 "--remote=punix:%s/db.sock" % self.folder, self.folder + "/conf.db", env=self.env)
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=%#x" % self.mask,
                   "other_config:dpdk-lcore-mask=0x1", "other_config:dpdk-init=true", "other_config:dpdk-socket-mem=512",
                   "other_config:dpdk-extra=--no-pci --no-telemetry -d " + self.plugin, *self.case.config)
        # Under this name the daemon's own files get the names that the tools look for.
        os.symlink(os.path.abspath(program), self.folder + "/ovs-vswitchd")
        host.run(self.folder + "/ovs-vswitchd", "unix:%s/db.sock" % self.folder, "--detach", "--no-chdir", "--pidfile",
                 "-vconsole:off", "--log-file=%s/switch.log" % self.folder, env=self.env)
        with open(self.folder + "/ovs-vswitchd.pid", encoding="ascii") as file:
            self.pid = int(file.read())
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail-mode=secure", *self.case.bridge)
        for number, port in sorted(self.case.ports.items()):
            self.add_port(number, port)
        if self.case.tunnel:
            self.add_tunnel(*self.case.tunnel)

    def add_tunnel(self, kind, outer, *options):
        """Port 9 of br0 is a tunnel over bridge phys, which has the generator port `outer`; its own port has 10.99.0.1, and
        behind `outer` is 10.99.0.2."""
        self.ofctl("add-flow", "phys", "in_port=%s,actions=LOCAL" % outer)
        self.ofctl("add-flow", "phys", "in_port=LOCAL,actions=output:%s" % outer)
        host.run("sysctl", "-qw", "net.ipv6.conf.phys.disable_ipv6=1")  # only the generator's packets
        host.run("ip", "address", "replace", "10.99.0.1/24", "dev", "phys")
        host.run("ip", "link", "set", "phys", "up", "address", TUNNEL_MAC)
        self.vsctl("set", "bridge", "phys", "other_config:hwaddr=" + TUNNEL_MAC)
        self.appctl("tnl/neigh/set", "phys", "10.99.0.2", "02:00:00:00:99:02")
        self.vsctl("add-port", "br0", "tunnel", "--", "set", "interface", "tunnel", "type=" + kind, "ofport_request=9",
                   "options:remote_ip=10.99.0.2", *("options:" + option for option in options))
        time.sleep(2)  # routes have been learned

    def add_port(self, number, port, extra=None):
        bridge = "br0"
        if self.case.tunnel and self.case.tunnel[1] == str(number):
            bridge = "phys"
            self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail-mode=secure")
        self.vsctl("add-port", bridge, "p%d" % number, "--", "set", "interface", "p%d" % number, "type=dpdk",
                   "ofport_request=%d" % number, "options:n_rxq=%d" % self.case.workers,
                   "options:dpdk-devargs=" + devargs(number, port, self.folder, extra))
        error = self.vsctl("get", "interface", "p%d" % number, "error").strip().strip('"')
        if error not in ("[]", ""):
            raise RuntimeError("port %d: %s" % (number, error))
        self.pages[number] = Page("%s/port%d" % (self.folder, number))

    def load(self, rules):
        """Loads flows with ovs-ofctl in one bundle. Result: how many."""
        path = self.folder + "/flows"
        count = 0
        with open(path, "w", encoding="ascii") as out:
            for rule in rules:
                out.write(rule + "\n")
                count += 1
        limit = 60 + count // 3000
        host.run("ovs-ofctl", "--timeout=%d" % limit, "-O", "OpenFlow14", "--bundle", "add-flows", "br0", path, env=self.env, timeout=limit + 5)
        return count

    def vsctl(self, *arguments):
        return host.run("ovs-vsctl", "--timeout=30", *arguments, env=self.env, timeout=40)

    def ofctl(self, *arguments, timeout=30):
        return host.run("ovs-ofctl", "-O", "OpenFlow15", "--timeout=%d" % timeout, *arguments, env=self.env, timeout=timeout + 5)

    def appctl(self, *arguments):
        return host.run("ovs-appctl", "--timeout=10", *arguments, env=self.env)

    def stages(self):
        """Cycles a packet by stage, as the switch itself says; {} when it does not."""
        try:
            text = self.appctl("dpif-netdev/pmd-perf-show")
        except (RuntimeError, subprocess.SubprocessError):
            return {}
        found = {}
        for line in text.splitlines():
            match = re.match(r"\s*-?\s*([A-Za-z][\w /-]*?):?\s+[\d.]+\s.*?\(\s*([\d.]+) (?:cycles/pkt|cycles/packet)", line)
            if match:
                found[match.group(1)] = float(match.group(2))
        return found

    def log_tail(self):
        try:
            with open(self.folder + "/switch.log", encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-5:]).strip()
        except OSError:
            return ""

    def stop(self):
        for page in self.pages.values():
            page.map.close()
        for name in ("ovs-vswitchd", "ovsdb-server"):
            try:
                with open("%s/%s.pid" % (self.folder, name), encoding="ascii") as file:
                    host.end(int(file.read()))
            except (OSError, ValueError):
                pass
        if self.case.tunnel:
            host.run("ip", "link", "delete", "phys", check=False)  # Open vSwitch leaves it
        shutil.rmtree(self.folder, ignore_errors=True)


class Testpmd:
    """dpdk-testpmd in mode io between ports 1 and 2: what the machine, DPDK and the generator allow."""

    def __init__(self, case, setup):
        self.name, self.case = "testpmd", case
        self.pages = {}
        self.folder = os.path.join(host.RUN, "run")
        os.makedirs(self.folder)
        cores = setup.worker_cores(case.workers)
        lcores = ",".join(["0@0"] + ["%d@%d" % (i + 1, core) for i, core in enumerate(cores)])
        command = ["dpdk-testpmd", "--in-memory", "--no-pci", "--no-telemetry", "-m", "256", "--lcores", lcores, "-d", setup.plugin]
        for number in (1, 2):
            # testpmd changes nothing on the way.
            expect = {"expect": "skip:0"} if "expect" in case.ports[number].args else None
            port = case.ports[number]
            command += ["--vdev", devargs(number, port, self.folder, expect)]
        command += ["--", "--forward-mode=io", "--total-num-mbufs=16384", "--no-lsc-interrupt", "--no-flush-rx", "--rxq=%d" % case.workers,
                    "--txq=%d" % case.workers, "--nb-cores=%d" % case.workers]
        self.log = open(self.folder + "/testpmd.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        try:
            for number in (1, 2):
                self.pages[number] = Page("%s/port%d" % (self.folder, number))
            time.sleep(0.3)
        except Exception:
            self.stop()
            raise

    def load(self, _rules):
        return 0

    def stages(self):
        return {}

    def log_tail(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-400:].strip()

    def stop(self):
        for page in self.pages.values():
            page.map.close()
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Setup:
    """What all measurements of a run have in common."""

    def __init__(self, sluiced, plugin, cores):
        self.sluiced, self.cores = sluiced, cores
        # EAL refuses a plug-in under a folder that everybody may write to.
        self.plugin = os.path.join(host.RUN, os.path.basename(plugin))
        shutil.copy(plugin, self.plugin)

    def worker_cores(self, count):
        """The last cores; a second worker shares the first core with everything else when there are only two."""
        return self.cores[-count:]

    def make(self, name, case):
        if name == "testpmd":
            return Testpmd(case, self)
        if name == "linux":
            return tcp.LinuxBridge(case)
        return Switch(name, self.sluiced if name == "sluice" else OVS_DPDK, case, self)
