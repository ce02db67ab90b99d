# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the scripts of tests/system and tests/compat: source it first.
#
# The script is started again in network, mount and process namespaces of its own, so that names never
# collide, no packet finds a way out, and everything it started dies with it. What a script may use:
#   $T                 its own directory: database, sockets, logs, whatever it needs
#   start_switch, stop_switch, kill_switch, start_ovsdb, stop_ovsdb
#   vsctl ofctl appctl  the OVS tools with a time limit, pointed at the switch of this test
#   add_bridge BR, add_guest NAME ADDRESS [BRIDGE [PORT-COLUMNS...]], del_guest, ns NAME COMMAND...
#   at_exit COMMAND...  something to undo
#   check, check_fails, expect_eq, expect_match, expect_no_match, wait_for, wait_eq, skip, sluice_only
# SLUICE_PRESET names the build under test (default: release; with asan or tsan a report of theirs fails the script).
# SLUICE_SWITCH names the daemon under test (default: build/PRESET/bin/sluiced). With Debian's
# /usr/sbin/ovs-vswitchd there, the same script shows what OVS does; what only Sluice promises is guarded
# by sluice_only.

set -u
SLUICE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SLUICE_ROOT
export SLUICE_BIN=${SLUICE_BIN:-$SLUICE_ROOT/build/${SLUICE_PRESET:-release}/bin}
export SLUICE_SWITCH=${SLUICE_SWITCH:-$SLUICE_BIN/sluiced}
export PYTHONPATH=$SLUICE_ROOT/tests${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1
PATH=$PATH:/usr/sbin:/sbin
PYTHON=/usr/bin/python3 # Debian's, which has the python3-openvswitch package
failures=0
checks=0

say() { printf '%s\n' "$*"; }

# skip REASON: this machine can't run the test.
skip() {
    say "SKIP: $*"
    exit 77
}

if [ -z "${SLUICE_ISOLATED:-}" ]; then
    [ "$(id -u)" = 0 ] || skip "needs root, to create network namespaces"
    unshare --net --mount --pid --fork --mount-proc true 2>/dev/null || skip "this machine allows no new namespaces"
    SLUICE_ISOLATED=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
        bash "$0" "$@"
fi
[ -x "$SLUICE_SWITCH" ] || skip "no switch at $SLUICE_SWITCH: run ./run build"
for tool in ovsdb-server ovs-vsctl ovs-ofctl ovs-appctl ip ping; do
    command -v "$tool" >/dev/null || skip "$tool is not installed: run ./run setup"
done

mkdir -p /run/netns && mount -t tmpfs none /run/netns
mount -t sysfs none /sys 2>/dev/null # that of our network namespace
ip link set lo up
# Only the packets that a test sends: no router solicitations, no multicast reports.
quiet_kernel() { sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true; }
quiet_kernel
T=$(mktemp -d /tmp/sluice-test.XXXXXX)
export T OVS_RUNDIR=$T OVS_DBDIR=$T OVS_LOGDIR=$T OVS_SYSCONFDIR=$T

# What sanitizers report goes into files; they need time.
slowness=1
case ${SLUICE_PRESET:-release} in
    asan | tsan)
        slowness=4
        export ASAN_OPTIONS=log_path=$T/sanitizer UBSAN_OPTIONS=print_stacktrace=1:log_path=$T/sanitizer
        export TSAN_OPTIONS=log_path=$T/sanitizer:suppressions=$SLUICE_ROOT/tests/tsan-suppressions.txt
        export LSAN_OPTIONS=suppressions=$SLUICE_ROOT/tests/lsan-suppressions.txt:print_suppressions=0
        ;;
esac
sanitized() { [ "$slowness" != 1 ]; }

undo=()
at_exit() { undo+=("$*"); }

# Leaks are told at a proper end only.
sanitizer_reports() {
    local pid report
    pid=$(cat "$OVS_RUNDIR/ovs-vswitchd.pid" 2>/dev/null) && timeout 10 ovs-appctl --timeout=8 exit >/dev/null 2>&1 &&
        until_true 10 gone "$pid"
    for report in "$T"/sanitizer.*; do
        [ -s "$report" ] && fail "no sanitizer has anything to report" "$(head -n 60 "$report")"
    done
    checks=$((checks + 1))
}

on_exit() {
    local code=$? step
    trap - EXIT
    for step in "${undo[@]}"; do eval "$step"; done
    sanitized && [ "$code" != 77 ] && sanitizer_reports
    if [ "$code" = 0 ] && [ "$failures" != 0 ]; then code=1; fi
    if [ "$code" = 0 ] && [ "$checks" = 0 ]; then
        say "FAIL: the script made no check"
        code=1
    fi
    if [ "$code" != 0 ] && [ "$code" != 77 ]; then
        for log in "$T"/*.log; do
            [ -e "$log" ] && say "--- last lines of $(basename "$log")" && tail -n 40 "$log"
        done
    fi
    [ "$code" = 77 ] || say "$((checks - failures)) of $checks checks passed"
    # The end of this process ends everything else in its process namespace.
    rm -rf "$T"
    exit "$code"
}
trap on_exit EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# --- checks -----------------------------------------------------------------------------------------

pass() {
    checks=$((checks + 1))
    say "ok   $1"
}

# fail SENTENCE [DETAIL]
fail() {
    checks=$((checks + 1))
    failures=$((failures + 1))
    say "FAIL $1"
    [ -n "${2:-}" ] && printf '%s\n' "$2" | sed 's/^/     /'
    return 0
}

# check SENTENCE COMMAND...: the command must succeed.
check() {
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1); then pass "$sentence"; else fail "$sentence" "$* -> $output"; fi
}

# check_fails SENTENCE COMMAND...: the command must fail, and not by a signal or a time limit.
check_fails() {
    local sentence=$1 output code
    shift
    output=$("$@" 2>&1) && code=0 || code=$?
    if [ "$code" != 0 ] && [ "$code" -lt 124 ]; then
        pass "$sentence"
    else
        fail "$sentence" "$* -> exit code $code: $output"
    fi
}

# expect_eq SENTENCE WANTED GOT
expect_eq() {
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1" "$(diff --label wanted --label got -u <(printf '%s\n' "$2") <(printf '%s\n' "$3"))"
    fi
}

# expect_match SENTENCE EXTENDED-REGEX GOT
expect_match() {
    if grep -Eq -- "$2" <<<"$3"; then pass "$1"; else fail "$1" "no line matches '$2' in: $3"; fi
}

expect_no_match() {
    if grep -Eq -- "$2" <<<"$3"; then fail "$1" "a line matches '$2' in: $3"; else pass "$1"; fi
}

# until_true SECONDS COMMAND...: tries again until the command succeeds or the time is over.
until_true() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * slowness * 1000000))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
        sleep 0.03
    done
}

# wait_for SECONDS SENTENCE COMMAND...
wait_for() {
    local seconds=$1 sentence=$2
    shift 2
    if until_true "$seconds" "$@"; then
        pass "$sentence"
    else
        fail "$sentence" "not within $seconds s: $* -> $("$@" 2>&1)"
    fi
}

outputs() { [ "$("${@:2}" 2>&1)" = "$1" ]; }

# wait_eq SECONDS SENTENCE WANTED COMMAND...: the command's output becomes WANTED.
wait_eq() {
    local seconds=$1 sentence=$2 wanted=$3
    shift 3
    if until_true "$seconds" outputs "$wanted" "$@"; then
        pass "$sentence"
    else
        expect_eq "$sentence (waited $seconds s)" "$wanted" "$("$@" 2>&1)"
    fi
}

# has REGEX COMMAND...: the output of the command has a line that matches; for wait_for.
has() {
    local regex=$1
    shift
    "$@" 2>&1 | grep -E -- "$regex"
}

switch_is_ovs() { [[ $(readlink -f "$SLUICE_SWITCH") == *ovs-vswitchd* ]]; }

# sluice_only WHAT: false, with a line about it, when the daemon under test is OVS itself.
sluice_only() {
    if switch_is_ovs; then
        say "---  not asked of OVS: $*"
        return 1
    fi
}

now_us() { printf '%s\n' "${EPOCHREALTIME/[.,]/}"; }

# --- the switch -------------------------------------------------------------------------------------

vsctl() { timeout $((20 * slowness)) ovs-vsctl --timeout=$((15 * slowness)) "$@"; }
ofctl() { timeout $((20 * slowness)) ovs-ofctl --timeout=$((15 * slowness)) "$@"; }
appctl() { timeout $((20 * slowness)) ovs-appctl --timeout=$((15 * slowness)) "$@"; }

start_ovsdb() {
    [ -e "$OVS_DBDIR/conf.db" ] || ovsdb-tool create "$OVS_DBDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server --detach --no-chdir --pidfile -vconsole:off --log-file="$OVS_LOGDIR/ovsdb-server.log" \
        --remote=punix:"$OVS_RUNDIR/db.sock" "$@" "$OVS_DBDIR/conf.db" || skip "ovsdb-server does not start"
    vsctl --no-wait init
}

stop_ovsdb() { timeout 10 ovs-appctl -t ovsdb-server exit; }

# start_switch [DAEMON-ARGUMENTS...]: database and daemon; the daemon's --detach returns when it is ready.
start_switch() {
    [ -e "$OVS_RUNDIR/ovsdb-server.pid" ] || start_ovsdb
    local code=0
    timeout $((60 * slowness)) "$SLUICE_SWITCH" "unix:$OVS_RUNDIR/db.sock" --detach --no-chdir --pidfile \
        -vconsole:off --log-file="$OVS_LOGDIR/switch.log" "$@" || code=$?
    if [ "$code" != 0 ]; then
        fail "the switch starts" "exit code $code"
        exit 1
    fi
}

switch_pid() { cat "$OVS_RUNDIR/ovs-vswitchd.pid"; }

stop_switch() {
    local pid
    pid=$(switch_pid)
    appctl exit >/dev/null
    until_true 10 gone "$pid"
}

gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ]; }

kill_switch() {
    local pid
    pid=$(switch_pid)
    kill -9 "$pid"
    until_true 5 gone "$pid"
}

switch_alive() { ! gone "$(switch_pid)"; }

# add_bridge NAME [BRIDGE-COLUMNS...]
add_bridge() { vsctl add-br "$1" -- set bridge "$1" datapath_type=netdev "${@:2}"; }

ns() { ip netns exec "$@"; }

# make_ns NAME [ADDRESS]: a namespace with eth0, whose other end, v-NAME, stays here.
make_ns() {
    ip netns add "$1"
    ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
    ip link add "v-$1" type veth peer name eth0 netns "$1"
    ip link set "v-$1" up
    ns "$1" ip link set lo up
    [ -n "${2:-}" ] && ns "$1" ip addr add "$2" dev eth0
    # OVS's userspace datapath forwards the unfinished checksums of a veth; Sluice completes them.
    switch_is_ovs && ns "$1" ethtool -K eth0 tx off >/dev/null 2>&1
    ns "$1" ip link set eth0 up
}

# add_guest NAME ADDRESS [BRIDGE [PORT-COLUMNS...]]: a namespace, connected to the bridge. ADDRESS may be empty.
add_guest() {
    local name=$1 address=$2 bridge=${3:-br0}
    shift 2
    [ $# -gt 0 ] && shift
    make_ns "$name" "$address"
    if [ $# -gt 0 ]; then
        vsctl add-port "$bridge" "v-$name" -- set port "v-$name" "$@"
    else
        vsctl add-port "$bridge" "v-$name"
    fi
}

del_guest() {
    vsctl --if-exists del-port "v-$1"
    ip netns del "$1"
    ip link del "v-$1" 2>/dev/null
    return 0
}

# pings NAMESPACE ADDRESS [COUNT]: a ping that must lose nothing.
pings() { ns "$1" ping -q -i 0.05 -c "${3:-3}" -W 2 "$2" | grep -q ' 0% packet loss'; }

ofport() { vsctl get interface "$1" ofport; }

# python_test NAME ARGUMENTS...: runs standard input as Python; each "ok "/"FAIL " line it prints is a check.
python_test() {
    local output line
    output=$(timeout 120 "$PYTHON" - "$@" 2>&1) || output+=$'\nFAIL the Python part ended with an error'
    while IFS= read -r line; do
        case $line in
            "ok "*) pass "${line#ok }" ;;
            "FAIL "*) fail "${line#FAIL }" ;;
            *) say "     $line" ;;
        esac
    done <<<"$output"
}
