#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# controller(pause): the packet and where it stopped go to a controller, which lets it go on, as it was or changed. Flows,
# packet-ins and what leaves the ports are as with OVS.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
here=$(dirname "$0")
udp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)'
# Names of bridges are random. OVS writes down the frames of its stack between the actions, and its own port number; the
# table it tells is the one where the packet came in, not the one where it stopped (ovs-actions(7), controller: the
# continuation is opaque). A port's state may change meanwhile.
readable() { sed -E '/OFPT_PORT_STATUS/,/speed:/d; s/ table_id=[0-9]+//; s/(continuation.bridge=).*/\1UUID/; s/unroll_xlate\([^)]*\),?//g; /continuation.odp_port/d; s/xid=0x[0-9a-f]+/xid=X/'; }
sent() { for port in p1 p2 p3; do echo "$port:"; tcpdump -tnexr "$T/$side/$port-tx.pcap" 2>/dev/null; done; }
pausing_flows() {
    lab_bridge
    of add-flow br0 'table=0,in_port=1,actions=set_field:7->reg1,push:NXM_NX_REG1[],controller(pause,userdata=01.02.03,max_len=20),mod_dl_src:00:00:00:00:00:09,resubmit(,1),output:3'
    of add-flow br0 'table=1,ip,reg1=7,actions=pop:NXM_NX_REG2[],move:NXM_NX_REG2[0..7]->NXM_OF_IP_TOS[],output:2'
    of add-flow br0 'table=1,ip,reg1=8,actions=dec_ttl,output:2,output:2'
}
monitor_resumes() {
    pausing_flows
    of add-flow br0 'table=0,in_port=2,actions=controller(pause),resubmit(,2),mod_dl_dst:00:00:00:00:00:0a,output:3'
    of add-flow br0 'table=2,ip,actions=load:5->NXM_NX_REG5[],output:1,controller(pause),dec_ttl,output:1'
    for format in nxt_packet_in2 nxt_packet_in standard; do
        inside ovs-ofctl -OOpenFlow13 -P $format monitor br0 65534 resume --detach --no-chdir --pidfile="$T/$side/mon.pid" \
            --unixctl="$T/$side/mon.ctl" 2>"$T/$side/mon.out"
        app netdev-dummy/receive p1 "$udp"
        app netdev-dummy/receive p2 "$udp"
        for _ in 1 2 3 4 5; do inside ovs-appctl -t "$T/$side/mon.ctl" ofctl/barrier; done
        app -t "$T/$side/mon.ctl" exit
        until_true 5 [ ! -e "$T/$side/mon.pid" ]
        readable <"$T/$side/mon.out"
    done
    sent
}
changed_and_garbled() {
    pausing_flows
    "$PYTHON" "$here/resume.py" "$T/$side/br0.mgmt" "$T/$side" 2>&1 | tee "$T/$side.resume"
    app version | sed 1q
}
both 'ovs-ofctl monitor resume' monitor_resumes --enable-dummy=override
both 'packets that a controller changed' changed_and_garbled --enable-dummy=override
