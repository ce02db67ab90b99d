#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The file system of the log is full: traffic and configuration go on; when there is room the log goes on.
. "$(dirname "$0")/../lib.sh"

start_ovsdb
mkdir "$T/logs"
mount -t tmpfs -o size=64k none "$T/logs" || skip "no tmpfs can be mounted"
start_switch --log-file="$T/logs/switch.log"
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
head -c 1M /dev/zero >"$T/logs/rest" 2>/dev/null
expect_eq "the disk is full" 0 "$(df --output=avail "$T/logs" | tail -1 | xargs)"
appctl vlog/set ANY:file:dbg
for i in $(seq 20); do
    ofctl add-flow br0 "priority=$i,udp,tp_dst=$i,actions=NORMAL"
done
check "traffic passes" pings h1 10.0.0.2
check "a port is added" add_guest h3 10.0.0.3/24
check "and works" pings h1 10.0.0.3
check "vlog/reopen is answered" appctl vlog/reopen
check "the switch still runs" switch_alive
rm -f "$T/logs/rest"
check "vlog/reopen with room" appctl vlog/reopen
vsctl del-port v-h3
wait_for 5 "the log goes on" has 'deleted interface v-h3|v-h3' tail -n 20 "$T/logs/switch.log"
umount -l "$T/logs"
