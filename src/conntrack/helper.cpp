// SPDX-License-Identifier: Apache-2.0
// ct(alg=ftp) and ct(alg=tftp): what control connections announce, and their text and sequence numbers where
// addresses are translated.
#include "conntrack/ftp.hpp"
#include "conntrack/tracker.hpp"
#include "wire/bytes.hpp"

namespace sluice::conntrack {

namespace {

/// Ports that are tried for an announced one that is taken.
constexpr unsigned kPortTries = 64;

Key with_dport(const Key& key, std::uint16_t port) {
    return make_key(key.source(), key.destination(), 0, port, key.zone(), key.proto(), key.is_v6());
}

/// To the host and port behind a translation; port 0: the packet's own.
void translate_to(Expectation& e, bool src, U128 address, std::uint16_t port) {
    e.translates = true;
    e.spec = {};
    e.spec.src = src;
    e.spec.has_address = true;
    e.spec.v6 = e.key.is_v6();
    e.spec.min = e.spec.max = address;
    e.spec.port_min = e.spec.port_max = port;
}

}  // namespace

/// The server will talk to the client's `port`. Returns the port as the server knows it, 0: none is free.
std::uint16_t Tracker::expect_from_server(const Key& original, const Key& reply, std::uint16_t port,
                                          std::uint16_t wanted, Expectation& e,
                                          std::uint64_t now_ms) noexcept {
    const bool client_hidden = !(reply.destination() == original.source());
    const bool server_hidden = !(reply.source() == original.destination());
    e.key = with_dport(reply, wanted);
    if (client_hidden) {
        // What the client announced before, and repeats, is no obstacle.
        const auto taken = [&] {
            Expectation there;
            return expectations_.find(e.key, now_ms, there) &&
                   !(there.spec.min == original.source() && there.spec.port_min == port);
        };
        for (unsigned n = 0; n < kPortTries && taken(); ++n) {
            wanted = static_cast<std::uint16_t>(wanted < 65535 ? wanted + 1 : 1024);
            e.key = with_dport(reply, wanted);
        }
        if (taken()) return 0;
        translate_to(e, false, original.source(), port);
    } else if (server_hidden) {
        translate_to(e, true, original.destination(), 0);
    }
    expectations_.add(e, now_ms);
    return wanted;
}

/// The client will talk to the server's `port`.
void Tracker::expect_from_client(const Key& original, const Key& reply, std::uint16_t port, Expectation& e,
                                 std::uint64_t now_ms) noexcept {
    e.key = with_dport(original, port);
    if (!(reply.source() == original.destination()))
        translate_to(e, false, reply.source(), port);
    else if (!(reply.destination() == original.source()))
        translate_to(e, true, reply.destination(), 0);
    expectations_.add(e, now_ms);
}

/// Looks into a packet of a control connection, which is valid.
void Tracker::help(Conn& conn, Ref ref, const Probe& probe, bool from_server, std::uint64_t now_ms,
                   Outcome& outcome) noexcept {
    const Key original = key_of(conn, ref, 0), reply = key_of(conn, ref, 1);
    Expectation e;
    e.mark = conn.mark.load(std::memory_order_relaxed);
    {
        const ConnLock held(conn);
        e.label = conn.label;
    }
    if (conn.helper == kHelperTftp) {
        // RFC 1350 §4: the server answers a read (1) or write (2) request from a port of its choice.
        constexpr std::uint32_t kOpcodeAt = 8;
        if (from_server || probe.l4_bytes < kOpcodeAt + 2 || probe.l4[kOpcodeAt] != 0) return;
        const std::uint8_t opcode = probe.l4[kOpcodeAt + 1];
        if (opcode != 1 && opcode != 2) return;
        expect_from_server(original, reply, original.sport(), reply.dport(), e, now_ms);
        return;
    }
    const std::uint32_t header = (probe.l4[12] >> 4) * 4U;
    const std::uint32_t seq = load_be32(probe.l4 + 4);
    if (probe.l4_bytes > header) {
        const std::string_view text(reinterpret_cast<const char*>(probe.l4) + header,
                                    probe.l4_bytes - header);
        const auto found = find_ftp_address(text, !from_server);
        const bool own = found && (found->kind == FtpAddress::Kind::kEpsv ||
                                   (found->v6 == original.is_v6() &&
                                    found->address == (from_server ? reply.source() : original.source())));
        if (own) announce(conn, original, reply, *found, header, from_server, e, now_ms, outcome);
    }
    if (const std::uint32_t number = conn.shifts; number != 0) {
        const ConnLock held(conn);
        Shifts::Pair& pair = shifts_.at(number);
        SequenceShift &mine = pair.direction[from_server ? 1 : 0],
                      &other = pair.direction[from_server ? 0 : 1];
        outcome.seq_delta = mine.of(seq);
        outcome.ack_delta = -other.of_ack(load_be32(probe.l4 + 8));
        if (outcome.text_removed != 0)
            mine.note(seq, static_cast<std::int32_t>(outcome.text_size) -
                               static_cast<std::int32_t>(outcome.text_removed));
    }
}

/// An announcement of an address of who makes it.
void Tracker::announce(Conn& conn, const Key& original, const Key& reply, const FtpAddress& found,
                       std::uint32_t header, bool from_server, Expectation& e, std::uint64_t now_ms,
                       Outcome& outcome) noexcept {
    std::uint16_t port = found.port;
    bool hidden = false;
    U128 shown;
    if (from_server) {
        expect_from_client(original, reply, port, e, now_ms);
        shown = original.destination();
        hidden = !(shown == reply.source()) && found.kind != FtpAddress::Kind::kEpsv;
    } else {
        port = expect_from_server(original, reply, port, port, e, now_ms);
        if (port == 0) return;
        shown = reply.destination();
        hidden = !(shown == original.source());
    }
    if (!hidden) return;
    if (conn.shifts == 0 && (conn.shifts = shifts_.take()) == 0) return;  // then the text stays what it is
    outcome.text_offset = header + found.offset;
    outcome.text_removed = static_cast<std::uint16_t>(found.size);
    outcome.text_size = format_ftp_address(found, shown, port, outcome.text);
}

}  // namespace sluice::conntrack
