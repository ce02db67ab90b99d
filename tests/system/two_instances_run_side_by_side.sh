#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sluice up, status and down, for two run directories at once, and for one that is taken or stale.
. "$(dirname "$0")/../lib.sh"

sluice_only "the command sluice starts sluiced" || skip "there is no sluiced under test"
PATH=$SLUICE_BIN:$PATH
export SLUICE_BIN
unset OVS_DBDIR OVS_LOGDIR
mkdir "$T/a" "$T/b"
in_a() { OVS_RUNDIR=$T/a "$@"; }
in_b() { OVS_RUNDIR=$T/b "$@"; }
check "status of a folder where nothing runs is 3" eval 'sluice status --rundir "$T/a" >/dev/null; [ $? = 3 ]'
check "sluice up" sluice up --rundir "$T/a"
check "sluice up in another run directory" sluice up --rundir "$T/b"
check "sluice up again changes nothing" sluice up --rundir "$T/a"
in_a vsctl add-br bra
in_b vsctl add-br brb
expect_eq "the one has its bridge" bra "$(in_a vsctl list-br)"
expect_eq "the other has its own" brb "$(in_b vsctl list-br)"
for side in a b; do
    for i in 1 2; do
        make_ns $side$i 10.0.$side.$i/24 2>/dev/null || make_ns $side$i
        OVS_RUNDIR=$T/$side vsctl add-port br$side v-$side$i
        ns $side$i ip addr add 10.0.0.$i/24 dev eth0 2>/dev/null
    done
    check "traffic passes in $side" pings ${side}1 10.0.0.2
done
output=$(sluice status --rundir "$T/a")
expect_match "status names the switch" 'sluiced pid [0-9]+' "$output"
expect_match "status lists the bridge" '^bridge bra' "$output"
expect_match "status lists the port" 'v-a1 +1 ' "$output"
kill -9 "$(cat "$T/a/ovs-vswitchd.pid")"
check "status of half an instance is 1" eval 'sluice status --rundir "$T/a" >/dev/null; [ $? = 1 ]'
check "sluice up mends it" sluice up --rundir "$T/a"
wait_for 5 "and traffic passes" pings a1 10.0.0.2
check "sluice down" sluice down --rundir "$T/a"
check "status is 3 again" eval 'sluice status --rundir "$T/a" >/dev/null; [ $? = 3 ]'
check "the other goes on" pings b1 10.0.0.2
check "sluice down of nothing is fine" sluice down --rundir "$T/a"
check_fails "an unknown command is refused" sluice frobnicate
check_fails "an unknown option is refused" sluice up --frobnicate
check "sluice down of the other" sluice down --rundir "$T/b"
