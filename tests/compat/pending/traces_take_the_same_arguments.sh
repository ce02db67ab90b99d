#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ofproto/trace and ofproto/trace-packet-out: options, names of ports, packets, wrong arguments; as with OVS.
. "$(dirname "$0")/../../lib.sh"
. "$(dirname "$0")/../lab_both.inc"
# What each switch looked at, and its own numbers, are not compared.
trace() {
    echo "\$ trace $*"
    inside ovs-appctl --timeout=15 "$@" 2>&1 | sed -E '/^Megaflow:/d; s/recirc_id=[0-9]+/recirc_id=N/'
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
both 'traces' traces --enable-dummy=override
