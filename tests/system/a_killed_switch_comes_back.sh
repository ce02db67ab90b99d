#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 and a new start: ports keep their OpenFlow numbers, saved flows are restored, traffic passes again.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
add_guest h3 10.0.0.3/24
vsctl del-port v-h1 # the numbers that stay have a gap
ofctl add-flow br0 'in_port=2,actions=output:3'
ofctl add-flow br0 'in_port=3,actions=output:2'
check "h2 reaches h3" pings h2 10.0.0.3
numbers="$(ofport v-h2) $(ofport v-h3)"
ofctl --no-names --no-stats dump-flows br0 | sed -n 's/^ *//;/actions=/p' >"$T/saved"
kill_switch
check_fails "ovs-appctl tells that nobody is there" appctl version
started=$(now_us)
start_switch
took=$((($(now_us) - started) / 1000))
say "     the new one was ready after $took ms"
wait_eq 5 "ports keep their OpenFlow numbers" "$numbers" eval 'echo "$(ofport v-h2) $(ofport v-h3)"'
expect_no_match "flows are gone, as with OVS" 'in_port=2' "$(ofctl dump-flows br0)"
check "saved flows are restored" ofctl add-flows br0 "$T/saved"
wait_for 5 "traffic passes" pings h2 10.0.0.3
if sluice_only "a stale socket costs OVS seconds"; then
    if [ "$took" -lt 1500 ]; then pass "the new start is quick"; else fail "the new start is quick" "$took ms"; fi
fi
check "stopping leaves no pid file" eval 'stop_switch && ! test -e "$OVS_RUNDIR/ovs-vswitchd.pid"'
