#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ovsdb-server is stopped and started again: no packet is lost, changes made afterwards are seen.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "h1 reaches h2" pings h1 10.0.0.2
ns h1 ping -q -i 0.02 -c 250 -W 2 10.0.0.2 >"$T/ping" &
ping_pid=$!
check "the database server stops" stop_ovsdb
until_true 1 false
start_ovsdb
wait $ping_pid
expect_match "no ping was lost meanwhile" ' 0% packet loss' "$(cat "$T/ping")"
make_ns h3 10.0.0.3/24
check "a port added afterwards is connected" eval 'timeout 30 ovs-vsctl --timeout=25 add-port br0 v-h3'
wait_for 10 "and passes traffic" pings h1 10.0.0.3
kill -9 "$(cat "$OVS_RUNDIR/ovsdb-server.pid")"
sluice_only "no packet lost when the database is killed" && check "killed, traffic goes on" pings h1 10.0.0.2 20
rm -f "$OVS_RUNDIR/ovsdb-server.pid"
start_ovsdb
check "and the switch follows the new one" eval 'timeout 30 ovs-vsctl --timeout=25 del-port v-h3'
check "flows are as they were" eval 'ofctl dump-flows br0 | grep -q NORMAL'
