#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vlan_mode=dot1q-tunnel with cvlans and qinq-ethtype, protected ports, and VLANs in which nothing is learned.
. "$(dirname "$0")/../lib.sh"

start_switch
vsctl set Open_vSwitch . other_config:vlan-limit=2
add_bridge br0
add_guest cust '' br0 vlan_mode=dot1q-tunnel tag=100
add_guest some '' br0 vlan_mode=dot1q-tunnel tag=100 cvlans=5
add_guest prov '' br0 trunks=100
cat >"$T/frames.py" <<'PY'
import struct, time
from pkt import *
counter = [0]
def tags_of(frame):
    at, tags = 12, []
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        tags.append("%s:%d" % (frame[at:at + 2].hex(), struct.unpack("!H", frame[at + 2:at + 4])[0] & 0xFFF))
        at += 4
    return tags, frame[at:]
def send(links, source, tags=(), dst="ff:ff:ff:ff:ff:ff", src=None, wait=0.25):
    """{port: its tags} of the ports that a frame from `source` reached. Tags are (type, VLAN) pairs."""
    counter[0] += 1
    payload = b"\x88\xb5" + struct.pack("!I", counter[0])
    head = b"".join(struct.pack("!HH", kind, vid) for kind, vid in tags)
    names = list(links)
    source_mac = src or "02:00:00:00:03:%02x" % (names.index(source) + 1)
    links[source].send((mac(dst) + mac(source_mac) + head + payload).ljust(64, b"\0"))
    seen, deadline = {}, time.monotonic() + wait
    for name in names:
        frame = links[name].receive(max(0.02, deadline - time.monotonic()), lambda f: tags_of(f)[1].startswith(payload))
        if frame is not None and name != source:
            seen[name] = tags_of(frame)[0]
    return seen
def expect(sentence, got, wanted):
    ok(sentence, got == wanted, "wanted %s, got %s" % (wanted, got))
PY
export PYTHONPATH=$PYTHONPATH:$T
python_test <<'PY'
from frames import *
links = {name: Link(name) for name in ("cust", "some", "prov")}
expect("a customer's tag is kept inside the provider's", send(links, "cust", [(0x8100, 5)]), {"some": ["8100:5"], "prov": ["88a8:100", "8100:5"]})
expect("a customer VLAN that the other port does not take", send(links, "cust", [(0x8100, 6)]), {"prov": ["88a8:100", "8100:6"]})
expect("an untagged frame gets the provider's tag alone", send(links, "cust"), {"prov": ["88a8:100"]})
expect("a port with cvlans refuses other VLANs", send(links, "some", [(0x8100, 6)]), {})
expect("from the provider the outer tag is taken away", send(links, "prov", [(0x88A8, 100), (0x8100, 5)]), {"cust": ["8100:5"], "some": ["8100:5"]})
expect("another provider VLAN does not come in", send(links, "prov", [(0x88A8, 101), (0x8100, 5)]), {})
PY
vsctl set port v-cust other_config:qinq-ethtype=802.1q
python_test <<'PY'
from frames import *
links = {name: Link(name) for name in ("cust", "prov")}
expect("qinq-ethtype=802.1q changes the type of the outer tag", send(links, "cust", [(0x8100, 5)]), {"prov": ["8100:100", "8100:5"]})
PY
for port in cust some prov; do del_guest $port; done

for name in pa pb open; do add_guest $name ''; done
vsctl set port v-pa protected=true -- set port v-pb protected=true
cat >"$T/protected.py" <<'PY'
from frames import *
import sys
links = {name: Link(name) for name in ("pa", "pb", "open")}
both = sys.argv[1] == "both"
expect("%s: broadcast of a protected port" % sys.argv[1], send(links, "pa"), {"open": []} if both else {"open": [], "pb": []})
expect("%s: broadcast of an open port" % sys.argv[1], send(links, "open"), {"pa": [], "pb": []})
send(links, "pb")
expect("%s: unicast between the two" % sys.argv[1], send(links, "pa", dst="02:00:00:00:03:02"), {} if both else {"pb": []})
expect("%s: unicast from the open port" % sys.argv[1], send(links, "open", dst="02:00:00:00:03:02"), {"pb": []})
PY
python_test both <"$T/protected.py"
vsctl set port v-pb protected=false
python_test one <"$T/protected.py"

check "an address is known" has '02:00:00:00:03:01' appctl fdb/show br0
vsctl set bridge br0 flood_vlans=0
sluice_only "learned addresses are forgotten at once" &&
    expect_no_match "flood_vlans forgets what was learned there" '02:00:00:00:03:0' "$(appctl fdb/show br0)"
python_test <<'PY'
from frames import *
links = {name: Link(name) for name in ("pa", "pb", "open")}
send(links, "pb")
expect("a VLAN of flood_vlans floods unicast too", send(links, "open", dst="02:00:00:00:03:02"), {"pa": [], "pb": []})
PY
if sluice_only "learned addresses are forgotten at once"; then
    expect_no_match "and nothing is learned in it" '02:00:00:00:03:0' "$(appctl fdb/show br0)"
fi
vsctl clear bridge br0 flood_vlans
sluice_only "learning again at once" && python_test <<'PY'
from frames import *
links = {name: Link(name) for name in ("pa", "pb", "open")}
send(links, "pb")
expect("without flood_vlans it learns again", send(links, "open", dst="02:00:00:00:03:02"), {"pb": []})
PY
