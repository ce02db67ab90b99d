#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The usual way to give a container a port without a veth: an internal port, moved into its namespace and
# renamed there. Its state is still told; when the namespace goes, the port is made anew.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
for i in 1 2; do
    vsctl add-port br0 in$i -- set interface in$i type=internal
    ip netns add c$i
    ip link set in$i netns c$i name eth0
    ns c$i ip link set eth0 mtu 1400 up
    ns c$i ip addr add 10.0.0.$i/24 dev eth0
done
wait_for 5 "packets pass between the namespaces" pings c1 10.0.0.2
expect_eq "nothing is wrong with the port" '[]' "$(vsctl get interface in1 error)"
if sluice_only "the state of a port in another namespace"; then
    wait_eq 5 "its MTU is told" 1400 vsctl get interface in1 mtu
    wait_eq 5 "its name there is told" eth0 vsctl get interface in1 status:interface_name
    ns c1 ip link set eth0 down
    wait_eq 5 "its going down is told" down vsctl get interface in1 admin_state
    ns c1 ip link set eth0 up
    wait_eq 5 "its coming up is told" up vsctl get interface in1 link_state
fi
check "large transfers pass too" pings c1 10.0.0.2 5
number=$(vsctl get interface in2 ofport)
ip netns del c2
if sluice_only "an internal port whose namespace went"; then
    wait_for 15 "the port is made anew when its namespace goes" ip link show in2
    wait_eq 10 "with its number" "$number" vsctl get interface in2 ofport
    wait_eq 10 "and no error" '[]' vsctl get interface in2 error
    ip netns add c3
    ip link set in2 netns c3
    ns c3 ip link set in2 up
    ns c3 ip addr add 10.0.0.3/24 dev in2
    wait_for 5 "it can be moved again" pings c1 10.0.0.3
fi
