#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ovs-vsctl shows of a running switch: the columns a daemon writes back.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
root() { vsctl get Open_vSwitch . "$1"; }
interface() { vsctl get interface "$1" "$2"; }

expect_eq "cur_cfg has caught up with next_cfg" "$(root next_cfg)" "$(root cur_cfg)"
sluice_only "OVS leaves versions to its start script" && expect_match "ovs_version is a version" '^"?[0-9]+\.[0-9]+' "$(root ovs_version)"
expect_match "iface_types lists internal" '\<internal\>' "$(root iface_types)"
expect_match "iface_types lists patch" '\<patch\>' "$(root iface_types)"
expect_match "datapath_types lists netdev" '\<netdev\>' "$(root datapath_types)"
expect_match "dpdk_initialized is a boolean" '^(true|false)$' "$(root dpdk_initialized)"
expect_match "the bridge has a datapath_id of 16 hex digits" '^"?[0-9a-f]{16}"?$' "$(vsctl get bridge br0 datapath_id)"
expect_eq "the first port is OpenFlow port 1" 1 "$(interface v-h1 ofport)"
expect_eq "the bridge's own port is 65534" 65534 "$(interface br0 ofport)"
expect_eq "no error" "[]" "$(interface v-h1 error)"
expect_eq "mac_in_use is that of the device" "\"$(cat /sys/class/net/v-h1/address)\"" "$(interface v-h1 mac_in_use)"
expect_eq "mtu is that of the device" 1500 "$(interface v-h1 mtu)"
expect_eq "link_state is up" up "$(interface v-h1 link_state)"
expect_eq "admin_state is up" up "$(interface v-h1 admin_state)"
expect_match "the bridge's own port has a MAC" '^"([0-9a-f]{2}:){5}[0-9a-f]{2}"$' "$(interface br0 mac_in_use)"
expect_match "ifindex is that of the device" "^$(cat /sys/class/net/v-h1/ifindex)\$" "$(interface v-h1 ifindex)"
ip link set v-h1 mtu 1400
wait_eq 8 "mtu follows the device" 1400 interface v-h1 mtu
ns h1 ip link set eth0 down
wait_eq 8 "link_state follows the device" down interface v-h1 link_state
ns h1 ip link set eth0 up
wait_eq 8 "link_state comes back" up interface v-h1 link_state
ip link set v-h1 mtu 1500
ns h1 ping -q -c 5 -i 0.05 -W 0.1 10.0.0.9 >/dev/null
wait_for 15 "statistics count received packets" has '^[1-9]' vsctl get interface v-h1 statistics:rx_packets
for key in rx_bytes rx_dropped rx_errors tx_packets tx_bytes tx_dropped tx_errors; do
    check "statistics have $key" vsctl get interface v-h1 "statistics:$key"
done
check "status names the driver" vsctl get interface v-h1 status:driver_name
expect_match "show draws bridge, port and interface" 'Interface v-h1' "$(vsctl show)"
expect_no_match "show tells no error" 'error' "$(vsctl show)"
expect_eq "list-ports" v-h1 "$(vsctl list-ports br0)"
expect_eq "iface-to-br" br0 "$(vsctl iface-to-br v-h1)"
check "list of each table" eval 'for t in Open_vSwitch Bridge Port Interface; do vsctl list $t || exit 1; done'
dpid=$(vsctl get bridge br0 datapath_id)
check "other_config:datapath-id is accepted" vsctl set bridge br0 other_config:datapath-id=00000000000000ab
wait_eq 5 "datapath_id follows it" '"00000000000000ab"' vsctl get bridge br0 datapath_id
check "it is taken back" vsctl remove bridge br0 other_config datapath-id
wait_eq 5 "and datapath_id returns to its own" "$dpid" vsctl get bridge br0 datapath_id
check "ofport_request is honoured" eval 'vsctl set interface v-h1 ofport_request=77 && [ "$(ofport v-h1)" = 77 ]'
check "set-fail-mode" vsctl set-fail-mode br0 secure
check "keys of OVS-DPDK users are accepted" vsctl set Open_vSwitch . other_config:pmd-auto-lb=true \
    other_config:emc-insert-inv-prob=100 other_config:tx-flush-interval=0 other_config:max-idle=10000 other_config:n-revalidator-threads=2
check "the switch still runs" switch_alive
check "del-port" vsctl del-port v-h1
check "del-br" vsctl del-br br0
expect_eq "the database has no bridge" "" "$(vsctl list-br)"
check_fails "the bridge's device is gone" ip link show br0
