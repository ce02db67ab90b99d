#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 and a new start as ovs-ctl does it: flow-restore-wait holds traffic until saved flows are back; a controller
# fills a switch that it had before; replace-flows makes the tables what a file says.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow15
vsctl set-fail-mode br0 secure
for i in 1 2 3; do add_guest h$i 10.0.0.$i/24; done
ofctl -O OpenFlow15 add-flows br0 - <<'FLOWS'
table=0,priority=10,in_port=1,actions=resubmit(,7)
table=0,priority=10,in_port=2,actions=output:1,output:3
table=0,priority=20,in_port=3,icmp,actions=set_field:5->reg0,goto_table:9
table=7,cookie=0xabc,arp,actions=NORMAL
table=7,cookie=0xabc,ip,nw_dst=10.0.0.0/24,actions=NORMAL
table=9,reg0=5,actions=output:1
FLOWS
check "traffic passes" pings h1 10.0.0.2
# As ovs-save does: without statistics and without the header.
dump() { ofctl -O OpenFlow15 --no-names --no-stats dump-flows br0 | sed -e '/NXST_FLOW/d;/OFPST_FLOW/d' -e 's/\(idle\|hard\)_age=[^,]*,//g' -e 's/^ *//' | sort; }
dump >"$T/flows"
numbers() { for i in 1 2 3; do ofport v-h$i; done | xargs; }
before=$(numbers)
kill_switch
vsctl --no-wait set Open_vSwitch . other_config:flow-restore-wait=true
start_switch
wait_eq 5 "ports keep their numbers" "$before" numbers
check_fails "flow-restore-wait: nothing passes before the flows are back" pings h1 10.0.0.2 2
check "flows are restored in one bundle" ofctl -O OpenFlow14,OpenFlow15 --bundle replace-flows br0 "$T/flows"
dump >"$T/restored"
expect_eq "all are there as they were" "$(cat "$T/flows")" "$(cat "$T/restored")"
check_fails "and still nothing passes" pings h1 10.0.0.2 2
vsctl remove Open_vSwitch . other_config flow-restore-wait
wait_for 5 "until flow-restore-wait is taken away" pings h1 10.0.0.2
ofctl -O OpenFlow13 add-flow br0 priority=77,udp,actions=drop
sed -i 's/actions=output:1,output:3/actions=output:1/' "$T/flows"
sed 's/output:1,output:3/output:1/' "$T/restored" | sed -E 's/actions=1,3$/actions=1/' >"$T/wanted"
check "replace-flows" ofctl -O OpenFlow15 replace-flows br0 "$T/wanted"
expect_eq "makes the tables what the file says" "$(cat "$T/wanted")" "$(dump)"
expect_eq "diff-flows finds no difference" "" "$(ofctl -O OpenFlow15 diff-flows br0 "$T/wanted")"

"$PYTHON" "$SLUICE_ROOT/tests/controller.py" fill 6653 "$T/controller.txt" &
until_true 5 test -s "$T/controller.txt"
vsctl set bridge br0 protocols=OpenFlow13
vsctl set-controller br0 tcp:127.0.0.1:6653
filled() { grep -c filled "$T/controller.txt"; }
wait_eq 15 "a controller fills the tables" 1 filled
wait_for 5 "traffic passes" pings h1 10.0.0.2
kill_switch
start_switch
wait_eq 15 "after kill -9 it fills them again" 2 filled
wait_for 5 "and traffic passes" pings h1 10.0.0.2
expect_eq "on the same port numbers" "$before" "$(numbers)"
