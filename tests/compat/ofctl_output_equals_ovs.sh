#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same ovs-ofctl commands given to this switch and to OVS itself, beside it, print the same text.
. "$(dirname "$0")/../lib.sh"

. "$(dirname "$0")/beside_ovs.inc"
start_both

# Flows of equal priority are dumped as the switch happens to hold them, with --sort too: order them by text.
order_ties() {
    awk '{ class = / actions=/ ? 1 : /^exit code/ ? 2 : 0; priority = 32768
           if (match($0, /priority=[0-9]+/)) priority = substr($0, RSTART + 9, RLENGTH - 9)
           printf "%d %d %s\n", class, class == 1 ? priority : NR, $0 }' | LC_ALL=C sort -k 1,1n -k 2,2n -k 3 | cut -d ' ' -f 3-
}
# same COMMAND...: run on both, exit code and text must be equal.
same() {
    local text_ours text_ovs side=ours
    text_ours=$(inside timeout 20 ovs-ofctl --timeout=15 "$@" 2>&1; echo "exit code $?")
    side=ovs
    text_ovs=$(inside timeout 20 ovs-ofctl --timeout=15 "$@" 2>&1; echo "exit code $?")
    local order=cat
    [[ " $* " != *" dump-flows "* ]] || order=order_ties
    expect_eq "ovs-ofctl $*" "$(normalise <<<"$text_ovs" | $order)" "$(normalise <<<"$text_ours" | $order)"
}

flows=(
    'priority=1,actions=NORMAL' 'in_port=1,actions=output:2' 'in_port=2,actions=in_port' 'actions=drop'
    'table=1,priority=100,dl_vlan=10,actions=strip_vlan,output:3' 'table=1,dl_vlan=0xffff,actions=mod_vlan_vid:5,output:2'
    'table=1,vlan_tci=0x1000/0x1000,actions=pop_vlan,output:1' 'table=1,priority=7,dl_vlan=3,dl_vlan_pcp=2,actions=output:1'
    'table=2,dl_src=02:00:00:00:00:01,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=FLOOD'
    'table=2,arp,arp_tpa=10.0.0.1,arp_op=1,actions=CONTROLLER:128' 'table=2,arp,arp_spa=10.0.0.0/24,arp_sha=02:00:00:00:00:01,actions=drop'
    'table=3,ip,nw_src=10.0.0.0/8,nw_dst=192.168.1.1,nw_proto=17,nw_tos=32,actions=dec_ttl,output:2'
    'table=3,tcp,tp_src=1024/0xfc00,tp_dst=80,actions=mod_nw_dst:10.9.9.9,mod_tp_dst:8080,output:1'
    'table=3,tcp,tcp_flags=+syn-ack,actions=ALL' 'table=3,udp,tp_dst=53,actions=LOCAL' 'table=3,sctp,tp_dst=5060,actions=output:1'
    'table=3,icmp,icmp_type=8,icmp_code=0,actions=set_field:02:00:00:00:00:09->eth_dst,output:1'
    'table=3,priority=8,ip,ip_frag=later,actions=drop' 'table=3,priority=9,ip,nw_ecn=3,nw_ttl=64,actions=drop'
    'table=4,ipv6,ipv6_src=2001:db8::/32,ipv6_dst=fe80::1,actions=output:1' 'table=4,icmp6,icmp_type=135,nd_target=fe80::2,actions=output:1'
    'table=4,tcp6,tp_dst=443,ipv6_label=0x12345,actions=dec_ttl,output:3'
    'table=5,metadata=0x5/0xff,reg0=7,reg3=0x10/0xf0,actions=resubmit(,6)' 'table=5,priority=3,tun_id=0x7b,actions=goto_table:9'
    'table=5,xreg1=0x100000002,actions=load:0x1->NXM_NX_REG1[],move:NXM_NX_REG1[]->NXM_NX_REG2[],output:NXM_NX_REG2[]'
    'table=6,cookie=0xdeadbeef,idle_timeout=100,hard_timeout=200,priority=65535,in_port=LOCAL,actions=output:1,output:2'
    'table=6,send_flow_rem,check_overlap,priority=4,ip,actions=write_metadata:0x1234/0xffff,goto_table:7'
    'table=7,actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:2' 'table=8,dl_type=0x88cc,actions=controller(max_len=64,reason=no_match)'
    'table=8,priority=9,in_port=3,actions=resubmit(1,9),resubmit:2' 'table=10,priority=0,actions=set_queue:3,output:1,pop_queue'
)
for flow in "${flows[@]}"; do same -O OpenFlow13 add-flow br0 "$flow"; done
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15; do
    same -O "$version" --sort dump-flows br0
    same -O "$version" --sort --no-stats dump-flows br0 table=3
    same -O "$version" dump-aggregate br0 table=3
    same -O "$version" --sort dump-flows br0 cookie=0xdeadbeef/-1
    same -O "$version" --sort dump-flows br0 out_port=3
done
same --no-names --sort dump-flows br0
same -O OpenFlow13 show br0
same -O OpenFlow10 show br0
same -O OpenFlow14 dump-ports-desc br0
same dump-flows br0 table=3,tcp
# strict and loose, cookies with masks
same --strict mod-flows br0 'table=3,priority=32768,udp,tp_dst=53,actions=output:3'
same mod-flows br0 'table=3,tcp,actions=output:2'
same --strict mod-flows br0 'table=3,priority=1,tcp,actions=output:1'
same --sort dump-flows br0 table=3
same mod-flows br0 'cookie=0xdeadbe00/0xffffffffffffff00,table=6,actions=drop'
same --sort dump-flows br0 table=6
same --strict del-flows br0 'table=3,priority=5,udp,tp_dst=53'
same --strict del-flows br0 'table=3,udp,tp_dst=53'
same del-flows br0 'cookie=0xdeadbeef/-1'
same del-flows br0 'table=4,tcp6'
same -O OpenFlow13 del-flows br0 'out_port=3'
same --sort dump-flows br0
# replace-flows and diff-flows
printf '%s\n' 'priority=5,tcp,actions=output:1' 'table=1,actions=drop' >"$T/flows"
same replace-flows br0 "$T/flows"
same --sort dump-flows br0
same diff-flows br0 "$T/flows"
same add-flows br0 "$T/flows"
# what is refused, and how
same add-flow br0 'table=0,actions=output:70000'
same -O OpenFlow13 add-flow br0 'table=5,actions=goto_table:5'
same -O OpenFlow13 add-flow br0 'table=5,actions=goto_table:3'
same add-flow br0 'tcp,actions=mod_nw_ecn:1,output:1'
same add-flow br0 'actions=dec_ttl'
same -O OpenFlow13 add-flow br0 'actions=set_field:80->tcp_dst'
same add-flow br0 'check_overlap,priority=5,tcp,tp_dst=80,actions=drop'
# the error carries the whole request; flags of a flow-mod stay with the flow, whatever version it came in
same add-flow br0 "check_overlap,priority=5,ip,actions=$(for i in {1..20}; do printf 'load:%d->NXM_NX_REG1[],' "$i"; done)output:1"
same add-flow br0 check_overlap,priority=90,udp,actions=drop
same -O OpenFlow12 add-flow br0 reset_counts,priority=91,udp,actions=drop
same -O OpenFlow13 add-flow br0 send_flow_rem,reset_counts,no_packet_counts,no_byte_counts,priority=92,udp,actions=drop
same -O OpenFlow13 --strict mod-flows br0 reset_counts,check_overlap,priority=91,udp,actions=output:1
same -O OpenFlow13 mod-flows br0 check_overlap,no_byte_counts,priority=93,sctp,actions=output:1
for version in OpenFlow11 OpenFlow13 OpenFlow15; do same -O "$version" --sort dump-flows br0 udp; done
same -O OpenFlow11 add-flow br0 priority=94,tun_id=5,tcp,tcp_flags=+syn,actions=drop
same -O OpenFlow11 --sort dump-flows br0
same mod-port br0 p1 down
same mod-port br0 p1 up
same mod-port br0 p2 no-flood
same -O OpenFlow10 show br0
same mod-port br0 p2 flood
same mod-port br0 nosuchport up
same del-flows br0
same dump-flows br0
