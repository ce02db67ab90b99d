#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flows between kernel interfaces go on without the workers, and nothing else is different: counts are exact, a rule
# change with its barrier is obeyed at once, addresses move, ports go and come, a killed switch leaves nothing behind.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
add_guest h3 10.0.0.3/24
vsctl set-fail-mode br0 secure
shortcut() { appctl sluice/shortcuts | sed -n "s/^$1: //p"; }
case $(appctl sluice/shortcuts) in
    *"state: off"*) skip "this machine gives no shortcuts: $(shortcut state)" ;;
esac
expect_match "the port says that it has them" yes "$(vsctl get interface v-h1 status:kernel_shortcuts)"

python_test <<'PY'
import os, subprocess, time
from pkt import *
links = {n: Link("h%d" % n) for n in (1, 2, 3)}
control = OpenFlow(os.environ["OVS_RUNDIR"] + "/br0.mgmt")

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout

def shortcuts():
    lines = run("ovs-appctl", "sluice/shortcuts").split("\n")
    return {k: v for k, v in (line.split(": ", 1) for line in lines if line)}

def frame(n, sport=1000, src=1, dst=2, size=20):
    payload = struct.pack("!I", n).ljust(size, b".")
    return eth("02:00:00:00:00:%02x" % dst, "02:00:00:00:00:%02x" % src, 0x0800,
               udp4("10.0.0.%d" % src, "10.0.0.%d" % dst, sport, 2000, payload))

def number(data):
    return struct.unpack("!I", data[42:46])[0] if data[12:14] == b"\x08\x00" and data[23] == 17 else None

def counts():
    text = run("ovs-ofctl", "dump-flows", "br0")
    sums = [0, 0]
    for line in text.split("\n"):
        for i, name in enumerate(("n_packets=", "n_bytes=")):
            if name in line:
                sums[i] += int(line.split(name)[1].split(",")[0])
    return sums

def send_until_carried(**of):
    """Sends one by one, each awaited, until the kernel carries them. Returns how many, and the first that was."""
    sent, before = 0, int(shortcuts()["packets"])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for _ in range(50):
            links[1].send(frame(sent, **of))
            got = links[2].receive(2, lambda d: number(d) == sent)
            if got is None:
                return sent, "packet %d is lost" % sent
            sent += 1
        if int(shortcuts()["packets"]) > before:
            return sent, None
    return sent, "never carried: %s" % shortcuts()

control.flow_in_port(1, 2)
control.barrier()
sent, problem = send_until_carried()
ok("after %d packets the kernel carries the flow" % sent, problem is None, problem)
for n in range(sent, 1000):
    links[1].send(frame(n))
arrived = [number(links[2].receive(2, lambda d: number(d) is not None) or b"") for n in range(sent, 1000)]
ok("a thousand packets arrive, each once and in order", arrived == list(range(sent, 1000)), arrived[:20])
ok("n_packets and n_bytes count each of them", counts() == [1000, 1000 * len(frame(0))], counts())
ports = run("ovs-ofctl", "dump-ports", "br0")
rx = [line for line in ports.split("\n") if "rx pkts=1000, bytes=%d," % (1000 * len(frame(0))) in line]
ok("so do the ports", len(rx) == 1 and "tx pkts=1000, bytes=%d," % (1000 * len(frame(0))) in ports, ports)
ok("received and sent balance", "balance: 0" in run("ovs-appctl", "sluice/conservation"))
ok("dpctl/dump-flows says offloaded", "offloaded:yes" in run("ovs-appctl", "dpctl/dump-flows", "-m") and
   "packets:1000" in run("ovs-appctl", "dpctl/dump-flows", "type=offloaded"))
links[1].send(frame(5000, sport=1001))
ok("another flow is not carried along", links[2].receive(2, lambda d: number(d) == 5000) is not None)
tagged = eth("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800, udp4("10.0.0.1", "10.0.0.2", 1000, 2000,
             struct.pack("!I", 5001).ljust(20, b".")), vlan=7)
links[1].send(tagged)
got = links[2].receive(2, lambda d: d[12:14] == b"\x81\x00")
ok("nor is the same flow with a tag, which stays", got is not None and vlan_of(got) == 7)

old = lost = 0
carried = int(shortcuts()["installed"])
rounds = 200
for n in range(rounds):
    new, other = (3, 2) if n % 2 == 0 else (2, 3)
    if n % 4 == 0:  # now and then with a shortcut that is surely there
        control.flow_in_port(1, other)
        control.barrier()
        deadline, before = time.monotonic() + 5, int(shortcuts()["packets"])
        while int(shortcuts()["packets"]) == before and time.monotonic() < deadline:
            for _ in range(100):
                links[1].send(frame(7))
    links[2].drain()
    links[3].drain()
    control.flow_in_port(1, new, command=(0, 1)[n % 3 == 0])
    control.barrier()
    links[1].send(frame(10000 + n))
    if links[new].receive(1, lambda d: number(d) == 10000 + n) is None:
        if links[other].receive(0.05, lambda d: number(d) == 10000 + n) is None:
            lost += 1
        else:
            old += 1
carried = int(shortcuts()["installed"]) - carried
ok("%d rule changes were obeyed at once, with %d shortcuts on the way" % (rounds, carried),
   old == 0 and lost == 0 and carried >= rounds // 4, "%d the old way, %d lost" % (old, lost))

# Two tables that read headers: both count what the kernel carries, and what they drop is not carried.
run("ovs-ofctl", "del-flows", "br0")
for flow in ("priority=9,udp,actions=resubmit(,1)", "table=1,priority=9,udp,in_port=1,tp_dst=2000,nw_ttl=64,actions=2",
             "table=1,priority=1,actions=drop"):
    run("ovs-ofctl", "add-flow", "br0", flow)
sent, problem = send_until_carried(sport=3000)
for n in range(sent, 1000):
    links[1].send(frame(n, sport=3000))
arrived = [number(links[2].receive(2, lambda d: number(d) is not None) or b"") for n in range(sent, 1000)]
dump = run("ovs-ofctl", "dump-flows", "br0")
ok("a walk through two tables is carried and counted in both", problem is None and
   arrived == list(range(sent, 1000)) and dump.count("n_packets=1000, n_bytes=%d," % (1000 * len(frame(0)))) == 2,
   (problem, dump))
before = shortcuts()["packets"]
other_ttl = eth("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800,
                udp4("10.0.0.1", "10.0.0.2", 3000, 2000, struct.pack("!I", 9).ljust(20, b"."), ttl=63))
for n in range(200):
    links[1].send(other_ttl)
deadline = time.monotonic() + 10
while "n_packets=200," not in run("ovs-ofctl", "dump-flows", "br0") and time.monotonic() < deadline:
    pass
ok("what differs in a field that a rule reads is dropped by its rule", shortcuts()["packets"] == before and
   "n_packets=200," in run("ovs-ofctl", "dump-flows", "br0") and links[2].receive(0) is None)

# An address that moves (NORMAL), and one that is forgotten.
run("ovs-ofctl", "del-flows", "br0")
run("ovs-ofctl", "add-flow", "br0", "actions=normal")
wrong = 0
for n in range(10):
    here, there = (2, 3) if n % 2 == 0 else (3, 2)
    links[here].send(frame(0, src=9, dst=1))
    deadline = time.monotonic() + 10
    while "02:00:00:00:00:09" not in "".join(l for l in run("ovs-appctl", "fdb/show", "br0").split("\n")
                                             if l.split()[:1] == [str(here)]):
        if time.monotonic() > deadline:
            wrong += 100
            break
        links[here].send(frame(0, src=9, dst=1))
    deadline, before = time.monotonic() + 5, int(shortcuts()["packets"])
    while int(shortcuts()["packets"]) == before and time.monotonic() < deadline:
        for _ in range(100):
            links[1].send(frame(1, dst=9))
    links[here].drain()
    links[there].drain()
    links[1].send(frame(20000 + n, dst=9))
    wrong += links[here].receive(2, lambda d: number(d) == 20000 + n) is None
    wrong += links[there].receive(0, lambda d: number(d) == 20000 + n) is not None
    if time.monotonic() > deadline:
        wrong += 1000
ok("flows follow an address that moves", wrong == 0, wrong)
run("ovs-appctl", "fdb/flush", "br0")
links[1].send(frame(30000, dst=9))
ok("a forgotten address is flooded", all(links[n].receive(2, lambda d: number(d) == 30000) for n in (2, 3)))
PY

# Large frames: TCP with its segmentation left open.
ofctl del-flows br0
ofctl add-flow br0 actions=normal
serve() {
    ns h2 timeout 60 iperf3 -s -1 >"$T/server" 2>&1 &
    wait_for 10 "a server listens" ns h2 sh -c 'ss -ltn | grep -q :5201'
}
serve
before=$(shortcut bytes)
check "iperf3 runs" ns h1 timeout 30 iperf3 -c 10.0.0.2 -t 1 -J --logfile "$T/client"
sent=$(grep -A20 sum_received "$T/client" | sed -n 's/.*"bytes":[^0-9]*\([0-9]*\).*/\1/p' | head -n 1)
carried=$(($(shortcut bytes) - before))
check "most of its $sent bytes were carried by the kernel ($carried)" [ "$carried" -gt $((sent / 2)) ]
expect_match "all is accounted for" "^balance: 0" "$(appctl sluice/conservation)"

# Off at once, and on again.
vsctl set Open_vSwitch . other_config:kernel-shortcuts=false
expect_eq "the setting switches them off" off "$(shortcut state)"
before=$(shortcut packets)
serve
check "connections go on" ns h1 timeout 30 iperf3 -c 10.0.0.2 -t 1
expect_eq "by way of the workers" "$before" "$(shortcut packets)"
vsctl remove Open_vSwitch . other_config kernel-shortcuts
expect_eq "and on again" on "$(shortcut state)"

# A stream while ports go and come.
stream() { exec ip netns exec h1 "$PYTHON" -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.1", 4000))
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        s.sendto(b"x" * 100, ("10.0.0.2", 4000))
    except OSError:
        pass
    time.sleep(0.001)
' "$1"; }
received() { ns h2 cat /sys/class/net/eth0/statistics/rx_packets; }
rises() { local now; now=$("$@") && sleep 0.2 && [ "$("$@")" -gt $((now + 20)) ]; }
stands() { local now; now=$("$@") && sleep 0.2 && [ "$("$@")" -lt $((now + 5)) ]; }
stream 60 &
streamer=$!
at_exit "kill $streamer 2>/dev/null"
wait_for 10 "a stream is carried" rises shortcut packets
vsctl del-port v-h2
wait_for 10 "no packet reaches a port that was removed" stands received
vsctl add-port br0 v-h2
wait_for 10 "all do when it is back" rises received
wait_for 10 "by shortcut again" rises shortcut packets
ip link set v-h2 down
wait_for 10 "a port that is down gets none" stands received
ip link set v-h2 up
wait_for 10 "until it is up" rises received
wait_for 10 "by shortcut" rises shortcut packets

vsctl set interface v-h1 options:n_rxq=2
wait_for 10 "so it is with two receive queues" has '"?2"?' vsctl get interface v-h1 options:n_rxq
wait_for 10 "a stream is carried from them" rises shortcut packets
address=$(ns h1 cat /sys/class/net/eth0/address)
sleep 3
expect_match "a stream that is carried keeps its address young" "$address +[0-2]$" "$(appctl fdb/show br0)"
ip addr add 10.9.9.9/24 dev v-h1
wait_for 10 "frames that the kernel's stack is to see are not carried" stands shortcut packets
wait_for 10 "and arrive" rises received
ip addr del 10.9.9.9/24 dev v-h1
wait_for 10 "without the address they are" rises shortcut packets

# Nothing stays when the switch dies.
kill_switch
wait_for 10 "a killed switch carries nothing on" stands received
start_switch
ofctl add-flow br0 actions=normal
wait_for 20 "its successor does" rises received
wait_for 10 "by shortcut" rises shortcut packets

# A rule that only the kernel uses is in use.
ofctl add-flow br0 "priority=40000,in_port=$(ofport v-h1),idle_timeout=1,actions=output:$(ofport v-h2)"
wait_for 10 "a stream by another rule is carried" rises shortcut packets
sleep 3
expect_match "a rule that the kernel uses does not time out" "idle_timeout=1" "$(ofctl dump-flows br0)"
kill "$streamer"
rule_is_gone() { ! ofctl dump-flows br0 | grep -q idle_timeout; }
wait_for 10 "it does when the stream ends" rule_is_gone
