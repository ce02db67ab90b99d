#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Idle and hard timeouts, and the flow-removed messages that a monitor sees.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "a monitor connects" eval 'ofctl -O OpenFlow13 monitor br0 64 --detach --no-chdir --pidfile="$T/monitor.pid" 2>"$T/monitor.txt"'
flow_count() { ofctl dump-flows br0 "$1" | grep -c "actions="; }
ofctl add-flow br0 'table=1,cookie=0x11,hard_timeout=1,send_flow_rem,ip,actions=drop'
ofctl add-flow br0 'table=0,priority=9,cookie=0x22,idle_timeout=2,send_flow_rem,icmp,actions=NORMAL'
ofctl add-flow br0 'table=2,cookie=0x33,send_flow_rem,udp,actions=drop'
expect_eq "all three are there" "1 1 1" "$(flow_count table=1) $(flow_count icmp) $(flow_count table=2)"
ns h1 ping -q -c 30 -i 0.1 -W 1 10.0.0.2 >/dev/null # 3 s of traffic keep the idle one alive
expect_eq "traffic keeps a flow from going idle" 1 "$(flow_count icmp)"
wait_eq 3 "the hard timeout removed its flow" 0 flow_count table=1
# OVS writes its counters now and then.
sluice_only "exact counters" && expect_match "idle flow counted the packets" 'n_packets=60' "$(ofctl dump-flows br0 icmp)"
wait_eq 5 "without traffic the idle flow goes" 0 flow_count icmp
ofctl del-flows br0 table=2
wait_for 5 "the monitor saw the hard timeout" has 'FLOW_REMOVED.*table_id=1.*hard|reason=hard' cat "$T/monitor.txt"
wait_for 5 "the monitor saw the idle timeout" has 'reason=idle.*cookie:?=?0x22|cookie:0x22.*|reason=idle' cat "$T/monitor.txt"
wait_for 5 "the monitor saw the deletion" has 'reason=delete' cat "$T/monitor.txt"
