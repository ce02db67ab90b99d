#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From starting the daemon to the first answered ping; then memory and CPU of an idle switch with two ports.
. "$(dirname "$0")/../lib.sh"

start_ovsdb
vsctl --no-wait add-br br0 -- set bridge br0 datapath_type=netdev
for i in 1 2; do make_ns h$i 10.0.0.$i/24; vsctl --no-wait add-port br0 v-h$i; done
mac=$(ns h2 cat /sys/class/net/eth0/address)
ns h1 ip neigh replace 10.0.0.2 lladdr "$mac" dev eth0
ns h2 ip neigh replace 10.0.0.1 lladdr "$(ns h1 cat /sys/class/net/eth0/address)" dev eth0
ns h1 ping -D -i 0.01 -w 10 -c 2000 10.0.0.2 >"$T/ping" &
ping_pid=$!
started=$(now_us)
start_switch
until_true 5 has 'bytes from' cat "$T/ping"
kill $ping_pid 2>/dev/null
first=$(sed -nE 's/^\[([0-9]+)\.([0-9]+)\].*bytes from.*/\1\2/p' "$T/ping" | head -1)
took=$(((${first:-0} - started) / 1000))
say "     first packet $took ms after the start"
if [ -n "$first" ] && [ "$took" -lt 1000 ]; then pass "first packet within a second of the start"; else fail "first packet within a second of the start" "$took ms"; fi
pid=$(switch_pid)
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
until_true 2 false # settle
before=$(ticks)
from=$(now_us)
until_true 4 false
used=$((($(ticks) - before) * 1000000 * 1000 / $(getconf CLK_TCK) / ($(now_us) - from)))
rss=$(($(ps -o rss= -p "$pid") / 1024))
say "     idle: $((used / 10)).$((used % 10)) % of a core, $rss MiB resident"
if [ $rss -lt 100 ]; then pass "less than 100 MiB resident"; else fail "less than 100 MiB resident" "$rss MiB"; fi
if [ $used -lt 50 ]; then pass "less than 5 % of a core when idle"; else fail "less than 5 % of a core when idle" "$used per mille"; fi
check "and it still forwards at once" pings h1 10.0.0.2
