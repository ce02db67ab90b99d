# SPDX-License-Identifier: Apache-2.0
"""Many flow-mods through one OpenFlow 1.4 connection, encoded beforehand so that the client is not the limit."""
import socket
import struct
import time

VERSION = 5  # OpenFlow 1.4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY, BUNDLE_CONTROL, BUNDLE_ADD = 0, 1, 2, 3, 14, 20, 21, 33, 34
OPEN, COMMIT = 0, 4
ATOMIC_ORDERED = 3
ANY = 0xFFFFFFFF


def oxm(field, value):
    return struct.pack("!HBB", 0x8000, field << 1, len(value)) + value


def message(kind, xid, body):
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


def five_tuple(i):
    """The match of flow i: UDP from 20.x to 30.0.0.1, which no measured packet is."""
    return b"".join((oxm(5, b"\x08\x00"), oxm(10, b"\x11"), oxm(11, struct.pack("!I", 0x14000000 + i)), oxm(12, b"\x1e\x00\x00\x01"),
                     oxm(15, struct.pack("!H", 1024 + i % 50000)), oxm(16, b"\x07\xd0")))


def flow_mod_body(match, out_port, command=0, priority=10):
    length = 4 + len(match)
    match = struct.pack("!HH", 1, length) + match + bytes(-length % 8)
    actions = struct.pack("!HHIH6x", 0, 16, out_port, 0)
    instruction = struct.pack("!HH4x", 4, 8 + len(actions)) + actions
    head = struct.pack("!QQBBHHHIIIHH", 0, 0, 0, command, 0, 0, priority, ANY, ANY, ANY, 0, 0)
    return head + match + instruction


def adds(count, bundle=False):
    """The bytes of `count` flow-mods, wrapped for bundle 1 if wanted."""
    out = bytearray()
    for i in range(count):
        one = message(FLOW_MOD, i + 10, flow_mod_body(five_tuple(i), 2))
        out += message(BUNDLE_ADD, i + 10, struct.pack("!IHH", 1, 0, ATOMIC_ORDERED) + one) if bundle else one
    return bytes(out)


class Connection:
    def __init__(self, path, timeout=120):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer = b""
        self.sock.sendall(message(HELLO, 1, b""))
        self.wait(HELLO)

    def read(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise RuntimeError("the switch closed the OpenFlow connection")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def wait(self, wanted):
        while True:
            _, kind, length, xid = struct.unpack("!BBHI", self.read(8))
            body = self.read(length - 8)
            if kind == ERROR:
                raise RuntimeError("OpenFlow error type %d code %d" % struct.unpack("!HH", body[:4]))
            if kind == ECHO_REQUEST:
                self.sock.sendall(message(ECHO_REPLY, xid, body))
            elif kind == wanted:
                return body

    def barrier(self):
        self.sock.sendall(message(BARRIER_REQUEST, 2, b""))
        self.wait(BARRIER_REPLY)

    def one_by_one(self, encoded):
        """Seconds until all are in effect."""
        self.barrier()
        start = time.monotonic()
        self.sock.sendall(encoded)
        self.barrier()
        return time.monotonic() - start

    def bundle(self, encoded):
        """Seconds from opening to the reply to commit."""
        self.barrier()
        start = time.monotonic()
        control = lambda kind: message(BUNDLE_CONTROL, 3, struct.pack("!IHH", 1, kind, ATOMIC_ORDERED))  # noqa: E731
        self.sock.sendall(control(OPEN))
        self.wait(BUNDLE_CONTROL)
        self.sock.sendall(encoded)
        self.sock.sendall(control(COMMIT))
        self.wait(BUNDLE_CONTROL)
        return time.monotonic() - start

    def close(self):
        self.sock.close()
