#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The table-miss configuration of OpenFlow 1.1 and 1.2 (ovs-ofctl mod-table BR TABLE continue|drop|controller): packets that
# miss go on, vanish or are reported as with OVS.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
udp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)'
# reported: how many packet-ins a controller gets of a packet on each port.
reported() {
    inside ovs-ofctl -OOpenFlow10 monitor br0 65534 --detach --no-chdir --pidfile="$T/$side/mon.pid" --unixctl="$T/$side/mon.ctl" 2>"$T/$side/mon.out"
    for port in p1 p2 p3; do app netdev-dummy/receive $port "$udp" >/dev/null; done
    for _ in 1 2 3; do inside ovs-appctl -t "$T/$side/mon.ctl" ofctl/barrier; done
    settle
    inside ovs-appctl -t "$T/$side/mon.ctl" exit
    until_true 5 [ ! -e "$T/$side/mon.pid" ]
    echo "$1: $(grep -c PACKET_IN "$T/$side/mon.out") packet-ins"
    grep PACKET_IN "$T/$side/mon.out" | sed 's/xid=[^)]*//' | sort
    of dump-flows br0 | sed -E 's/.*(table=[0-9]+), n_packets=([0-9]+).*(in_port=[0-9]+).*/\1 \3: \2/; /^NXST/d' | sort
}
misses() {
    lab_bridge
    of add-flow br0 'table=1,in_port=1,actions=output:3'
    of add-flow br0 'table=3,in_port=2,actions=output:3'
    reported default
    of -OOpenFlow11 mod-table br0 0 continue
    reported 'table 0 continues'
    of -OOpenFlow12 mod-table br0 1 continue
    of -OOpenFlow12 mod-table br0 2 continue
    reported 'tables 0 to 2 continue'
    of -OOpenFlow12 mod-table br0 2 drop
    reported 'table 2 drops'
    of -OOpenFlow12 mod-table br0 0 drop
    reported 'table 0 drops'
    of -OOpenFlow12 mod-table br0 0 controller
    reported 'table 0 asks the controller'
    of add-flow br0 'table=0,in_port=3,actions=resubmit(,1),output:2'
    reported 'a resubmit misses'
    # Only a packet itself goes on to the next table: a resubmit that misses is over.
    of -OOpenFlow12 mod-table br0 2 continue
    of add-flow br0 'table=3,in_port=3,actions=output:1'
    reported 'a resubmit does not go on'
    of add-flow br0 'table=0,in_port=3,actions=resubmit(2,2),output:2'
    reported 'nor does one with a port of its own'
    of -OOpenFlow13 add-flow br0 'table=0,in_port=3,actions=goto_table:1'
    reported 'a goto_table does'
}
both 'table misses' misses --enable-dummy=override
