#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/firewall and examples/nat-gateway with real hosts: the inside reaches the outside and gets answers, the
# outside gets in where it may and nowhere else.
. "$(dirname "$0")/../lib.sh"
command -v curl >/dev/null || skip "curl is not installed"

serve() { # NAMESPACE ADDRESS PORT DIRECTORY
    ns "$1" "$PYTHON" -m http.server --bind "$2" --directory "$4" "$3" >/dev/null 2>&1 &
    at_exit "kill $! 2>/dev/null"
    wait_for 20 "$1 serves port $3" ns "$1" curl -s -o /dev/null --max-time 2 "http://$2:$3/"
}
fetches() { # NAMESPACE URL: the whole file, unchanged
    ns "$1" curl -s --max-time 20 -o "$T/got" "$2/data" && cmp -s "$T/got" "$T/www/data"
}
refused() { ! ns "$1" curl -s --max-time 1 -o /dev/null "$2/data"; }
reload() { ofctl del-flows "$1" && ofctl add-flows "$1" "$2"; }
mkdir "$T/www" && head -c 3000000 /dev/urandom >"$T/www/data"

start_switch

say "firewall"
add_bridge br0
add_guest inside 10.0.0.1/24 br0 && vsctl set interface v-inside ofport_request=1
add_guest outside 10.0.0.2/24 br0 && vsctl set interface v-outside ofport_request=2
serve inside 10.0.0.1 80 "$T/www"
serve inside 10.0.0.1 8000 "$T/www"
serve outside 10.0.0.2 80 "$T/www"
check "the flows load" reload br0 "$SLUICE_ROOT/examples/firewall/firewall.flows"
check "the inside pings the outside" pings inside 10.0.0.2
check_fails "the outside can't begin" ns outside ping -q -c 2 -i 0.1 -W 1 10.0.0.1
check "the inside fetches from the outside" fetches inside http://10.0.0.2
check "the outside fetches from the web server" fetches outside http://10.0.0.1
check "and from nothing else" refused outside http://10.0.0.1:8000
expect_match "the connection is shown" 'tcp,orig=\(src=10.0.0.1,dst=10.0.0.2,.*,zone=1,mark=1' "$(appctl dpctl/dump-conntrack)"
check "connections can be flushed" appctl dpctl/flush-conntrack zone=1
expect_eq "then there are none" 0 "$(appctl dpctl/ct-get-nconns)"
del_guest inside
del_guest outside
vsctl del-br br0

say "gateway"
add_bridge br1
add_guest lan 10.1.0.1/24 br1 && vsctl set interface v-lan ofport_request=1
add_guest wan 192.0.2.1/24 br1 && vsctl set interface v-wan ofport_request=2
ns lan ip route add default via 10.1.0.254
serve lan 10.1.0.1 80 "$T/www"
serve wan 192.0.2.1 80 "$T/www"
sed "s/LAN_HOST/$(ns lan cat /sys/class/net/eth0/address)/; s/OUTSIDE_HOST/$(ns wan cat /sys/class/net/eth0/address)/" \
    "$SLUICE_ROOT/examples/nat-gateway/gateway.flows" >"$T/gateway.flows"
check "the flows load" reload br1 "$T/gateway.flows"
check "the LAN pings the outside" pings lan 192.0.2.1
check "the LAN fetches from the outside" fetches lan http://192.0.2.1
check "a forwarded port leads to the LAN" fetches wan http://192.0.2.254:8080
check "others lead nowhere" refused wan http://192.0.2.254:80
expect_match "the outside sees the gateway's address" 'orig=\(src=10.1.0.1,dst=192.0.2.1,.*reply=\(src=192.0.2.1,dst=192.0.2.254,' \
    "$(appctl dpctl/dump-conntrack)"
# An error about a translated packet reaches who sent it: nobody listens on this port.
check "errors come back through the gateway" ns lan "$PYTHON" -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("192.0.2.1", 9))
s.send(b"x")
try:
    s.recv(1)
except ConnectionRefusedError:
    raise SystemExit(0)
raise SystemExit(1)'

say "settings of a zone, events"
vsctl -- --id=@d create Datapath datapath_version=0 -- set Open_vSwitch . datapaths:netdev=@d other_config:sluice-ct-events="$T/events.json"
expect_eq "the datapath says what it can" '"true"' "$(vsctl get Datapath . capabilities:ct_timeout)"
check "a zone gets timeouts of its own" vsctl add-zone-tp netdev zone=77 udp_first=9 udp_single=9
check "flows for it" ofctl add-flow br1 'table=0,priority=1000,udp,nw_dst=192.0.2.77,actions=ct(commit,zone=77)'
ns lan ip neigh replace 10.1.0.254 lladdr 02:00:00:00:00:01 dev eth0
ns lan "$PYTHON" -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.77", 5000))'
timeout_of() { appctl dpctl/dump-conntrack -s zone=77 | sed -n 's/.*timeout=\([0-9]*\).*/\1/p'; }
short() { [ -n "$(timeout_of)" ] && [ "$(timeout_of)" -le 9 ]; }
wait_for 10 "its connections have them" short
wait_for 20 "its beginning is told" grep -q '"event":"new","zone":77,"proto":17,"src":"10.1.0.1","dst":"192.0.2.77"' "$T/events.json"
check "it is flushed" appctl dpctl/flush-conntrack zone=77
wait_for 20 "and its end" grep -q '"event":"ended","zone":77' "$T/events.json"
check "every line is JSON" "$PYTHON" -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$T/events.json"
check "without the policy a zone has the default again" vsctl del-zone-tp netdev zone=77
