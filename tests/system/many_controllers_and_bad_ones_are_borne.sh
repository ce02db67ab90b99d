#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 64 controllers at once; 62 beside one that sends garbage and one that asks without end and never reads; one that hangs
# up at once, one that says half a word.
. "$(dirname "$0")/../lib.sh"

cat >"$T/controllers.py" <<'PY'
"""Listens on ports 7001 to 7064 for good controllers and 7101 to 7104 for bad ones; prints how many were served."""
import os, random, selectors, socket, struct, sys
random.seed(int(os.environ.get("SLUICE_SEED", "1")))
selector, buffers, served = selectors.DefaultSelector(), {}, set()
def listen(port, kind):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(16)
    selector.register(s, selectors.EVENT_READ, (kind, port))
for i in range(64):
    listen(7001 + i, "good")
for i, kind in enumerate(["garbage", "hangup", "half", "mute"]):
    listen(7101 + i, kind)
bad = {"garbage": 0, "hangup": 0, "half": 0, "mute": 0}
kept = []
def report():
    with open(sys.argv[1] + ".new", "w") as out:
        print("served", len(served), *("%s=%d" % item for item in bad.items()), file=out)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
report()
while True:
    for key, _ in selector.select():
        kind, port = key.data
        if kind != "peer":
            peer = key.fileobj.accept()[0]
            if kind == "good":
                peer.sendall(struct.pack("!BBHI", 4, 0, 8, 1) + struct.pack("!BBHI", 4, 5, 8, 2))
                buffers[peer] = b""
                selector.register(peer, selectors.EVENT_READ, ("peer", port))
                continue
            bad[kind] += 1
            report()
            try:
                if kind == "garbage":
                    peer.sendall(random.choice([b"", struct.pack("!BBHI", 4, 0, 8, 1)]) + random.randbytes(random.randrange(8, 4000)))
                elif kind == "half":
                    peer.sendall(struct.pack("!BBHI", 4, 0, 8, 1) + struct.pack("!BBH", 4, 14, 80))
                    kept.append(peer)
                    continue
                elif kind == "mute":
                    kept.append(peer)
                    peer.sendall(struct.pack("!BBHI", 4, 0, 8, 1))
                    peer.setblocking(False)
                    for _ in range(100000):  # until the switch takes no more
                        peer.send(struct.pack("!BBHIHHI", 4, 18, 16, 2, 3, 0, 0))
            except OSError:
                pass
            if kind == "mute":
                continue
            peer.close()
            continue
        try:
            data = key.fileobj.recv(65536)
        except OSError:
            data = b""
        if not data:
            selector.unregister(key.fileobj)
            key.fileobj.close()
            served.discard(port)
            report()
            continue
        data = buffers[key.fileobj] + data
        while len(data) >= 8 and len(data) >= struct.unpack("!H", data[2:4])[0]:
            length = struct.unpack("!H", data[2:4])[0]
            message, data = data[:length], data[length:]
            if message[1] == 2:
                key.fileobj.sendall(message[:1] + b"\x03" + message[2:])
            elif message[1] == 6:
                served.add(port)
                report()
        buffers[key.fileobj] = data
PY
start_switch
add_bridge br0 protocols=OpenFlow13
vsctl set-fail-mode br0 secure
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
"$PYTHON" "$T/controllers.py" "$T/count" &
until_true 5 test -s "$T/count"
targets=()
for i in $(seq 64); do targets+=("tcp:127.0.0.1:$((7000 + i))"); done
vsctl set-controller br0 "${targets[@]}"
wait_for 20 "64 controllers get the features of the switch" has '^served 64 ' cat "$T/count"
connected() { vsctl --bare --columns=is_connected list controller | grep -c true; }
wait_eq 10 "the database shows 64 connected" 64 connected
ofctl -O OpenFlow13 add-flow br0 priority=1,actions=NORMAL
check "traffic passes" pings h1 10.0.0.2
ofctl -O OpenFlow13 add-flow br0 priority=2,icmp,actions=NORMAL,CONTROLLER
check "each of 200 packet-ins goes to all of them, traffic passes" eval 'ns h1 ping -q -i 0.002 -c 200 -W 2 10.0.0.2 | grep -q " 0% packet loss"'
ofctl -O OpenFlow13 del-flows --strict br0 priority=2,icmp
check "ovs-ofctl is answered" ofctl -O OpenFlow13 show br0
vsctl set-controller br0 "${targets[@]:0:62}" tcp:127.0.0.1:7101 tcp:127.0.0.1:7104
wait_for 20 "62 of them, one that sends garbage and one that never reads" has '^served 62 garbage=[2-9].* mute=[1-9]' cat "$T/count"
ofctl -O OpenFlow13 add-flow br0 priority=2,icmp,actions=NORMAL,CONTROLLER
check "packet-ins go to all of them, traffic passes" eval 'ns h1 ping -q -i 0.002 -c 200 -W 2 10.0.0.2 | grep -q " 0% packet loss"'
ofctl -O OpenFlow13 del-flows --strict br0 priority=2,icmp
check "ovs-ofctl is answered" ofctl -O OpenFlow13 show br0
check "the 62 stay" has '^served 62 ' cat "$T/count"
memory_kib=$(ps -o rss= -p "$(switch_pid)")
if [ "$memory_kib" -lt 600000 ]; then pass "memory stays bounded"; else fail "memory stays bounded" "$memory_kib KiB"; fi
vsctl set-controller br0 "${targets[0]}" tcp:127.0.0.1:7101 tcp:127.0.0.1:7102 tcp:127.0.0.1:7103
wait_for 20 "bad ones are connected to again and again" has 'garbage=[2-9].* hangup=[2-9]' cat "$T/count"
wait_for 10 "the good one stays" has '^served 1 ' cat "$T/count"
check "traffic goes on" pings h1 10.0.0.2 20
check "ovs-ofctl is still answered" ofctl -O OpenFlow13 show br0
vsctl del-controller br0
wait_for 10 "deleted controllers are left" has '^served 0 ' cat "$T/count"
check "the switch still runs" switch_alive
