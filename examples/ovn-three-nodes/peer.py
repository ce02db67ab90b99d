#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The clients and servers of the checks that no program of Debian is handy for: all in one process, each socket made
inside its network namespace.

serve NAMESPACE...                 HTTP and UDP on ports 8080 to 8083 of each: the answer says who heard whom
udp NAMESPACE ADDRESS PORT         one datagram and its answer; exit code 2: refused, 1: none within a second
rate FROM TO ADDRESS MBIT SECONDS  sends that many Mbit/s, prints how many kbit/s of payload came through
multicast FROM GROUP JOINED OTHER...  datagrams to the group until all of the first, joined, saw one; prints who saw one
"""
import os
import selectors
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests"))
import pkt  # noqa: E402

PORTS = (8080, 8081, 8082, 8083)
IP_RECVTOS = 13


def inside(namespace, make):
    """What make() returns, called in that namespace."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + namespace, os.O_RDONLY)
    try:
        if pkt.LIBC.setns(there, 0x40000000) != 0:
            raise OSError("no namespace " + namespace)
        return make()
    finally:
        pkt.LIBC.setns(here, 0x40000000)
        os.close(here)
        os.close(there)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def device():
    """(index, name) of the one device of this namespace that is not lo."""
    return next((index, name) for index, name in socket.if_nameindex() if name != "lo")


def plain(address):
    return address.removeprefix("::ffff:").split("%")[0]


def bound(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    return sock


def answer_http(name, client, peer):
    client.settimeout(1)
    try:
        client.recv(4096)
        body = "%s saw %s\n" % (name, plain(peer[0]))
        client.sendall(("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).encode())
    except OSError:
        pass
    client.close()


def answer_udp(name, sock):
    _, ancillary, _, peer = sock.recvmsg(4096, 256)
    tos = [data[0] for level, kind, data in ancillary if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)]
    text = "%s saw %s dscp %d\n" % (name, plain(peer[0]), tos[0] >> 2 if tos else 0)
    try:
        sock.sendto(text.encode(), peer)
    except OSError:
        pass


def serve(*namespaces):
    ready = selectors.DefaultSelector()
    for name in namespaces:
        for port in PORTS:
            for kind, answer in ((socket.SOCK_STREAM, answer_http), (socket.SOCK_DGRAM, answer_udp)):
                sock = inside(name, lambda: bound(kind, port))
                ready.register(sock, selectors.EVENT_READ, (answer, name))
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            answer, name = key.data
            if answer is answer_http:
                # A thread each: one client that connects and says nothing holds nobody up.
                threading.Thread(target=answer, args=(name, *key.fileobj.accept()), daemon=True).start()
            else:
                answer(name, key.fileobj)


def udp(namespace, address, port):
    sock = inside(namespace, lambda: socket.socket(family_of(address), socket.SOCK_DGRAM))
    sock.settimeout(1)
    sock.connect((address, int(port)))
    try:
        sock.send(b"who is there?")
        print(sock.recv(4096).decode(), end="")
    except ConnectionRefusedError:
        sys.exit(2)
    except OSError:
        sys.exit(1)


def rate(source, target, address, mbit, seconds):
    family = family_of(address)
    receiver = inside(target, lambda: socket.socket(family, socket.SOCK_DGRAM))
    receiver.bind((address, 0))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    receiver.setblocking(False)
    sender = inside(source, lambda: socket.socket(family, socket.SOCK_DGRAM))
    sender.connect((address, receiver.getsockname()[1]))
    payload, got, sent, begin = bytes(1000), 0, 0, time.monotonic()
    # Half a second before the count lets the bucket run empty.
    counted_from, end = begin + 0.5, begin + 0.5 + float(seconds)
    while (now := time.monotonic()) < end:
        while sent < (now - begin) * float(mbit) * 125:
            try:
                sender.send(payload)
            except OSError:
                pass
            sent += 1
        try:
            while True:
                size = len(receiver.recv(2048))
                if now >= counted_from:
                    got += size
        except BlockingIOError:
            pass
        time.sleep(0.001)
    print(int(got * 8 / 1000 / float(seconds)))


def multicast(source, group, joined, *others):
    family = family_of(group)
    sender = inside(source, lambda: socket.socket(family, socket.SOCK_DGRAM))
    index = inside(source, device)[0]
    joined = joined.split(",")
    members = []
    for name in joined:
        member = inside(name, lambda: socket.socket(family, socket.SOCK_DGRAM))
        member_index = inside(name, device)[0]
        if family == socket.AF_INET6:
            member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                              socket.inet_pton(family, group) + struct.pack("@I", member_index))
        else:
            request = socket.inet_aton(group) + bytes(4) + struct.pack("@i", member_index)
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        members.append(member)
    if family == socket.AF_INET6:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
    else:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("@i", index))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    links = {name: pkt.Link(name, inside(name, device)[1]) for name in [*joined, *others]}
    wanted = socket.inet_pton(family, group)

    def heard(since):
        """Who saw a datagram of this run (its number) in a quarter of a second after it was sent."""
        names, end = set(), time.monotonic() + 0.25
        while time.monotonic() < end:
            for name, link in links.items():
                link.sock.setblocking(False)
                try:
                    frame = link.sock.recv(2048)
                except BlockingIOError:
                    continue
                if wanted in frame[:60] and since in frame:
                    names.add(name)
            time.sleep(0.002)
        return names

    end, number, names = time.monotonic() + 8, 0, set()
    while time.monotonic() < end and not names.issuperset(joined):
        number += 1
        mark = b"datagram %08d" % number
        sender.sendto(mark, (group, 5555))
        names = heard(mark)
    # One more, now that the group is known: who is not of it must not see it.
    sender.sendto(b"the last of them", (group, 5555))
    print(" ".join(sorted(heard(b"the last of them"))))


if __name__ == "__main__":
    {"serve": serve, "udp": udp, "rate": rate, "multicast": multicast}[sys.argv[1]](*sys.argv[2:])
