#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several controllers, of which one changes groups and meters: who is told (OFPT_REQUESTFORWARD, OpenFlow 1.4 §7.4.5)?

    forwarded.py SOCKET    prints what each controller receives, in 1.4 and 1.5
"""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from pkt import OpenFlow  # noqa: E402

SET_ASYNC, GROUP_MOD, ROLE_REQUEST, METER_MOD = 28, 15, 24, 29
SLAVE_BITS, MASTER_BITS = 10, 11  # OFPACPT_REQUESTFORWARD_*
GROUPS, METERS = 1, 2


def wish(connection, slave, master):
    connection.send(SET_ASYNC, struct.pack("!HHIHHI", SLAVE_BITS, 8, slave, MASTER_BITS, 8, master))


def group(connection, command, number):
    tail = struct.pack("!HxxI", 0, 0xFFFFFFFF) if connection.version == 6 else b""
    connection.send(GROUP_MOD, struct.pack("!HBxI", command, 0, number) + tail)


def meter(connection, command, number, rate=None):
    """With a rate in kbit/s and a burst; without one: deletes."""
    band = struct.pack("!HHII4x", 1, 16, rate, 10) if rate else b""
    connection.send(METER_MOD, struct.pack("!HHI", command, 5 if rate else 0, number) + band)


def received(connection):
    """Everything that came until now, without transaction ids."""
    xid = connection.send(2, b"")
    while True:
        kind, got, body = connection.message()
        if kind == 3 and got == xid:
            return
        if kind != 0:
            inner = body[:4].hex() + " xid " + body[8:].hex() if kind == 32 else body[:4].hex()
            yield "type %d: %s" % (kind, inner)


def main():
    for version in (5, 6):
        listeners = {name: OpenFlow(sys.argv[1], version) for name in ("groups", "meters", "both", "none", "slave", "deaf slave")}
        wish(listeners["groups"], 0, GROUPS)
        wish(listeners["meters"], 0, METERS)
        wish(listeners["both"], 0, GROUPS | METERS)
        wish(listeners["slave"], GROUPS | METERS, 0)
        wish(listeners["deaf slave"], 0, GROUPS | METERS)
        for name in ("slave", "deaf slave"):
            listeners[name].send(ROLE_REQUEST, struct.pack("!I4xQ", 3, 1))
        speaker = OpenFlow(sys.argv[1], version)
        wish(speaker, GROUPS | METERS, GROUPS | METERS)
        for connection in list(listeners.values()) + [speaker]:
            connection.echo()
        group(speaker, 0, 7)
        group(speaker, 0, 7)  # refused: it is there
        group(speaker, 1, 7)
        meter(speaker, 0, 5, 1000)
        meter(speaker, 1, 5, 2000)
        meter(speaker, 1, 6, 2000)  # refused: it is not there
        meter(speaker, 2, 5)
        group(speaker, 2, 7)
        speaker.send(20, b"")
        for name, connection in [("speaker", speaker)] + list(listeners.items()):
            print("version %d, %s:" % (version, name))
            for line in received(connection):
                print("    " + line)


main()
