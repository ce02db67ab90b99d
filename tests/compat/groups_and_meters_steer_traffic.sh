#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packets through groups and meters: shares of a select group, fail-over by link, rates, packet-in meters.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
for i in 1 2 3; do add_guest h$i 10.0.0.$i/24; done
of() { ofctl -O OpenFlow15 "$@"; }
bucket_packets() { of dump-group-stats br0 "group_id=$1" | grep -oE "bucket$2:packet_count=[0-9]+" | cut -d = -f 2; }
# send COUNT: UDP packets of so many flows from h1
send() {
    ip netns exec h1 python3 - "$1" <<'PY'
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for n in range(int(sys.argv[1])):
    s.send(bytes.fromhex("020000000002020000000001080045000028000000004011000 00a0000010a000002".replace(" ", ""))
           + (1024 + n).to_bytes(2, "big") + bytes.fromhex("03e900140000") + bytes(12))
PY
}
of add-group br0 group_id=1,type=select,bucket=bucket_id:0,weight:300,output:2,bucket=bucket_id:1,weight:100,output:3
of add-flow br0 in_port=1,udp,actions=group:1
send 400
wait_for 5 "a select group counts 400 packets" has 'packet_count=400' of dump-group-stats br0 group_id=1
share=$(bucket_packets 1 0)
check "three quarters of the flows take the bucket of weight 300 (got $share)" test "$share" -ge 260 -a "$share" -le 340
send 400
wait_for 5 "the same flows again" has 'packet_count=800' of dump-group-stats br0 group_id=1
expect_eq "take the same buckets" $((2 * share)) "$(bucket_packets 1 0)"
sum=$(($(bucket_packets 1 0) + $(bucket_packets 1 1)))
expect_eq "no packet is missing" 800 $sum

of add-group br0 group_id=2,type=ff,bucket=bucket_id:0,watch_port:2,output:2,bucket=bucket_id:1,watch_port:3,output:3
of add-flow br0 in_port=1,udp,actions=group:2
send 10
wait_eq 5 "fast failover takes its first bucket" "10" bucket_packets 2 0
ns h2 ip link set eth0 down
of_down() { ofctl show br0 | grep -A 3 ' 2(' | grep -q LINK_DOWN; }
wait_for 5 "the switch sees the link go down" of_down
send 10
wait_eq 5 "and takes the second bucket" "10" bucket_packets 2 1
ns h2 ip link set eth0 up
wait_for 5 "the link is back" eval '! of_down'
send 5
wait_eq 5 "so is the first bucket" "15" bucket_packets 2 0

sluice_only "exact meters" || exit 0
of add-meter br0 'meter=1,pktps,burst,stats,bands=type=drop rate=1 burst_size=10'
of add-group br0 group_id=3,type=all,bucket=bucket_id:0,output:2
of add-flow br0 in_port=1,udp,actions=meter:1,group:3
send 50
wait_for 5 "the meter saw 50 packets" has 'packet_in_count:50' of meter-stats br0 meter=1
passed=$(bucket_packets 3 0)
check "its burst of 10 passed (got $passed)" [ "$passed" -ge 10 -a "$passed" -le 13 ]
expect_match "its band counts the others" "0: packet_count:$((50 - passed)) " "$(of meter-stats br0 meter=1)"

check "a monitor connects" eval 'ofctl -O OpenFlow13 monitor br0 65535 --detach --no-chdir --pidfile="$T/monitor.pid" 2>"$T/monitor.txt"'
of add-meter br0 'meter=controller,pktps,burst,bands=type=drop rate=1 burst_size=5'
of del-flows br0
of add-flow br0 in_port=1,udp,actions=controller,output:2
send 40
wait_for 5 "the controller meter saw 40 packets" has 'packet_in_count:40' of meter-stats br0 meter=controller
packet_ins() { grep -c PACKET_IN "$T/monitor.txt"; }
wait_for 5 "packet-ins come" eval '[ $(packet_ins) -ge 5 ]'
check "but only the burst of 5 (got $(packet_ins))" [ "$(packet_ins)" -le 8 ]
expect_match "the packets themselves all pass" 'n_packets=40' "$(of dump-flows br0 udp)"
expect_match "what was dropped has a reason" 'meter' "$(appctl sluice/drops --all)"
