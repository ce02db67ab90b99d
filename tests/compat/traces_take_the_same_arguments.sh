#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ofproto/trace and ofproto/trace-packet-out: options, names of ports, packets, wrong arguments; as with OVS.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
# What each switch looked at, and its own numbers, are not compared.
trace() {
    echo "\$ trace $*"
    inside ovs-appctl --timeout=15 "$@" 2>&1 | sed -E '/^Megaflow:/d; s/recirc_id=(0x)?[0-9a-f]+/recirc_id=N/; s/recirc\(0x[0-9a-f]+\)/recirc(N)/g'
}
traces() {
    lab_bridge
    of add-flow br0 'in_port=1,actions=output:2,controller,resubmit(,1)'
    of add-flow br0 'table=1,udp,nw_src=10.0.0.0/8,actions=mod_nw_tos:8,output:p3,goto_table:3'
    of add-flow br0 'table=3,actions=write_actions(output:1),in_port'
    for flow in in_port=1 in_port=p1 in_port=1,udp,nw_src=10.0.0.1 in_port=3 in_port=LOCAL in_port=p2,tcp,tcp_dst=80; do
        for options in '' --names -generate '--generate --names' '--ct-next trk,est' '--ct-next trk|new --ct-next est'; do
            # shellcheck disable=SC2086  # words, on purpose
            trace ofproto/trace br0 $flow $options
            # shellcheck disable=SC2086
            trace ofproto/trace $options br0 $flow
        done
    done
    local udp=ffffffffffff00000000000108004500001c00000000401166cd0a0000010a000002003500360008e4d5
    trace ofproto/trace br0 in_port=1 $udp
    trace ofproto/trace br0 in_port=1 $udp --names
    trace ofproto/trace br0 in_port=1,udp --l7-len 10
    trace ofproto/trace br0
    trace ofproto/trace br0 in_port=1 zz
    trace ofproto/trace br0 in_port=1 -generate 00
    trace ofproto/trace br0 in_port=1 00 00
    trace ofproto/trace br0 in_port=1 00 00 00
    trace ofproto/trace br0 in_port=1 --nosuch
    trace ofproto/trace br0 in_port=1 -consistent
    trace ofproto/trace br0 in_port=1 --ct-next
    trace ofproto/trace br0 in_port=1 --ct-next nonsense
    trace ofproto/trace br0 in_port=1 --l7
    trace ofproto/trace nosuch in_port=1
    trace ofproto/trace nosuch 'in_port(1)'
    trace ofproto/trace-packet-out br0 in_port=1,udp 'set_field:3->reg1,resubmit(,0),output:3'
    trace ofproto/trace-packet-out --names br0 in_port=1,udp,nw_src=10.0.0.1 'resubmit(,1)'
    trace ofproto/trace-packet-out br0 in_port=1,udp drop
    trace ofproto/trace-packet-out br0 in_port=1,udp output:2
    trace ofproto/trace-packet-out br0 in_port=1,udp 'set_field:3->tcp_src'
    trace ofproto/trace-packet-out -consistent br0 in_port=1,udp 'set_field:3->tcp_src'
    trace ofproto/trace-packet-out br0 in_port=1,udp nonsense
    trace ofproto/trace-packet-out br0 in_port=1 $udp 'dec_ttl,output:2'
    trace ofproto/trace-packet-out br0
}
# What happens behind ct: --ct-next says which state the connection has.
tracked() {
    lab_bridge
    printf '%s\n' 'priority=10,tcp,actions=ct(table=1,zone=7)' \
        'priority=10,udp,actions=ct(commit,table=1,exec(set_field:5->ct_mark)),output:3' \
        'priority=10,icmp,actions=set_field:9->reg3,ct(table=2),set_field:1->reg0,ct(table=3),output:2' \
        'priority=10,sctp,actions=ct(commit,nat(src=10.0.0.1-10.0.0.9)),output:2' 'priority=11,udp,tp_dst=7,actions=ct(commit,table=1,nat(dst=10.0.0.9:80))' \
        'priority=20,icmp6,actions=ct(table=4,nat),output:1' \
        'table=1,ip,ct_state=+new+trk,actions=ct(table=2),output:2' \
        'table=1,ip,ct_state=+est+trk,actions=set_field:aa:bb:cc:dd:ee:ff->eth_dst,output:3' \
        'table=2,ip,ct_state=+trk-inv,actions=resubmit(,3,ct),output:2' \
        'table=3,priority=1,actions=output:LOCAL' 'table=3,priority=2,ip,reg0=1,actions=ct_clear,output:1' \
        'table=4,ipv6,actions=dec_ttl,ct(commit,force,zone=9,exec(set_field:0x1/0xf->ct_mark,set_field:5->ct_label)),output:2' \
        >"$T/$side/flows"
    of -O OpenFlow13 add-flows br0 "$T/$side/flows"
    local flow next
    for flow in tcp,nw_src=10.0.0.1,tcp_dst=80 udp udp,udp_dst=7 icmp sctp icmp6,nw_ttl=9; do
        trace ofproto/trace br0 in_port=1,$flow
        for next in trk,est 'trk, new' 'trk est,rpl' trk trk,inv ''; do trace ofproto/trace br0 in_port=1,$flow --ct-next "$next"; done
        trace ofproto/trace br0 in_port=1,$flow --ct-next trk,new --ct-next trk,est,snat,dnat --names
    done
    for next in new,foo new trk,new,est trk,new,rpl trk,inv,new 'trk|est' trk,inv,snat; do
        trace ofproto/trace br0 in_port=1,tcp --ct-next "$next"
    done
}
both 'traces' traces --enable-dummy=override
both 'traces behind ct' tracked --enable-dummy=override
