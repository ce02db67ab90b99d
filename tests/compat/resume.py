#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A controller that gets paused packets, changes them and lets them go on (NXT_RESUME).

    resume.py SOCKET RUNDIR    prints, for each case, the errors that came back; what the ports sent is for others to read

The switch has flows that pause what comes in on p1; packets are fed in with ovs-appctl netdev-dummy/receive.
"""
import random
import struct
import subprocess
import sys

sys.path.insert(0, sys.path[0] + "/../data")
from of_errors import Connection, error_text, message  # noqa: E402

NX, VERSION = 0x2320, 4
PACKET, METADATA, CONTINUATION = 0, 6, 0x8000
BRIDGE = 0x8000


def nicira(subtype, body):
    return message(VERSION, 4, struct.pack("!II", NX, subtype) + body, 0x77)


def properties(body):
    found = []
    while len(body) >= 4:
        kind, length = struct.unpack("!HH", body[:4])
        found.append((kind, body[4:length]))
        body = body[(length + 7) // 8 * 8:]
    return found


def pack(found):
    out = b""
    for kind, value in found:
        length = 4 + len(value)
        out += struct.pack("!HH", kind, length) + value + bytes(-length % 8)
    return out


class Controller:
    def __init__(self, path, rundir):
        self.rundir = rundir
        self.link = Connection(path, VERSION)
        self.send(nicira(16, struct.pack("!I", 2)))  # NXT_PACKET_IN2
        self.send(message(VERSION, 9, struct.pack("!HH", 0, 0xFFFF), 0x77))  # wants packet-ins
        self.errors()

    def send(self, data):
        self.link.sock.sendall(data)

    def errors(self):
        """What came back up to a barrier; packet-ins of that time are kept."""
        self.send(message(VERSION, 20, b"", 0x99))
        found, self.packets = [], []
        while True:
            kind, xid, body = self.link.read()
            if kind == 21 and xid == 0x99:
                return " ".join(found) or "-"
            if kind == 1:
                found.append(error_text(VERSION, body))
            if kind == 4:
                self.packets.append(properties(body[8:]))

    def pause(self, packet):
        subprocess.run(["ovs-appctl", "--timeout=15", "netdev-dummy/receive", "p1", packet], check=True,
                       env={"OVS_RUNDIR": self.rundir, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL)
        while True:
            kind, _, body = self.link.read()
            if kind == 4 and struct.unpack("!II", body[:8]) == (NX, 30):
                return properties(body[8:])

    def resume(self, found):
        self.send(nicira(28, pack([p for p in found if p[0] != 7])))
        return self.errors()


def changed(found, kind, change):
    return [(k, change(v) if k == kind else v) for k, v in found]


def main():
    controller = Controller(*sys.argv[1:3])
    udp = ("in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),"
           "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=4,ttl=64,frag=no),udp(src=53,dst=54)")
    paused = controller.pause(udp)
    print("as it came:", controller.resume(paused))
    print("the same once more:", controller.resume(paused))
    # reg1 7 -> 8: another rule of table 1
    eight = changed(paused, METADATA, lambda v: v.replace(bytes.fromhex("0001020400000007"), bytes.fromhex("0001020400000008")))
    assert eight != paused
    print("another register:", controller.resume(eight))
    print("another packet:", controller.resume(changed(paused, PACKET, lambda v: v[:-2] + b"\xab\xcd")))
    print("without metadata:", controller.resume([p for p in paused if p[0] != METADATA]))
    print("from another port:", controller.resume(changed(paused, METADATA, lambda v: v.replace(
        bytes.fromhex("0000000200018000000400000001")[4:], bytes.fromhex("8000000400000002")))))
    # continuations that are stale or garbled
    whole = dict(paused)[CONTINUATION]
    parts = properties(whole[4:])
    other = [(k, bytes(16) if k == BRIDGE else v) for k, v in parts]
    again = lambda p: changed(paused, CONTINUATION, lambda v: v[:4] + pack(p))  # noqa: E731
    print("of another bridge:", controller.resume(again(other)))
    print("without a bridge:", controller.resume(again([p for p in parts if p[0] != BRIDGE])))
    print("without continuation:", controller.resume([p for p in paused if p[0] != CONTINUATION]))
    print("without a packet:", controller.resume([p for p in paused if p[0] != PACKET]))
    print("an unknown part:", controller.resume(again(parts + [(0x80AA, b"1234")])))
    print("an unknown property:", controller.resume(paused + [(0x4d, b"1234")]))
    dice = random.Random(5)
    answered = 0
    for _ in range(300):
        broken = bytearray(pack(paused))
        for _ in range(dice.randrange(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        controller.send(nicira(28, bytes(broken)))
        controller.errors()
        answered += 1
    print("garbled:", answered, "answered")


main()
