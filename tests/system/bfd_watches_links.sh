#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# BFD between this switch and Debian's Open vSwitch at the other end of a veth: sessions come up, fail, and steer groups,
# bundles and port states; what is not theirs goes on to the flow tables.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# Another switch, Open vSwitch itself, in a namespace of its own.
PEER=$T/peer
mkdir "$PEER"
peer() { OVS_RUNDIR=$PEER OVS_DBDIR=$PEER OVS_LOGDIR=$PEER OVS_SYSCONFDIR=$PEER ns far timeout 20 "$@"; }
start_peer() {
    peer ovsdb-tool create "$PEER/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    peer ovsdb-server --detach --no-chdir --pidfile -vconsole:off --log-file --remote=punix:"$PEER/db.sock" "$PEER/conf.db" &&
        peer ovs-vsctl --no-wait init &&
        peer /usr/sbin/ovs-vswitchd --detach --no-chdir --pidfile -vconsole:off --log-file unix:"$PEER/db.sock"
}
stop_peer() { peer ovs-appctl -T 5 exit; peer ovs-appctl -T 5 -t ovsdb-server exit; }

make_ns far
at_exit stop_peer
start_peer || skip "Open vSwitch does not start"
peer ovs-vsctl add-br br1 -- set bridge br1 datapath_type=netdev -- add-port br1 eth0 ||
    skip "Open vSwitch has no userspace datapath here"
start_switch
add_bridge br0 fail-mode=secure
make_ns other
vsctl add-port br0 v-far -- set interface v-far ofport_request=1 -- add-port br0 v-other -- set interface v-other ofport_request=2

bfd() { vsctl --if-exists get interface v-far "bfd_status:$1" | tr -d '"'; }
both_up() { [ "$(bfd state)" = up ] && [ "$(bfd forwarding)" = true ] && [ "$(peer ovs-vsctl get interface eth0 bfd_status:state)" = up ]; }
is() { [ "$(bfd "$1")" = "$2" ]; }
show() { appctl bfd/show "$@"; }

# Up.
check_fails "there is no session yet" appctl bfd/show v-far
vsctl set interface v-far bfd:enable=true bfd:min_rx=100 bfd:min_tx=100
wait_for 5 "a session that hears nothing is down" is state down
wait_for 5 "and doesn't forward" is forwarding false
peer ovs-vsctl set interface eth0 bfd:enable=true bfd:min_rx=100 bfd:min_tx=100 bfd:mult=5
wait_for 20 "a session with Open vSwitch comes up" both_up
expect_match "bfd/show has the peer's multiplier" '^  Remote Detect Multiplier: 5$' "$(show v-far)"
expect_match "bfd/show names its sessions" '^---- v-far ----$' "$(show)"
wait_for 10 "new intervals are agreed on" has '^  RX Interval: Approx 100ms$' show v-far
layout() { sed -E 's/0x[0-9a-f]+|[+-]?[0-9]+(ms)?$|[+-][0-9]+ms/N/g; s/(State|Flags|Diagnostic): .*/\1/' <<<"$1"; }
expect_eq "bfd/show has Open vSwitch's layout" "$(layout "$(peer ovs-appctl bfd/show eth0)")" "$(layout "$(show v-far)")"
keys() { vsctl -f json get interface v-far bfd_status | grep -o '[a-z_]*=' | sort | tr '\n' ' '; }
expect_eq "bfd_status has all its keys" "diagnostic= flap_count= forwarding= remote_diagnostic= remote_state= state= " "$(keys)"

# New intervals, while it is up.
flaps=$(bfd flap_count)
vsctl set interface v-far bfd:min_tx=300
wait_for 10 "a new interval is negotiated" has '^  Remote Minimum TX Interval: 300ms$' peer ovs-appctl bfd/show eth0
vsctl set interface v-far bfd:min_tx=100
wait_for 10 "and back" has '^  Remote Minimum TX Interval: 100ms$' peer ovs-appctl bfd/show eth0
expect_eq "without a flap" "$flaps" "$(bfd flap_count)"

# Its packets and others.
ofctl add-flow br0 "in_port=1,actions=2"
vsctl set interface v-far bfd:bfd_src_ip=169.254.1.1
count() { ofctl dump-flows br0 in_port=1 | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p'; }
before=$(count)
sleep 1
expect_eq "BFD packets do not meet the flow tables" "$before" "$(count)"
ofctl del-flows br0

# Liveness.
ofctl -O OpenFlow13 add-group br0 group_id=1,type=ff,bucket=watch_port=1,actions=output:1,bucket=watch_port=2,actions=output:2
ofctl add-flow br0 "in_port=LOCAL,dl_type=0x1235,actions=bundle(eth_src,0,active_backup,ofport,members:1,2)"
ofctl -O OpenFlow13 add-flow br0 "in_port=LOCAL,dl_type=0x1236,actions=group:1"
vsctl set bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow14
way() { appctl ofproto/trace br0 "in_port=LOCAL,dl_type=$1" | sed -n 's/^Datapath actions: //p'; }
sent() { ofctl -O OpenFlow14 show br0 | sed -n "/($1)/,/state/s/ *state: *//p"; }
wait_eq 10 "the port is live" LIVE sent v-far
first=$(way 0x1236)
expect_eq "the bundle takes the first" "$first" "$(way 0x1235)"
appctl bfd/set-forwarding v-far false >/dev/null
wait_eq 10 "a port that is said not to forward is not live" 0 sent v-far
second=$(way 0x1236)
check "then the group takes the second" test "$first" != "$second"
expect_eq "and so does the bundle" "$second" "$(way 0x1235)"
appctl bfd/set-forwarding normal >/dev/null
wait_eq 10 "it is live again when the session decides" LIVE sent v-far
check_fails "there is no session of that name" appctl bfd/set-forwarding v-other true
check_fails "nor such a word" appctl bfd/set-forwarding maybe

# The peer's reasons.
peer ovs-vsctl set interface eth0 bfd:cpath_down=true
wait_for 10 "a path that is down beyond the peer stops forwarding" is forwarding false
expect_eq "the session stays" up "$(bfd state)"
peer ovs-vsctl set interface eth0 bfd:cpath_down=false
wait_for 10 "and it goes on" is forwarding true

# The peer goes silent: its process stops. 5 * 100 ms until the fault is told, and traffic has the other way.
kill -STOP "$(cat "$PEER/ovs-vswitchd.pid")"
began=$(now_us)
until_true 10 has '^  Forwarding: false$' show v-far
took=$((($(now_us) - began) / 1000))
expect_eq "the group has changed over" "$second" "$(way 0x1236)"
check "within the detection time and little more ($took ms)" test "$took" -le $((1500 * slowness))
wait_for 10 "the database says why" is diagnostic "Control Detection Time Expired"
kill -CONT "$(cat "$PEER/ovs-vswitchd.pid")"
wait_for 20 "it comes back" both_up
expect_eq "the first way is taken again" "$first" "$(way 0x1236)"

# Timers hold while the control thread has much to do and all cores are busy. What counts is when our packets arrive
# (the kernel's time stamps); the peer, which is as pressed, may be later than we accept from it.
if sluice_only "steady timers under load"; then
    peer ovs-vsctl set interface eth0 bfd:mult=50
    wait_for 10 "the peer may be late" has '^  Remote Detect Multiplier: 50$' show v-far
    wait_for 10 "we send every 100 ms" has '^  TX Interval: Approx 100ms$' show v-far
    awk 'BEGIN { for (i = 0; i < 100000; i++) printf "table=1,priority=%d,ip,nw_src=10.%d.%d.%d,actions=drop\n", i % 1000 + 1, i / 65536, i / 256 % 256, i % 256 }' >"$T/flows"
    ns far "$PYTHON" - "$T/stop" >"$T/gaps" <<'END' &
import os, socket, struct, sys
SO_TIMESTAMPNS, ETH_P_ALL, OUTGOING = 35, 3, 4
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
sock.bind(("eth0", 0))
sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
sock.settimeout(0.2)
times = []
while not os.path.exists(sys.argv[1]):
    try:
        frame, control, _, sender = sock.recvmsg(2048, 128)
    except TimeoutError:
        continue
    if sender[2] != OUTGOING and frame[12:14] == b"\x08\x00" and frame[36:38] == struct.pack("!H", 3784):
        seconds, nanos = struct.unpack("qq", control[0][2])
        times.append(seconds * 1000 + nanos // 1000000)
gaps = [b - a for a, b in zip(times, times[1:])]
print(len(gaps), max(gaps, default=10**6))
END
    sniffer=$!
    hogs=()
    for _ in $(seq "$(nproc)"); do
        (while :; do :; done) &
        hogs+=($!)
    done
    for round in 1 2; do
        timeout 100 ovs-ofctl --timeout=90 add-flows br0 "$T/flows" || fail "100,000 flows are added" "round $round"
        ofctl del-flows br0 table=1
    done
    kill "${hogs[@]}"
    touch "$T/stop"
    wait "$sniffer"
    read -r gaps longest <"$T/gaps"
    check "packets went out all the time ($gaps)" test "$gaps" -gt 10
    # A peer with the usual multiplier gives up after 300 ms.
    check "100,000 flows change, all cores are busy: at most $longest ms between our packets" test "$longest" -le $((250 * slowness))
    expect_eq "our session has not failed" "up true" "$(bfd state) $(bfd forwarding)"
fi

# The end.
vsctl clear interface v-far bfd
wait_eq 10 "without BFD there is no status" "{}" vsctl get interface v-far bfd_status
check_fails "nor a session" appctl bfd/show v-far
wait_eq 10 "and the port is live by its link" LIVE sent v-far
vsctl set interface v-far bfd:enable=true bfd:min_rx=100 -- set interface v-other bfd:enable=true
wait_for 20 "it starts anew" both_up
vsctl del-port v-far
check "a port that goes takes its session along" test "$(show | grep -c '^----')" = 1
