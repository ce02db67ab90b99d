# SPDX-License-Identifier: Apache-2.0
"""Random frames of every protocol that the switches parse, whole or damaged. Values come from small sets, so that
rules drawn from the same sets match them."""
import socket
import struct

MACS = ["02:00:00:00:00:0%d" % n for n in range(1, 5)]
GROUP_MACS = ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "01:80:c2:00:00:00", "01:80:c2:00:00:0e"]
VIDS = [0, 1, 10, 20, 4095]
IP4S = ["10.0.0.%d" % n for n in range(1, 4)] + ["192.168.1.1", "224.0.0.1", "255.255.255.255"]
IP6S = ["2001:db8::%d" % n for n in range(1, 4)] + ["fe80::1", "ff02::1"]
L4S = [0, 1, 53, 80, 443, 1024, 65535]
LABELS = [0, 16, 100, 1048575]
TYPES = [0x0800, 0x0806, 0x86DD, 0x8847, 0x8848, 0x88CC, 0x1234, 0x0600, 0x8035, 0x894F]


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def past_tags(frame):
    """Where the EtherType behind all tags stands."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at


def has_odd_tag(frame):
    """A tag with the DEI bit, or with a priority and no VLAN."""
    tags = [struct.unpack("!H", frame[at + 2:at + 4])[0] for at in range(12, min(past_tags(frame), len(frame) - 3), 4)]
    return any(tag & 0x1000 or (tag & 0xE000 and not tag & 0xFFF) for tag in tags)


def names_no_protocol(frame):
    """Does its IP header name protocol 0, and nothing that it stands for follow? OVS takes 0 for no header."""
    at = past_tags(frame)
    kind, ip = frame[at:at + 2], frame[at + 2:]
    if kind == b"\x08\x00":
        return ip[9:10] == b"\0"
    return kind == b"\x86\xdd" and ip[6:7] == b"\0" and (struct.unpack("!H", ip[4:6])[0] < 8 or ip[40:41] not in b"\x06\x11\x3a\x84\x2c\x3b")


def misses_a_label(frame):
    """An MPLS frame that ends before the bottom of its label stack: OVS pushes labels onto it and makes up a first one when
    a field of it is set. Or one with a label of zeros, which OVS takes for the end of the stack."""
    at = past_tags(frame)
    if frame[at:at + 2] not in (b"\x88\x47", b"\x88\x48"):
        return False
    entries = [frame[n:n + 4] for n in range(at + 2, len(frame) - 3, 4)]
    bottom = next((n for n, entry in enumerate(entries) if entry[2] & 1), None)
    return bottom is None or bytes(4) in entries[:bottom]


class Packets:
    """Frames from a random generator."""

    def __init__(self, random):
        self.random = random
        self.plain_tags = False  # no DEI bits, no priority without a VLAN
        self.snap = True
        self.to_themselves = True  # destination and source are one address
        self.nd_options = True  # neighbour discovery with options
        self.routing = True  # IPv6 routing headers
        self.whole_fragments = True  # IPv6 fragment headers on packets that are no fragments
        self.padded = True  # padding behind short packets, and damage
        self.max_tags = 3

    def chance(self, p):
        return self.random.random() < p

    def pick(self, values):
        return self.random.choice(values)

    def payload(self):
        return bytes(range(self.pick([0, 1, 7, 18, 40, 100])))

    def upper(self, proto, pseudo):
        """A transport header with payload; `pseudo(length)` gives the pseudo header."""
        r, data = self.random, self.payload()
        if proto == 6:
            options = self.pick([b"", b"", b"\x01\x01\x01\x00"])
            head = struct.pack("!HHIIBBHHH", self.pick(L4S), self.pick(L4S), r.getrandbits(32), r.getrandbits(32),
                               (20 + len(options)) // 4 << 4 | self.pick([0, 0, 1]), self.pick([2, 16, 18, 17, 4, 0, 0xFF]),
                               1000, 0, 0) + options
            at = 16
        elif proto == 17:
            head, at = struct.pack("!HHHH", self.pick(L4S), self.pick(L4S), 8 + len(data), 0), 6
            if self.chance(0.1):
                return head + data  # no checksum
        elif proto == 132:
            return struct.pack("!HHII", self.pick(L4S), self.pick(L4S), 7, r.getrandbits(32)) + data
        elif proto == 1:
            head, at = struct.pack("!BBHHH", self.pick([0, 8, 3, 11]), self.pick([0, 1]), 0, 5, 6), 2
            pseudo = lambda length: b""
        elif proto == 58:
            head, at = self.icmp6(), 2
            if head[0] in (135, 136):
                data = b""
        elif proto == 2:
            return struct.pack("!BBH4s", self.pick([0x11, 0x16, 0x22]), 0, 0, socket.inet_aton("224.0.0.5")) + data
        else:
            return data
        body = head + data
        value = checksum(pseudo(len(body)) + body)
        if proto == 17 and value == 0:
            value = 0xFFFF
        if self.chance(0.03):
            value ^= 0x55
        return body[:at] + struct.pack("!H", value) + body[at + 2:]

    def icmp6(self):
        kind = self.pick([128, 129, 135, 136, 135, 1])
        if kind not in (135, 136):
            return struct.pack("!BBHHH", kind, self.pick([0, 1]), 0, 5, 6)
        head = struct.pack("!BBHI", kind, self.pick([0, 0, 0, 1]), 0, self.pick([0, 0x60000000]))
        head += socket.inet_pton(socket.AF_INET6, self.pick(IP6S))
        for option in self.pick([[], [1], [2], [1, 2], [1, 1], [14]] if self.nd_options else [[]]):
            head += struct.pack("!BB6s", option, 1, mac(self.pick(MACS)))
        if self.nd_options and self.chance(0.05):
            head += b"\x01\x00" + bytes(6)  # an option of no length
        return head

    def ip4(self):
        src, dst = socket.inet_aton(self.pick(IP4S)), socket.inet_aton(self.pick(IP4S))
        proto = self.pick([6, 6, 17, 17, 1, 132, 2, 47])
        body = self.upper(proto, lambda length: src + dst + struct.pack("!HH", proto, length))
        fragment = self.pick([0, 0, 0, 0, 0x4000, 0x2000, 0x2010, 0x0010])
        if fragment & 0x1FFF:
            body = body[:7]  # too short for a transport header, where OVS would rewrite checksums
        options = self.pick([b""] * 8 + [b"\x01\x01\x01\x00", b"\x94\x04\x00\x00"])
        tos = self.pick([0, 0, 4, 0xB8, 3, 0xFF])
        head = struct.pack("!BBHHHBBH", 0x40 | (20 + len(options)) // 4, tos, 20 + len(options) + len(body), 1,
                           fragment, self.pick([64, 64, 1, 0, 2, 255]), proto, 0) + src + dst + options
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return head + body

    def ip6(self):
        src, dst = (socket.inet_pton(socket.AF_INET6, self.pick(IP6S)) for _ in range(2))
        proto = self.pick([6, 17, 58, 58, 58, 132, 59])
        body = self.upper(proto, lambda length: src + dst + struct.pack("!II", length, proto))
        first = proto
        for extension in self.pick([[]] * 6 + [[0], [43] if self.routing else [0], [60], [44], [44, 0], [44, 60], [51]]):
            if extension == 44:
                place = self.pick([0 if self.whole_fragments else 1, 1, 0x11, 0x10])
                body = struct.pack("!BBHI", first, 0, place, 9) + (body[:7] if place >= 8 else body)
            elif extension == 51:
                body = struct.pack("!BBHII", first, 2, 0, 1, 1) + bytes(4) + body
            else:
                body = struct.pack("!BB6s", first, 0, b"\x01\x04") + body
            first = extension
        word = 6 << 28 | self.pick([0, 0, 0xB8, 3]) << 20 | self.pick([0, 0, 5, 0xFFFFF])
        return struct.pack("!IHBB", word, len(body), first, self.pick([64, 255, 1, 0, 2])) + src + dst + body

    def arp(self):
        return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, self.pick([1, 2, 3, 1, 2, 9]), mac(self.pick(MACS)),
                           socket.inet_aton(self.pick(IP4S)), mac(self.pick(MACS)), socket.inet_aton(self.pick(IP4S)))

    def mpls(self):
        count = self.pick([1, 1, 2, 3, 4])
        stack = b""
        for n in range(count):
            bottom = n == count - 1 and not self.chance(0.05)
            stack += struct.pack("!I", self.pick(LABELS) << 12 | self.pick([0, 3]) << 9 | bottom << 8 | self.pick([0, 1, 2, 64, 255]))
        return stack + self.pick([self.ip4, self.ip6, self.payload])()

    def frame(self):
        while True:
            frame = self.draw()
            if names_no_protocol(frame) or misses_a_label(frame):
                continue
            if self.plain_tags and has_odd_tag(frame):  # damage made it
                continue
            if self.to_themselves or frame[:6] != frame[6:12]:
                return frame

    def draw(self):
        dst = self.pick(MACS * 4 + GROUP_MACS)
        out = mac(dst) + mac(self.pick(MACS * 6 + ["01:00:00:00:00:01", "00:00:00:00:00:00"]))
        for _ in range(min(self.max_tags, self.pick([0, 0, 0, 0, 1, 1, 2, 3]))):
            tag = self.pick(VIDS) | self.pick([0, 0, 3, 7]) << 13 | self.pick([0] * 8 + [0x1000])
            if self.plain_tags:
                tag &= 0xEFFF if tag & 0xFFF else 0
            out += struct.pack("!HH", self.pick([0x8100, 0x8100, 0x88A8]), tag)
        kind = self.pick(["ip4"] * 5 + ["ip6"] * 3 + ["arp", "arp", "rarp", "mpls", "mpls", "other", "llc"] + ["snap"] * self.snap)
        if kind in ("ip4", "ip6", "arp", "mpls"):
            types = {"ip4": 0x0800, "ip6": 0x86DD, "arp": 0x0806, "mpls": self.pick([0x8847, 0x8847, 0x8848])}
            out += struct.pack("!H", types[kind]) + getattr(self, kind)()
        elif kind == "rarp":
            out += b"\x80\x35" + self.arp()
        elif kind == "llc":
            out += struct.pack("!HBBB", 40, self.pick([0x42, 0xAA]), 0x42, 3) + bytes(37)
        elif kind == "snap":
            inner = self.ip4()
            out += struct.pack("!HBBB3sH", 8 + len(inner), 0xAA, 0xAA, 3, self.pick([b"\0\0\0", b"\0\0\x01"]), 0x0800) + inner
        else:
            out += struct.pack("!H", self.pick(TYPES)) + self.payload()
        if not self.padded:
            return out
        if len(out) < 60 and self.chance(0.6):
            out = out.ljust(60, b"\0")
        return self.damaged(out) if self.chance(0.08) else out

    def damaged(self, frame):
        if self.chance(0.5):
            return frame[:max(14, self.random.randrange(len(frame)))]
        data = bytearray(frame)
        for _ in range(self.pick([1, 1, 3])):
            data[self.random.randrange(12, len(data))] ^= 1 << self.random.randrange(8)
        return bytes(data)
