#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Traces of encap, decap, irreversible clones and of walks that fail: the same steps, final flow and datapath actions as OVS.
# Left out: decap of NSH and MPLS. OVS's trace ends there, by recirculation; ours goes on.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
packet=in_port=1,eth_src=00:00:00:00:00:01,eth_dst=00:00:00:00:00:02,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=9,nw_proto=17,udp_src=1,udp_dst=2
trace() { # VERSION ACTIONS
    of -O"$1" del-flows br0
    of -O"$1" add-flow br0 "ip,in_port=1,actions=$2"
    app ofproto/trace br0 "$packet" | sed '/^Megaflow/d; s/recirc_id=[0-9]*/recirc_id=N/'
}
encap='encap(nsh(md_type=1)),encap(ethernet)'
traces() {
    lab_bridge
    local actions
    for actions in 'encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,encap(ethernet),output:2' \
        'encap(nsh(md_type=2,tlv(0x1000,10,0x12345678))),encap(ethernet),set_field:11:22:33:44:55:66->eth_dst,output:2' \
        'encap(nsh(md_type=1)),set_field:2->nsh_flags,set_field:3->nsh_si,set_field:4->nsh_ttl,set_field:9->nsh_c4,encap(ethernet),output:2' \
        "$encap,output:2,dec_nsh_ttl,output:3" \
        'encap(nsh(md_type=1)),encap(nsh(md_type=2)),encap(ethernet),output:2' \
        'encap(mpls),set_mpls_label:5,encap(ethernet),output:2' 'encap(mpls),encap(mpls),set_mpls_label:7,encap(ethernet),output:2' \
        'encap(mpls),dec_mpls_ttl,encap(ethernet),output:2' 'encap(mpls),output:3,encap(ethernet),output:2' \
        'decap,output:2' 'decap,encap(ethernet),output:2' 'decap,dec_ttl,encap(ethernet),output:2' \
        'decap,set_field:1.2.3.4->ip_dst,encap(ethernet),output:2' "decap(),$encap,set_field:11:22:33:44:55:66->eth_src,output:3" \
        'decap(packet_type(ns=0,type=0)),output:2' 'decap(packet_type(ns=1,type=0x800)),encap(ethernet),output:2' \
        "clone($encap,output:2)" "clone($encap,output:2),output:3" "clone(clone($encap,output:2),output:3),output:2" \
        "clone(decap,$encap,output:2),clone(push_vlan:0x8100,output:3),output:3" \
        "set_field:10.0.0.7->ip_dst,clone($encap,push_vlan:0x8100,set_field:4099->vlan_vid,output:2),output:3" \
        "clone($encap,output:2),goto_table:1" "$encap,goto_table:1" "$encap,write_actions(output:2)" "$encap,output:CONTROLLER" 'clone(output(port=2,max_len=64)),output:3' \
        'encap(ethernet),output:2' 'output:3,encap(ethernet),output:2' 'clone(encap(ethernet)),output:2' 'decap,decap,output:2' \
        'push_vlan:0x8100,decap,output:2' 'push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,output:2'; do
        trace OpenFlow13 "$actions"
    done
    trace OpenFlow10 'clone(ct(commit),output:2),output:3'
    trace OpenFlow10 'output:3,resubmit(,0)' | tail -n 6
    of del-groups br0
    of -OOpenFlow13 add-group br0 'group_id=1,type=all,bucket=output:2,bucket=clone(encap(nsh(md_type=1)),encap(ethernet),output:3),output:2'
    trace OpenFlow13 'group:1,output:3'
    trace OpenFlow13 'write_actions(group:1)'
}
# What may follow an encap or decap.
checks() {
    lab_bridge
    local actions
    for actions in 'encap(nsh(md_type=1)),decap,decap,decap,decap,output:2' 'encap(ethernet),set_field:1.1.1.1->ip_dst,output:2' \
        'encap(nsh(md_type=1)),decap,push_vlan:0x8100,output:2' 'decap,encap(ethernet),set_field:1.1.1.1->ip_dst,output:2' 'decap,decap'; do
        of -OOpenFlow13 add-flow br0 "ip,in_port=1,actions=$actions" && of -OOpenFlow13 dump-flows --no-stats br0
    done
}
both 'traces of encap and decap' traces --enable-dummy=override
both 'flows with encap and decap' checks --enable-dummy=override
