#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Controller roles: one master at a time, a slave may not change flows, an old generation id is refused.
. "$(dirname "$0")/../lib.sh"

start_switch
add_bridge br0
python_test <<'PY'
import os, struct
from pkt import *
path = os.environ["OVS_RUNDIR"] + "/br0.mgmt"
def role(conn, wanted, generation):
    xid = conn.send(24, struct.pack("!I4xQ", wanted, generation))
    while True:
        kind, got, body = conn.message()
        if got == xid:
            return struct.unpack("!I", body[:4])[0] if kind == 25 else "error %d/%d" % struct.unpack("!HH", body[:4])
a, b = OpenFlow(path), OpenFlow(path)
ok("a connection begins as equal", role(a, 0, 0) == 1)
ok("one becomes master", role(a, 2, 5) == 2)
ok("the other becomes master", role(b, 2, 6) == 2)
ok("the first is a slave now", role(a, 0, 0) == 3)
answer = role(a, 2, 5)
ok("a stale generation id is refused", answer == "error 11/0", answer)
a.flow_in_port(1, 2)
try:
    a.barrier()
    ok("a slave may not add a flow", False)
except RuntimeError as error:
    ok("a slave may not add a flow (bad request, is slave)", str(error).endswith("error") or "0001000a" in str(error), error)
b.flow_in_port(1, 2)
b.barrier()
ok("the master may", True)
PY
expect_match "the master's flow is there" 'in_port=1' "$(ofctl dump-flows br0)"
