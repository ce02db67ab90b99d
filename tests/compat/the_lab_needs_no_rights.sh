#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A lab of dummy ports, by a user without any right: packets by command, rules, a clock moved by hand.
. "$(dirname "$0")/../lib.sh"

[ "$(id -u)" = 0 ] || skip "needs root, to become somebody who is not"
chmod 755 "$T"
mkdir "$T/run"
chown nobody "$T/run"
export OVS_RUNDIR=$T/run OVS_DBDIR=$T/run OVS_LOGDIR=$T/run
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"; }
cp "$SLUICE_SWITCH" "$T/switch"
as_nobody ovsdb-tool create "$T/run/conf.db" /usr/share/openvswitch/vswitch.ovsschema
as_nobody ovsdb-server --detach --no-chdir --pidfile -vconsole:off --log-file --remote=punix:"$T/run/db.sock" "$T/run/conf.db"
as_nobody ovs-vsctl --no-wait init
check "nobody starts the switch" as_nobody timeout 20 "$T/switch" "unix:$T/run/db.sock" --enable-dummy=override --detach \
    --no-chdir --pidfile -vconsole:off --log-file
expect_eq "it runs as nobody" nobody "$(ps -o user= -p "$(switch_pid)")"
expect_eq "without any capability" 0000000000000000 "$(sed -nE 's/^CapEff:\s*//p' "/proc/$(switch_pid)/status")"

check "ports are made, also of types that need rights elsewhere" as_nobody ovs-vsctl --timeout=20 add-br br0 \
    -- set bridge br0 fail_mode=secure -- add-port br0 p1 -- set interface p1 type=internal ofport_request=1 \
    -- add-port br0 p2 -- set interface p2 ofport_request=2
check "time stops" as_nobody ovs-appctl time/stop
check "a rule is added" as_nobody ovs-ofctl add-flow br0 "idle_timeout=10,in_port=1,actions=output:2"
frame=02000000000202000000000188b5$(printf '00%.0s' {1..46})
check "a packet is received by command" as_nobody ovs-appctl netdev-dummy/receive p1 "$frame"
wait_for 5 "it leaves by the other port" has "tx pkts=1, bytes=60" as_nobody ovs-ofctl dump-ports br0 2
check "time is moved on" as_nobody ovs-appctl time/warp 11000 1000
wait_eq 5 "the rule has expired" 0 eval "as_nobody ovs-ofctl dump-flows br0 | grep -c actions"
stop_switch
timeout 10 ovs-appctl -t ovsdb-server exit
