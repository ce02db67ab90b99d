# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What is tried of OVN, sourced by ovn.sh: a function a feature, run in this order. Each leaves things as it found them.

# ping4 and ping6 are one program; answers come within two seconds or not.
reaches() { ns "$1" ping -q -n -c 2 -i 0.05 -W 2 "${@:3}" "$2" | grep -q ' 0% packet loss'; }
unreachable() { ns "$1" ping -q -n -c 2 -i 0.05 -W 0.5 "${@:3}" "$2" | grep -q ' 100% packet loss'; }
# ask FROM ADDRESS [PORT]: what the HTTP server there says, "a1 saw 10.0.1.12".
ask() { ns "$1" curl -s -g -m 2 --noproxy '*' "http://$2:${3:-8080}/"; }
ask_udp() { "$PYTHON" "$EXAMPLE/peer.py" udp "$1" "$2" "${3:-8080}"; }
# exits_with CODE COMMAND...
exits_with() { local code=0; "${@:2}" || code=$?; [ "$code" = "$1" ]; }
refused() { exits_with 7 ask "$@"; }
silent() { exits_with 28 ns "$1" curl -s -g -m 0.7 --noproxy '*' "http://$2:${3:-8080}/"; }
udp_refused() { exits_with 2 ask_udp "$@"; }
# Every feature's configuration must arrive everywhere.
settled() { wait_for 30 "the nodes have carried it out" sync; }

feature_installed() {
    local name
    for name in vif-a1 int-a2 vif-b1; do
        wait_eq 10 "port $name is told to be installed" '"true"' vs 1 get interface "$name" external_ids:ovn-installed
    done
    wait_eq 10 "and up" true nb --bare --columns=up list logical_switch_port a1
    expect_match "zones are noted in the bridge" 'ct-zone-' "$(vs 1 get bridge br-int external_ids)"
    expect_match "what the datapath can do is told" 'ct_zero_snat="?true' "$(vs 1 --bare --columns=capabilities list datapath)"
    expect_no_match "ovn-controller has no OpenFlow error to report" 'OFPT_ERROR|error type|OpenFlow error' "$(cat "$T"/node*/ovn-controller.log)"
}

feature_same_switch() {
    wait_for 10 "a1 reaches a2" reaches a1 10.0.1.12
    wait_for 10 "over IPv6" reaches a1 fd01::12
    wait_for 10 "a1 reaches a3" reaches a1 10.0.1.13
    wait_for 10 "over IPv6" reaches a1 fd01::13
    expect_eq "HTTP" "a2 saw 10.0.1.11" "$(ask a1 10.0.1.12)"
    expect_eq "HTTP over IPv6" "a3 saw fd01::11" "$(ask a1 '[fd01::13]')"
    expect_eq "UDP" "a3 saw 10.0.1.11 dscp 0" "$(ask_udp a1 10.0.1.13)"
}

feature_router() {
    wait_for 10 "a1 reaches its router" reaches a1 10.0.1.1
    wait_for 10 "over IPv6" reaches a1 fd01::1
    wait_for 10 "a1 reaches b1 on the other switch" reaches a1 10.0.2.11
    wait_for 10 "over IPv6" reaches a1 fd02::11
    wait_for 10 "a1 reaches b2" reaches a1 10.0.2.12
    wait_for 10 "over IPv6" reaches a1 fd02::12
    expect_eq "HTTP" "b2 saw 10.0.1.11" "$(ask a1 10.0.2.12)"
    expect_eq "HTTP over IPv6" "a1 saw fd02::12" "$(ask b2 '[fd01::11]')"
    wait_for 5 "the router says when the time to live is over" has 'From 10.0.1.1 .*(exceeded|Time)' ns a1 ping -n -c 1 -W 1 -t 1 10.0.2.11
    wait_for 5 "over IPv6" has 'From fd01::1 .*(exceeded|Time)' ns a1 ping -n -c 1 -W 1 -t 1 fd02::11
    nb lsp-set-enabled b1 disabled && settled
    wait_for 5 "a disabled port hears nothing" unreachable a1 10.0.2.11
    nb lsp-set-enabled b1 enabled && settled
    wait_for 5 "and does again" reaches a1 10.0.2.11
}

feature_port_security() {
    ip -n a1 addr add 10.0.1.99/24 dev eth0
    ns a3 ping -q -c 1 -W 1 10.0.1.99 >/dev/null
    nb lsp-set-addresses a1 "$(mac_of a1) 10.0.1.11 10.0.1.99 fd01::11" && settled
    wait_for 5 "a1 uses another address" reaches a1 10.0.1.13 -I 10.0.1.99
    nb lsp-set-port-security a1 "$(mac_of a1) 10.0.1.11 fd01::11" && settled
    wait_for 5 "port security stops that" unreachable a1 10.0.1.13 -I 10.0.1.99
    check "but not its own" reaches a1 10.0.1.13
    check "nor that of IPv6" reaches a1 fd01::13
    ip -n a1 link set eth0 address 02:00:00:00:99:99
    wait_for 5 "nor is a foreign Ethernet address let in" unreachable a1 10.0.1.13
    ip -n a1 link set eth0 address "$(mac_of a1)"
    ip -n a1 -6 route replace default via fd01::1
    ip -n a1 route replace default via 10.0.1.1
    nb lsp-set-port-security a1 -- lsp-set-addresses a1 "$(mac_of a1) 10.0.1.11 fd01::11" && settled
    ip -n a1 addr del 10.0.1.99/24 dev eth0
    wait_for 5 "everything as before" reaches a1 10.0.1.13
}

feature_access_lists() {
    nb acl-add ls1 to-lport 1001 'outport=="a1" && tcp.dst==8081' drop \
        -- --log --name=dropped --severity=info acl-add ls1 to-lport 1002 'outport=="a1" && ip4 && tcp.dst==8081' drop \
        -- --log --name=refused --severity=notice acl-add ls1 to-lport 1001 'outport=="a1" && tcp.dst==8082' reject \
        -- acl-add ls1 to-lport 1001 'outport=="a1" && udp.dst==8082' reject \
        -- acl-add ls1 to-lport 1000 'outport=="a1" && ip4.src==10.0.1.12 && icmp4' drop
    settled
    expect_eq "what no rule names passes" "a1 saw 10.0.1.12" "$(ask a2 10.0.1.11)"
    check "TCP is dropped" silent a2 10.0.1.11 8081
    check "TCP is refused" refused a2 10.0.1.11 8082
    check "UDP is refused" udp_refused a2 10.0.1.11 8082
    check "ping is dropped" unreachable a2 10.0.1.11
    check "TCP over IPv6 is dropped" silent a3 '[fd01::11]' 8081
    check "TCP over IPv6 is refused" refused a3 '[fd01::11]' 8082
    check "UDP over IPv6 is refused" udp_refused a3 fd01::11 8082
    wait_for 5 "what was dropped is in the log" grep -hE 'name="dropped", verdict=drop, severity=info.*nw_src=10.0.1.12' "$T"/node1/ovn-controller.log
    wait_for 5 "what was refused too" grep -hE 'name="refused", verdict=reject, severity=notice' "$T"/node1/ovn-controller.log
    nb acl-del ls1 && settled
    expect_eq "without lists it passes again" "a1 saw 10.0.1.12" "$(ask a2 10.0.1.11 8081)"
}

feature_stateful_access_lists() {
    # Address set times ports: conjunctions.
    nb create address_set name=friends 'addresses="10.0.1.11","10.0.1.13"' -- create address_set name=friends6 'addresses="fd01::11","fd01::13"' \
        -- pg-add guarded b1 -- acl-add guarded to-lport 900 'outport==@guarded && ip' drop \
        -- acl-add guarded to-lport 1000 'outport==@guarded && ip4.src==$friends && tcp.dst=={8080,8083}' allow-related \
        -- acl-add guarded to-lport 1000 'outport==@guarded && ip6.src==$friends6 && tcp.dst=={8080,8083}' allow-related \
        -- acl-add guarded from-lport 1000 'inport==@guarded && ip' allow-related >/dev/null
    settled
    expect_eq "a friend is let in" "b1 saw 10.0.1.11" "$(ask a1 10.0.2.11 8083)"
    expect_eq "over IPv6" "b1 saw fd01::13" "$(ask a3 '[fd02::11]')"
    check "at these ports only" silent a1 10.0.2.11 8081
    check "others are not" silent a2 10.0.2.11 8080
    check "others are not, over IPv6" silent a2 '[fd02::11]' 8080
    check "nor are new pings" unreachable a1 10.0.2.11
    check "answers are" reaches b1 10.0.1.11
    check "over IPv6" reaches b1 fd01::11
    expect_eq "HTTP outwards" "a2 saw 10.0.2.11" "$(ask b1 10.0.1.12)"
    check "an error that belongs to a connection is" udp_refused b1 10.0.1.12 9999
    nb add address_set friends addresses '"10.0.1.12"' && settled
    expect_eq "a new friend is let in" "b1 saw 10.0.1.12" "$(ask a2 10.0.2.11)"
    nb acl-del guarded -- pg-del guarded -- destroy address_set friends -- destroy address_set friends6 && settled
    wait_for 5 "everything as before" reaches a1 10.0.2.11
}

# answers_of COUNT FROM ADDRESS [PORT]: the names of those who answered that many questions, each once.
answers_of() { local i; for ((i = 0; i < $1; i++)); do ask "${@:2}"; done | cut -d' ' -f1 | sort -u | xargs; }

feature_load_balancer() {
    nb lb-add lb4 10.0.9.9:80 10.0.1.12:8080,10.0.2.11:8080 tcp -- lb-add lb6 '[fd09::9]:80' '[fd01::12]:8080,[fd02::11]:8080' tcp \
        -- lb-add lbu 10.0.9.9:53 10.0.2.12:8080 udp \
        -- ls-lb-add ls1 lb4 -- ls-lb-add ls1 lb6 -- ls-lb-add ls1 lbu
    settled
    expect_eq "both answer" "a2 b1" "$(answers_of 24 a1 10.0.9.9 80)"
    expect_eq "both answer over IPv6" "a2 b1" "$(answers_of 24 a1 '[fd09::9]' 80)"
    expect_eq "UDP" "b2 saw 10.0.1.11 dscp 0" "$(ask_udp a1 10.0.9.9 53)"
    nb set load_balancer lb4 options:affinity_timeout=60 -- set load_balancer lb6 options:affinity_timeout=60 && settled
    expect_match "with affinity only one answers a client" '^(a2|b1)$' "$(answers_of 12 a1 10.0.9.9 80)"
    expect_match "over IPv6" '^(a2|b1)$' "$(answers_of 12 a1 '[fd09::9]' 80)"
    nb lb-del lb4 -- lb-del lb6 -- lb-del lbu \
        -- lb-add lb4 10.0.9.9:80 10.0.1.11:8080 tcp -- lb-add lb6 '[fd09::9]:80' '[fd01::11]:8080' tcp -- ls-lb-add ls1 lb4 -- ls-lb-add ls1 lb6 && settled
    expect_eq "a machine reaches itself: hairpin" "a1 saw 10.0.9.9" "$(ask a1 10.0.9.9 80)"
    expect_eq "over IPv6" "a1 saw fd09::9" "$(ask a1 '[fd09::9]' 80)"
    nb lb-del lb4 -- lb-del lb6 -- lb-add empty 10.0.9.9:80 '' tcp -- set load_balancer empty options:reject=true -- ls-lb-add ls1 empty && settled
    check "one with nobody behind refuses" refused a1 10.0.9.9 80
    nb lb-del empty && settled
}

feature_localnet() {
    local words
    mapfile -t words < <(port public p1 172.16.0.21 fd16::21)
    nb "${words[@]:1}" && machine p1 172.16.0.21/24 fd16::21/64 '' '' "$(where 2)" && settled
    wait_for 10 "a machine on the physical network" reaches p1 172.16.0.100
    wait_for 10 "over IPv6" reaches p1 fd16::100
    wait_for 5 "and back" reaches outside 172.16.0.21
    wait_for 5 "b1 reaches the physical network through the gateway" reaches b1 172.16.0.100
    wait_for 5 "over IPv6" reaches b1 fd16::100
    wait_for 5 "outside reaches b2" reaches outside 10.0.2.12
    wait_for 5 "over IPv6" reaches outside fd02::12
    # The same cable with VLAN 7.
    nb ls-add tagged -- lsp-add tagged to-vlan '' 7 -- lsp-set-type to-vlan localnet -- lsp-set-addresses to-vlan unknown \
        -- lsp-set-options to-vlan network_name=physnet -- lsp-add tagged t1 -- lsp-set-addresses t1 "$(mac_of t1) 10.7.0.1"
    machine t1 10.7.0.1/24 '' '' '' 1 && settled
    check "a tagged localnet port" vlan_passes
    nb ls-del tagged -- lsp-del p1
    remove_machine t1
    remove_machine p1
}

remove_machine() {
    local n
    for ((n = 1; n <= NODES; n++)); do vs $n --if-exists del-port br-int "vif-$1"; done
    ip netns del "$1"
}

# Of a machine on a tagged switch, an ARP request with the tag comes out; the answer with the tag reaches it.
vlan_passes() {
    "$PYTHON" - <<'PY'
import subprocess, sys
import pkt
link = pkt.Link("outside")
ping = subprocess.Popen(["ip", "netns", "exec", "t1", "ping", "-q", "-c", "8", "-i", "0.3", "10.7.0.2"], stdout=subprocess.PIPE, text=True)
ours = "02:00:00:00:07:02"
def arp(frame): return frame[16:18] == b"\x08\x06" and pkt.vlan_of(frame) == 7
request = link.receive(5, arp)
if request is None: sys.exit("no ARP request with VLAN 7")
sender = request[6:12]
link.send(sender + pkt.mac(ours) + b"\x81\x00\x00\x07\x08\x06" + request[18:24] + b"\x00\x02" + pkt.mac(ours) + pkt.ip4("10.7.0.2") +
          request[26:36].ljust(10) + bytes(18))
echo = link.receive(5, lambda f: pkt.vlan_of(f) == 7 and f[16:18] == b"\x08\x00" and f[6:12] == sender)
ping.kill()
sys.exit(None if echo else "no ping with VLAN 7")
PY
}

feature_translation() {
    nb lr-nat-add lr1 snat 172.16.0.1 10.0.1.0/24 -- lr-nat-add lr1 snat fd16::1 fd01::/64 \
        -- lr-nat-add lr1 dnat_and_snat 172.16.0.11 10.0.1.11 \
        -- lr-nat-add lr1 dnat_and_snat fd16::11 fd01::11 \
        -- lr-nat-add lr1 dnat_and_snat 172.16.0.12 10.0.2.11 b1 02:00:00:00:fe:12
    settled
    wait_for 5 "a2 reaches outside" reaches a2 172.16.0.100
    expect_eq "with the router's address" "outside saw 172.16.0.1" "$(ask a2 172.16.0.100)"
    expect_eq "over IPv6" "outside saw fd16::1" "$(ask a2 '[fd16::100]')"
    expect_eq "UDP" "outside saw 172.16.0.1 dscp 0" "$(ask_udp a2 172.16.0.100)"
    expect_eq "a1 has an address of its own outside" "outside saw 172.16.0.11" "$(ask a1 172.16.0.100)"
    expect_eq "over IPv6" "outside saw fd16::11" "$(ask a1 '[fd16::100]')"
    wait_for 5 "outside reaches a1 by it" reaches outside 172.16.0.11
    expect_eq "with HTTP" "a1 saw 172.16.0.100" "$(ask outside 172.16.0.11)"
    expect_eq "over IPv6" "a1 saw fd16::100" "$(ask outside '[fd16::11]')"
    wait_for 5 "a floating address that lives on the machine's node" reaches outside 172.16.0.12
    expect_eq "in both directions" "outside saw 172.16.0.12" "$(ask b1 172.16.0.100)"
    expect_eq "neighbours reach each other by it" "a1 saw 172.16.0.12" "$(ask b1 172.16.0.11)"
    # Machines without an address of their own outside: from their node the answers would not come back by the gateway.
    nb lb-add lbr 172.16.0.50:80 10.0.1.12:8080,10.0.2.12:8080 tcp -- lr-lb-add lr1 lbr && settled
    expect_eq "a load balancer on the router" "a2 b2" "$(answers_of 24 outside 172.16.0.50 80)"
    nb lb-del lbr -- lr-nat-del lr1 && settled
}

# --- services of OVN itself -----------------------------------------------------------------------------

feature_dhcp() {
    local options4 options6
    options4=$(nb create dhcp_options cidr=10.0.1.0/24 options='"server_id"="10.0.1.1" "server_mac"="02:00:00:00:ff:01" "lease_time"="3600" "router"="10.0.1.1" "dns_server"="10.0.1.1" "mtu"="1400"')
    options6=$(nb create dhcp_options cidr="fd01\:\:/64" options='"server_id"="02:00:00:00:ff:01" "dns_server"="{fd01::1}"')
    nb lsp-add ls1 d1 -- lsp-set-addresses d1 "$(mac_of d1) 10.0.1.77 fd01::77" -- lsp-set-dhcpv4-options d1 "$options4" -- lsp-set-dhcpv6-options d1 "$options6"
    machine d1 '' '' '' '' 1 && settled
    cat >"$T/dhclient-script" <<'SH'
#!/bin/sh
case $reason in
BOUND | REBOOT) ip addr add "$new_ip_address/24" dev "$interface" && ip route add default via "$new_routers" ;;
BOUND6) ip addr add "$new_ip6_address/64" dev "$interface" nodad ;;
esac
env >"$LEASES/$reason"
SH
    chmod +x "$T/dhclient-script" && mkdir -p "$T/leases"
    check "dhclient gets a lease" timeout 20 ip netns exec d1 env LEASES="$T/leases" dhclient -4 -1 -v -cf /dev/null -lf "$T/leases/4" -pf "$T/leases/pid4" \
        -sf "$T/dhclient-script" -e LEASES="$T/leases" eth0
    expect_match "with its address" '^new_ip_address=10.0.1.77$' "$(cat "$T/leases/BOUND")"
    expect_match "router" '^new_routers=10.0.1.1$' "$(cat "$T/leases/BOUND")"
    expect_match "name server" '^new_domain_name_servers=10.0.1.1$' "$(cat "$T/leases/BOUND")"
    expect_match "and MTU" '^new_interface_mtu=1400$' "$(cat "$T/leases/BOUND")"
    wait_for 5 "and it is in the network" reaches d1 10.0.2.11
    check "dhclient gets an IPv6 lease" timeout 20 ip netns exec d1 env LEASES="$T/leases" dhclient -6 -1 -v -cf /dev/null -lf "$T/leases/6" -pf "$T/leases/pid6" \
        -sf "$T/dhclient-script" -e LEASES="$T/leases" eth0
    expect_match "with its address" '^new_ip6_address=fd01::77$' "$(cat "$T/leases/BOUND6")"
    wait_for 5 "and it is in the network over IPv6" reaches d1 fd01::12
    for pid in "$T"/leases/pid[46]; do kill "$(cat "$pid")"; done
    nb lsp-del d1 -- destroy dhcp_options "$options4" -- destroy dhcp_options "$options6" && settled
    remove_machine d1
}

# A question that got lost is asked again soon.
lookup() { ns a1 timeout 2 busybox nslookup "$@" 2>&1; }

feature_names() {
    local names
    names=$(nb create dns records='"web.example"="10.0.2.11 fd02::11" "mail.example"="10.0.2.12"')
    nb set logical_switch ls1 dns_records="$names" && settled
    # OVN answers whatever address the question goes to.
    wait_for 10 "a name becomes an address" has '10\.0\.2\.11' lookup -type=a web.example 10.0.2.11
    wait_for 10 "an IPv6 address" has 'fd02::11' lookup -type=aaaa web.example 10.0.2.11
    wait_for 10 "another name" has '10\.0\.2\.12' lookup -type=a mail.example fd02::11
    expect_no_match "a name that is not there becomes none" '10\.0\.2\.1[12]$' "$(timeout 3 ip netns exec a1 busybox nslookup -type=a nobody.example 10.0.2.11 2>&1 | tail -n +4)"
    nb clear logical_switch ls1 dns_records -- destroy dns "$names" && settled
}

feature_router_advertisements() {
    nb set logical_router_port lr1-ls1 ipv6_ra_configs:address_mode=slaac ipv6_ra_configs:send_periodic=true \
        ipv6_ra_configs:min_interval=3 ipv6_ra_configs:max_interval=4 ipv6_ra_configs:mtu=1420
    nb lsp-add ls1 r1 -- lsp-set-addresses r1 "$(mac_of r1) fd01::ff:fe00:7201"
    machine r1 '' '' '' '' 1 && settled
    wait_for 15 "the kernel takes an address from the advertisement" has 'fd01::.*dynamic' ip -n r1 -6 addr show dev eth0
    wait_for 10 "and a route" has 'default.*proto ra' ip -n r1 -6 route
    wait_for 10 "and the MTU" has ' 1420' ns r1 sysctl net.ipv6.conf.eth0.mtu
    wait_for 10 "and reaches the other switch" reaches r1 fd02::11
    nb clear logical_router_port lr1-ls1 ipv6_ra_configs -- lsp-del r1 && settled
    remove_machine r1
}

feature_multicast() {
    nb set logical_switch ls1 other_config:mcast_snoop=true other_config:mcast_querier=true other_config:mcast_eth_src=02:00:00:00:ff:01 \
        other_config:mcast_ip4_src=10.0.1.1 other_config:mcast_ip6_src=fe80::1 && settled
    expect_eq "only who joined the group hears it" "a2" "$("$PYTHON" "$EXAMPLE/peer.py" multicast a1 239.1.1.1 a2 a3 b1)"
    expect_eq "two of them" "a2 a3" "$("$PYTHON" "$EXAMPLE/peer.py" multicast a1 239.1.1.2 a2,a3 b1)"
    expect_eq "over IPv6" "a3" "$("$PYTHON" "$EXAMPLE/peer.py" multicast a1 ff15::1:1 a3 a2 b1)"
    nb set logical_router lr1 options:mcast_relay=true -- set logical_switch ls2 other_config:mcast_snoop=true other_config:mcast_querier=false && settled
    expect_eq "and on the other switch, by the router" "a2 b1" "$("$PYTHON" "$EXAMPLE/peer.py" multicast a1 239.1.1.3 a2,b1 a3 b2)"
    nb clear logical_switch ls1 other_config -- clear logical_switch ls2 other_config -- remove logical_router lr1 options mcast_relay && settled
}

feature_quality_of_service() {
    local got
    got=$("$PYTHON" "$EXAMPLE/peer.py" rate a1 a3 10.0.1.13 8 1)
    check "without a limit 8 Mbit/s pass ($got kbit/s)" [ "$got" -gt 6000 ]
    nb qos-add ls1 from-lport 100 'inport=="a1" && ip4' rate=1000 burst=100 -- qos-add ls1 to-lport 100 'outport=="a3" && ip6' rate=2000 burst=100 \
        -- qos-add ls1 from-lport 90 'inport=="a2" && udp' dscp=12
    settled
    got=$("$PYTHON" "$EXAMPLE/peer.py" rate a1 a3 10.0.1.13 8 1)
    check "with a limit of 1000 kbit/s ($got)" [ "$got" -gt 600 -a "$got" -lt 1400 ]
    got=$("$PYTHON" "$EXAMPLE/peer.py" rate a2 a3 fd01::13 8 1)
    check "with one of 2000 kbit/s towards a port ($got)" [ "$got" -gt 1300 -a "$got" -lt 2700 ]
    expect_eq "DSCP is set" "a1 saw 10.0.1.12 dscp 12" "$(ask_udp a2 10.0.1.11)"
    nb qos-del ls1 && settled
}

# --- restarts -------------------------------------------------------------------------------------------

# lost NAMESPACE ADDRESS SECONDS: how many pings of a hundred a second are not answered.
lost() { ns "$1" ping -q -n -i 0.01 -c "$(($3 * 100))" -W 1 "$2" | sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' | { read -r a b; echo $((a - b)); }; }

feature_mirror() {
    # A span of one machine's port, made by hand: OVN leaves alone what is not its own.
    ip -n node1 link add span type veth peer name tap
    ip -n node1 link set span up
    ip -n node1 link set tap up
    vs 1 add-port br-int span -- --id=@a get port vif-a1 -- --id=@s get port span \
        -- --id=@m create mirror name=m select_src_port=@a select_dst_port=@a output_port=@s -- set bridge br-int mirrors=@m >/dev/null
    ns node1 tcpdump -lnni tap >"$T/mirrored" 2>/dev/null &
    local listening=$!
    wait_for 10 "the mirror shows what its port sends and receives" mirrored_both_ways
    kill "$listening"
    wait_for 20 "and counts it" mirror_counts
    sync
    expect_match "ovn-controller lets it be" 'm' "$(vs 1 --bare --columns=name list mirror)"
    vs 1 clear bridge br-int mirrors -- del-port br-int span
    ip -n node1 link del span
    wait_for 5 "without it everything goes on" reaches a1 10.0.2.11
}
mirrored_both_ways() {
    reaches a1 10.0.2.11 >/dev/null
    grep -q '10.0.1.11 > 10.0.2.11: ICMP echo request' "$T/mirrored" && grep -q '10.0.2.11 > 10.0.1.11: ICMP echo reply' "$T/mirrored"
}
mirror_counts() { [ "$(vs 1 get mirror m statistics:tx_packets)" -ge 4 ]; }

feature_controller_restart() {
    # ovn-controller(8): a new one computes everything before it replaces the flows.
    vs 1 set open . external_ids:ovn-ofctrl-wait-before-clear=1000
    reaches a1 10.0.2.11 >/dev/null
    lost a1 10.0.2.11 6 >"$T/lost" &
    local pinging=$!
    stop_controller 1 --restart
    check "without ovn-controller traffic goes on" reaches a2 10.0.1.11
    start_controller 1
    wait "$pinging"
    expect_eq "ovn-controller restarts: no packet is lost" 0 "$(cat "$T/lost")"
    settled
    vs 1 remove open . external_ids ovn-ofctrl-wait-before-clear
}

feature_switch_restart() {
    lost a1 10.0.2.11 12 >"$T/lost" &
    local pinging=$!
    OVS_RUNDIR=$T/node1 stop_switch
    start_node_switch 1
    wait_for 15 "a1 reaches b1 after a restart of the switch" reaches a1 10.0.2.11
    wait "$pinging"
    say "     lost for $(($(cat "$T/lost") * 10)) ms"
    check "the restart took less than 5 s of traffic" [ "$(cat "$T/lost")" -lt 500 ]
    wait_for 10 "and a3" reaches a1 10.0.1.13
    # Internal ports are gone with their switch; they come back where the switch is.
    wait_for 10 "the internal port is back" ip -n node1 link set int-a2 netns a2
    ip -n a2 link set int-a2 address "$(mac_of a2)" up
    ip -n a2 addr add 10.0.1.12/24 dev int-a2
    wait_for 10 "and works" reaches a1 10.0.1.12
    settled
}

# The tunnels of a node, as BFD sees them.
bfd_states() { vs "$1" --bare --columns=bfd_status find interface type=geneve | grep -o ' state=[a-z]*' | sort | xargs; }
gateway() { sb --bare --columns=chassis find port_binding logical_port=cr-lr1-public | xargs -r -I{} ovn-sbctl --db="unix:$T/central/sb.sock" --bare --columns=name list chassis {}; }

feature_gateway_failover() {
    [ "$NODES" = 3 ] || return 0
    local lost
    nb set nb_global . options:bfd-min-rx=100 options:bfd-min-tx=100 options:bfd-mult=3 && settled
    wait_eq 20 "node 2 is the gateway" node2 gateway
    wait_eq 20 "BFD is up between the nodes" "state=up state=up" bfd_states 1
    wait_for 10 "b1 reaches outside" reaches b1 172.16.0.100
    nb lr-nat-add lr1 snat 172.16.0.1 10.0.1.0/24 && settled
    wait_for 10 "and a1 with a translated address" reaches a1 172.16.0.100
    lost a1 172.16.0.100 8 >"$T/lost" &
    local pinging=$! pid
    sleep 1
    # Dead at once: no farewell of any kind.
    for pid in ovs-vswitchd ovn-controller; do kill -9 "$(cat "$T/node2/$pid.pid")"; done
    ip link set underlay-2 down
    ip link set physical-2 down
    wait "$pinging"
    lost=$(cat "$T/lost")
    say "     lost for $((lost * 10)) ms"
    check "node 2 dies: traffic is back within a second" [ "$lost" -lt 100 ]
    wait_eq 20 "node 3 is the gateway" node3 gateway
    wait_for 5 "outside reaches a1 by way of it" reaches outside 172.16.0.1
}
