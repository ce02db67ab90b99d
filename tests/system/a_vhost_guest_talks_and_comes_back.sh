#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# testpmd as the guest of a vhost-user port: every layout of its rings, both roles, killed and back under traffic, the
# switch killed and back with no action in the guest, several queues.
. "$(dirname "$0")/../lib.sh"

sluice_only "guests without hugepages" || exit 0
command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed: run ./run setup"

guest_pid=
# guest SOCKET OPTIONS [TESTPMD-ARGUMENTS...]: memory comes from a memfd, which the switch maps.
guest() {
    local socket=$1 options=$2
    shift 2
    case $options in server=1*) rm -f "$socket" ;; esac
    exec 9<>"$T/stdin"
    dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry -m 256 --lcores "0@0,1@$(($(nproc) - 1))" \
        --vdev "net_virtio_user0,path=$socket,$options" -- --total-num-mbufs=8192 --no-flush-rx --disable-link-check "$@" <&9 >"$T/testpmd.log" 2>&1 &
    guest_pid=$!
}
end_guest() {
    kill -9 "$guest_pid"
    wait "$guest_pid" 2>/dev/null
    return 0
}
counter() { ofctl dump-ports br0 "$1" | sed -n "s/.*$2 pkts=\([0-9]*\).*/\1/p"; }
received() { counter "$1" rx; }
grows() { # PORT: more than a thousand packets came in since `last` was set
    local now
    now=$(received "$1")
    [ "$now" -gt $((last + 1000)) ]
}
flows() { local port; for port in 10 11; do ofctl add-flow br0 "priority=9,in_port=$port,actions=in_port"; done; }
status() { vsctl get interface "$1" "status:$2" | tr -d '"'; }
no_errors() { expect_match "$1" ' rx pkts=[0-9]+, bytes=[0-9]+, drop=[0-9?]+, errs=0' "$(ofctl dump-ports br0 10)"; }

mkfifo "$T/stdin"
start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
ofctl add-flow br0 "priority=1,actions=NORMAL"
flows
vsctl add-port br0 vm -- set interface vm type=dpdkvhostuserclient ofport_request=10
wait_for 5 "a port without socket says what to type" has 'vhost-server-path=' vsctl get interface vm status
vsctl set interface vm "options:vhost-server-path=$T/vm.sock"
wait_for 5 "a port without guest says where it has to listen" has "cannot connect to $T/vm.sock" vsctl get interface vm status
wait_eq 5 "its link is down" down vsctl get interface vm link_state

# vectorized=1 has an effect in packed rings, and in split ones that are in order without mergeable buffers.
for layout in packed_vq=0,mrg_rxbuf=1,in_order=1 packed_vq=0,mrg_rxbuf=0,in_order=1,vectorized=1 packed_vq=0,mrg_rxbuf=1,in_order=0 \
    packed_vq=0,mrg_rxbuf=0,in_order=0 packed_vq=1,mrg_rxbuf=1,in_order=1 packed_vq=1,mrg_rxbuf=0,in_order=0 \
    packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1 packed_vq=1,mrg_rxbuf=1,in_order=0; do
    last=$(received 10)
    guest "$T/vm.sock" "server=1,$layout" --forward-mode=txonly
    wait_for 60 "$layout: the guest's packets come in and go back" grows 10
    wait_eq 5 "$layout: the link is up" up vsctl get interface vm link_state
    case $layout in packed_vq=1*) wanted="packed" ;; *) wanted="split" ;; esac
    wait_eq 5 "$layout: the layout in the status" "$wanted" status vm ring_layout
    end_guest
    wait_eq 5 "$layout: the link goes down with the guest" down vsctl get interface vm link_state
    check "$layout: the switch still runs" switch_alive
done
no_errors "nothing malformed was found"

guest "$T/vm.sock" server=1,queues=4 --forward-mode=txonly --rxq=4 --txq=4 --nb-cores=1
last=$(received 10)
wait_for 60 "four queues: packets come in" grows 10
wait_eq 5 "four queues are polled" 4 status vm n_rxq
wait_for 5 "and eight rings told of" has 'num_of_vrings="8"' vsctl get interface vm status
wait_for 5 "all of them receive" has '^rx_q3_good_packets=[1-9]' sh -c "ovs-vsctl get interface vm statistics | tr -d '{} ' | tr , '\n'"

kill_switch
start_switch
add_flows_again() { flows && ofctl add-flow br0 "priority=1,actions=NORMAL"; }
check "flows after the switch was killed" add_flows_again
last=$(received 10)
wait_for 60 "the guest goes on by itself" grows 10
check "and is not disturbed" kill -0 "$guest_pid"
end_guest

vsctl add-port br0 vs -- set interface vs type=dpdkvhostuser ofport_request=11
wait_for 5 "the switch listens" test -S "$T/vs"
for round in 1 2 3; do
    last=$(received 11)
    guest "$T/vs" mrg_rxbuf=1 --forward-mode=txonly
    wait_for 60 "server, round $round: packets come in and go back" grows 11
    wait_eq 5 "server, round $round: connected" connected status vs status
    end_guest
    wait_eq 5 "server, round $round: disconnected" disconnected status vs status
done
last=$(received 11)
guest "$T/vs" packed_vq=1 --forward-mode=txonly
wait_for 60 "traffic runs before the removal" grows 11
vsctl del-port br0 vs
check "the port goes under traffic" switch_alive
check_fails "and its socket with it" test -e "$T/vs"
end_guest
check "the others still talk at the end" pings h1 10.0.0.2
check "received + copied + injected = sent + punted + dropped" appctl sluice/conservation
