#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Peers at a vhost-user socket that send half a message and wait, nonsense, wrong descriptors, or too much: the connection
# ends with a reason in the status, the next peer is served, and the switch goes on, port removal included.
. "$(dirname "$0")/../lib.sh"

sluice_only "the reason in the status" || exit 0
start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
vsctl add-port br0 vs -- set interface vs type=dpdkvhostuser
wait_for 5 "the switch listens" test -S "$T/vs"
# peer NAME REGEX PYTHON: what `s` is made to send ends the connection, with a reason that matches.
peer() {
    python_test "$1" "$2" "$3" <<'PY'
import array, os, re, socket, struct, subprocess, sys, time
name, reason, code = sys.argv[1:4]
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(os.environ["T"] + "/vs")
def message(request, payload=b"", fds=(), flags=1, size=None):
    data = struct.pack("III", request, flags, len(payload) if size is None else size) + payload
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    s.sendmsg([data], control)
def ended():
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True
null = os.open("/dev/null", os.O_RDWR)
memory = os.memfd_create("m")
os.ftruncate(memory, 1 << 16)
exec(code)
print(("ok " if ended() else "FAIL ") + name + ": the connection ends")
deadline = time.time() + 10
while True:
    status = subprocess.run(["ovs-vsctl", "get", "interface", "vs", "status"], capture_output=True, text=True).stdout
    if re.search(reason, status) or time.time() > deadline:
        break
    time.sleep(0.1)
print(("ok " if re.search(reason, status) else "FAIL ") + name + ": the status says why: " + status.strip())
PY
}
peer "noise" 'the limit is 4096' 's.sendall(bytes(range(1, 200)) * 5)'
peer "an endless message" 'of 4294967295 bytes' 'message(2, size=0xffffffff)'
peer "an unknown message" 'message 77 is not known' 'message(77, bytes(8))'
peer "an empty message" 'message 2 is cut' 'message(2)'
peer "features not offered" 'were not offered' 'message(2, b"\xff" * 8)'
peer "a descriptor too many" 'it takes none' 'message(1, fds=[null])'
peer "thirty descriptors" '30 descriptors' 'message(5, struct.pack("IIQQQQ", 1, 0, 0, 4096, 0, 0), fds=[memory] * 30)'
peer "memory outside its file" 'outside the file' 'message(5, struct.pack("IIQQQQ", 1, 0, 0, 1 << 40, 0, 0), fds=[memory])'
peer "a device as memory" 'not a file' 'message(5, struct.pack("IIQQQQ", 1, 0, 0, 4096, 0, 0), fds=[null])'
peer "a ring far out" 'ring 4294967295 does not exist' 'message(8, struct.pack("II", 0xffffffff, 256))'
peer "a device to be kicked with" 'is no eventfd' 'message(12, struct.pack("Q", 0), fds=[null])'
peer "a hang-up amid a message" 'closed the connection' 's.sendall(struct.pack("III", 2, 1, 8) + b"1234"); s.shutdown(socket.SHUT_WR)'

# One that stops amid a message keeps its port, and nothing else.
"$PYTHON" -c 'import socket, struct, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(struct.pack("III", 2, 1, 8) + b"1234")
time.sleep(300)' "$T/vs" &
silent=$!
wait_for 10 "a silent peer is connected" has connected vsctl get interface vs status:status
check "another port comes meanwhile" vsctl add-port br0 vs2 -- set interface vs2 type=dpdkvhostuser
wait_for 5 "and listens" test -S "$T/vs2"
check "the silent peer's port goes at once" vsctl del-port br0 vs
check_fails "with its socket" test -e "$T/vs"
kill "$silent"
check "the others still talk" pings h1 10.0.0.2
check "the switch still runs" switch_alive
