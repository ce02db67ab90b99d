#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Thousands of bad messages, over the socket: this switch refuses each with the error that OVS gives; and OVS, running
# beside, still gives those of tests/data/of_errors.txt.
. "$(dirname "$0")/../../lib.sh"
. "$(dirname "$0")/../beside_ovs.inc"
start_both
data=$(dirname "$0")/../../data
check() { inside timeout 200 "$PYTHON" "$data/of_errors.py" check "$T/$side/br0.mgmt" "$@" 2>&1 | cut -c 1-200; }
side=ours
expect_eq "the errors of this switch are those of the table" "" "$(check "$data/of_errors.txt")"
say "     rows still answered otherwise than by OVS: $(check "$data/of_errors_pending.txt" | grep -c expected)"
# OVS 3.1.0 answers a bad flow monitor with bytes of its memory instead of the request's header: the log alone tells the error.
side=ovs
cat "$data/of_errors.txt" "$data/of_errors_pending.txt" | grep -v monitor >"$T/rows"
expect_eq "OVS still gives the errors of the table" "" "$(check "$T/rows")"
