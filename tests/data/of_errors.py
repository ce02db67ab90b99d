#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that a switch refuses, and with which error: of_errors.txt.

A row: version, name, messages in hex (sent in order on a connection of their own), the errors that came back
("type/code", with "vendor:" before it if it is not a standard one; "-" for none; "closed" if the switch hung up,
"silent" if it does not come to the barrier that follows).
The switch has ports 1, 2, 3 and no flows, groups or meters when a row starts.

    of_errors.py check SOCKET ROWS...     sends every row, prints the rows that get another answer; exit code 1 then
    of_errors.py record SOCKET ROWS...    prints the rows with what the switch at SOCKET answers: how the expectations
                                          were got from Open vSwitch 3.1.0
"""
import socket
import struct
import sys

NX, ONF = 0x2320, 0x4F4E4600


def message(version, kind, body, xid):
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


class Connection:
    def __init__(self, path, version):
        self.version, self.buffer = version, b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        self.sock.sendall(message(version, 0, b"", 1))

    def close(self):
        self.sock.close()

    def read(self):
        """Next message as (type, xid, body); None at the end of the stream."""
        while True:
            if len(self.buffer) >= 8:
                _, kind, length, xid = struct.unpack("!BBHI", self.buffer[:8])
                if len(self.buffer) >= length:
                    body, self.buffer = self.buffer[8:length], self.buffer[length:]
                    return kind, xid, body
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data

    def errors(self, messages):
        """Sends, waits for a barrier, returns the errors as text."""
        found = []
        try:
            self.sock.sendall(b"".join(messages))
            self.sock.sendall(message(self.version, 18 if self.version == 1 else 20, b"", 0xFFFFFFF0))
        except (BrokenPipeError, ConnectionResetError):
            pass
        while True:
            try:
                got = self.read()
            except TimeoutError:
                return found + ["silent"]
            if got is None:
                return found + ["closed"]
            kind, xid, body = got
            if xid == 0xFFFFFFF0 and kind in (19, 21):
                return found or ["-"]
            if kind == 1:
                found.append(error_text(self.version, body))


def error_text(version, body):
    kind, code = struct.unpack("!HH", body[:4])
    if version >= 3 and kind == 0xFFFF:
        return "%#x:%d" % (struct.unpack("!I", body[4:8])[0], code)
    if version <= 2 and kind == 0xB0C2 and code == 0:
        return "%#x:%d/%d" % struct.unpack("!IHH", body[4:12])
    return "%d/%d" % (kind, code)


def reset(path):
    """Leaves no flow, group, meter or tunnel option behind."""
    connection = Connection(path, 4)
    any_match = struct.pack("!HH4x", 1, 4)
    flows = struct.pack("!QQBBHHHIIIHxx", 0, 0, 255, 3, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0) + any_match
    wanted = [message(4, 14, flows, 2), message(4, 15, struct.pack("!HBxI", 2, 0, 0xFFFFFFFC), 3),
              message(4, 29, struct.pack("!HHI", 2, 0, 0xFFFFFFFF), 4),
              message(4, 4, struct.pack("!IIH6x", NX, 24, 2), 5)]
    answer = connection.errors(wanted)
    connection.close()
    if answer != ["-"]:
        sys.exit("%s: clearing the switch is refused: %s" % (path, " ".join(answer)))


def rows(paths):
    for path in paths:
        for line in open(path):
            line = line.strip()
            if line and not line.startswith("#"):
                version, name, messages, expected = (word.strip() for word in line.split("|"))
                yield int(version), name, [bytes.fromhex(word) for word in messages.split()], expected.split()


def main():
    action, path, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    different = 0
    for version, name, messages, expected in rows(files):
        reset(path)
        connection = Connection(path, version)
        answer = connection.errors(messages)
        connection.close()
        if action == "record":
            print("%d | %s | %s | %s" % (version, name, " ".join(m.hex() for m in messages), " ".join(answer)))
        elif answer != expected:
            different += 1
            print("%d | %s | %s | expected %s, got %s" % (version, name, " ".join(m.hex() for m in messages),
                                                          " ".join(expected), " ".join(answer)))
    return different > 0


if __name__ == "__main__":
    sys.exit(main())
