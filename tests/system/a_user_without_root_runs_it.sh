#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# As the user nobody with file capabilities, as docs/howto/run-without-root.md says, and from root with --user.
. "$(dirname "$0")/../lib.sh"

command -v setcap >/dev/null || skip "setcap is not installed: run ./run setup"
caps=cap_net_admin,cap_net_raw,cap_ipc_lock,cap_bpf
caps_of() { sed -nE 's/^CapEff:\s*//p' "/proc/$1/status"; }
wanted=$(printf '%016x' $((1 << 12 | 1 << 13 | 1 << 14 | 1 << 39)))
chmod 755 "$T"
mkdir "$T/run"
chown nobody "$T/run"
export OVS_RUNDIR=$T/run OVS_DBDIR=$T/run OVS_LOGDIR=$T/run

if sluice_only "file capabilities"; then
    cp "$SLUICE_SWITCH" "$T/sluiced"
    setcap $caps+ep "$T/sluiced" || skip "this file system keeps no capabilities"
    as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all --bounding-set=+all -- "$@"; }
    as_nobody ovsdb-tool create "$T/run/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    as_nobody ovsdb-server --detach --no-chdir --pidfile -vconsole:off --log-file --remote=punix:"$T/run/db.sock" "$T/run/conf.db"
    vsctl --no-wait init
    check "nobody starts the switch" as_nobody timeout 20 "$T/sluiced" "unix:$T/run/db.sock" --detach --no-chdir --pidfile -vconsole:off --log-file
    expect_eq "it runs as nobody" nobody "$(ps -o user= -p "$(switch_pid)")"
    expect_eq "with these capabilities alone" "$wanted" "$(caps_of "$(switch_pid)")"
    add_bridge br0
    add_guest h1 10.0.0.1/24
    add_guest h2 10.0.0.2/24
    check "h1 reaches h2" pings h1 10.0.0.2
    check "ovs-vsctl set mtu_request" vsctl set interface br0 mtu_request=1400
    wait_eq 5 "an internal port takes its MTU" 1400 cat /sys/class/net/br0/mtu
    ip addr add 10.0.0.9/24 dev br0
    ip link set br0 up
    wait_for 5 "h1 reaches the internal port" pings h1 10.0.0.9 1
    check "ovs-vsctl del-br" vsctl del-br br0
    stop_switch
    for guest in h1 h2; do ip netns del $guest; done
    timeout 10 ovs-appctl -t ovsdb-server exit
    rm -f "$T"/run/*
fi

ovsdb-tool create "$T/run/conf.db" /usr/share/openvswitch/vswitch.ovsschema
chown nobody "$T"/run/*
start_ovsdb --user=nobody
chown nobody "$T"/run/*
start_switch --user=nobody
expect_eq "--user=nobody: it runs as nobody" nobody "$(ps -o user= -p "$(switch_pid)")"
sluice_only "the list of capabilities" &&
    expect_eq "--user=nobody keeps these capabilities alone" "$wanted" "$(caps_of "$(switch_pid)")"
add_bridge br0
add_guest h3 10.0.0.3/24
add_guest h4 10.0.0.4/24
check "ports are added and traffic passes" pings h3 10.0.0.4
check "the other user is named when there is none such" has 'no user "nosuchuser"' timeout 20 \
    "$SLUICE_SWITCH" --user=nosuchuser --pidfile="$T/other.pid" --unixctl="$T/other.ctl" "unix:$T/run/db.sock"
