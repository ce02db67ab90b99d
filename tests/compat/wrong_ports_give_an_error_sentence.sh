#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A port that can't be made: ovs-vsctl returns at once, the column error says why, other ports go on.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
# wrong NAME SENTENCE COLUMN=VALUE...
wrong() {
    local name=$1 sentence=$2 start output us
    shift 2
    start=$(now_us)
    output=$(vsctl add-port br0 "$name" -- set interface "$name" "$@" 2>&1)
    us=$(($(now_us) - start))
    expect_match "$sentence: ovs-vsctl tells of it" "Error detected while setting up '$name'" "$output"
    if [ "$us" -lt 3000000 ]; then pass "$sentence: at once"; else fail "$sentence: at once" "took $us us"; fi
    expect_eq "$sentence: ofport is -1" -1 "$(ofport "$name")"
    expect_match "$sentence: error is a sentence" '[a-z]+ [a-z]+ [a-z]+' "$(vsctl get interface "$name" error)"
    vsctl del-port br0 "$name"
}
wrong nosuch0 "a device that does not exist" type=system
wrong bad1 "an unknown type" type=nosuchtype
wrong bad2 "a patch port without a peer" type=patch
if sluice_only "dpdk ports need DPDK initialised there"; then
    wrong bad3 "a dpdk port without dpdk-devargs" type=dpdk
    wrong bad4 "a dpdk port with an unknown driver" type=dpdk options:dpdk-devargs=net_nosuchdriver0
    wrong bad5 "a dpdk port with a driver's option wrong" type=dpdk options:dpdk-devargs=net_pcap0,rx_pcap=/nonexistent.pcap
    wrong bad6 "a dpdk port of a PCI address with nothing there" type=dpdk options:dpdk-devargs=0000:99:99.0
fi
check "a wrong port that is corrected works" eval 'vsctl add-port br0 late0 2>/dev/null; ip link add late0 type veth peer name late1; vsctl set interface late0 external_ids:try=2'
wait_for 8 "and has an OpenFlow port" has '^[1-9]' ofport late0
check "the other ports went on" pings h1 10.0.0.2
