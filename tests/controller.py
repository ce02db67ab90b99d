# SPDX-License-Identifier: Apache-2.0
"""controller.py KIND WHERE LOG [FOLDER]: an OpenFlow 1.3 controller for tests. It says hello, asks for features, answers
echo requests and writes what happens to LOG. KIND: unix (WHERE is a path), tcp, ssl (WHERE is a port; FOLDER has key and
certificate), mute (asks without end and never reads), fill (answers features with flows between ports 1 and 2)."""
import socket
import ssl
import struct
import sys

VERSION, ECHO, FEATURES, PACKET_IN, FLOW_MOD, MULTIPART, BARRIER, BARRIER_REPLY = 4, 2, 6, 10, 14, 18, 20, 21


def message(kind, xid, body=b""):
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


def flow(in_port, out_port):
    match = struct.pack("!HHHBBI", 1, 12, 0x8000, 0, 4, in_port) + b"\0" * 4
    actions = struct.pack("!HH4x", 4, 24) + struct.pack("!HHIH6x", 0, 16, out_port, 0xFFFF)
    return message(FLOW_MOD, 7, struct.pack("!QQBBHHHIIIHxx", 0, 0, 0, 0, 0, 0, 100, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0) + match + actions)


def flood(peer, out):
    """The switch's answers pile up."""
    peer.sendall(message(0, 1))
    peer.setblocking(False)
    try:
        for _ in range(100000):
            peer.send(message(MULTIPART, 2, struct.pack("!HHI", 3, 0, 0)))
    except OSError:
        pass
    print("flooded", file=out)


def answer(peer, received, fill, out):
    kind = received[1]
    if kind == ECHO:
        peer.sendall(received[:1] + b"\x03" + received[2:])
    elif kind == FEATURES:
        print("features %016x" % struct.unpack("!Q", received[8:16]), file=out)
        if fill:
            peer.sendall(flow(1, 2) + flow(2, 1) + message(BARRIER, 9))
    elif kind == PACKET_IN:
        print("packet-in", file=out)
    elif kind == BARRIER_REPLY:
        print("filled", file=out)


def serve(peer, fill, out):
    peer.settimeout(60)
    peer.sendall(message(0, 1) + message(5, 2))
    data = b""
    while True:
        more = peer.recv(65536)
        if not more:
            return
        data += more
        while len(data) >= 8 and len(data) >= struct.unpack("!H", data[2:4])[0]:
            length = struct.unpack("!H", data[2:4])[0]
            answer(peer, data[:length], fill, out)
            data = data[length:]


def with_certificate(peer, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
    context.load_verify_locations(folder + "/cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context.wrap_socket(peer, server_side=True)


def main():
    kind, where, log = sys.argv[1:4]
    listener = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(where if kind == "unix" else ("127.0.0.1", int(where)))
    listener.listen(8)
    out = open(log, "a", buffering=1)
    print("listening", file=out)
    kept = []
    while True:
        peer = listener.accept()[0]
        if kind == "mute":
            kept.append(peer)
            flood(peer, out)
            continue
        try:
            serve(with_certificate(peer, sys.argv[4]) if kind == "ssl" else peer, kind == "fill", out)
        except (OSError, ssl.SSLError) as error:
            print("error", error, file=out)


if __name__ == "__main__":
    main()
