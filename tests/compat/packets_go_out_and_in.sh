#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# packet-out reaches the port, a packet for the controller reaches the monitor, mod-port acts on traffic.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
frame=0200000000020200000000010800450000200000000040112cca0a0000010a00000203e803e9000c0000736c7569
for version in OpenFlow10 OpenFlow13 OpenFlow15; do
    python_test $version $frame <<'PY'
import subprocess, sys
from pkt import *
version, frame = sys.argv[1], bytes.fromhex(sys.argv[2])
link = Link("h2")
link.drain()
subprocess.run(["ovs-ofctl", "-O", version, "packet-out", "br0", "in_port=controller packet=%s actions=output:2" % frame.hex()], check=True)
got = link.receive(3, lambda f: f[12:14] == b"\x08\x00")
ok("%s packet-out reaches the port" % version, got is not None and got.startswith(frame), got)
PY
done
check "a monitor connects" eval 'ofctl -O OpenFlow13 -P nxt_packet_in monitor br0 65535 --detach --no-chdir --pidfile="$T/monitor.pid" 2>"$T/monitor.txt"'
ofctl add-flow br0 'icmp,actions=CONTROLLER'
ns h1 ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0
ns h1 ping -c 3 -i 0.1 -W 0.2 10.0.0.2 >/dev/null
wait_for 5 "the monitor prints a packet-in" has 'NXT_PACKET_IN|OFPT_PACKET_IN' cat "$T/monitor.txt"
wait_for 5 "with its fields" has 'icmp.*nw_src=10.0.0.1,nw_dst=10.0.0.2' cat "$T/monitor.txt"
expect_match "and its port and reason" 'in_port=1.*via action' "$(cat "$T/monitor.txt")"
ofctl del-flows br0
ofctl add-flow br0 actions=NORMAL
ns h1 ip neigh del 10.0.0.2 dev eth0
check "traffic passes" pings h1 10.0.0.2
ofctl mod-port br0 v-h2 no-forward
check_fails "no-forward stops what goes to a port" pings h1 10.0.0.2 2
ofctl mod-port br0 v-h2 forward
ofctl mod-port br0 v-h1 no-receive
check_fails "no-receive stops what comes from a port" pings h1 10.0.0.2 2
ofctl mod-port br0 v-h1 receive
check "both undone, traffic passes again" pings h1 10.0.0.2
