#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Access, trunk, native-tagged, native-untagged and dot1q-tunnel-free ports, seen in real frames.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
add_guest a10 '' br0 tag=10
add_guest b10 '' br0 tag=10
add_guest c20 '' br0 tag=20
add_guest trunk '' br0 trunks=10,20
add_guest all ''
add_guest nat '' br0 tag=10 vlan_mode=native-tagged trunks=20
add_guest natu '' br0 tag=10 vlan_mode=native-untagged trunks=20
python_test <<'PY'
import struct, time
from pkt import *
names = ["a10", "b10", "c20", "trunk", "all", "nat", "natu"]
links = {name: Link(name) for name in names}
counter = [0]
def flood(source, vlan):
    """Sends a broadcast frame from a port; {port: vlan id or 'none'} of the ports that it reached."""
    counter[0] += 1
    mark = struct.pack("!I", counter[0])
    links[source].send(eth("ff:ff:ff:ff:ff:ff", "02:00:00:00:01:%02x" % (names.index(source) + 1), 0x88B5, mark, vlan))
    seen, deadline = {}, time.monotonic() + 0.25
    for name in names:
        def want(frame):
            at = 18 if vlan_of(frame) is not None else 14
            return frame[at:at + 4] == mark and frame[at - 2:at] == b"\x88\xb5"
        frame = links[name].receive(max(0.02, deadline - time.monotonic()), want)
        if frame is not None and name != source:
            seen[name] = "none" if vlan_of(frame) is None else vlan_of(frame)
    return seen
def expect(sentence, source, vlan, wanted):
    got = flood(source, vlan)
    ok(sentence, got == wanted, "wanted %s, got %s" % (wanted, got))
expect("from an access port", "a10", None, {"b10": "none", "trunk": 10, "all": 10, "nat": 10, "natu": "none"})
expect("a tagged frame into an access port is dropped", "a10", 10, {})
expect("from the access port of another VLAN", "c20", None, {"trunk": 20, "all": 20, "nat": 20, "natu": 20})
expect("from a trunk, tag 10", "trunk", 10, {"a10": "none", "b10": "none", "all": 10, "nat": 10, "natu": "none"})
expect("from a trunk, tag 30 that it does not carry", "trunk", 30, {})
expect("from a trunk, untagged: VLAN 0 is not in its trunks", "trunk", None, {})
expect("from a port of all VLANs, tag 30", "all", 30, {})
expect("from a port of all VLANs, untagged", "all", None, {})
expect("native-tagged, untagged in: VLAN 10", "nat", None, {"a10": "none", "b10": "none", "trunk": 10, "all": 10, "natu": "none"})
expect("native-tagged, tag 20", "nat", 20, {"c20": "none", "trunk": 20, "all": 20, "natu": 20})
expect("native-untagged, untagged in: VLAN 10", "natu", None, {"a10": "none", "b10": "none", "trunk": 10, "all": 10, "nat": 10})
PY
expect_match "fdb/show keeps the VLAN of an address" '^ +[0-9]+ +10 +02:00:00:00:01:01' "$(appctl fdb/show br0)"
check "fdb/flush" appctl fdb/flush br0
expect_no_match "the table is empty" '02:00:00:00:01:01' "$(appctl fdb/show br0)"
expect_match "fdb/stats-show counts" 'Total number of learned MAC entries' "$(appctl fdb/stats-show br0)"
