#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two bridges joined by patch ports: traffic crosses, a loop of patch ports ends nowhere and harms nobody.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_bridge br1
add_guest h1 10.0.0.1/24 br0
add_guest h2 10.0.0.2/24 br1
check_fails "apart, nothing passes" pings h1 10.0.0.2 2
vsctl add-port br0 to1 -- set interface to1 type=patch options:peer=to0 \
    -- add-port br1 to0 -- set interface to0 type=patch options:peer=to1
wait_for 5 "joined, h1 reaches h2" pings h1 10.0.0.2
expect_match "br1 learned h1 on its patch port" "$(ns h1 cat /sys/class/net/eth0/address)" "$(appctl fdb/show br1)"
expect_eq "patch ports have no error" "[]" "$(vsctl get interface to1 error)"
vsctl add-port br0 loop1 -- set interface loop1 type=patch options:peer=loop0 \
    -- add-port br1 loop0 -- set interface loop0 type=patch options:peer=loop1
ns h1 ping -q -c 5 -i 0.05 -W 0.2 10.0.0.77 >/dev/null # floods ARP into the loop
check "with a loop of patch ports the switch still answers" appctl version
check "and still runs" switch_alive
vsctl del-port br0 loop1 -- del-port br1 loop0
appctl fdb/flush br0
appctl fdb/flush br1
wait_for 5 "the loop gone, traffic passes" pings h1 10.0.0.2
vsctl del-port br0 to1
check_fails "with one end gone nothing passes" pings h1 10.0.0.2 2
