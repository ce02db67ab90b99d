#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# options:pstream and options:stream of dummy ports: a program that connects gets what the port sends and says what it
# receives; a port connects to a program, and to another port. As with OVS.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"

udp='in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)'
frame=ffffffffffff00000000000188b5$(printf '%092d' 0)
# peer listen|connect PATH FILE [HEX...]: the other end; sends frames, in pieces, and writes down what comes, one a line.
peer() {
    python3 - "$@" 2>/dev/null <<'PY'
import socket, struct, sys, time
how, path, file, frames = sys.argv[1], sys.argv[2], sys.argv[3], [bytes.fromhex(f) for f in sys.argv[4:]]
end = time.monotonic() + 15
sock = socket.socket(socket.AF_UNIX)
if how == "listen":
    sock.bind(path), sock.listen(1), sock.settimeout(15)
    sock = sock.accept()[0]
else:
    while sock.connect_ex(path) and time.monotonic() < end:
        time.sleep(0.02)
sock.settimeout(15)
for data in (struct.pack(">H", len(frame)) + frame for frame in frames):
    for part in (data[:1], data[1:20], data[20:]):
        sock.sendall(part), time.sleep(0.01)
with open(file, "w", buffering=1) as out:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
        while len(data) >= 2 and len(data) >= 2 + (size := struct.unpack(">H", data[:2])[0]):
            out.write(data[2:2 + size].hex() + "\n")
            data = data[2 + size:]
PY
}
has_lines() { [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }
is_connected() { inside ovs-appctl netdev-dummy/conn-state "$1" | grep -q ': connected'; }
counted() { inside ovs-ofctl dump-flows br0 "$1" | grep -q "n_packets=$2,"; }
receives() { settle; counted "$1" "$2"; }
streams() {
    local d=$T/$side
    peer listen "$d/p3.sock" "$d/p3.got" "$frame" &
    local third=$!
    vs add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure other_config:hwaddr=aa:55:aa:55:00:00 \
        -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 "options:pstream=punix:$d/p1.sock" \
        -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2 \
        -- add-port br0 p4 -- set interface p4 type=dummy ofport_request=4 "options:stream=unix:$d/p1.sock"
    of add-flow br0 'in_port=1,actions=output:2,output:3'
    of add-flow br0 'in_port=2,actions=output:1,output:4'
    of add-flow br0 'in_port=3,actions=output:1'
    of add-flow br0 'in_port=4,actions=output:3'
    peer connect "$d/p1.sock" "$d/first.got" "$frame" "${frame}0102" &
    local first=$!
    until_true 10 receives in_port=1 2 && echo "both frames came"
    vs add-port br0 p3 -- set interface p3 type=dummy ofport_request=3 "options:stream=unix:$d/p3.sock"
    until_true 10 is_connected p3 && until_true 10 is_connected p4 && echo "two ports are connected"
    until_true 10 has_lines "$d/first.got" 1 && echo "what came from p3 went to who is connected to p1:"
    until_true 10 receives in_port=4 1 && echo "and to p4"
    sort "$d/first.got"
    app netdev-dummy/receive p2 "$udp"
    until_true 10 has_lines "$d/first.got" 2 && sort "$d/first.got"
    until_true 10 receives in_port=4 2 && until_true 10 receives in_port=1 3 && echo "p1 and p4 talk to each other"
    until_true 10 has_lines "$d/p3.got" 3 && sort "$d/p3.got"
    app netdev-dummy/conn-state | sort
    app netdev-dummy/conn-state p1
    app netdev-dummy/conn-state p3
    app dpif/show | sed 's#unix:[^ )]*/#unix:DIR/#'
    # Lengths that no frame has end the connection; others stay.
    python3 -c 'import socket,sys
s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1]); s.sendall(b"\0\5hello" + b"x" * 60)
try: print("closed" if s.recv(10) == b"" else "open")
except ConnectionResetError: print("closed")' "$d/p1.sock"
    app netdev-dummy/receive p2 "$udp"
    until_true 10 has_lines "$d/first.got" 3 && echo "the other is still there"
    kill $third 2>/dev/null; wait $third 2>/dev/null
    until_true 10 not is_connected p3 && app netdev-dummy/conn-state p3
    rm "$d/p3.sock"
    peer listen "$d/p3.sock" "$d/p3.again" &
    third=$!
    until_true 15 is_connected p3 && echo "connected again"
    vs clear interface p4 options -- set interface p4 "options:pstream=punix:$d/p4.sock"
    until_true 10 [ -S "$d/p4.sock" ]
    app netdev-dummy/conn-state | sort
    vs del-port p1
    [ ! -S "$d/p1.sock" ] && echo "the socket is gone"
    kill $first $third 2>/dev/null
    wait $first $third 2>/dev/null
}
not() { ! "$@"; }
both "dummy ports speak by streams as OVS's do" streams --enable-dummy
