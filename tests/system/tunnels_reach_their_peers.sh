#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tunnel ports against the kernel's own vxlan and against Open vSwitch, over IPv4 and IPv6, with the local address on
# a plain kernel interface and on a bridge's own port: pings, large frames, a file over TCP, keys and options by flow,
# routes and neighbours that change, malformed packets.
. "$(dirname "$0")/../lib.sh"

sluice_only "tunnels" || exit 0
command -v ovs-vswitchd >/dev/null || skip "ovs-vswitchd is not installed: run ./run setup"
for tool in ss tcpdump; do command -v $tool >/dev/null || skip "$tool is not installed: run ./run setup"; done
sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv6.conf.all.accept_dad=0

in_peer() { OVS_RUNDIR=$T/peer OVS_DBDIR=$T/peer OVS_LOGDIR=$T/peer ip netns exec peer timeout 20 "$@"; }
pings6() { ns "$1" ping -6 -q -i 0.05 -c 3 -W 2 "$2" | grep -q ' 0% packet loss'; }

# A file of 3 MB over TCP from h1 to the peer's end.
copies_file() { # ADDRESS
    local port=$((5000 + RANDOM % 1000)) got
    rm -f "$T/got"
    ns peer timeout 20 "$PYTHON" -c "
import socket, shutil
server = socket.create_server(('', $port))
connection = server.accept()[0]
shutil.copyfileobj(connection.makefile('rb'), open('$T/got', 'wb'))" &
    got=$!
    until_true 5 has ":$port " ns peer ss -ltn
    ns h1 timeout 20 bash -c "cat '$T/file' >/dev/tcp/$1/$port"
    wait $got
    cmp "$T/file" "$T/got"
}

start_peer() {
    mkdir -p "$T/peer"
    in_peer ovsdb-tool create "$T/peer/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    in_peer ovsdb-server --detach --no-chdir --pidfile -vconsole:off --remote=punix:"$T/peer/db.sock" "$T/peer/conf.db"
    in_peer ovs-vsctl --no-wait init
    in_peer ovs-vswitchd --disable-system --detach --no-chdir --pidfile -vconsole:off --log-file="$T/peer/log" "unix:$T/peer/db.sock"
    in_peer ovs-vsctl add-br phys -- set bridge phys datapath_type=netdev -- add-port phys w1 -- \
        add-br int -- set bridge int datapath_type=netdev
    # The kernel sees what comes in at w1 as well: it is not to answer there.
    ns peer sysctl -qw net.ipv4.conf.all.arp_ignore=1
    ns peer ip address add 10.2.0.2/24 dev phys
    ns peer ip address add fd02::2/64 dev phys nodad
    ns peer ip link set phys up
    ns peer ip address add 10.9.0.2/24 dev int
    ns peer ip link set int mtu 1400 up
    ns h1 ip neighbour flush dev eth0
}

start_switch
add_bridge br0
add_guest h1 10.9.0.1/24
ns h1 ip link set eth0 mtu 1400
dd if=/dev/urandom of="$T/file" bs=1M count=3 status=none
ip netns add peer
ns peer ip link set lo up
ip link add u0 type veth peer name u1 netns peer
ip address add 10.1.0.1/24 dev u0
ip address add fd01::1/64 dev u0 nodad
ip link set u0 up
ns peer ip address add 10.1.0.2/24 dev u1
ns peer ip address add fd01::2/64 dev u1 nodad
ns peer ip link set u1 up

say "the kernel's vxlan, over an interface that is the kernel's"
complaints() { # ICMP "unreachable" that the kernel has sent
    awk '/^Icmp:/ { if (n++) print $column; else for (i = 1; i <= NF; i++) if ($i == "OutDestUnreachs") column = i }' /proc/net/snmp
}
for remote in 10.1.0.2/10.1.0.1 fd01::2/fd01::1; do
    ns peer ip link add vx0 type vxlan id 42 remote "${remote#*/}" dstport 4789 ttl 64 2>/dev/null || {
        say "---  this kernel has no vxlan"
        break
    }
    ns peer ip address add 10.9.0.2/24 dev vx0
    ns peer ip link set vx0 mtu 1400 up
    ns h1 ip neighbour flush dev eth0
    vsctl add-port br0 vx -- set interface vx type=vxlan "options:remote_ip=${remote%/*}" options:key=42
    wait_for 10 "vxlan over ${remote%/*}: the guest reaches the other end" pings h1 10.9.0.2
    before=$(complaints)
    check "vxlan over ${remote%/*}: with full frames" ns h1 ping -q -c 3 -i 0.05 -s 1372 -M "do" -W 2 10.9.0.2
    check "vxlan over ${remote%/*}: a file arrives" copies_file 10.9.0.2
    wait_for 5 "the status names the interface" has 'tunnel_egress_iface=u0' vsctl get interface vx status
    expect_eq "the kernel does not complain of it" "$before" "$(complaints)"
    ns peer ip link del vx0
    vsctl del-port br0 vx
done
ip link del u0

say "Open vSwitch, over a bridge's own port"
ip link add w0 type veth peer name w1 netns peer
ip link set w0 up
ns peer ip link set w1 up
start_peer
add_bridge phys
vsctl add-port phys w0
ip address add 10.2.0.1/24 dev phys
ip address add fd02::1/64 dev phys nodad
ip link set phys up
# tunnel SENTENCE TYPE REMOTE LOCAL OPTIONS...: the same port on both sides.
tunnel() {
    local sentence=$1 type=$2 there=$3 here=$4
    shift 4
    vsctl add-port br0 tun -- set interface tun "type=$type" ofport_request=9 "options:remote_ip=$there" "$@"
    in_peer ovs-vsctl add-port int tun -- set interface tun "type=$type" ofport_request=9 "options:remote_ip=$here" "$@"
    wait_for 10 "$sentence: the guest reaches the other end" pings h1 10.9.0.2
    check "$sentence: with frames of 1400 bytes" ns h1 ping -q -c 3 -i 0.05 -s 1372 -M "do" -W 2 10.9.0.2
    check "$sentence: a file arrives" copies_file 10.9.0.2
    [ -n "${keep:-}" ] && return
    vsctl del-port br0 tun
    in_peer ovs-vsctl del-port int tun
}
tunnel "geneve" geneve 10.2.0.2 10.2.0.1 options:key=7
tunnel "geneve with checksums" geneve 10.2.0.2 10.2.0.1 options:key=7 options:csum=true
tunnel "geneve over IPv6" geneve fd02::2 fd02::1 options:key=7
tunnel "vxlan, another port" vxlan 10.2.0.2 10.2.0.1 options:key=7 options:dst_port=8472
tunnel "gre" gre 10.2.0.2 10.2.0.1
tunnel "gre with key and checksum" gre 10.2.0.2 10.2.0.1 options:key=7 options:csum=true
tunnel "gre with key and sequence" gre 10.2.0.2 10.2.0.1 options:key=7 options:seq=true
tunnel "gre over IPv6" ip6gre fd02::2 fd02::1 options:key=7
tunnel "erspan" erspan 10.2.0.2 10.2.0.1 options:key=7 options:erspan_ver=1 options:erspan_idx=3
tunnel "erspan, version 2" erspan 10.2.0.2 10.2.0.1 options:key=7 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=4

say "keys and options by flow"
keep=1 tunnel "geneve by flow" geneve 10.2.0.2 10.2.0.1 options:key=flow
map='{class=0x102,type=0x80,len=4}->tun_metadata0'
ofctl add-tlv-map br0 "$map"
in_peer ovs-ofctl add-tlv-map int "$map"
h1=$(ofport v-h1)
ofctl del-flows br0
# Rules that read headers, so that walks are kept in the flow cache.
for kind in arp icmp; do
    ofctl add-flow br0 "$kind,in_port=$h1,actions=set_field:0x123->tun_id,set_field:0x70008->tun_metadata0,output:9"
    ofctl add-flow br0 "$kind,in_port=9,tun_id=0x321,tun_metadata0=0x90008,tun_src=10.2.0.2,tun_dst=10.2.0.1,actions=output:$h1"
done
in_peer ovs-ofctl del-flows int
in_peer ovs-ofctl add-flow int "in_port=9,tun_id=0x123,tun_metadata0=0x70008,actions=local"
in_peer ovs-ofctl add-flow int "in_port=local,actions=set_field:0x321->tun_id,set_field:0x90008->tun_metadata0,output:9"
wait_for 5 "what one side sets the other one matches" pings h1 10.9.0.2 10
in_peer ovs-ofctl add-flow int "in_port=local,actions=set_field:0x321->tun_id,set_field:0x90009->tun_metadata0,output:9"
check_fails "another option is told apart" pings h1 10.9.0.2 1
ofctl del-tlv-map br0 2>/dev/null
ofctl del-flows br0
ofctl add-flow br0 "actions=normal"
in_peer ovs-ofctl add-flow int "in_port=local,actions=set_field:0x90009->tun_metadata0,output:9"
ofctl del-tlv-map br0
in_peer ovs-ofctl add-flow int "in_port=9,actions=local"
check_fails "a critical option that nobody knows is refused" pings h1 10.9.0.2 1
expect_match "and the drop is named" 'tunnel_header +[1-9]' "$(appctl sluice/drops)"
in_peer ovs-ofctl del-flows int
in_peer ovs-ofctl add-flow int actions=normal
wait_for 5 "all is well without" pings h1 10.9.0.2

say "routes and neighbours"
wait_for 5 "the status names the bridge's port" has 'tunnel_egress_iface=phys.*carrier=up' vsctl get interface tun status
expect_match "tnl/ports/show" 'genev_sys_6081 \(6081\) ref_cnt=1' "$(appctl tnl/ports/show)"
expect_match "ovs/route/show" '10.2.0.0/24 dev phys SRC 10.2.0.1' "$(appctl ovs/route/show)"
expect_match "tnl/neigh/show" '10\.2\.0\.2 +[0-9a-f:]{17} +phys' "$(appctl tnl/neigh/show)"
mac=$(ns peer cat /sys/class/net/phys/address)
in_peer ovs-vsctl set bridge phys other_config:hwaddr=02:00:00:00:00:77
ns peer ip link set phys address 02:00:00:00:00:77
ip neighbour flush dev phys
wait_for 20 "a neighbour with a new address (was $mac) is found" pings h1 10.9.0.2
ip address del 10.2.0.1/24 dev phys
wait_for 5 "without a route packets are dropped by that name" has 'tunnel_egress_iface|\{\}' vsctl get interface tun status
ns h1 ping -q -c 2 -i 0.05 -W 1 10.9.0.2 >/dev/null
expect_match "no_tunnel_route" 'no_tunnel_route +[1-9]' "$(appctl sluice/drops)"
ip address add 10.2.0.1/24 dev phys
wait_for 10 "the address comes back, and traffic" pings h1 10.9.0.2

say "too long, malformed, none of ours"
ip link set phys mtu 1400
wait_for 5 "the path's MTU is followed" has 'tunnel_too_long +[1-9]' \
    sh -c 'ip netns exec h1 ping -q -c 1 -W 1 -s 1372 -M "do" 10.9.0.2 >/dev/null; ovs-appctl sluice/drops'
vsctl set interface tun options:df_default=false
tcpdump_pid=
ns peer timeout 10 tcpdump -c 2 -nn -i w1 'ip[6:2] & 0x3fff != 0' >"$T/fragments" 2>"$T/tcpdump.err" &
tcpdump_pid=$!
until_true 5 has listening cat "$T/tcpdump.err"
ns h1 ping -q -c 3 -i 0.1 -W 1 -s 1372 -M "do" 10.9.0.2 >/dev/null
wait $tcpdump_pid
expect_eq "fragments are seen" 2 "$(wc -l <"$T/fragments")"
vsctl remove interface tun options df_default
ip link set phys mtu 1500
ns peer "$PYTHON" - <<'P'
import os, random, socket
random.seed(5)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    s.sendto(os.urandom(random.randrange(0, 90)), ("10.2.0.1", 6081))
P
check "garbage harms nobody" switch_alive
wait_for 5 "and traffic goes on" pings h1 10.9.0.2
vsctl -- add-port br0 bad -- set interface bad type=geneve options:remote_ip=10.2.0.9 options:key=99999999999
wait_for 5 "a wrong option is named" has '99999999999.* is not a number from 0 to 16777215' vsctl get interface bad error
vsctl del-port br0 bad
vsctl del-port br0 tun
expect_eq "nothing listens in the end" "Listening ports:" "$(appctl tnl/ports/show)"
expect_match "conservation" '^balance: 0$' "$(appctl sluice/conservation)"
