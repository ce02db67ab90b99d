#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the controller's side of a captured OVN session (ovn-trace/session.txt.gz) to a switch and compares its replies.

    ovn_replay.py SOCKET        prints "ok ..." and "FAIL ..." lines; "refused ..." lines name what the switch can't do

Replies are matched by transaction id. What is not compared: the hello's version bitmap, port status and packet-ins
(they depend on ports and packets, which are not replayed), in feature replies how many groups and meters fit, and that
meters here know dscp_remark bands too (OpenFlow 1.3 §5.7.1), which OVS's user-space datapath lacks.
A bundle is one request: if any of its messages is refused, the messages that were are listed, each reason once, and
the bundle counts as refused.
"""
import collections
import gzip
import os
import socket
import struct
import sys

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, VENDOR, PACKET_IN, FLOW_REMOVED, PORT_STATUS = 0, 1, 2, 3, 4, 10, 11, 12
NXT_RESUME, NXT_PACKET_IN2 = 28, 30


def trace():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ovn-trace", "session.txt.gz")
    with gzip.open(path, "rt") as lines:
        for line in lines:
            who, text = line.split()
            session, to_switch = (who[:2], True) if who.startswith("c") else (who[-2:], False)
            yield session, to_switch, bytes.fromhex(text)


class Session:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.buffer, self.by_xid = b"", {}

    def send(self, message):
        self.sock.sendall(message)

    def next(self):
        while True:
            if len(self.buffer) >= 8:
                _, kind, length, xid = struct.unpack("!BBHI", self.buffer[:8])
                if len(self.buffer) >= length:
                    message, self.buffer = self.buffer[:length], self.buffer[length:]
                    if kind == ECHO_REQUEST:
                        self.send(message[:1] + bytes([ECHO_REPLY]) + message[2:])
                        continue
                    return xid, kind, message
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the switch closed the connection")
            self.buffer += data

    def reply(self, wanted):
        """The first message with this transaction id; others are kept."""
        while True:
            if self.by_xid.get(wanted):
                return self.by_xid[wanted].pop(0)
            xid, kind, message = self.next()
            if kind in (HELLO, PACKET_IN, FLOW_REMOVED, PORT_STATUS):
                continue
            self.by_xid.setdefault(xid, []).append(message)


def is_asynchronous(message):
    kind = message[1]
    if kind == VENDOR and len(message) >= 16:
        return struct.unpack("!I", message[12:16])[0] == NXT_PACKET_IN2
    return kind in (HELLO, ECHO_REQUEST, PACKET_IN, FLOW_REMOVED, PORT_STATUS)


METER_FEATURES, BAND_TYPES, DSCP_REMARK = 11, slice(20, 24), 1 << 2


def comparable(message):
    if message[1] == 19 and struct.unpack("!H", message[8:10])[0] == METER_FEATURES:
        bands = struct.unpack("!I", message[BAND_TYPES])[0] & ~DSCP_REMARK
        message = message[:BAND_TYPES.start] + struct.pack("!I", bands) + message[BAND_TYPES.stop:]
    return message[:2] + message[8:]


def error_of(message):
    kind, code = struct.unpack("!HH", message[8:12])
    if kind == 0xFFFF:
        return "vendor %#x, %d" % (struct.unpack("!I", message[12:16])[0], code)
    return "type %d, code %d" % (kind, code)


def main():
    path = sys.argv[1]
    sessions, requests, counts, refused = {}, {}, {"ok": 0, "skipped": 0}, {}
    wrong, sent, expected = [], [], {}
    # The capture holds the directions in the order in which its proxy saw them: a reply may stand before its request.
    for name, to_switch, message in trace():
        if to_switch:
            sent.append((name, message))
        elif is_asynchronous(message):
            counts["skipped"] += 1
        else:
            expected.setdefault((name, message[4:8]), []).append(message)
    left = collections.Counter((name, message[4:8]) for name, message in sent)
    for name, message in sent:
        if name not in sessions:
            sessions[name] = Session(path)
        session = sessions[name]
        kind, xid = message[1], struct.unpack("!I", message[4:8])[0]
        # A continuation belongs to the switch that paused the packet.
        if kind == ECHO_REPLY or (kind == VENDOR and struct.unpack("!I", message[12:16])[0] == NXT_RESUME):
            counts["skipped"] += 1
            continue
        session.send(message)
        requests[(name, xid)] = message
        key = (name, message[4:8])
        left[key] -= 1
        # Requests may share a transaction id (echoes do): one reply each, what is left over goes to the last.
        wanted = expected.get(key, [])
        mine = wanted[:] if left[key] == 0 else wanted[:1]
        del wanted[:len(mine)]
        for want in mine:
            answer = session.reply(xid)
            if comparable(answer) == comparable(want):
                counts["ok"] += 1
            elif answer[1] == ERROR:
                refused[(kind, error_of(answer))] = refused.get((kind, error_of(answer)), 0) + 1
            else:
                wrong.append("%s xid %#x: expected %s, got %s" % (name, xid, want[:64].hex(), answer[:64].hex()))
    for key in (key for key, replies in expected.items() if replies):
        wrong.append("%s xid %s: no request for this reply" % (key[0], key[1].hex()))
    # What was refused without anybody waiting for it: messages of bundles, group-mods, meter-mods.
    for name, session in sessions.items():
        session.send(struct.pack("!BBHI", 6, 20, 8, 0xFFFFFFF0))
        session.reply(0xFFFFFFF0)
        for xid, messages in session.by_xid.items():
            for message in messages:
                if message[1] == ERROR:
                    request = requests.get((name, xid), b"\0\0")
                    key = (request[1], error_of(message))
                    refused[key] = refused.get(key, 0) + 1
    for (kind, error), count in sorted(refused.items()):
        print("refused: %d messages of type %d, error %s" % (count, kind, error))
    print("%d replies are as in the capture, %d messages depend on the machine" % (counts["ok"], counts["skipped"]))
    for line in wrong:
        print("FAIL reply as in the capture: " + line)
    if not wrong:
        print("ok all replies are as in the capture")
    print("%s nothing is refused" % ("FAIL" if refused else "ok"))


if __name__ == "__main__":
    main()
