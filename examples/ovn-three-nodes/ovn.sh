#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#> usage: examples/ovn-three-nodes/ovn.sh [--switch=sluice|ovs] [--nodes=1|3] [--only=REGEX] [--shell]
#>
#> Real OVN, as Debian packages it, on three nodes (or one): each is a network namespace with ovsdb-server, a switch
#> (sluiced, or Debian's ovs-vswitchd for comparison) and ovn-controller; the first has ovn-northd and the two databases
#> besides. Two logical switches and a router connect small namespaces that play virtual machines; a "physical"
#> network hangs on a localnet port. Then every feature that OVN offers is tried with real clients, IPv4 and IPv6:
#> each check prints ok or FAIL. Everything is taken down again; nothing outside its own folder in /tmp is touched.
#>
#> --only=REGEX  only features (names of functions in checks.sh without "feature_") that match it
#> --shell       at the end a shell inside, to look around: `node 2 ovs-vsctl show`, `nb show`, `ns a1 ip address`
EXAMPLE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NODES=3 ONLY='' SHELL_AT_END=''
for argument in "$@"; do
    case $argument in
        --switch=ovs) export SLUICE_SWITCH=/usr/sbin/ovs-vswitchd ;;
        --switch=sluice) ;;
        --nodes=[13]) NODES=${argument#*=} ;;
        --only=*) ONLY=${argument#*=} ;;
        --shell) SHELL_AT_END=yes ;;
        *) sed -n 's/^#> \{0,1\}//p' "$0" && exit 2 ;;
    esac
done
. "$EXAMPLE/../../tests/lib.sh"
for tool in ovn-controller ovn-northd ovn-nbctl ovn-sbctl dhclient curl busybox tcpdump; do
    command -v "$tool" >/dev/null || skip "$tool is not installed: run ./run setup"
done

# --- nodes --------------------------------------------------------------------------------------------

# node N COMMAND...: in the network namespace of that node, with its run directory. N may be "central" for its databases.
node() {
    local dir=$T/node$1
    OVS_RUNDIR=$dir OVS_DBDIR=$dir OVS_LOGDIR=$dir OVN_RUNDIR=$dir OVN_LOGDIR=$dir ip netns exec "node$1" "${@:2}"
}
vs() { OVS_RUNDIR=$T/node$1 vsctl "${@:2}"; }
of() { OVS_RUNDIR=$T/node$1 ofctl "${@:2}"; }
app() { OVS_RUNDIR=$T/node$1 appctl "${@:2}"; }
nb() { timeout 40 ovn-nbctl --db="unix:$T/central/nb.sock" --timeout=30 "$@"; }
sb() { timeout 40 ovn-sbctl --db="unix:$T/central/sb.sock" --timeout=30 "$@"; }
# Until every node has carried out what the northbound database says.
sync() { nb --wait=hv sync; }
# where N: the node that plays node N: all are the first when there is only one.
where() { if [ "$NODES" = 1 ]; then echo 1; else echo "$1"; fi; }

start_central() {
    local dir=$T/central db
    mkdir "$dir"
    for db in nb sb; do
        ovsdb-tool create "$dir/$db.db" "/usr/share/ovn/ovn-$db.ovsschema"
    done
    ns node1 ovsdb-server --detach --no-chdir --pidfile="$dir/nb.pid" -vconsole:off --log-file="$dir/nb.log" \
        --unixctl="$dir/nb.ctl" --remote="punix:$dir/nb.sock" "$dir/nb.db"
    ns node1 ovsdb-server --detach --no-chdir --pidfile="$dir/sb.pid" -vconsole:off --log-file="$dir/sb.log" \
        --unixctl="$dir/sb.ctl" --remote="punix:$dir/sb.sock" --remote=ptcp:6642:192.168.9.1 "$dir/sb.db"
    nb init
    sb init
    OVN_RUNDIR=$dir OVN_LOGDIR=$dir ns node1 ovn-northd --detach --no-chdir --pidfile="$dir/northd.pid" -vconsole:off \
        --log-file="$dir/northd.log" --ovnnb-db="unix:$dir/nb.sock" --ovnsb-db="unix:$dir/sb.sock"
}

# link_node N NETWORK [ADDRESS]: a cable from the node to a Linux bridge that stands for the network between the nodes.
link_node() {
    ip link show "$2" >/dev/null 2>&1 || { ip link add "$2" type bridge && ip link set "$2" up; }
    ip link add "$2-$1" type veth peer name "$2" netns "node$1"
    ip link set "$2-$1" master "$2" up
    [ -z "${3:-}" ] || ip -n "node$1" addr add "$3" dev "$2"
    switch_is_ovs && ns "node$1" ethtool -K "$2" tx off >/dev/null 2>&1
    ip -n "node$1" link set "$2" up
}

make_node() {
    ip netns add "node$1"
    ns "node$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "node$1" link set lo up
    mkdir "$T/node$1"
    link_node "$1" underlay "192.168.9.$1/24"
    link_node "$1" physical
}

# The daemons of a node; what is there of them goes on.
start_node_switch() {
    local code=0
    node "$1" timeout $((60 * slowness)) "$SLUICE_SWITCH" "unix:$T/node$1/db.sock" --detach --no-chdir --pidfile \
        -vconsole:off --log-file="$T/node$1/switch.log" || code=$?
    [ "$code" = 0 ] || { fail "the switch of node $1 starts" "exit code $code"; exit 1; }
}

start_controller() {
    node "$1" ovn-controller "unix:$T/node$1/db.sock" --detach --no-chdir --pidfile="$T/node$1/ovn-controller.pid" \
        -vconsole:off --log-file="$T/node$1/ovn-controller.log"
}

# stop_controller N [--restart]: --restart leaves everything in the databases as it is.
stop_controller() {
    local pid
    pid=$(cat "$T/node$1/ovn-controller.pid")
    node "$1" timeout 10 ovn-appctl -t "$T/node$1/ovn-controller.$pid.ctl" exit "${@:2}"
    until_true 10 gone "$pid"
}

start_node() {
    local dir=$T/node$1
    OVS_RUNDIR=$dir OVS_DBDIR=$dir OVS_LOGDIR=$dir start_ovsdb
    vs "$1" --no-wait set open . external_ids:system-id="node$1" external_ids:ovn-remote=tcp:192.168.9.1:6642 \
        external_ids:ovn-encap-type=geneve "external_ids:ovn-encap-ip=192.168.9.$1" \
        external_ids:ovn-bridge-datapath-type=netdev external_ids:ovn-bridge-mappings=physnet:br-phys \
        -- add-br br-phys -- set bridge br-phys datapath_type=netdev -- add-port br-phys physical
    start_node_switch "$1"
    # OVS's userspace datapath sends tunnels out only of its own bridges; Sluice follows the kernel's routes.
    if switch_is_ovs && [ "$NODES" != 1 ]; then
        ip -n "node$1" addr flush dev underlay
        vs "$1" add-br br-under -- set bridge br-under datapath_type=netdev -- add-port br-under underlay
        ip -n "node$1" addr add "192.168.9.$1/24" dev br-under
        ip -n "node$1" link set br-under up
    fi
    start_controller "$1"
}

# --- machines -----------------------------------------------------------------------------------------

# machine NAME IP4/LEN IP6/LEN GATEWAY4 GATEWAY6 NODE: a namespace, not yet connected; the addresses may be empty.
# device NAME: its device. connect NODE NAME: makes its port of br-int.
device() { if [ "$1" = a2 ]; then echo int-a2; else echo eth0; fi; }
mac_of() { printf '02:00:00:00:%02x:%02x\n' "'${1:0:1}" "${1:1}"; }
machine() {
    local name=$1 node=$6 dev
    dev=$(device "$name")
    ip netns add "$name"
    ip -n "$name" link set lo up
    if [ "$dev" = eth0 ]; then
        ip link add "vif-$name" netns "node$node" type veth peer name eth0 netns "$name"
        ip -n "node$node" link set "vif-$name" up
        switch_is_ovs && ns "$name" ethtool -K eth0 tx off >/dev/null 2>&1
        vs "$node" --no-wait add-port br-int "vif-$name" -- set interface "vif-$name" external_ids:iface-id="$name"
    else
        # One is an internal port that moves into the namespace.
        vs "$node" add-port br-int "$dev" -- set interface "$dev" type=internal external_ids:iface-id="$name"
        until_true 5 ip -n "node$node" link set "$dev" netns "$name"
    fi
    ns "$name" sysctl -qw "net.ipv6.conf.$dev.accept_dad=0" "net.ipv6.conf.$dev.router_solicitation_delay=0"
    ip -n "$name" link set "$dev" address "$(mac_of "$name")"
    ip -n "$name" link set "$dev" up
    [ -z "$2" ] || ip -n "$name" addr add "$2" dev "$dev"
    [ -z "$3" ] || ip -n "$name" addr add "$3" dev "$dev" nodad
    [ -z "$4" ] || ip -n "$name" route add default via "$4"
    [ -z "$5" ] || ip -n "$name" -6 route add default via "$5"
}

# The machine on the physical network, which knows nothing of OVN.
make_outside() {
    ip netns add outside
    ip -n outside link set lo up
    ip link add physical-out type veth peer name eth0 netns outside
    ip link set physical-out master physical up
    ns outside sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra=0
    switch_is_ovs && ns outside ethtool -K eth0 tx off >/dev/null 2>&1
    ip -n outside link set eth0 up
    ip -n outside addr add 172.16.0.100/24 dev eth0
    ip -n outside addr add fd16::100/64 dev eth0 nodad
    ip -n outside route add 10.0.2.0/24 via 172.16.0.1
    ip -n outside -6 route add fd02::/64 via fd16::1
}

# port SWITCH NAME IP4 IP6: arguments of nb for a logical port.
port() { printf '%s\n' -- lsp-add "$1" "$2" -- lsp-set-addresses "$2" "$(mac_of "$2") $3 $4"; }

make_topology() {
    local words
    mapfile -t words < <(port ls1 a1 10.0.1.11 fd01::11 && port ls1 a2 10.0.1.12 fd01::12 && port ls1 a3 10.0.1.13 fd01::13 &&
        port ls2 b1 10.0.2.11 fd02::11 && port ls2 b2 10.0.2.12 fd02::12)
    nb ls-add ls1 -- ls-add ls2 -- lr-add lr1 \
        -- lrp-add lr1 lr1-ls1 02:00:00:00:ff:01 10.0.1.1/24 fd01::1/64 \
        -- lsp-add ls1 ls1-lr1 -- lsp-set-type ls1-lr1 router -- lsp-set-addresses ls1-lr1 router -- lsp-set-options ls1-lr1 router-port=lr1-ls1 \
        -- lrp-add lr1 lr1-ls2 02:00:00:00:ff:02 10.0.2.1/24 fd02::1/64 \
        -- lsp-add ls2 ls2-lr1 -- lsp-set-type ls2-lr1 router -- lsp-set-addresses ls2-lr1 router -- lsp-set-options ls2-lr1 router-port=lr1-ls2 \
        -- ls-add public -- lsp-add public to-physnet -- lsp-set-type to-physnet localnet -- lsp-set-addresses to-physnet unknown \
        -- lsp-set-options to-physnet network_name=physnet \
        -- lrp-add lr1 lr1-public 02:00:00:00:ff:03 172.16.0.1/24 fd16::1/64 \
        -- lsp-add public public-lr1 -- lsp-set-type public-lr1 router -- lsp-set-addresses public-lr1 router \
        -- lsp-set-options public-lr1 router-port=lr1-public nat-addresses=router \
        -- lr-route-add lr1 0.0.0.0/0 172.16.0.100 -- lr-route-add lr1 ::/0 fd16::100 \
        -- lrp-set-gateway-chassis lr1-public "node$(where 2)" 20 "${words[@]}"
    [ "$NODES" = 1 ] || nb lrp-set-gateway-chassis lr1-public node3 10
    machine a1 10.0.1.11/24 fd01::11/64 10.0.1.1 fd01::1 1
    machine a2 10.0.1.12/24 fd01::12/64 10.0.1.1 fd01::1 1
    machine a3 10.0.1.13/24 fd01::13/64 10.0.1.1 fd01::1 "$(where 2)"
    machine b1 10.0.2.11/24 fd02::11/64 10.0.2.1 fd02::1 1
    machine b2 10.0.2.12/24 fd02::12/64 10.0.2.1 fd02::1 "$(where 3)"
    make_outside
}

# --- run ----------------------------------------------------------------------------------------------

show_logs() {
    [ "$failures" = 0 ] && return
    local log
    for log in "$T"/node*/{switch,ovn-controller}.log; do
        say "--- last warnings of ${log#"$T"/}"
        grep -E 'WARN|ERR|EMER' "$log" | tail -n 12
    done
}
at_exit show_logs

. "$EXAMPLE/checks.sh"
for ((n = 1; n <= NODES; n++)); do make_node $n; done
start_central
for ((n = 1; n <= NODES; n++)); do
    start_node $n
    wait_for 20 "node $n: ovn-controller has made br-int" vs $n br-exists br-int
done
make_topology
ns node1 "$PYTHON" "$EXAMPLE/peer.py" serve a1 a2 a3 b1 b2 outside >"$T/serve.log" 2>&1 &
until_true 10 grep -q ready "$T/serve.log" || fail "the servers start" "$(cat "$T/serve.log")"
wait_for 30 "every node has carried out the first configuration" sync
mapfile -t features < <(sed -n 's/^feature_\([a-z0-9_]*\)().*/\1/p' "$EXAMPLE/checks.sh")
for feature in "${features[@]}"; do
    [ -z "$ONLY" ] || [[ $feature =~ $ONLY ]] || continue
    from=$SECONDS
    say "--- ${feature//_/ }"
    "feature_$feature"
    [ $((SECONDS - from)) -lt 10 ] || say "     (took $((SECONDS - from)) s)"
done
[ -z "$SHELL_AT_END" ] || { export -f node ns vs vsctl nb sb && say "a shell inside; \$T is $T" && bash -i; }
