#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The device under a port is deleted while traffic runs through it; the rest goes on, and it may come back.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
for i in 1 2 3; do add_guest h$i 10.0.0.$i/24; done
check "h1 reaches h3" pings h1 10.0.0.3
ns h1 ping -q -i 0.02 -c 150 -W 2 10.0.0.2 >"$T/ping" &
ping_pid=$!
ns h3 ping -q -f -w 2 10.0.0.1 >/dev/null 2>&1 &
until_true 1 false
ip link del v-h3
wait $ping_pid
expect_match "traffic of the others lost nothing" ' 0% packet loss' "$(cat "$T/ping")"
check "the switch still runs" switch_alive
sluice_only "the column error of a device that went" &&
    wait_for 8 "the port tells of it" has '(-1|\[\])' vsctl get interface v-h3 ofport
ip netns del h3
make_ns h3 10.0.0.3/24
ns h1 ip neigh flush dev eth0
# OVS looks for it again at the next change of the database.
vsctl --no-wait set interface v-h3 external_ids:back=yes
wait_for 15 "the device comes back and is connected again" pings h1 10.0.0.3 1
