#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MTU, link and admin state in the database follow the kernel and the other way round; internal ports take the least MTU
# of their bridge unless asked for another.
. "$(dirname "$0")/../lib.sh"

mtu_of() { cat "/sys/class/net/$1/mtu"; }

start_switch
add_bridge br0
expect_eq "a bridge without ports has 1500" 1500 "$(mtu_of br0)"
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
vsctl add-port br0 int0 -- set interface int0 type=internal

ip link set v-h1 mtu 1400
wait_eq 5 "the database follows the kernel's MTU" 1400 vsctl get interface v-h1 mtu
wait_eq 5 "the bridge takes the least MTU of its ports" 1400 mtu_of br0
wait_eq 5 "so does another internal port" 1400 mtu_of int0
wait_eq 5 "and the database says so" 1400 vsctl get interface br0 mtu
vsctl set interface v-h1 mtu_request=9000 -- set interface v-h2 mtu_request=9000
wait_eq 5 "mtu_request reaches the kernel" 9000 mtu_of v-h1
wait_eq 5 "the bridge rises with its ports" 9000 mtu_of br0
vsctl set interface br0 mtu_request=1300
wait_eq 5 "mtu_request of the bridge beats the rule" 1300 mtu_of br0
wait_eq 5 "and counts for the other internal port" 1300 mtu_of int0
vsctl clear interface br0 mtu_request
# OVS looks again only when some other port's MTU changes.
sluice_only "the rule at once" && wait_eq 5 "which rises again without it" 9000 mtu_of int0
ip link set int0 mtu 1200
wait_eq 5 "a lower MTU set by hand is told" 1200 vsctl get interface int0 mtu
expect_eq "and stays" 1200 "$(mtu_of int0)"
vsctl set interface v-h1 mtu_request=1600
wait_eq 5 "until the least MTU changes" 1600 mtu_of int0

wait_eq 5 "a port with carrier is up" up vsctl get interface v-h2 link_state
ns h2 ip link set eth0 down
wait_eq 5 "it goes down with its peer" down vsctl get interface v-h2 link_state
wait_eq 5 "while it is administratively up" up vsctl get interface v-h2 admin_state
ns h2 ip link set eth0 up
wait_eq 5 "and comes up again" up vsctl get interface v-h2 link_state
ip link set v-h2 down
wait_eq 5 "the administrator's down is told" down vsctl get interface v-h2 admin_state
ip link set v-h2 up
wait_eq 5 "and his up" up vsctl get interface v-h2 admin_state
if sluice_only "how frames travel, in status"; then
    expect_match "status says how frames travel" af_packet "$(vsctl get interface v-h2 status:io)"
    expect_match "and why" 'veth is a virtual interface' "$(vsctl get interface v-h2 status:io_reason)"
    vsctl set interface v-h2 options:io=af_xdp
    wait_for 10 "AF_XDP when asked for, or an error that says why not" \
        has 'af_xdp|AF_XDP|rights|driver' vsctl get interface v-h2 status error
    vsctl set interface v-h2 options:io=nonsense
    wait_for 5 "a wrong word is refused with the words there are" has 'auto, af_packet, af_xdp' vsctl get interface v-h2 error
    vsctl remove interface v-h2 options io
    wait_for 10 "and all is well again" pings h1 10.0.0.2 1
fi
