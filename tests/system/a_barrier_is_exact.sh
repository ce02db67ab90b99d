#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A thousand rule changes, each followed by a packet at once when its barrier reply arrives: the new rule is obeyed a
# thousand times, whether it was added over the old one, modified, or deleted and added.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
vsctl set-fail-mode br0 secure
for name in h1 h2 h3; do add_guest $name ''; done
python_test <<'PY'
import os, struct
from pkt import *
source, links = Link("h1"), {2: Link("h2"), 3: Link("h3")}
control = OpenFlow(os.environ["OVS_RUNDIR"] + "/br0.mgmt")
frame = lambda n: eth("02:00:00:00:00:02", "02:00:00:00:00:01", 0x88B5, struct.pack("!I", n))
mine = lambda n: lambda f: f[12:14] == b"\x88\xb5" and f[14:18] == struct.pack("!I", n)
old, lost, rounds = 0, 0, 1000
control.flow_in_port(1, 3)
control.barrier()
for n in range(rounds):
    new, other = (2, 3) if n % 2 == 0 else (3, 2)
    if n % 3 == 0:
        control.flow_in_port(1, new)
    elif n % 3 == 1:
        control.flow_in_port(1, new, command=1)
    else:
        control.flow_in_port(1, new, command=3)
        control.flow_in_port(1, new)
    control.barrier()
    source.send(frame(n))
    if links[new].receive(0.5, mine(n)) is None:
        if links[other].receive(0.05, mine(n)) is not None:
            old += 1
        else:
            lost += 1
# OVS itself sends most of them the old way; there, only the plumbing is checked.
if "ovs-vswitchd" in os.path.realpath(os.environ["SLUICE_SWITCH"]):
    ok("packets arrive (OVS took the old path %d of %d times)" % (old, rounds), lost == 0, "%d lost" % lost)
else:
    ok("%d of %d packets after a barrier took the new path" % (rounds - old - lost, rounds), old == 0 and lost == 0,
       "%d the old path, %d lost" % (old, lost))
PY
