#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same command sequences, in the manner of Open vSwitch's own test suite, on this switch and on Open vSwitch:
# dummy ports, packets by command, a clock that is moved by hand. The texts must be equal.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"

tcp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=192.168.0.1,dst=192.168.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=9)'
udp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)'
nd='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::2,label=0,proto=58,tclass=0,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=fe80::3,sll=00:00:00:00:00:01,tll=00:00:00:00:00:02)'
arp='in_port(1),eth(src=50:54:00:00:00:05,dst=ff:ff:ff:ff:ff:ff),eth_type(0x8100),vlan(vid=10,pcp=3),encap(eth_type(0x0806),arp(sip=1.2.3.4,tip=4.3.2.1,op=1,sha=00:00:00:00:00:01,tha=00:00:00:00:00:02))'

bridge() {
    vs add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure other_config:hwaddr=aa:55:aa:55:00:00 \
        -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 options:pcap="$T/$side/p1.pcap" \
        -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2 options:tx_pcap="$T/$side/p2-tx.pcap" \
        options:rxq_pcap="$T/$side/p2-rx.pcap" options:ifindex=1010 -- add-port br0 p3 -- set interface p3 type=dummy ofport_request=3
}
packets_by_command() {
    bridge
    app dpif/show
    app dpctl/show
    app ofproto/list
    app ofproto/list-tunnels
    of add-flow br0 'in_port=1,actions=output:2,output:3'
    of add-flow br0 'in_port=2,actions=in_port,output:1'
    of add-flow br0 'priority=40000,dl_vlan=10,actions=pop_vlan,output:2'
    for packet in "$tcp" "$udp" "$nd" "$arp" ffffffffffff00000000000188b50102 'ff ff ff ff ff ff 00 00 00 00 00 01 88 b5 01'; do
        app netdev-dummy/receive p1 "$packet"
    done
    app netdev-dummy/receive p2 "$tcp" "$tcp"
    app netdev-dummy/receive p1 "$tcp" --len 100
    app netdev-dummy/receive p1 --qid 0 "$udp"
    app netdev-dummy/receive p1 --qid 5 "$udp"
    app netdev-dummy/receive nosuch "$udp"
    app netdev-dummy/receive p1 'nonsense'
    app netdev-dummy/receive p1 'nonsense(1)'
    app netdev-dummy/receive p1 ffff
    app netdev-dummy/conn-state p1
    settle
    of --no-stats dump-flows br0 | sort
    of dump-flows br0 | sed -E 's/duration=[0-9.]+s, |idle_age=[0-9]+, //g' | sort
    of -O OpenFlow10 dump-ports br0 | sed 1d | paste - - | sort
    for file in p1 p2-tx p2-rx; do frames "$T/$side/$file.pcap"; done
    vs --columns=name,admin_state,link_state,link_speed,duplex,mtu,ifindex,status,error,ofport find interface type=dummy name=p2
}
# Both switches tell OpenFlow and the database of a port's new state a moment after the command's reply.
shown_down() { of show br0 | grep -A1 "($1)" | grep -q PORT_DOWN; }
shown_up() { ! shown_down "$1"; }
stored_down() { [ "$(vs get interface "$1" admin_state)" = down ]; }
states() {
    bridge
    app netdev-dummy/set-admin-state p1 down
    until_true 10 shown_down p1
    of show br0 | sed 's/addr:.*//'
    until_true 10 stored_down p1
    vs get interface p1 admin_state link_state
    app netdev-dummy/set-admin-state p1 sideways
    app netdev-dummy/set-admin-state nosuch up
    app netdev-dummy/set-admin-state up
    until_true 10 shown_up p1
    of show br0 | sed 's/addr:.*//'
}
moved_clock() {
    app time/stop
    bridge
    of add-flow br0 'in_port=1,actions=NORMAL'
    of add-flow br0 'priority=1,in_port=2,hard_timeout=10,actions=NORMAL'
    of add-flow br0 'priority=2,in_port=3,idle_timeout=20,actions=NORMAL'
    app netdev-dummy/receive p1 "$tcp"
    app netdev-dummy/receive p3 "${tcp/:05/:06}"
    settle
    of dump-flows br0 | sort
    inside ovs-appctl fdb/show br0 | sort
    app time/warp 5000
    of dump-flows br0 | sed -E 's/duration=5\.[0-9]+s/duration=5s/' | sort
    app time/warp 6000 1000
    of dump-flows br0 | sed -E 's/duration=11\.[0-9]+s/duration=11s/' | sort
    inside ovs-appctl fdb/show br0 | sort
    app time/warp 15000 1000
    of --no-stats dump-flows br0 | sort
    app time/warp 400000 10000
    inside ovs-appctl fdb/show br0 | sort
    app time/warp 0
    app time/warp abc
    app time/warp 100 0
}
overridden() {
    vs add-br br0 -- set bridge br0 fail_mode=secure other_config:hwaddr=aa:55:aa:55:00:00 -- add-port br0 veth1 -- set interface veth1 ofport_request=1 \
        -- add-port br0 t2 -- set interface t2 type=tap ofport_request=2 -- add-port br0 i3 -- set interface i3 type=internal ofport_request=3
    of add-flow br0 'actions=ALL'
    app dpif/show
    app netdev-dummy/receive veth1 "$tcp"
    app netdev-dummy/receive t2 "$tcp"
    app netdev-dummy/receive i3 "$tcp"
    app netdev-dummy/receive br0 "$tcp"
    settle
    of -O OpenFlow10 dump-ports br0 | sed 1d | paste - - | sort
    ip link show t2 2>&1
}
both "packets by command are forwarded, counted and captured as by OVS" packets_by_command --enable-dummy
both "ports go down and up by command as with OVS" states --enable-dummy
both "a clock moved by hand lets flows and addresses expire as with OVS" moved_clock --enable-dummy
both "with override every kind of port is a dummy" overridden --enable-dummy=override
