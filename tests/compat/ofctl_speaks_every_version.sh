#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ovs-ofctl with each OpenFlow version from 1.0 to 1.5: features, descriptions, statistics, flows, barriers.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
vsctl set bridge br0 protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15; do
    of() { ofctl -O $version "$@"; }
    expect_match "$version show lists the port" '1\(v-h1\)' "$(of show br0)"
    expect_match "$version show names the datapath" 'dpid:[0-9a-f]{16}' "$(of show br0)"
    expect_match "$version dump-desc" 'Manufacturer: ' "$(of dump-desc br0)"
    expect_match "$version dump-ports" 'port +"?(v-h1|1)"?: rx pkts=' "$(of dump-ports br0)"
    expect_match "$version dump-ports of one port" '1 ports' "$(of dump-ports br0 v-h1)"
    expect_match "$version dump-ports-desc" '1\(v-h1\)' "$(of dump-ports-desc br0)"
    expect_match "$version dump-tables" 'table 0' "$(of dump-tables br0)"
    expect_match "$version dump-aggregate" 'flow_count=1' "$(of dump-aggregate br0)"
    check "$version get-frags" of get-frags br0
    check "$version add-flow" of add-flow br0 'table=0,priority=10,cookie=0x5,tcp,nw_dst=10.1.0.0/16,tp_dst=80,actions=output:1'
    expect_match "$version dump-flows shows it" 'cookie=0x5.*priority=10,tcp,nw_dst=10.1.0.0/16,tp_dst=80 actions=output:' "$(of dump-flows br0)"
    check "$version mod-flows" of mod-flows br0 'tcp,actions=output:2'
    expect_match "$version it has the new action" 'actions=output:("?v-h2"?|2)$' "$(of dump-flows br0 tcp)"
    check "$version del-flows" of del-flows br0 tcp
    expect_no_match "$version it is gone" 'tcp' "$(of dump-flows br0)"
    check_fails "$version a flow to a table that is not there is refused" of add-flow br0 'table=254,actions=drop'
done
check_fails "a version the bridge does not offer is refused" eval 'vsctl set bridge br0 protocols=OpenFlow13; ofctl -O OpenFlow10 show br0'
check "the one that it offers goes on" ofctl -O OpenFlow13 show br0
