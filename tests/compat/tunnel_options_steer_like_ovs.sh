#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tun_metadata0-63: options that actions write are matched, moved and deleted like with OVS; packets leave the same ports.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
udp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)'
options() {
    lab_bridge
    of add-tlv-map br0 '{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1,{class=0xffff,type=2,len=20}->tun_metadata2,{class=0xffff,type=3,len=12}->tun_metadata63'
    local table=1
    # try ACTIONS MATCH: a packet to which ACTIONS were done either matches or not.
    try() {
        of add-flow br0 "table=$table,priority=9,$2,actions=output:2"
        of add-flow br0 "table=$table,priority=1,actions=output:3"
        of add-flow br0 "table=0,in_port=1,actions=$1,resubmit(,$table)"
        app netdev-dummy/receive p1 "$udp" >/dev/null
        settle
        echo "$1 | $2:"
        of dump-flows br0 "table=$table" | sed -E 's/.*n_packets=([0-9]+).*priority=([0-9]+).*/rule \2: \1/; /^NXST/d' | sort
        table=$((table + 1))
    }
    try 'set_field:0x7->tun_metadata0' tun_metadata0=7
    try 'set_field:0x7->tun_metadata0' tun_metadata0=8
    try 'set_field:0x7->tun_metadata0' tun_metadata0
    try 'set_field:0x7->tun_metadata0' tun_metadata1
    try 'set_field:0->tun_metadata0' tun_metadata0
    try 'set_field:0x12345678->tun_metadata0' tun_metadata0=0x12000000/0xff000000
    try 'set_field:0x7->tun_metadata0,delete_field:tun_metadata0' tun_metadata0
    try 'set_field:0xa->tun_metadata0,set_field:0x5/0xf->tun_metadata0' tun_metadata0=5
    try 'load:0x3->NXM_NX_TUN_METADATA1[40..50]' tun_metadata1=0x30000000000
    try 'set_field:0x0102030405060708090a0b0c->tun_metadata63' tun_metadata63=0x0102030405060708090a0b0c
    try 'set_field:0x0102030405060708090a0b0c->tun_metadata2' tun_metadata2=0x0102030405060708090a0b0c
    try 'set_field:0x0102030405060708090a0b0c->tun_metadata2' tun_metadata2=0x010102030405060708090a0b0c
    try 'set_field:0x0102030405060708090a0b0c->tun_metadata63,move:NXM_NX_TUN_METADATA63[0..31]->NXM_NX_TUN_METADATA0[0..31]' tun_metadata0=0x090a0b0c
    try 'set_field:0x1234->tun_metadata0,move:NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG3[4..19]' reg3=0x12340
    try 'set_field:0xabcd->reg3,move:NXM_NX_REG3[0..15]->NXM_NX_TUN_METADATA1[16..31]' tun_metadata1=0xabcd0000
    try 'set_field:0x99->tun_metadata1,push:NXM_NX_TUN_METADATA1[0..31],pop:NXM_NX_TUN_METADATA0[0..31]' tun_metadata0=0x99
    try 'set_field:0x99->tun_metadata1,clone(set_field:1->tun_metadata1)' tun_metadata1=0x99
    try 'set_field:5->tun_id' tun_metadata0=0
    of add-flow br0 'table=0,in_port=1,actions=set_field:3->tun_metadata0,output:NXM_NX_TUN_METADATA0[0..15]'
    app netdev-dummy/receive p1 "$udp"
    settle
    for port in p2 p3; do echo "$port: $(tcpdump -tnr "$T/$side/$port-tx.pcap" 2>/dev/null | wc -l)"; done
    app bridge/dump-flows br0 | sed -E 's/duration=[0-9]+s/duration=N/' | grep tun_ | sort
    # A packet-in tells them.
    inside ovs-ofctl -OOpenFlow13 -P nxt_packet_in2 monitor br0 65534 --detach --no-chdir --pidfile="$T/$side/mon.pid" \
        --unixctl="$T/$side/mon.ctl" 2>"$T/$side/mon.out"
    of add-flow br0 'table=0,in_port=1,actions=set_field:3->tun_metadata0,set_field:0x55->tun_metadata1,controller'
    app netdev-dummy/receive p1 "$udp"
    inside ovs-appctl -t "$T/$side/mon.ctl" ofctl/barrier
    app -t "$T/$side/mon.ctl" exit
    until_true 5 [ ! -e "$T/$side/mon.pid" ]
    grep PACKET_IN "$T/$side/mon.out"
}
both 'tunnel options' options --enable-dummy=override
