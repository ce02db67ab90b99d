#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two namespaces reach each other and the bridge's own port through a bridge with its first flow, NORMAL.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "h1 reaches h2" pings h1 10.0.0.2
check "1400 byte packets pass" ns h1 ping -q -c 2 -W 2 -s 1372 10.0.0.2
ip addr add 10.0.0.254/24 dev br0 && ip link set br0 up
wait_for 5 "h1 reaches the bridge's own port" pings h1 10.0.0.254
check "the bridge's own port reaches h2" ping -q -c 2 -i 0.05 -W 2 10.0.0.2
expect_match "fdb/show lists the address of h1" "$(ns h1 cat /sys/class/net/eth0/address)" "$(appctl fdb/show br0)"
check "TCP passes" timeout 30 "$PYTHON" - <<'PY'
import socket, subprocess, sys
server = subprocess.Popen(["ip", "netns", "exec", "h2", sys.executable, "-c", """
import socket
s = socket.create_server(("10.0.0.2", 5000)); s.settimeout(10); print("up", flush=True)
c = s.accept()[0]; n = 0
while True:
    d = c.recv(65536)
    if not d: break
    n += len(d)
c.close(); print(n)
"""], stdout=subprocess.PIPE, text=True)
assert server.stdout.readline() == "up\n"
subprocess.run(["ip", "netns", "exec", "h1", sys.executable, "-c", """
import socket
s = socket.create_connection(("10.0.0.2", 5000), timeout=10)
for _ in range(64): s.sendall(bytes(65536))
s.close()
"""], check=True)
assert int(server.communicate(timeout=15)[0]) == 64 * 65536
PY
