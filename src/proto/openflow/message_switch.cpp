// SPDX-License-Identifier: Apache-2.0
// Features, configuration, ports, queue configuration. OpenFlow 1.0 §5.2.1, §5.3; 1.5 §7.2.1, §7.3.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::uint32_t kConfig10 = 0x7f, kConfig11 = 0x65, kState10 = 0x301, kState11 = 0x07;
constexpr std::uint32_t kWireStats3 = 1 << 3;  // STP in 1.0, group statistics in 1.1+
constexpr std::uint16_t kMinRate = 1, kMaxRate = 2, kNoRate = 0xffff;

/// 1.0 has no 40, 100 Gb/s, 1 Tb/s and "other" between 10 Gb/s and the media.
std::uint32_t features_from10(std::uint32_t f) {
    return (f & 0x7f) | (f & 0xf80) << 4;
}
std::uint32_t features_to10(std::uint32_t f) {
    return (f & 0x7f) | (f >> 4 & 0xf80);
}

std::uint32_t capabilities_from(std::uint32_t wire, Version version) {
    std::uint32_t result = wire & ~(kWireStats3 | capability::kGroupStats);
    if (wire & kWireStats3) result |= version == k10 ? capability::kStp : capability::kGroupStats;
    return result;
}
std::uint32_t capabilities_to(std::uint32_t caps, Version version) {
    std::uint32_t wire = caps & 0xe7 & ~kWireStats3 & ~capability::kGroupStats;
    if (caps & (version == k10 ? capability::kStp : capability::kGroupStats)) wire |= kWireStats3;
    if (version >= k12) {
        wire = (wire & ~capability::kArpMatchIp) | (caps & capability::kPortBlocked);
    }
    if (version >= k14) wire |= caps & (capability::kBundles | capability::kFlowMonitoring);
    return wire;
}

void decode_features(Reader& in, Version version, Message& m) {
    FeaturesReply reply;
    reply.datapath_id = in.u64();
    reply.n_buffers = in.u32();
    reply.n_tables = in.u8();
    const std::uint8_t auxiliary = in.u8();
    if (version >= k13) reply.auxiliary_id = auxiliary;
    in.skip(2);
    reply.capabilities = capabilities_from(in.u32(), version);
    const std::uint32_t actions = in.u32();
    if (version == k10) reply.actions = actions;
    if (version >= k13) in.end();
    while (!in.empty())
        reply.ports.push_back(decode_port(in, version));
    m.body = std::move(reply);
}

SwitchConfig decode_config(Reader& in, Version version) {
    SwitchConfig config;
    const std::uint16_t flags = in.u16();
    config.frag_mode = flags & 3;
    const bool has_ttl = version <= k12;
    if (has_ttl) config.invalid_ttl_to_controller = (flags & 4) != 0;
    if ((flags & ~(has_ttl ? 7U : 3U)) != 0)
        fail(ErrorCode::kScfcBadFlags, "configuration flags {:#x}", flags);
    config.miss_send_len = in.u16();
    return config;
}
void encode_config(MessageWriter& out, const SwitchConfig& config) {
    const bool has_ttl = out.version() <= k12;
    out.u16((config.frag_mode & 3U) |
            (has_ttl && config.invalid_ttl_to_controller.value_or(false) ? 4U : 0U));
    out.u16(config.miss_send_len);
}
void decode_get_config_reply(Reader& in, Version version, Message& m) {
    m.body = GetConfigReply{decode_config(in, version)};
}
void decode_set_config(Reader& in, Version version, Message& m) {
    m.body = SetConfig{decode_config(in, version)};
}
template <typename Empty>
void decode_empty(Reader&, Version, Message& m) {
    m.body = Empty{};
}

void decode_port_status(Reader& in, Version version, Message& m) {
    PortStatus status;
    const std::uint8_t reason = in.u8();
    if (reason > 2) fail(ErrorCode::kNxbrcBadReason, "port status reason {}", reason);
    status.reason = PortReason{reason};
    in.skip(7);
    status.desc = decode_port(in, version);
    m.body = std::move(status);
}

void decode_port_mod(Reader& in, Version version, Message& m) {
    PortMod mod;
    if (version == k10) {
        mod.port = in.port16();
        mod.hw_addr = mac_from_u64(in.mac());
        mod.config = in.u32() & kConfig10;
        mod.mask = in.u32() & kConfig10;
        mod.advertise = features_from10(in.u32());
    } else {
        mod.port = in.port32();
        in.skip(4);
        mod.hw_addr = mac_from_u64(in.mac());
        in.skip(2);
        mod.config = in.u32() & kConfig11;
        mod.mask = in.u32() & kConfig11;
        if (version < k14) {
            mod.advertise = in.u32();
        } else {
            while (!in.empty()) {
                auto property = read_property(in);
                if (property.type != 0) fail_property(property.type);
                mod.advertise = property.value.u32();
                property.value.end();
            }
        }
    }
    mod.config &= mod.mask;
    m.body = mod;
}

void decode_port_desc_request(Reader& in, Version version, Message& m) {
    m.body = PortDescRequest{version >= k15 ? in.port32() : OfPort::kAny};
}
void decode_port_desc_reply(Reader& in, Version version, Message& m) {
    PortDescReply reply;
    while (!in.empty())
        reply.ports.push_back(decode_port(in, version));
    m.body = std::move(reply);
}

void decode_queue_request(Reader& in, Version version, Message& m) {
    QueueConfigRequest request;
    if (version == k10) {
        request.port = in.port16();
    } else {
        request.port = in.port32();
        if (version >= k14) request.queue = in.u32();
    }
    m.body = request;
}
void set_rate(QueueConfig& queue, std::uint16_t type, std::uint16_t rate) {
    if (type == kMinRate) queue.min_rate = rate;
    if (type == kMaxRate) queue.max_rate = rate;
}
QueueConfig decode_queue(Reader& in, Version version, OfPort port) {
    QueueConfig queue;
    queue.port = port;
    Reader head = in;
    std::size_t used = 8;
    if (version >= k14) queue.port = head.port32();
    queue.queue = head.u32();
    if (version == k12 || version == k13) queue.port = head.port32();
    const std::uint16_t length = head.u16();
    if (version >= k12) used = 16;
    Reader body = read_item(in, length, used);
    body.skip(used);
    while (!body.empty()) {
        auto property = read_property(body);
        if (version < k14) property.value.skip(4);
        if (property.type == kMinRate || property.type == kMaxRate) {
            set_rate(queue, property.type, property.value.u16());
        }
    }
    return queue;
}
void decode_queue_reply(Reader& in, Version version, Message& m) {
    QueueConfigReply reply;
    if (version < k14) {
        reply.port = version == k10 ? in.port16() : in.port32();
        in.skip(version == k10 ? 6 : 4);
    }
    while (!in.empty())
        reply.queues.push_back(decode_queue(in, version, reply.port));
    m.body = std::move(reply);
}
void encode_queue(MessageWriter& out, const QueueConfig& queue) {
    const auto start = out.mark();
    const Version version = out.version();
    if (version >= k14) out.port32(queue.port);
    out.u32(queue.queue);
    if (version == k12 || version == k13) out.port32(queue.port);
    const auto length_at = out.size() - start;
    out.u16(0);
    out.zeros(version >= k12 ? 6 : 2);
    const auto rate = [&](std::uint16_t type, std::uint16_t value) {
        if (value == kNoRate) return;
        write_property(out, type, [&] {
            if (version < k14) out.zeros(4);
            out.u16(value);
            out.zeros(version < k14 ? 6 : 2);
        });
    };
    rate(kMinRate, queue.min_rate);
    rate(kMaxRate, queue.max_rate);
    out.patch_size(start, length_at);
}

constexpr MessageRow kRows[] = {
    {Space::kType, 5, k10, k15, 0, false, decode_empty<FeaturesRequest>},
    {Space::kType, 6, k10, k15, 24, true, decode_features},
    {Space::kType, 7, k10, k15, 0, false, decode_empty<GetConfigRequest>},
    {Space::kType, 8, k10, k15, 4, false, decode_get_config_reply},
    {Space::kType, 9, k10, k15, 4, false, decode_set_config},
    {Space::kType, 12, k10, k10, 56, false, decode_port_status},
    {Space::kType, 12, k11, k13, 72, false, decode_port_status},
    {Space::kType, 12, k14, k15, 48, true, decode_port_status},
    {Space::kType, 15, k10, k10, 24, false, decode_port_mod},
    {Space::kType, 16, k11, k13, 32, false, decode_port_mod},
    {Space::kType, 16, k14, k15, 24, kEights, decode_port_mod},
    {Space::kRequest, 13, k10, k14, 0, false, decode_port_desc_request},
    {Space::kRequest, 13, k15, k15, 8, false, decode_port_desc_request},
    {Space::kReply, 13, k10, k15, 0, true, decode_port_desc_reply},
    {Space::kType, 20, k10, k10, 4, false, decode_queue_request},
    {Space::kType, 22, k11, k13, 8, false, decode_queue_request},
    {Space::kRequest, 15, k14, k15, 8, false, decode_queue_request},
    {Space::kType, 21, k10, k10, 8, true, decode_queue_reply},
    {Space::kType, 23, k11, k13, 8, true, decode_queue_reply},
    {Space::kReply, 15, k14, k15, 0, true, decode_queue_reply},
};

}  // namespace

std::span<const MessageRow> switch_messages() {
    return kRows;
}

PortDesc decode_port(Reader& whole, Version version) {
    PortDesc port;
    std::size_t size = version == k10 ? 48 : 64;
    if (version >= k14) {
        Reader ahead = whole;
        ahead.skip(4);
        size = ahead.u16();
    }
    Reader in = read_item(whole, size, version == k10 ? 48 : 40);
    port.port = version == k10 ? in.port16() : in.port32();
    if (version > k10) in.skip(4);
    port.hw_addr = mac_from_u64(in.mac());
    if (version > k10) in.skip(2);
    port.name = in.text(16);
    port.config = in.u32() & (version == k10 ? kConfig10 : kConfig11);
    port.state = in.u32() & (version == k10 ? kState10 : kState11);
    const auto features = [&port, version](Reader& r) {
        for (auto* f : {&port.current, &port.advertised, &port.supported, &port.peer})
            *f = version == k10 ? features_from10(r.u32()) : r.u32();
        if (version == k10) return;
        port.current_speed_kbps = r.u32();
        port.max_speed_kbps = r.u32();
    };
    if (version < k14) {
        features(in);
        return port;
    }
    while (!in.empty()) {
        auto property = read_property(in);
        if (property.type != 0) continue;  // optical and experimenter details
        property.value.skip(4);
        features(property.value);
        property.value.end();
    }
    return port;
}

void encode_port(Writer& out, const PortDesc& port, Version version) {
    const auto start = out.size();
    if (version == k10) {
        out.port16(port.port);
    } else {
        out.port32(port.port);
        out.zeros(4);
    }
    out.mac(mac_to_u64(port.hw_addr));
    if (version > k10) out.zeros(2);
    out.text(port.name, 16);
    out.u32(port.config & (version == k10 ? kConfig10 : kConfig11));
    out.u32(port.state & (version == k10 ? kState10 : kState11));
    const auto features = [&] {
        for (const auto f : {port.current, port.advertised, port.supported, port.peer})
            out.u32(version == k10 ? features_to10(f) : f);
        if (version == k10) return;
        out.u32(port.current_speed_kbps);
        out.u32(port.max_speed_kbps);
    };
    if (version < k14) return features();
    write_property(out, 0, [&] {
        out.zeros(4);
        features();
    });
    out.patch_size(start, 4);
}

void encode_body(MessageWriter& out, const FeaturesRequest&) {
    out.begin(5);
}
void encode_body(MessageWriter& out, const FeaturesReply& b) {
    out.begin(6);
    out.u64(b.datapath_id);
    out.u32(b.n_buffers);
    out.u8(b.n_tables);
    out.u8(out.version() >= k13 ? b.auxiliary_id : 0);
    out.zeros(2);
    out.u32(capabilities_to(b.capabilities, out.version()));
    out.u32(out.version() == k10 ? b.actions : 0);
    if (out.version() >= k13) return;
    const std::size_t port_size = out.version() == k10 ? 48 : 64;
    std::size_t room = (0xffff - 32) / port_size;
    for (const auto& port : b.ports) {
        if (room-- == 0) break;
        encode_port(out, port, out.version());
    }
}
void encode_body(MessageWriter& out, const GetConfigRequest&) {
    out.begin(7);
}
void encode_body(MessageWriter& out, const GetConfigReply& b) {
    out.begin(8);
    encode_config(out, b.config);
}
void encode_body(MessageWriter& out, const SetConfig& b) {
    out.begin(9);
    encode_config(out, b.config);
}
void encode_body(MessageWriter& out, const PortStatus& b) {
    out.begin(12);
    out.u8(static_cast<std::uint8_t>(b.reason));
    out.zeros(7);
    encode_port(out, b.desc, out.version());
}
void encode_body(MessageWriter& out, const PortMod& b) {
    const Version version = out.version();
    if (version == k10) {
        out.begin(15);
        out.port16(b.port);
        out.mac(mac_to_u64(b.hw_addr));
        out.u32(b.config & kConfig10);
        out.u32(b.mask & kConfig10);
        out.u32(features_to10(b.advertise));
        out.zeros(4);
        return;
    }
    out.begin(16);
    out.port32(b.port);
    out.zeros(4);
    out.mac(mac_to_u64(b.hw_addr));
    out.zeros(2);
    out.u32(b.config & kConfig11);
    out.u32(b.mask & kConfig11);
    if (version < k14) {
        out.u32(b.advertise);
        out.zeros(4);
    } else if (b.advertise != 0) {
        write_property(out, 0, [&] { out.u32(b.advertise); });
    }
}
void encode_body(MessageWriter& out, const PortDescRequest& b) {
    out.begin_request(13);
    if (out.version() < k15) return;
    out.port32(b.port);
    out.zeros(4);
}
void encode_body(MessageWriter& out, const PortDescReply& b) {
    out.begin_reply(13);
    for (const auto& port : b.ports) {
        const auto start = out.mark();
        encode_port(out, port, out.version());
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const QueueConfigRequest& b) {
    if (out.version() >= k14) {
        out.begin_request(15);
        out.port32(b.port);
        out.u32(b.queue);
    } else if (out.version() == k10) {
        out.begin(20);
        out.port16(b.port);
        out.zeros(2);
    } else {
        out.begin(22);
        out.port32(b.port);
        out.zeros(4);
    }
}
void encode_body(MessageWriter& out, const QueueConfigReply& b) {
    if (out.version() >= k14) {
        out.begin_reply(15);
    } else if (out.version() == k10) {
        out.begin(21);
        out.port16(b.port);
        out.zeros(6);
    } else {
        out.begin(23);
        out.port32(b.port);
        out.zeros(4);
    }
    for (const auto& queue : b.queues) {
        const auto start = out.mark();
        encode_queue(out, queue);
        if (out.version() >= k14) out.item(start);
    }
}

}  // namespace sluice::openflow
