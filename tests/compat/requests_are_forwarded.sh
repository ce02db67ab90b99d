#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Changes of groups and meters by one controller are told to the others that wish to know, as Open vSwitch does it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
here=$(dirname "$0")

changes() {
    vs add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure protocols=OpenFlow14,OpenFlow15
    "$PYTHON" "$here/forwarded.py" "$T/$side/br0.mgmt" 2>&1 | tee "$T/$side.forwarded"
}
both "who is told of changed groups and meters" changes --enable-dummy=override
expect_eq "those who asked were told" 6 "$(sed -n '/version 5, both/,/version 5, none/p' "$T/ours.forwarded" | grep -c 'type 32')"
expect_eq "those who did not were not" 0 "$(sed -n '/version 5, none/,/version 5, slave/p' "$T/ours.forwarded" | grep -c 'type 32')"
