#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./run demo: a switch in a run directory of its own, two namespaces and a DPDK guest connected to it, real traffic,
# the OVS tools at work; then everything is taken down again, also after Ctrl-C or a failure.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SLUICE_BIN=${SLUICE_BIN:-$ROOT/build/release/bin}
PATH=$SLUICE_BIN:$PATH:/usr/sbin:/sbin

# Network, mount and process namespaces of its own: names never collide with the machine's, no packet finds a way
# out, and whatever is started here ends with this script.
if [ -z "${SLUICE_DEMO_INSIDE:-}" ]; then
    become=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "demo: needs root, to create network namespaces" >&2; exit 1; }
        become=(sudo --preserve-env=SLUICE_BIN)
    fi
    # The whole is bounded, whatever hangs; --kill-child then ends everything inside.
    exec "${become[@]}" env SLUICE_DEMO_INSIDE=1 SLUICE_BIN="$SLUICE_BIN" timeout --foreground -k 10 180 unshare --net --mount --pid --fork --kill-child \
        --mount-proc --propagation private bash "$0" "$@"
fi
mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up
T=$(mktemp -d /tmp/sluice-demo.XXXXXX)
export OVS_RUNDIR=$T OVS_DBDIR=$T OVS_LOGDIR=$T

bold='' green='' red='' dim='' off=''
if [ -t 1 ]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' off=$'\e[0m'; fi
failures=0
started=${EPOCHREALTIME/[.,]/}
guest=''

title() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
result() { # ok|FAIL WHAT DETAIL
    local colour=$green
    [ "$1" = ok ] || { colour=$red; failures=$((failures + 1)); }
    printf '  %s%-4s%s %-44s %s%s%s\n' "$colour" "$1" "$off" "$2" "$dim" "$3" "$off"
}
# step WHAT COMMAND...: runs within 20 s; what it prints is shown only when it fails.
step() {
    local what=$1 output from=${EPOCHREALTIME/[.,]/}
    shift
    if [ "$(type -t "$1")" != function ]; then set -- timeout 20 "$@"; fi
    if output=$("$@" 2>&1); then
        result ok "$what" "$(((${EPOCHREALTIME/[.,]/} - from) / 1000)) ms"
    else
        result FAIL "$what" "${*#timeout 20 }"
        printf '%s\n' "$output" | tail -n 8 | sed 's/^/         /'
        return 1
    fi
}
# show COMMAND...: what a person would type, and its answer.
show() {
    local output code=0
    output=$(timeout 20 "$@" 2>&1) || code=$?
    printf '  %s$ %s%s\n' "$bold" "${*/#$T\//}" "$off"
    [ -z "$output" ] || printf '%s\n' "$output" | head -n "${LINES_SHOWN:-16}" | sed 's/^/    /'
    [ "$code" = 0 ] || result FAIL "$1 $2" "exit code $code"
}

finish() {
    local code=$?
    trap - EXIT INT TERM
    title "Down again"
    if [ -n "$guest" ]; then
        kill "$guest" 2>/dev/null
        wait "$guest" 2>/dev/null
    fi
    if [ "$failures" != 0 ] || [ "$code" != 0 ]; then
        for log in "$T"/ovs-vswitchd.log "$T"/testpmd.log; do
            [ -s "$log" ] && printf '  last lines of %s\n' "$(basename "$log")" && tail -n 8 "$log" | sed 's/^/    /'
        done
    fi
    step "sluice down" sluice down
    for name in red blue; do ip netns del $name 2>/dev/null; done
    rm -rf "$T"
    [ "$code" = 130 ] && printf '\ninterrupted; nothing is left behind\n' && exit 130
    if [ "$failures" = 0 ] && [ "$code" = 0 ]; then
        printf '\n%sThe demo worked%s: every step passed, in %d s. Nothing is left behind.\n' "$green" "$off" \
            $(((${EPOCHREALTIME/[.,]/} - started) / 1000000))
        exit 0
    fi
    printf '\n%sThe demo failed%s: %d step(s), see above. Nothing is left behind.\n' "$red" "$off" "$failures"
    exit 1
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ping_from NAMESPACE TARGET WHAT: five pings, none lost; shows the average.
ping_from() {
    local output
    output=$(timeout 15 ip netns exec "$1" ping -q -c 5 -i 0.1 -W 2 "$2" 2>&1)
    if grep -q ' 0% packet loss' <<<"$output"; then
        result ok "$3" "$(sed -n 's/.*= \([^/]*\)\/\([^/]*\)\/.*/5 of 5 back, average \2 ms/p' <<<"$output")"
    else
        result FAIL "$3" "$(grep -o '[0-9]* received.*loss' <<<"$output")"
    fi
}

printf '%sSluice demo%s   run directory %s\n' "$bold" "$off" "$T"

title "A switch"
step "sluice up" sluice up || exit 1
step "bridge br0" ovs-vsctl --timeout=15 add-br br0 -- set bridge br0 datapath_type=netdev || exit 1
address=1
for name in red blue; do
    if ! { ip netns add $name && ip link add v-$name type veth peer name eth0 netns $name && ip link set v-$name up &&
        ip -n $name addr add 10.0.0.$address/24 dev eth0 && ip -n $name link set eth0 up && ip -n $name link set lo up; }; then
        result FAIL "namespace $name" ""
        exit 1
    fi
    step "namespace $name, 10.0.0.$address" ovs-vsctl --timeout=15 add-port br0 v-$name
    address=$((address + 1))
done
step "port for a DPDK guest" ovs-vsctl --timeout=15 add-port br0 guest0 -- set interface guest0 type=dpdk \
    "options:dpdk-devargs=net_memif0,role=server,id=0,socket=$T/memif.sock,socket-abstract=no"

title "A DPDK guest: testpmd over memif, answering ARP and ping as 10.0.0.3"
# testpmd's icmpecho answers ARP for every address, so red and blue must know each other beforehand.
mac() { ip netns exec "$1" cat /sys/class/net/eth0/address; }
ip -n red neigh replace 10.0.0.2 lladdr "$(mac blue)" dev eth0 nud permanent
ip -n blue neigh replace 10.0.0.1 lladdr "$(mac red)" dev eth0 nud permanent
last=$(($(nproc) - 1))
mkfifo "$T/stdin" && exec 9<>"$T/stdin" # testpmd runs until its standard input ends
dpdk-testpmd --no-huge --no-shconf --no-pci --no-telemetry -m 128 --lcores "0@0,1@$last" \
    --vdev "net_memif0,role=client,id=0,socket=$T/memif.sock,socket-abstract=no,mac=02:00:00:00:00:03" -- \
    --forward-mode=icmpecho --total-num-mbufs=4096 --no-flush-rx <&9 >"$T/testpmd.log" 2>&1 &
guest=$!
guest_answers() {
    local deadline=$((SECONDS + 15))
    until ip netns exec red ping -q -c 1 -W 1 10.0.0.3; do [ $SECONDS -lt $deadline ] || return 1; done
}
step "the guest answers" guest_answers

title "Traffic"
ping_from red 10.0.0.2 "ping red -> blue"
ping_from red 10.0.0.3 "ping red -> DPDK guest"
ping_from blue 10.0.0.3 "ping blue -> DPDK guest"
kill "$guest" 2>/dev/null && wait "$guest" 2>/dev/null # it polls a whole core, which iperf3 can use better
guest=''
ip netns exec blue iperf3 -s -1 >"$T/iperf3.server" 2>&1 &
server=$!
deadline=$((SECONDS + 5))
until ip netns exec blue ss -ltn 2>/dev/null | grep -q :5201 || [ $SECONDS -ge $deadline ]; do sleep 0.05; done
timeout 20 ip netns exec red iperf3 -c 10.0.0.2 -t 3 -J --connect-timeout 3000 >"$T/iperf3.json" 2>&1
rate=$(/usr/bin/python3 - "$T/iperf3.json" 2>&1 <<'PY'
import json, sys
try:
    end = json.load(open(sys.argv[1]))
    print("%.2f Gbit/s" % (end["end"]["sum_received"]["bits_per_second"] / 1e9))
except (ValueError, KeyError):
    print(end.get("error", "no result"))
PY
)
if [[ $rate == *Gbit/s ]]; then result ok "TCP red -> blue, 3 s of iperf3" "$rate"; else result FAIL "TCP red -> blue, 3 s of iperf3" "$rate"; fi
kill "$server" 2>/dev/null
wait "$server" 2>/dev/null

title "OpenFlow"
show ovs-ofctl add-flow br0 'table=0,priority=100,icmp,nw_dst=10.0.0.2,actions=drop'
if ip netns exec red ping -q -c 2 -i 0.1 -W 0.5 10.0.0.2 >/dev/null 2>&1; then
    result FAIL "the flow stops ping red -> blue" "an answer came"
else
    result ok "the flow stops ping red -> blue" "no answer, as it should be"
fi
show ovs-ofctl --no-names dump-flows br0
show ovs-ofctl del-flows br0 'icmp,nw_dst=10.0.0.2'
ping_from red 10.0.0.2 "ping red -> blue without the flow"

title "Looking inside"
show ovs-appctl fdb/show br0
show ovs-appctl dpif/show
show ovs-appctl dpif-netdev/pmd-rxq-show
show ovs-appctl ofproto/trace br0 "in_port=v-red,icmp,dl_src=$(mac red),dl_dst=$(mac blue),nw_src=10.0.0.1,nw_dst=10.0.0.2"
LINES_SHOWN=30 show sluice status
