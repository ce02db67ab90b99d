# SPDX-License-Identifier: Apache-2.0
"""Two switches side by side, each with a database and a run directory of its own, driven packet by packet."""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from pkt import OpenFlow  # noqa: E402

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PORTS = ["p1", "p2", "p3", "p4", "p5", "p6"]
LIMIT = 60  # seconds for any one command


class Trouble(Exception):
    """The set-up failed, or a switch stopped answering."""


class Control:
    """A control socket held open: ovs-appctl without the process."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(path)
        self.buffer = ""
        self.decoder = json.JSONDecoder()
        self.next_id = 0

    def __call__(self, method, *params):
        """(text, None) or (None, error text)."""
        self.begin(method, *params)
        return self.end()

    def begin(self, method, *params):
        self.next_id += 1
        self.sock.sendall(json.dumps({"id": self.next_id, "method": method, "params": list(params)}).encode())

    def end(self):
        """What the command begun answers."""
        while True:
            try:
                reply, end = self.decoder.raw_decode(self.buffer)
                self.buffer = self.buffer[end:].lstrip()
                return reply["result"], reply["error"]
            except ValueError:
                data = self.sock.recv(1 << 16)
                if not data:
                    raise Trouble("the switch closed its control socket (crashed?)") from None
                self.buffer += data.decode()


class Capture:
    """Frames appended to a capture file since the last look."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.header_seen = False

    def take(self):
        self.rest += self.file.read()
        if not self.header_seen:
            if len(self.rest) < 24:
                return []
            self.rest, self.header_seen = self.rest[24:], True
        frames, at = [], 0
        while len(self.rest) - at >= 16:
            size = struct.unpack_from("=I", self.rest, at + 8)[0]
            if len(self.rest) - at - 16 < size:
                break
            frames.append(self.rest[at + 16:at + 16 + size])
            at += 16 + size
        self.rest = self.rest[at:]
        return frames


class Watcher(OpenFlow):
    """A controller that wants every packet whole, in the form that tells most (NXT_PACKET_IN2)."""

    PROPERTIES = ["packet", "full length", "buffer", "table", "cookie", "reason", "metadata", "userdata", "continuation"]

    def __init__(self, path):
        super().__init__(path, version=6)
        self.sock.settimeout(LIMIT)
        self.seen = []
        self.send(9, struct.pack("!HH", 0, 0xFFFF))
        self.send(4, struct.pack("!III", 0x2320, 16, 2))
        self.echo()
        self.seen.clear()

    def message(self):
        while True:
            kind, xid, body = super().message()
            if kind == 4 and body[:8] == struct.pack("!II", 0x2320, 30):
                self.seen.append(self.describe(body[8:]))
                continue
            return kind, xid, body

    def describe(self, body):
        out, at = [], 0
        while at + 4 <= len(body):
            kind, size = struct.unpack_from("!HH", body, at)
            name = self.PROPERTIES[kind] if kind < len(self.PROPERTIES) else str(kind)
            out.append("%s %s" % (name, body[at + 4:at + size].hex()))
            at += (size + 7) // 8 * 8
        return ", ".join(sorted(out))

    def take(self):
        seen, self.seen = self.seen, []
        return seen


class Switch:
    def __init__(self, name, folder, daemon, settings):
        self.name, self.folder = name, folder
        os.makedirs(folder)
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_DBDIR=folder, OVS_LOGDIR=folder, OVS_SYSCONFDIR=folder)
        self.processes = []
        self.run("ovsdb-tool", "create", folder + "/conf.db", SCHEMA)
        self.run("ovsdb-server", "--detach", "--no-chdir", "--pidfile", "-vconsole:off", "--log-file",
                 "--remote=punix:%s/db.sock" % folder, folder + "/conf.db")
        self.run("ovs-vsctl", "--no-wait", "init")
        for setting in settings:
            self.run("ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", setting)
        self.run(daemon, "unix:%s/db.sock" % folder, "--enable-dummy=override", "--disable-system", "--detach",
                 "--no-chdir", "--pidfile=%s/ovs-vswitchd.pid" % folder, "-vconsole:off",
                 "--log-file=%s/switch.log" % folder)
        self.pid = int(open(folder + "/ovs-vswitchd.pid").read())
        self.control = Control("%s/ovs-vswitchd.%d.ctl" % (folder, self.pid))
        self.had_groups = self.had_meters = False
        self.late = "ovs-vswitchd" in os.path.realpath(daemon)
        self.set_up_bridge()

    def run(self, *command, ok=True, text=None):
        try:
            done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=LIMIT, input=text)
        except subprocess.TimeoutExpired:
            raise Trouble("%s: %s: no answer within %d s" % (self.name, " ".join(command[:3]), LIMIT)) from None
        if ok and done.returncode:
            raise Trouble("%s: %s: %s" % (self.name, " ".join(command[:3]), done.stderr.strip()))
        return done

    def set_up_bridge(self):
        command = ["ovs-vsctl", "--timeout=30", "add-br", "br0", "--", "set", "bridge", "br0", "fail_mode=secure",
                   "datapath_type=netdev", "other_config:hwaddr=aa:55:aa:55:00:00", "other_config:datapath-id=1",
                   "protocols=" + ",".join("OpenFlow1%d" % v for v in range(6))]
        for number, port in enumerate(PORTS, 1):
            command += ["--", "add-port", "br0", port, "--", "set", "interface", port, "type=dummy",
                        "ofport_request=%d" % number, "options:tx_pcap=%s/%s.pcap" % (self.folder, port)]
        command += ["--", "set", "port", "p5", "tag=10", "--", "set", "port", "p6", "trunks=10,20"]
        command += ["--", "set", "interface", "br0", "options:tx_pcap=%s/br0.pcap" % self.folder]
        self.run(*command)
        self.captures = {port: Capture("%s/%s.pcap" % (self.folder, port)) for port in PORTS + ["br0"]}
        self.openflow = Watcher(self.folder + "/br0.mgmt")
        text, error = self.control("time/stop")
        if error:
            raise Trouble("%s: time/stop: %s" % (self.name, error))

    def load(self, program):
        """Replaces everything by the program's bundle; the error text, or ""."""
        self.control("fdb/flush", "br0")
        if self.had_meters:
            self.run("ovs-ofctl", "-O", "OpenFlow15", "del-meters", "br0")
        for meter in program.meters:
            self.run("ovs-ofctl", "-O", "OpenFlow15", "add-meter", "br0", meter)
        self.had_meters = bool(program.meters)
        done = self.run("ovs-ofctl", "-O", "OpenFlow15", "bundle", "br0", "-", ok=False, text=program.bundle(self.had_groups))
        if done.returncode == 0:
            self.had_groups = bool(program.groups)
        return done.stderr.strip() if done.returncode else ""

    def begin_receive(self, port, frame):
        self.control.begin("netdev-dummy/receive", port, frame.hex())

    def end_receive(self):
        """The frame has been taken: by OVS into its queue, see finish()."""
        text, error = self.control.end()
        if error:
            raise Trouble("%s: receive: %s" % (self.name, error))

    def finish(self):
        """Everything received so far is processed when this returns. OVS answers a command before its packet is
        processed, but looks after packets before it looks after OpenFlow messages."""
        if self.late:
            self.openflow.echo()

    def packet_ins(self):
        """Those since the last look."""
        self.openflow.echo()
        return self.openflow.take()

    def outputs(self):
        return {port: capture.take() for port, capture in self.captures.items()}

    def dump(self, what, *arguments):
        return self.run("ovs-ofctl", "-O", "OpenFlow15", "--no-names", what, "br0", *arguments).stdout

    def memory_kib(self):
        for line in open("/proc/%d/status" % self.pid):
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def alive(self):
        try:
            with open("/proc/%d/stat" % self.pid) as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def stop(self):
        """Ends the two daemons of this switch, by their pids."""
        pids = []
        for name in ("ovs-vswitchd.pid", "ovsdb-server.pid"):
            try:
                pids.append(int(open("%s/%s" % (self.folder, name)).read()))
            except (OSError, ValueError):
                pass
        for pid in pids:
            try:
                os.kill(pid, 15)
            except OSError:
                pass
        deadline = time.time() + 5
        while time.time() < deadline and any(os.path.exists("/proc/%d" % pid) for pid in pids):
            time.sleep(0.02)


def find_ovs():
    for path in ("/usr/lib/openvswitch-switch/ovs-vswitchd", "/usr/sbin/ovs-vswitchd"):
        if os.access(path, os.X_OK) and shutil.which("ovsdb-server"):
            return path
    return None
