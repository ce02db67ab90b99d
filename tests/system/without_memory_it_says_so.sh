#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Too little memory for the packet pools, or for a port: a sentence that names the setting, no crash, others go on.
. "$(dirname "$0")/../lib.sh"

sluice_only "the sentences of its memory errors" || { pass "nothing asked of OVS"; exit 0; }
start_ovsdb
vsctl --no-wait set Open_vSwitch . other_config:dpdk-extra='--no-huge -m 8'
output=$(timeout 20 "$SLUICE_SWITCH" "unix:$T/db.sock" --detach --no-chdir --pidfile -vconsole:off --log-file="$T/switch.log" 2>&1)
code=$?
if [ $code != 0 ] && [ $code -lt 124 ]; then pass "8 MiB: the start fails, without a signal"; else fail "8 MiB: the start fails, without a signal" "exit code $code"; fi
expect_match "it says for what there is no memory" 'no memory for .* packets' "$output"
expect_match "and which setting to raise" 'dpdk-socket-mem' "$output"
check "it leaves no pid file" eval '! test -e "$T/ovs-vswitchd.pid"'
vsctl --no-wait set Open_vSwitch . other_config:dpdk-extra=nonsense-without-dashes=1
vsctl --no-wait remove Open_vSwitch . other_config dpdk-extra
vsctl --no-wait set Open_vSwitch . other_config:dpdk-socket-mem=64x
output=$(timeout 20 "$SLUICE_SWITCH" "unix:$T/db.sock" --detach --no-chdir --pidfile -vconsole:off --log-file="$T/switch.log" 2>&1)
expect_match "a senseless size is named" 'dpdk-socket-mem="64x"' "$output"
vsctl --no-wait remove Open_vSwitch . other_config dpdk-socket-mem
# An address space that ends: no port may take the switch down.
start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "traffic passes" pings h1 10.0.0.2
pid=$(switch_pid)
used_kib=$(awk '/^VmSize:/ {print $2}' "/proc/$pid/status")
prlimit --pid "$pid" --as=$(((used_kib + 1024) * 1024)): # the soft limit
for i in 1 2 3 4; do
    ip link add m$i type veth peer name n$i && ip link set m$i up && ip link set n$i up
    timeout 20 ovs-vsctl --timeout=5 add-port br0 m$i >/dev/null 2>&1
done
check "with no memory left the switch still runs" switch_alive
check "and forwards" pings h1 10.0.0.2
prlimit --pid "$pid" --as=unlimited:
make_ns h3 10.0.0.3/24
check "with memory again a port is added" vsctl add-port br0 v-h3
wait_for 5 "and works" pings h1 10.0.0.3
