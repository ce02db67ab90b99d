#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# time limit: 240
# Many namespaces ping each other while other ports are added and removed: the ones that stay lose nothing, and no
# buffer is lost. SLUICE_CHURN_SECONDS (15) and SLUICE_CHURN_GUESTS (24) make it longer or larger.
. "$(dirname "$0")/../lib.sh"

seconds=${SLUICE_CHURN_SECONDS:-15}
guests=${SLUICE_CHURN_GUESTS:-24}
start_switch
add_bridge br0
for i in $(seq "$guests"); do add_guest "g$i" "10.0.0.$i/24"; done
for i in 1 2 3 4; do ip link add "x$i" type veth peer name "y$i" && ip link set "x$i" up && ip link set "y$i" up; done
# Everybody knows everybody before it counts. Neighbour entries don't expire meanwhile.
for i in $(seq "$guests"); do
    for j in $(seq "$guests"); do
        [ "$i" = "$j" ] || ns "g$i" ip neigh replace "10.0.0.$j" lladdr "$(ns "g$j" cat /sys/class/net/eth0/address)" dev eth0
    done
done
in_use() { appctl netdev-dpdk/get-mempool-info 2>/dev/null | sed -n 's/.*in_use= *//p' | xargs; }
switch_is_ovs || expect_match "the pools tell what is in use" '^[0-9]+( [0-9]+)*$' "$(in_use)"
pool_before=$(in_use)
for i in $(seq "$guests"); do
    j=$((i % guests + 1)) k=$(((i + guests / 2) % guests + 1))
    ns "g$i" ping -q -i 0.2 -w "$seconds" -W 2 "10.0.0.$j" >"$T/ping.$i.$j" 2>&1 &
    [ "$i" = "$k" ] || ns "g$i" ping -q -i 0.2 -w "$seconds" -W 2 "10.0.0.$k" >"$T/ping.$i.$k.far" 2>&1 &
done
RANDOM=${SLUICE_SEED:-7}
end=$((SECONDS + seconds - 1)) changes=0
while [ $SECONDS -lt $end ]; do
    port=x$((RANDOM % 4 + 1))
    if ((RANDOM % 2)); then vsctl --may-exist add-port br0 $port; else vsctl --if-exists del-port $port; fi
    changes=$((changes + 1))
done
say "     $changes changes in $seconds s"
until_true $((seconds + 20)) eval '! pgrep -x ping'
lost=0 sent=0
for file in "$T"/ping.*; do
    read -r tx rx < <(sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) (packets )?received.*/\1 \2/p' "$file")
    sent=$((sent + ${tx:-0}))
    # ping -w stops at once when the time is over: its last request may be on the way.
    if [ "${tx:-0}" = 0 ] || [ $((tx - rx)) -gt 1 ]; then lost=$((lost + ${tx:-1} - ${rx:-0})); say "     $(basename "$file"): ${tx:-0} sent, ${rx:-0} back"; fi
done
if [ "$lost" = 0 ]; then pass "none of $sent pings was lost"; else fail "no ping is lost" "$lost of $sent"; fi
check "the switch still runs" switch_alive
for i in 1 2 3 4; do vsctl --if-exists del-port "x$i"; done
if sluice_only "buffer pools without DPDK"; then
    wait_eq 10 "buffers in use return to their start" "$pool_before" in_use
fi
