#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# testpmd at the other end of a memif port, of type memif and of DPDK's driver: carried both ways, killed under traffic, back
# again; the port removed under traffic; both ends of a memif in the switch itself, closed one after the other under traffic.
# Then two containers at one socket, told apart by id and secret.
. "$(dirname "$0")/../lib.sh"

sluice_only "memif" || exit 0
command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed: run ./run setup"

peer_pid=
peer() { # FORWARD-MODE [VDEV-ARGUMENTS]
    exec 9<>"$T/stdin"
    dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry -m 128 --lcores "0@0,1@$(($(nproc) - 1))" \
        --vdev "net_memif0,role=client,socket=$T/memif.sock,socket-abstract=no,${2:-id=0}" -- \
        --forward-mode="$1" --total-num-mbufs=4096 --no-flush-rx <&9 >"$T/testpmd.log" 2>&1 &
    peer_pid=$!
}
received() { ofctl dump-ports br0 "$1" | sed -n 's/.*rx pkts=\([0-9]*\).*/\1/p'; }
grows() { # PORT: more than a thousand packets since the last call
    local now
    now=$(received "$1")
    [ "$now" -gt $((last + 1000)) ]
}
goes_round() { # PORT: a packet, sent there, comes back by itself. Sent anew until it does: an end may not yet know of its new peer
    ofctl packet-out br0 "in_port=controller packet=$("$PYTHON" -c 'print("02"*12 + "88b5" + "00" * 60)') actions=output:$1"
    grows "$1"
}
add_memif() { # PORT NAME ROLE SOCKET
    local options=("type=memif" "options:memif-socket=$T/$4.sock" "options:memif-role=$3")
    [ "$kind" = memif ] ||
        options=(type=dpdk "options:dpdk-devargs=net_memif_$2,role=$3,id=0,socket=$T/$4.sock,socket-abstract=no")
    vsctl add-port br0 "$2" -- set interface "$2" "ofport_request=$1" "${options[@]}"
}

mkfifo "$T/stdin"
start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
ofctl add-flow br0 "priority=1,actions=NORMAL"

peers_die_and_return() {
    add_memif 10 guest server memif
    ofctl add-flow br0 "priority=9,in_port=10,actions=in_port"

    for round in 1 2 3; do
        last=$(received 10)
        peer txonly
        wait_for 20 "$kind, round $round: the peer's packets come in and go back" grows 10
        wait_for 5 "$kind, round $round: the link is up" has up vsctl get interface guest link_state
        kill -9 "$peer_pid"
        wait "$peer_pid" 2>/dev/null
        wait_for 5 "$kind, round $round: the link goes down with the peer" has down vsctl get interface guest link_state
        check "$kind, round $round: the switch still runs" switch_alive
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
        wait_for 10 "$kind, round $round: both ends in one process are up" has up vsctl get interface b link_state
        wait_for 10 "$kind, round $round: so is the other" has up vsctl get interface a link_state
        last=$(received 11)
        wait_for 10 "$kind, round $round: a packet goes round for ever" goes_round 11
        vsctl del-port br0 b
        check "$kind, round $round: one end goes under traffic" switch_alive
        add_memif 12 b client pair
    done
    vsctl del-port br0 a -- del-port br0 b
    check "both ends go at once" switch_alive
    check "the others still talk at the end" pings h1 10.0.0.2
}
for kind in dpdk memif; do
    peers_die_and_return
done

echo "two containers at one socket, each with its id; one has a secret"
for id in 1 2; do
    vsctl add-port br0 "c$id" -- set interface "c$id" type=memif "ofport_request=2$id" \
        "options:memif-socket=$T/memif.sock" "options:memif-id=$id"
done
vsctl set interface c1 options:memif-secret=sesame
ofctl add-flow br0 "priority=9,in_port=21,actions=in_port"
ofctl add-flow br0 "priority=9,in_port=22,actions=in_port"
peer txonly id=1,secret=wrong
wait_for 20 "the port says why nobody is connected" has "secret is wrong" vsctl get interface c1 status:reason
kill -9 "$peer_pid"
wait "$peer_pid" 2>/dev/null
last=$(received 21)
peer txonly id=1,secret=sesame
wait_for 20 "the first container sends" grows 21
wait_for 5 "it is known by the name of its program" has DPDK vsctl get interface c1 status:peer_program
first=$peer_pid
last=$(received 22)
peer txonly id=2
wait_for 20 "so does the second one" grows 22
kill -9 "$first" "$peer_pid"
wait_for 5 "both links go down" has down vsctl get interface c1 link_state
check "a wrong option is named" has "power of two" vsctl -- --if-exists del-port br0 odd -- add-port br0 odd -- set interface odd \
    type=memif "options:memif-socket=$T/odd.sock" options:memif-ring-size=1000
