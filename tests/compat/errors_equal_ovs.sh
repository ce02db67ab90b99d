#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Thousands of bad messages, over the socket: this switch refuses each with the error that OVS gives; and OVS, set up the
# same, still gives those of tests/data/of_errors.txt.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
data=$(dirname "$0")/../data
wrong() { # DAEMON ROWS: rows that got another answer
    start_side "$side" "$1" --enable-dummy=override || { fail "$1 starts"; return; }
    lab_bridge
    OVS_RUNDIR=$T/$side timeout $((200 * slowness)) "$PYTHON" "$data/of_errors.py" check "$T/$side/br0.mgmt" "$2" 2>&1 | cut -c 1-200
    stop_side
}
side=ours
expect_eq "the errors of this switch are those of the table" "" "$(wrong "$SLUICE_SWITCH" "$data/of_errors.txt")"
# OVS 3.1.0 answers a bad flow monitor with bytes of its memory instead of the request's header: the log alone tells the error.
side=ovs
grep -v monitor "$data/of_errors.txt" >"$T/rows"
expect_eq "OVS still gives the errors of the table" "" "$(wrong "$OVS" "$T/rows")"
