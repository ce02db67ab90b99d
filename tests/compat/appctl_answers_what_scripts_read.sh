#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The ovs-appctl commands of daily work, and the parts of their output that people's scripts look for.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "h1 reaches h2" pings h1 10.0.0.2
list=$(appctl list-commands)
for command in version exit list-commands vlog/list vlog/set vlog/reopen vlog/close coverage/show memory/show fdb/show fdb/flush \
    fdb/stats-show dpif/show dpctl/show dpctl/dump-flows dpif-netdev/pmd-stats-show dpif-netdev/pmd-stats-clear \
    dpif-netdev/pmd-rxq-show ofproto/trace; do
    expect_match "list-commands has $command" "^ *$command( |$)" "$list"
done
expect_match "version" '[0-9]+\.[0-9]+' "$(appctl version)"
expect_match "vlog/list has its heading" '^ +console +syslog +file' "$(appctl vlog/list)"
check "vlog/set" appctl vlog/set ofproto:file:dbg
expect_match "vlog/set took effect" '^ofproto +[A-Z]+ +[A-Z]+ +DBG' "$(appctl vlog/list)"
check_fails "vlog/set of an unknown module is refused" appctl vlog/set nosuchmodule:file:dbg
mv "$T/switch.log" "$T/switch.log.1"
check "vlog/reopen" appctl vlog/reopen
check "it opens the log again" test -e "$T/switch.log"
expect_match "fdb/show has its heading" '^ *port +VLAN +MAC +Age' "$(appctl fdb/show br0)"
expect_match "fdb/show has h1" "^ +1 +0 +$(ns h1 cat /sys/class/net/eth0/address) +[0-9]+" "$(appctl fdb/show br0)"
expect_match "dpif/show names the datapath" '^netdev@ovs-netdev: hit:[0-9]+ missed:[0-9]+' "$(appctl dpif/show)"
expect_match "dpif/show lists ports" '^    v-h1 1/[0-9]+: \(system\)' "$(appctl dpif/show)"
expect_match "dpctl/show lists ports" 'port [0-9]+: v-h1' "$(appctl dpctl/show)"
check "dpctl/dump-flows" appctl dpctl/dump-flows
check "dpif-netdev/pmd-stats-show" appctl dpif-netdev/pmd-stats-show
check "dpif-netdev/pmd-rxq-show" appctl dpif-netdev/pmd-rxq-show
check "dpif-netdev/pmd-stats-clear" appctl dpif-netdev/pmd-stats-clear
check "coverage/show" appctl coverage/show
check "memory/show" appctl memory/show
check_fails "an unknown command is refused" appctl no/such-command
check_fails "too many arguments are refused" appctl fdb/show br0 br0
check_fails "an unknown bridge is refused" appctl fdb/show nosuchbridge
check_fails "a trace of nonsense is refused" appctl ofproto/trace br0 nonsense=7
if sluice_only "which flows have a cookie"; then
    ofctl add-flow br0 cookie=0x51,table=9,priority=3,udp,actions=drop
    expect_match "ofproto/detrace finds flows by their cookie" '^cookie=0x51, table_id=9, .*priority=3,udp,actions=drop' \
        "$(appctl ofproto/detrace br0 0x50/0xfe)"
    check_fails "a cookie that no flow has" appctl ofproto/detrace br0 0x52
    check_fails "a cookie that is none" appctl ofproto/detrace br0 0x5z
fi
pid=$(switch_pid)
check "exit" appctl exit
wait_for 5 "ends the daemon" gone "$pid"
