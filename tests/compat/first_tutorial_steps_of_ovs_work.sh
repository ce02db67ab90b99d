#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer types when following OVS's own "advanced features" tutorial: a bridge with four ports, table by
# table, and ofproto/trace at each step.
. "$(dirname "$0")/../lib.sh"

start_switch
check "add-br and set Bridge in one command" vsctl add-br br0 -- set Bridge br0 fail-mode=secure datapath_type=netdev
for i in 1 2 3 4; do
    ip link add p$i type veth peer name q$i
    ip link set p$i up && ip link set q$i up
    check "add-port p$i" vsctl add-port br0 p$i -- set Interface p$i ofport_request=$i
    check "mod-port p$i up" ofctl mod-port br0 p$i up
done
expect_match "dump-ports-desc lists p4" '4\(p4\)' "$(ofctl dump-ports-desc br0)"
trace() { appctl ofproto/trace br0 "$@"; }
# Table 0: admission control
check "drop multicast sources" ofctl add-flow br0 "table=0, dl_src=01:00:00:00:00:00/01:00:00:00:00:00, actions=drop"
check "drop spanning tree" ofctl add-flow br0 "table=0, dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0, actions=drop"
check "go on otherwise" ofctl add-flow br0 "table=0, priority=0, actions=resubmit(,1)"
expect_match "trace of a reserved address drops" '^Datapath actions: drop' "$(trace in_port=1,dl_dst=01:80:c2:00:00:05)"
expect_match "trace of one that is not reserved goes on to table 1" '^ *1\. No match' "$(trace in_port=1,dl_dst=01:80:c2:00:00:10)"
expect_match "it shows the rule" 'dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0' "$(trace in_port=1,dl_dst=01:80:c2:00:00:05)"
# Table 1: VLAN input
check "table 1 drops by default" ofctl add-flow br0 "table=1, priority=0, actions=drop"
check "p1 is a trunk" ofctl add-flow br0 "table=1, priority=99, in_port=1, actions=resubmit(,2)"
ofctl add-flows br0 - <<'FLOWS'
table=1, priority=99, in_port=2, vlan_tci=0, actions=mod_vlan_vid:20, resubmit(,2)
table=1, priority=99, in_port=3, vlan_tci=0, actions=mod_vlan_vid:30, resubmit(,2)
table=1, priority=99, in_port=4, vlan_tci=0, actions=mod_vlan_vid:30, resubmit(,2)
FLOWS
output=$(trace in_port=2)
expect_match "trace of an access port passes table 1" 'in_port=2,vlan_tci=0x0000' "$output"
expect_match "and ends in table 2 without a flow" 'No match' "$output"
expect_match "a tagged packet on an access port is dropped" '^Datapath actions: drop' "$(trace in_port=2,vlan_tci=5)"
# Table 2 to 4 without learn(): addresses by hand
check "table 2" ofctl add-flow br0 "table=2, actions=resubmit(,3)"
ofctl add-flows br0 - <<'FLOWS'
table=3, priority=50, dl_vlan=20, dl_dst=50:00:00:00:00:01, actions=load:1->NXM_NX_REG0[0..15], resubmit(,4)
table=3, priority=50, dl_vlan=30, dl_dst=90:00:00:00:00:04, actions=load:4->NXM_NX_REG0[0..15], resubmit(,4)
table=3, priority=0, actions=resubmit(,4)
table=4, reg0=1, actions=1
table=4, reg0=4, actions=strip_vlan,4
table=4, reg0=0, priority=99, dl_vlan=20, actions=1,strip_vlan,2
table=4, reg0=0, priority=99, dl_vlan=30, actions=1,strip_vlan,3,4
FLOWS
output=$(trace in_port=3,dl_src=90:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff)
expect_match "trace shows each table" '^ *4\. reg0=0,dl_vlan=30' "$output"
expect_match "trace shows the final flow" '^Final flow: ' "$output"
expect_match "trace shows the megaflow" '^Megaflow: ' "$output"
expect_match "broadcast of VLAN 30 goes tagged to p1, then untagged" 'Datapath actions: push_vlan\(vid=30,pcp=0\),[0-9]+,pop_vlan,[0-9]+' "$output"
expect_match "trace -generate sends a real packet" '^Datapath actions: ' "$(trace in_port=3,dl_src=90:00:00:00:00:02,dl_dst=ff:ff:ff:ff:ff:ff -generate)"
expect_match "a known address goes to its port alone" '^Datapath actions: [0-9]+$' "$(trace in_port=3,dl_dst=90:00:00:00:00:04)"
expect_eq "dump-flows counts the flows" 16 "$(ofctl dump-flows br0 | grep -c actions=)"
