# SPDX-License-Identifier: Apache-2.0
"""Every change that a user makes to a switch that forwards, for `measure: blocked`."""
from . import openflow
from .scenario import Port

RULES = 100_000


def all_changes(contender):
    """Pairs of a name and a function, in the order in which they can be made."""
    vsctl, ofctl = contender.vsctl, contender.ofctl
    link = openflow.Connection(contender.folder + "/br0.mgmt")
    bundle = openflow.adds(RULES, True)
    extra = Port(["sink"])
    one, two = contender.mask, contender.mask | contender.mask >> 1

    def commit():
        link.bundle(bundle)

    def remove_port():
        vsctl("del-port", "br0", "p9")
        contender.pages.pop(9).map.close()

    yield "nothing (for comparison)", lambda: None
    yield "add a port", lambda: contender.add_port(9, extra)
    yield "delete a port", remove_port
    yield "add a bridge", lambda: vsctl("add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev")
    yield "delete a bridge", lambda: vsctl("del-br", "br1")
    yield "add a rule", lambda: ofctl("add-flow", "br0", "priority=7,ip,nw_dst=30.0.0.2,actions=drop")
    yield "delete a rule", lambda: ofctl("--strict", "del-flows", "br0", "priority=7,ip,nw_dst=30.0.0.2")
    yield "add %d rules in a bundle" % RULES, commit
    yield "delete %d rules" % RULES, lambda: ofctl("del-flows", "br0", "udp,nw_dst=30.0.0.1", timeout=60)
    yield "add a group", lambda: ofctl("add-group", "br0", "group_id=7,type=select,bucket=output:2")
    yield "change a group", lambda: ofctl("mod-group", "br0", "group_id=7,type=select,bucket=output:2,bucket=output:1")
    yield "delete a group", lambda: ofctl("del-groups", "br0", "group_id=7")
    if two != one:
        yield "add a worker", lambda: vsctl("set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=%#x" % two)
        yield "delete a worker", lambda: vsctl("set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=%#x" % one)
    yield "add a queue to the other port", lambda: vsctl("set", "interface", "p2", "options:n_rxq=2")
    yield "delete it", lambda: vsctl("set", "interface", "p2", "options:n_rxq=1")
    yield "MTU of the other port", lambda: vsctl("set", "interface", "p2", "mtu_request=2000")
    yield "MTU of the port itself", lambda: vsctl("set", "interface", "p1", "mtu_request=2000")
    link.close()
