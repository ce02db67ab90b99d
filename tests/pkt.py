# SPDX-License-Identifier: Apache-2.0
"""Frames, sockets in network namespaces and a small OpenFlow client, for the scripts of tests/."""
import ctypes
import os
import select
import socket
import struct
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SOL_PACKET, PACKET_AUXDATA = 263, 8
ETH_P_ALL = 3


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip4(text):
    return socket.inet_aton(text)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(dst, src, ethertype, payload, vlan=None, pcp=0):
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, pcp << 13 | vlan)
    return (mac(dst) + mac(src) + tag + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def udp4(src, dst, sport, dport, payload=b"sluice", ttl=64):
    length = 8 + len(payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, ttl, 17, 0, ip4(src), ip4(dst))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + struct.pack("!HHHH", sport, dport, length, 0) + payload


class Link:
    """An AF_PACKET socket on a device of a namespace (None: this one). Sees tags even where the kernel strips them."""

    def __init__(self, namespace, device="eth0"):
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        if namespace:
            there = os.open("/run/netns/" + namespace, os.O_RDONLY)
            if LIBC.setns(there, 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns " + namespace)
            os.close(there)
        try:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.sock.bind((device, ETH_P_ALL))
        finally:
            LIBC.setns(here, 0x40000000)
            os.close(here)

    def send(self, frame):
        self.sock.send(frame)

    def receive(self, timeout=1.0, want=lambda frame: True):
        """The next frame that `want` accepts and that came from outside, or None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            data, control, _, address = self.sock.recvmsg(70000, 256)
            if address[2] == 4:  # PACKET_OUTGOING: our own
                continue
            for level, kind, value in control:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
                    if status & 0x10:  # TP_STATUS_VLAN_VALID
                        tpid = tpid if status & 0x40 else 0x8100
                        data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
            if want(data):
                return data

    def drain(self):
        while self.receive(0) is not None:
            pass


def vlan_of(frame):
    """VLAN id of the outer tag, or None."""
    if frame[12:14] not in (b"\x81\x00", b"\x88\xa8"):
        return None
    return struct.unpack("!H", frame[14:16])[0] & 0xFFF


class OpenFlow:
    """A connection to <bridge>.mgmt that speaks just enough OpenFlow 1.3."""

    def __init__(self, path, version=4):
        self.version, self.xid, self.buffer = version, 100, b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.send(0, b"")

    def send(self, kind, body):
        self.xid += 1
        self.sock.sendall(struct.pack("!BBHI", self.version, kind, 8 + len(body), self.xid) + body)
        return self.xid

    def message(self):
        while True:
            if len(self.buffer) >= 8:
                _, kind, length, xid = struct.unpack("!BBHI", self.buffer[:8])
                if len(self.buffer) >= length:
                    body, self.buffer = self.buffer[8:length], self.buffer[length:]
                    if kind == 2:  # echo request
                        self.sock.sendall(struct.pack("!BBHI", self.version, 3, 8 + len(body), xid) + body)
                        continue
                    return kind, xid, body
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the switch closed the connection")
            self.buffer += data

    def echo(self):
        """Waits for one turn of the switch's loop."""
        xid = self.send(2, b"")
        while True:
            kind, got, _ = self.message()
            if kind == 3 and got == xid:
                return

    def barrier(self):
        xid = self.send(20, b"")
        while True:
            kind, got, body = self.message()
            if kind == 1:
                raise RuntimeError("OpenFlow error %s" % body.hex())
            if kind == 21 and got == xid:
                return

    def flow_in_port(self, in_port, out_port, command=0, priority=100):
        """Adds (0), modifies (1) or deletes (3) the flow in_port=in_port,actions=output:out_port."""
        match = struct.pack("!HHHBBI", 1, 12, 0x8000, 0, 4, in_port) + b"\0" * 4
        output = struct.pack("!HHIH6x", 0, 16, out_port, 0xFFFF)
        actions = struct.pack("!HH4x", 4, 8 + len(output)) + output
        if command == 3:
            actions = b""
        self.send(14, struct.pack("!QQBBHHHIIIHxx", 0, 0, 0, command, 0, 0, priority, 0xFFFFFFFF, 0xFFFFFFFF,
                                  0xFFFFFFFF, 0) + match + actions)


def ok(sentence, condition, detail=""):
    print(("ok " if condition else "FAIL ") + sentence + ("" if condition or not detail else ": %s" % detail), flush=True)
    return bool(condition)
