#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# testpmd at the other end of a memif port: carried both ways, killed under traffic, back again; the port removed under
# traffic; both ends of a memif in the switch itself, closed one after the other under traffic.
. "$(dirname "$0")/../lib.sh"

sluice_only "memif" || exit 0
command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed: run ./run setup"

peer_pid=
peer() { # FORWARD-MODE
    exec 9<>"$T/stdin"
    dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry -m 128 --lcores "0@0,1@$(($(nproc) - 1))" \
        --vdev "net_memif0,role=client,id=0,socket=$T/memif.sock,socket-abstract=no" -- \
        --forward-mode="$1" --total-num-mbufs=4096 --no-flush-rx <&9 >"$T/testpmd.log" 2>&1 &
    peer_pid=$!
}
received() { ofctl dump-ports br0 "$1" | sed -n 's/.*rx pkts=\([0-9]*\).*/\1/p'; }
grows() { # PORT: more than a thousand packets since the last call
    local now
    now=$(received "$1")
    [ "$now" -gt $((last + 1000)) ]
}
add_memif() { # PORT NAME ROLE SOCKET
    vsctl add-port br0 "$2" -- set interface "$2" type=dpdk "ofport_request=$1" \
        "options:dpdk-devargs=net_memif_$2,role=$3,id=0,socket=$T/$4.sock,socket-abstract=no"
}

mkfifo "$T/stdin"
start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
ofctl add-flow br0 "priority=1,actions=NORMAL"
add_memif 10 guest server memif
ofctl add-flow br0 "priority=9,in_port=10,actions=in_port"

for round in 1 2 3; do
    last=$(received 10)
    peer txonly
    wait_for 20 "round $round: the peer's packets come in and go back" grows 10
    wait_for 5 "round $round: the link is up" has up vsctl get interface guest link_state
    kill -9 "$peer_pid"
    wait "$peer_pid" 2>/dev/null
    wait_for 5 "round $round: the link goes down with the peer" has down vsctl get interface guest link_state
    check "round $round: the switch still runs" switch_alive
done
check "the others still talk" pings h1 10.0.0.2

last=$(received 10)
peer txonly
wait_for 20 "traffic runs before the removal" grows 10
vsctl del-port br0 guest
check "the port goes under traffic" switch_alive
kill -9 "$peer_pid"

add_memif 11 a server pair
add_memif 12 b client pair
ofctl add-flow br0 "priority=9,in_port=11,actions=in_port"
ofctl add-flow br0 "priority=9,in_port=12,actions=in_port"
for round in 1 2 3; do
    wait_for 10 "round $round: both ends in one process are up" has up vsctl get interface b link_state
    wait_for 10 "round $round: so is the other" has up vsctl get interface a link_state
    last=$(received 11)
    ofctl packet-out br0 "in_port=controller packet=$("$PYTHON" -c 'print("02"*12 + "88b5" + "00" * 60)') actions=output:11"
    wait_for 10 "round $round: a packet goes round for ever" grows 11
    vsctl del-port br0 b
    check "round $round: one end goes under traffic" switch_alive
    add_memif 12 b client pair
done
vsctl del-port br0 a -- del-port br0 b
check "both ends go at once" switch_alive
check "the others still talk at the end" pings h1 10.0.0.2
