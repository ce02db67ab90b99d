#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# With free hugepages the switch takes what dpdk-socket-mem says and gives it back; without any it runs on 4 KiB pages.
. "$(dirname "$0")/../lib.sh"

pool=/proc/sys/vm/nr_hugepages
counter() { sed -nE "s/^HugePages_$1: *([0-9]+)/\1/p" /proc/meminfo; }
[ "$(sed -nE 's/^Hugepagesize: *([0-9]+) kB/\1/p' /proc/meminfo)" = 2048 ] || skip "the default hugepage has not 2 MiB"
[ -w $pool ] || skip "the number of hugepages can't be set"
before=$(cat $pool)
give_back() { printf '%s' "$before" >$pool; }
at_exit give_back

start_ovsdb
vsctl --no-wait set Open_vSwitch . other_config:dpdk-socket-mem=256
switch_with() { # FREE-PAGES
    printf '%s' $(($(cat $pool) - $(counter Free) + $1)) >$pool
    [ "$(counter Free)" -ge "$1" ] || skip "only $(counter Free) of $1 hugepages are to be had"
    : >"$T/switch.log"
    start_switch
}
switch_with 200
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
if sluice_only "OVS asks for dpdk-init=true"; then
    expect_match "it says that it uses hugepages" 'DPDK Enabled.*hugepages' "$(cat "$T/switch.log")"
    used=$((200 - $(counter Free)))
    if [ $used -ge 128 ] && [ $used -lt 200 ]; then pass "it holds the 256 MiB"; else fail "it holds the 256 MiB" "$used pages of 2 MiB"; fi
fi
check "traffic passes" pings h1 10.0.0.2
memory_kib=$(ps -o rss= -p "$(switch_pid)")
if [ "$memory_kib" -lt 102400 ]; then pass "beside them it is small"; else fail "beside them it is small" "$memory_kib KiB"; fi
kill_switch
wait_eq 5 "a killed switch leaves no hugepage behind" 200 counter Free
switch_with 0
sluice_only "without hugepages" && expect_match "without any it runs on 4 KiB pages" 'DPDK Enabled.*4 KiB pages' "$(cat "$T/switch.log")"
wait_for 5 "and traffic passes too" pings h1 10.0.0.2
stop_switch
