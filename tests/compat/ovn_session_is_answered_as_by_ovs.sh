#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A captured session of ovn-controller is played to the switch: its replies must be those of the capture.
. "$(dirname "$0")/../lib.sh"
start_switch
add_bridge br-int fail_mode=secure protocols=OpenFlow15 other_config:datapath-id=0000000000000001
output=$(timeout 100 "$PYTHON" "$(dirname "$0")/ovn_replay.py" "$OVS_RUNDIR/br-int.mgmt" 2>&1 | cut -c 1-400)
while IFS= read -r line; do
    case $line in
        "ok "*) pass "${line#ok }" ;;
        "FAIL "*) fail "${line#FAIL }" ;;
        *) say "     $line" ;;
    esac
done <<<"${output:-FAIL the replay says something}"
expect_match "the replay came to its end" "replies are as in the capture" "$output"
check "the switch lives" switch_alive
