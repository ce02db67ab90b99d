#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pmd-cpu-mask and pmd-rxq-affinity move queues between workers under traffic without loss; pmd-stats-show counts.
. "$(dirname "$0")/../lib.sh"

sluice_only "kernel ports polled by workers: its main thread does" || { pass "nothing asked of OVS"; exit 0; }
cores=$(nproc)
[ "$cores" -ge 2 ] || skip "needs two processors"
start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
core_of() { appctl dpif-netdev/pmd-rxq-show | sed -nE '/core_id/{s/.*core_id ([0-9]+):/\1/;h};/port: '"$1"' .*queue-id: *0 /{g;p}'; }
workers() { appctl dpif-netdev/pmd-stats-show | sed -nE 's/^pmd thread numa_id [0-9]+ core_id ([0-9]+):/\1/p' | sort -n | xargs; }
vsctl set Open_vSwitch . other_config:pmd-cpu-mask=0x3
wait_eq 5 "two workers" "0 1" workers
expect_match "named as scripts expect" '^pmd-c01/id:[0-9]+' "$(ps -T -o comm= -p "$(switch_pid)" | grep pmd-c01)"
ns h1 ping -q -i 0.005 -c 800 -W 2 10.0.0.2 >"$T/ping" &
ping_pid=$!
for core in 0 1 0 1; do
    vsctl set interface v-h1 other_config:pmd-rxq-affinity=0:$core -- set interface v-h2 other_config:pmd-rxq-affinity=0:$((1 - core))
    wait_eq 5 "v-h1 is polled by core $core" $core core_of v-h1
    wait_eq 5 "and v-h2 by the other" $((1 - core)) core_of v-h2
done
vsctl set Open_vSwitch . other_config:pmd-cpu-mask=0x1
wait_eq 5 "one worker less" "0" workers
wait_eq 5 "its queues have moved" 0 core_of v-h2
vsctl set Open_vSwitch . other_config:pmd-cpu-mask=0x2
wait_eq 5 "another core" "1" workers
wait $ping_pid
expect_match "no ping was lost meanwhile" '800 received, 0% packet loss' "$(cat "$T/ping")"
counter() { appctl dpif-netdev/pmd-stats-show | sed -nE "s/^  $1: ([0-9]+).*/\1/p" | awk '{s += $1} END {print s}'; }
check "pmd-stats-clear" appctl dpif-netdev/pmd-stats-clear
expect_eq "starts from zero" 0 "$(counter 'packets received')"
check "ten pings" pings h1 10.0.0.2 10
received=$(counter 'packets received')
if [ "$received" -ge 20 ]; then pass "it counts what was received"; else fail "it counts what was received" "$received"; fi
sluice_only "every packet is a hit" &&
    expect_eq "received = hits + misses" "$received" $(($(counter 'emc hits') + $(counter 'megaflow hits') + $(counter 'miss with success upcall')))
vsctl set bridge br0 fail_mode=secure
ofctl del-flows br0
check_fails "an empty table" pings h1 10.0.0.2 2
if [ "$(counter 'miss with success upcall')" -gt 0 ]; then pass "misses are counted"; else fail "misses are counted" "$(appctl dpif-netdev/pmd-stats-show)"; fi
vsctl set interface v-h1 other_config:pmd-rxq-affinity=nonsense
check "a senseless affinity is survived" switch_alive
sluice_only "the sentence of its log" && wait_for 5 "and told" has 'nonsense' cat "$T/switch.log"
