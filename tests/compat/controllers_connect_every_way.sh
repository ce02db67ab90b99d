#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Controllers over unix, tcp, ptcp and ssl; roles; fail_mode standalone and secure; one that never reads.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
vsctl set bridge br0 other_config:datapath-id=00000000000000ab protocols=OpenFlow13
check "no controller: standalone, traffic passes" pings h1 10.0.0.2
controller() { "$PYTHON" "$SLUICE_ROOT/tests/controller.py" "$1" "$2" "$T/$1.txt" "$T" & until_true 5 test -s "$T/$1.txt"; }
controller unix "$T/controller.sock"
controller tcp 6653
first=$! # the tcp controller
vsctl set-controller br0 "unix:$T/controller.sock" tcp:127.0.0.1:6653
wait_for 10 "a controller on a unix socket gets features" has '^features 00000000000000ab' cat "$T/unix.txt"
wait_for 10 "a controller over tcp gets features" has '^features 00000000000000ab' cat "$T/tcp.txt"
wait_for 10 "is_connected is true" eval '! ovs-vsctl --bare --columns=is_connected list controller | grep -v true | grep .'
vsctl set-fail-mode br0 secure
ofctl -O OpenFlow13 del-flows br0
check_fails "secure: without flows nothing passes" pings h1 10.0.0.2 2
ofctl -O OpenFlow13 add-flow br0 priority=0,actions=CONTROLLER
ns h1 ping -c 2 -i 0.1 -W 0.2 10.0.0.2 >/dev/null
wait_for 5 "a packet reaches the controller" has '^packet-in' cat "$T/tcp.txt"
kill "$first"
wait_for 10 "the controller that went is not connected" has false vsctl --bare --columns=is_connected find controller 'target="tcp:127.0.0.1:6653"'
check_fails "secure: the switch forwards nothing by itself" pings h1 10.0.0.2 2
"$PYTHON" "$SLUICE_ROOT/tests/controller.py" tcp 6653 "$T/tcp2.txt" &
wait_for 15 "it comes back and the switch connects again" has '^features' cat "$T/tcp2.txt"
vsctl del-controller br0
vsctl set-fail-mode br0 standalone
wait_for 10 "no controller, standalone: traffic passes" pings h1 10.0.0.2
vsctl set-controller br0 ptcp:6654:127.0.0.1
wait_for 10 "ptcp: a client connects to the switch" has 'dpid:00000000000000ab' ofctl -O OpenFlow13 show tcp:127.0.0.1:6654
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sluice-test -keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
vsctl set-ssl "$T/key.pem" "$T/cert.pem" "$T/cert.pem"
controller ssl 6655
vsctl set-controller br0 ssl:127.0.0.1:6655
wait_for 15 "a controller over ssl gets features" has '^features 00000000000000ab' cat "$T/ssl.txt"
vsctl set-controller br0 pssl:6656:127.0.0.1
wait_for 10 "pssl: a client with the key connects" has 'dpid:00000000000000ab' ofctl -O OpenFlow13 \
    --private-key="$T/key.pem" --certificate="$T/cert.pem" --ca-cert="$T/cert.pem" show ssl:127.0.0.1:6656
vsctl set-fail-mode br0 secure
controller mute 6657
vsctl set-controller br0 tcp:127.0.0.1:6657
# The first active controller empties the tables, as in OVS, so the flow comes after it.
wait_for 15 "a controller asks without end and never reads" has '^flooded' cat "$T/mute.txt"
ofctl -O OpenFlow13 add-flow br0 actions=NORMAL
check "ovs-ofctl is still answered" ofctl -O OpenFlow13 show br0
sluice_only "a flood stalls its upcalls" && check "traffic goes on" pings h1 10.0.0.2 20
check "the switch still runs" switch_alive
memory_kib=$(ps -o rss= -p "$(switch_pid)")
if [ "$memory_kib" -lt 600000 ]; then pass "its memory stays bounded"; else fail "its memory stays bounded" "$memory_kib KiB"; fi
