#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ovs/route/*, tnl/neigh/* and tnl/egress_port_range: what tunnels will use is what the kernel has, and what the user adds.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
start_switch
add_bridge br0
make_ns far 10.1.0.2/24
ns far sysctl -qw net.ipv6.conf.all.disable_ipv6=0
ns far ip -6 addr add fd01::2/64 dev eth0 nodad
ip addr add 10.1.0.1/24 dev v-far
ip -6 addr add fd01::1/64 dev v-far nodad
ip addr add 10.9.0.1/24 dev br0
ip link set br0 up
ip route add 10.2.0.0/16 via 10.1.0.2
ip route add fd02::/32 via fd01::2

route() { appctl ovs/route/lookup "$@" 2>/dev/null | tr '\n' ' '; }

# Routes of the kernel.
wait_eq 10 "a route of the kernel is followed" "src 10.1.0.1 gateway 10.1.0.2 dev v-far " route 10.2.0.5
wait_eq 10 "so is one of IPv6" "src fd01::1 gateway fd01::2 dev v-far " route fd02::7
wait_eq 10 "the bridge's own network is over its internal port" "src 10.9.0.1 gateway :: dev br0 " route 10.9.0.5
expect_eq "an address of this host is found where it is" "src 10.1.0.1 gateway :: dev v-far " "$(route 10.1.0.1)"
check_fails "no route: not found" appctl ovs/route/lookup 10.77.0.1
show=$(appctl ovs/route/show)
for line in 'Cached: 10.1.0.1/32 dev v-far SRC 10.1.0.1 local' 'Cached: 10.1.0.0/24 dev v-far SRC 10.1.0.1' \
    'Cached: 10.2.0.0/16 dev v-far GW 10.1.0.2 SRC 10.1.0.1' 'Cached: fd02::/32 dev v-far GW fd01::2 SRC fd01::1'; do
    expect_match "ovs/route/show has $line" "^$line\$" "$show"
done
ip route replace 10.2.0.0/16 via 10.1.0.3
wait_eq 10 "a change is followed" "src 10.1.0.1 gateway 10.1.0.3 dev v-far " route 10.2.0.5
ip route del 10.2.0.0/16
wait_eq 10 "and its end" "" route 10.2.0.5

# Routes of the user.
expect_eq "a route is added" OK "$(appctl ovs/route/add 20.0.0.0/8 br0 10.9.0.7)"
expect_eq "another for one mark" OK "$(appctl ovs/route/add 20.2.0.0/16 v-far 10.1.0.7 pkt_mark=0x10)"
expect_eq "it is found" "src 10.9.0.1 gateway 10.9.0.7 dev br0 " "$(route 20.2.0.1)"
expect_eq "with the mark the other" "src 10.1.0.1 gateway 10.1.0.7 dev v-far " "$(route 20.2.0.1 pkt_mark=16)"
show=$(appctl ovs/route/show)
expect_match "it is shown" '^User: 20.0.0.0/8 dev br0 GW 10.9.0.7 SRC 10.9.0.1$' "$show"
expect_match "so is the mark" '^User: 20.2.0.0/16 MARK 16 dev v-far GW 10.1.0.7 SRC 10.1.0.1$' "$show"
for bad in "bla br0" "20.0.0.0/33 br0" "20.0.0.0/8 nodev 10.9.0.7" "20.0.0.0/8 br0" "20.0.0.0/8 br0 10.50.0.1" \
    "20.0.0.0/8 br0 fd01::1" "20.0.0.0/8 br0 10.9.0.7 x"; do
    # shellcheck disable=SC2086 # words
    check_fails "refused: ovs/route/add $bad" appctl ovs/route/add $bad
done
check_fails "a route of another mark is not there to delete" appctl ovs/route/del 20.2.0.0/16
expect_eq "with its mark it is" OK "$(appctl ovs/route/del 20.2.0.0/16 pkt_mark=16)"
expect_eq "the other one too" OK "$(appctl ovs/route/del 20.0.0.0/8)"
expect_eq "then there is none" "" "$(route 20.2.0.1)"

# Neighbours.
expect_eq "a neighbour is set" OK "$(appctl tnl/neigh/set br0 10.9.0.7 00:11:22:33:44:55)"
expect_match "and shown" '^10.9.0.7 {38}00:11:22:33:44:55   br0$' "$(appctl tnl/arp/show)"
check_fails "a bad address is refused" appctl tnl/neigh/set br0 10.9.0 00:11:22:33:44:55
check_fails "a bad MAC is refused" appctl tnl/neigh/set br0 10.9.0.7 00:11:22:33:44
expect_eq "the kernel's neighbours are there, too" 0 "$(ns far ping -q -c 1 -W 2 10.1.0.1 >/dev/null; echo $?)"
if sluice_only "the kernel's neighbours"; then
    mac=$(ns far cat /sys/class/net/eth0/address 2>/dev/null || ns far ip -br link show eth0 | awk '{print $3}')
    wait_for 10 "with their interface" has "^10.1.0.2 .*$mac   v-far$" appctl tnl/neigh/show
fi
expect_eq "they are flushed" OK "$(appctl tnl/neigh/flush)"
expect_no_match "what was set is gone" '^10.9.0.7 ' "$(appctl tnl/neigh/show)"
expect_eq "they age in 15 minutes" 900 "$(appctl tnl/neigh/aging)"
expect_eq "or in another time" OK "$(appctl tnl/neigh/aging 1)"
appctl tnl/neigh/set br0 10.9.0.8 00:11:22:33:44:55 >/dev/null
forgotten() { ! appctl tnl/neigh/show | grep -q '^10.9.0.8 '; }
wait_for 10 "then they are gone" forgotten
check_fails "an hour is the limit" appctl tnl/neigh/aging 3601

# Source ports of tunnels.
expect_eq "ports by default" "Tunnel UDP source port range: 32768-61000" "$(appctl tnl/egress_port_range)"
expect_eq "ports are set" OK "$(appctl tnl/egress_port_range 3000 2000)"
expect_eq "in order" "Tunnel UDP source port range: 2000-3000" "$(appctl tnl/egress_port_range)"
expect_eq "zero is none" "Invalid min." "$(appctl tnl/egress_port_range 0 7)"
expect_eq "nor is 65536" "Invalid max." "$(appctl tnl/egress_port_range 7 65536)"
