#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# BFD through a Geneve tunnel whose other end is Debian's Open vSwitch, as OVN's gateways use it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

sluice_only "tunnels over an interface that is no port" || { pass "nothing to ask"; exit 0; }
PEER=$T/peer
mkdir "$PEER"
peer() { OVS_RUNDIR=$PEER OVS_DBDIR=$PEER OVS_LOGDIR=$PEER OVS_SYSCONFDIR=$PEER ns far timeout 20 "$@"; }
start_peer() {
    peer ovsdb-tool create "$PEER/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    peer ovsdb-server --detach --no-chdir --pidfile -vconsole:off --log-file --remote=punix:"$PEER/db.sock" "$PEER/conf.db" &&
        peer ovs-vsctl --no-wait init &&
        peer /usr/sbin/ovs-vswitchd --detach --no-chdir --pidfile -vconsole:off --log-file unix:"$PEER/db.sock"
}
stop_peer() { peer ovs-appctl -T 5 exit; peer ovs-appctl -T 5 -t ovsdb-server exit; }

make_ns far
at_exit stop_peer
start_peer || skip "Open vSwitch does not start"
# Its tunnels leave through a bridge that has the address.
peer ovs-vsctl add-br phy -- set bridge phy datapath_type=netdev -- add-port phy eth0 -- \
    add-br br1 -- set bridge br1 datapath_type=netdev fail-mode=secure || skip "Open vSwitch has no userspace datapath here"
ns far ip addr add 10.9.0.2/24 dev phy
ns far ip link set phy up
ip addr add 10.9.0.1/24 dev v-far
start_switch
add_bridge br0 fail-mode=secure
vsctl add-port br0 tun0 -- set interface tun0 type=geneve options:remote_ip=10.9.0.2 options:key=flow bfd:enable=true bfd:min_rx=100
peer ovs-vsctl add-port br1 tun1 -- set interface tun1 type=geneve options:remote_ip=10.9.0.1 options:key=flow bfd:enable=true bfd:min_rx=100

ours() { vsctl --if-exists get interface tun0 "bfd_status:$1" | tr -d '"'; }
theirs() { peer ovs-vsctl --if-exists get interface tun1 "bfd_status:$1" | tr -d '"'; }
both_up() { [ "$(ours state) $(ours forwarding) $(theirs state) $(theirs forwarding)" = "up true up true" ]; }
wait_for 30 "a session with Open vSwitch comes up through a tunnel" both_up
vsctl set interface tun0 bfd:check_tnl_key=true bfd:oam=true
flaps="$(ours flap_count) $(theirs flap_count)"
sleep 3
expect_eq "with checked keys and OAM marks it stays up" "$flaps" "$(ours flap_count) $(theirs flap_count)"
check "on both sides" both_up

# The link between them fails; the session tells.
ns far ip link set eth0 down
down() { [ "$(ours forwarding)" = false ]; }
wait_for 10 "it fails with the link" down
ns far ip link set eth0 up
wait_for 30 "and comes back with it" both_up

# A peer whose process has ended.
peer ovs-appctl -T 5 exit
wait_for 10 "it fails with the other switch" down
expect_eq "and says why" "Control Detection Time Expired" "$(ours diagnostic)"
