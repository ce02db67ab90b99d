#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A database reached over tcp and ssl; and the lock: a second daemon waits, a stolen lock stops reconfiguration only.
. "$(dirname "$0")/../lib.sh"

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sluice-test -keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
start_ovsdb --remote=ptcp:6640:127.0.0.1 --remote=pssl:6641:127.0.0.1 \
    --private-key="$T/key.pem" --certificate="$T/cert.pem" --ca-cert="$T/cert.pem"
start_on() { # DATABASE [ARGUMENTS...]
    check "the switch starts on $1" timeout 20 "$SLUICE_SWITCH" "$1" --detach --no-chdir --pidfile -vconsole:off \
        --log-file="$T/switch.log" "${@:2}"
}
start_on tcp:127.0.0.1:6640
add_bridge br0
add_guest h1 10.0.0.1/24
add_guest h2 10.0.0.2/24
check "tcp: traffic passes" pings h1 10.0.0.2
stop_switch
start_on ssl:127.0.0.1:6641 --private-key="$T/key.pem" --certificate="$T/cert.pem" --ca-cert="$T/cert.pem"
add_guest h3 10.0.0.3/24
wait_for 5 "ssl: a port is added, traffic passes" pings h1 10.0.0.3
stop_switch
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=stranger -keyout "$T/key2.pem" -out "$T/cert2.pem" 2>/dev/null
timeout 20 "$SLUICE_SWITCH" ssl:127.0.0.1:6641 --private-key="$T/key2.pem" --certificate="$T/cert2.pem" --ca-cert="$T/cert2.pem" \
    --no-chdir --pidfile -vconsole:off --log-file="$T/stranger.log" &
stranger=$!
wait_for 10 "ssl: a server that it has no authority for is refused, and told" has 'certificate verify failed|SSL' cat "$T/stranger.log"
kill $stranger
until_true 5 gone $stranger
start_on "unix:$T/db.sock"
wait_for 5 "unix: traffic passes" pings h1 10.0.0.2
# Somebody takes the lock: traffic goes on, changes wait, until it is given back.
cat >"$T/thief.py" <<'PY'
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"method": "steal", "params": ["ovs_vswitchd"], "id": 1}).encode())
print(s.recv(65536).decode(), flush=True)
s.settimeout(0.5)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:  # answers echo requests until it is killed
    try:
        text = s.recv(65536).decode()
    except socket.timeout:
        continue
    if '"echo"' in text:
        s.sendall(json.dumps({"result": [], "id": "echo", "error": None}).encode())
PY
"$PYTHON" "$T/thief.py" "$T/db.sock" >"$T/thief.txt" &
thief=$!
wait_for 5 "the lock is stolen" has '"locked":true' cat "$T/thief.txt"
wait_for 5 "the switch tells that another process runs" has 'another ovs-vswitchd process is running' cat "$T/switch.log"
check "traffic goes on" pings h1 10.0.0.2 20
timeout 5 ovs-vsctl --timeout=1 add-port br0 later -- set interface later type=internal >/dev/null 2>&1
check_fails "changes wait" ip link show later
kill $thief
wait_for 10 "the lock comes back and the change is made" ip link show later
check "traffic passed on" pings h1 10.0.0.2
