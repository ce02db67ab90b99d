#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random and malformed bytes on the OpenFlow and control sockets; half messages; many connections at once.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
for target in "$T/br0.mgmt" "$(echo "$T"/ovs-vswitchd.*.ctl)"; do
    python_test "$target" <<'PY'
import os, random, select, socket, struct, sys, time
path = sys.argv[1]
random.seed(int(os.environ.get("SLUICE_SEED", "1")))
def talk(data, read=True):
    deadline = time.monotonic() + 5
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        try:
            s.connect(path)
            break
        except BlockingIOError:  # its queue of new connections is full for the moment
            s.close()
            if time.monotonic() > deadline:
                raise
            select.select([], [], [], 0.01)
    try:
        s.sendall(data)
        if read:
            s.settimeout(0.02)
            s.recv(65536)
    except OSError:
        pass
    return s
name = "OpenFlow" if path.endswith("mgmt") else "control"
hello = struct.pack("!BBHI", 4, 0, 8, 1)
for _ in range(100):
    talk(random.randbytes(random.randrange(1, 200))).close()
print("ok %s socket: 100 times random bytes" % name)
for kind in range(40):
    for length in (0, 7, 8, 9, 12, 16, 56, 65535):
        body = random.randbytes(max(0, min(length, 200) - 8))
        talk(hello + struct.pack("!BBHI", 4, kind, length, 7) + body, read=kind % 8 == 0).close()
print("ok %s socket: every message type with wrong lengths" % name)
for text in (b"{", b"[]", b'{"method":1}', b'{"id":null,"method":"version","params":[[[[]]]]}', b'{"id":0,"method":"nosuch","params":[]}',
             b'"' + b"x" * 100000, b"[" * 100000, b'{"id":1,"method":"version","params":["a","b","c","d"]}', b"\xff\xfe\x00" * 100,
             b'{"id":0,"method":"ofproto/trace","params":["br0","in_port=99999999999"]}'):
    talk(text).close()
print("ok %s socket: JSON that isn't, or isn't a request" % name)
held = [talk(hello[:random.randrange(0, 8)], read=False) for _ in range(200)]
print("ok %s socket: 200 connections that say half a word" % name)
PY
    check "the switch still runs" switch_alive
done
check "ovs-ofctl is answered" ofctl show br0
check "ovs-appctl is answered" appctl version
check "traffic passes" pings h1 10.0.0.2
expect_eq "there is still one flow" 1 "$(ofctl dump-flows br0 | grep -c actions=)"
