// SPDX-License-Identifier: Apache-2.0
// Description, port, queue and table statistics. OpenFlow 1.0 §5.3.5; 1.5 §7.3.5.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::size_t kNameSize = 32, kDescSize = 256;
// What OpenFlow 1.0 to 1.2 say about each table, as OVS does. Fields of 1.1 by their OFPFMF_ bits, of 1.2 by
// their OXM numbers (all but in_phy_port, beside them tunnel id and TCP flags); instructions and actions by
// their numbers: every instruction up to clear-actions, every action that the version has.
constexpr std::uint32_t kWildcards10 = 0x003fffff, kFields11 = 0xfbff, kInstructions11 = 0x3e,
                        kGotoTable11 = 1U << 1, kActions11 = 0x01ffe7ff, kActions12 = 0x03ff8001;
constexpr std::uint64_t kFields12 = 0x101ffffffffd, kSetFields12 = 0xffffffbdd;

/// OFPTC11_TABLE_MISS_*: the value is in no need of a flag to say "controller".
std::uint32_t miss_config(TableMiss miss) {
    return miss == TableMiss::kDefault ? 0U : static_cast<std::uint32_t>(miss) - 1U;
}

void decode_desc_request(Reader&, Version, Message& m) {
    m.body = DescRequest{};
}
void decode_desc_reply(Reader& in, Version, Message& m) {
    DescReply reply;
    for (auto* text : {&reply.manufacturer, &reply.hardware, &reply.software})
        *text = in.text(kDescSize);
    reply.serial_number = in.text(kNameSize);
    reply.datapath = in.text(kDescSize);
    m.body = std::move(reply);
}

void decode_table_request(Reader&, Version, Message& m) {
    m.body = TableStatsRequest{};
}
TableStats read_table(Reader& in, Version version) {
    TableStats t;
    t.table = in.u8();
    in.skip(version == k10 || version >= k13 ? 3 : 7);
    if (version < k13) {
        t.name = in.text(kNameSize);
        in.skip(version == k10 ? 4 : version == k11 ? 8 : 56);
        if (version != k10) {
            t.is_last = (in.u32() & kGotoTable11) == 0;
            if (version == k11) in.skip(8);
            const std::uint32_t miss = in.u32() & 3U;
            if (miss != 0) t.miss = TableMiss{static_cast<std::uint8_t>((miss + 1) & 3U)};
        }
        t.max_entries = in.u32();
    }
    t.active_count = in.u32();
    t.lookup_count = in.u64();
    t.matched_count = in.u64();
    return t;
}
void decode_table_reply(Reader& in, Version version, Message& m) {
    TableStatsReply reply;
    while (!in.empty())
        reply.tables.push_back(read_table(in, version));
    m.body = std::move(reply);
}
void write_table(MessageWriter& out, const TableStats& t) {
    const Version version = out.version();
    out.u8(t.table);
    out.zeros(version == k10 || version >= k13 ? 3 : 7);
    if (version < k13) out.text(t.name, kNameSize);
    if (version == k10) out.u32(kWildcards10);
    if (version == k11) {
        out.u32(kFields11);
        out.u32(kFields11);
        out.u32(t.is_last ? kInstructions11 & ~kGotoTable11 : kInstructions11);
        out.u32(kActions11);
        out.u32(kActions11);
        out.u32(miss_config(t.miss));
    }
    if (version == k12) {
        out.u64(kFields12);
        out.u64(kFields12);
        out.u32(kActions12);
        out.u32(kActions12);
        out.u64(kSetFields12);
        out.u64(kSetFields12);
        out.u64(~std::uint64_t{0});
        out.u64(~std::uint64_t{0});
        out.u32(t.is_last ? kInstructions11 & ~kGotoTable11 : kInstructions11);
        out.u32(miss_config(t.miss));
    }
    if (version < k13) out.u32(t.max_entries);
    out.u32(t.active_count);
    out.u64(t.lookup_count);
    out.u64(t.matched_count);
}

void decode_port_request(Reader& in, Version version, Message& m) {
    m.body = PortStatsRequest{version == k10 ? in.port16() : in.port32()};
}
PortStats read_port(Reader& whole, Version version) {
    PortStats p;
    std::size_t size = version == k10 || version == k11 || version == k12 ? 104 : 112;
    if (version >= k14) {
        Reader ahead = whole;
        size = ahead.u16();
    }
    Reader in = read_item(whole, size, version >= k14 ? 80 : size);
    if (version >= k14) in.skip(4);
    p.port = version == k10 ? in.port16() : in.port32();
    if (version < k14) in.skip(version == k10 ? 6 : 4);
    if (version >= k14) p.duration_s = in.u32(), p.duration_ns = in.u32();
    for (auto* n : {&p.rx_packets, &p.tx_packets, &p.rx_bytes, &p.tx_bytes, &p.rx_dropped, &p.tx_dropped,
                    &p.rx_errors, &p.tx_errors})
        *n = in.u64();
    const auto details = [&p](Reader& r) {
        for (auto* n : {&p.rx_frame_errors, &p.rx_over_errors, &p.rx_crc_errors, &p.collisions})
            *n = r.u64();
    };
    if (version < k14) {
        details(in);
        if (version == k13) p.duration_s = in.u32(), p.duration_ns = in.u32();
        return p;
    }
    for (auto* n : {&p.rx_frame_errors, &p.rx_over_errors, &p.rx_crc_errors, &p.collisions})
        *n = ~std::uint64_t{0};
    while (!in.empty()) {
        auto property = read_property(in);
        if (property.type != 0) continue;  // RFC 2819 counters and the like
        property.value.skip(4);
        details(property.value);
        property.value.end();
    }
    return p;
}
void decode_port_reply(Reader& in, Version version, Message& m) {
    PortStatsReply reply;
    while (!in.empty())
        reply.ports.push_back(read_port(in, version));
    m.body = std::move(reply);
}
void write_port(MessageWriter& out, const PortStats& p) {
    const Version version = out.version();
    const auto start = out.mark();
    if (version >= k14) out.zeros(4);
    if (version == k10) {
        out.port16(p.port);
    } else {
        out.port32(p.port);
    }
    if (version < k14) out.zeros(version == k10 ? 6 : 4);
    if (version >= k14) out.u32(p.duration_s), out.u32(p.duration_ns);
    for (const auto n : {p.rx_packets, p.tx_packets, p.rx_bytes, p.tx_bytes, p.rx_dropped, p.tx_dropped,
                         p.rx_errors, p.tx_errors})
        out.u64(n);
    const auto details = [&] {
        for (const auto n : {p.rx_frame_errors, p.rx_over_errors, p.rx_crc_errors, p.collisions})
            out.u64(n);
    };
    if (version >= k14) {
        write_property(out, 0, [&] {
            out.zeros(4);
            details();
        });
        out.patch_size(start, 0);
    } else {
        details();
        if (version == k13) out.u32(p.duration_s), out.u32(p.duration_ns);
    }
    out.item(start);
}

void decode_queue_request(Reader& in, Version version, Message& m) {
    QueueStatsRequest request;
    request.port = version == k10 ? in.port16() : in.port32();
    if (version == k10) in.skip(2);
    request.queue = in.u32();
    m.body = request;
}
QueueStats read_queue(Reader& whole, Version version) {
    std::size_t size = version < k13 ? 32 : 40;
    if (version >= k14) {
        Reader ahead = whole;
        size = ahead.u16();
    }
    Reader in = read_item(whole, size, version >= k14 ? 48 : size);
    QueueStats q;
    if (version >= k14) in.skip(8);
    q.port = version == k10 ? in.port16() : in.port32();
    if (version == k10) in.skip(2);
    q.queue = in.u32();
    q.tx_bytes = in.u64();
    q.tx_packets = in.u64();
    q.tx_errors = in.u64();
    if (version >= k13) q.duration_s = in.u32(), q.duration_ns = in.u32();
    return q;
}
void decode_queue_reply(Reader& in, Version version, Message& m) {
    QueueStatsReply reply;
    while (!in.empty())
        reply.queues.push_back(read_queue(in, version));
    m.body = std::move(reply);
}
void write_queue(MessageWriter& out, const QueueStats& q) {
    const Version version = out.version();
    const auto start = out.mark();
    if (version >= k14) out.zeros(8);
    if (version == k10) {
        out.port16(q.port);
        out.zeros(2);
    } else {
        out.port32(q.port);
    }
    out.u32(q.queue);
    out.u64(q.tx_bytes);
    out.u64(q.tx_packets);
    out.u64(q.tx_errors);
    if (version >= k13) out.u32(q.duration_s), out.u32(q.duration_ns);
    if (version >= k14) out.patch_size(start, 0);
    out.item(start);
}

constexpr MessageRow kRows[] = {
    {Space::kRequest, 0, k10, k15, 0, false, decode_desc_request},
    {Space::kReply, 0, k10, k15, 1056, false, decode_desc_reply},
    {Space::kRequest, 3, k10, k15, 0, false, decode_table_request},
    {Space::kReply, 3, k10, k15, 0, true, decode_table_reply},
    {Space::kRequest, 4, k10, k15, 8, false, decode_port_request},
    {Space::kReply, 4, k10, k15, 0, true, decode_port_reply},
    {Space::kRequest, 5, k10, k15, 8, false, decode_queue_request},
    {Space::kReply, 5, k10, k15, 0, true, decode_queue_reply},
};

}  // namespace

std::span<const MessageRow> stats_messages() {
    return kRows;
}

void encode_body(MessageWriter& out, const DescRequest&) {
    out.begin_request(0);
}
void encode_body(MessageWriter& out, const DescReply& b) {
    out.begin_reply(0);
    for (const auto* text : {&b.manufacturer, &b.hardware, &b.software})
        out.text(*text, kDescSize);
    out.text(b.serial_number, kNameSize);
    out.text(b.datapath, kDescSize);
}
void encode_body(MessageWriter& out, const TableStatsRequest&) {
    out.begin_request(3);
}
void encode_body(MessageWriter& out, const TableStatsReply& b) {
    out.begin_reply(3);
    for (const auto& table : b.tables) {
        const auto start = out.mark();
        write_table(out, table);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const PortStatsRequest& b) {
    out.begin_request(4);
    if (out.version() == k10) {
        out.port16(b.port);
        out.zeros(6);
    } else {
        out.port32(b.port);
        out.zeros(4);
    }
}
void encode_body(MessageWriter& out, const PortStatsReply& b) {
    out.begin_reply(4);
    for (const auto& port : b.ports)
        write_port(out, port);
}
void encode_body(MessageWriter& out, const QueueStatsRequest& b) {
    out.begin_request(5);
    if (out.version() == k10) {
        out.port16(b.port);
        out.zeros(2);
    } else {
        out.port32(b.port);
    }
    out.u32(b.queue);
}
void encode_body(MessageWriter& out, const QueueStatsReply& b) {
    out.begin_reply(5);
    for (const auto& queue : b.queues)
        write_queue(out, queue);
}

}  // namespace sluice::openflow
