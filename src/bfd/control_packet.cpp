// SPDX-License-Identifier: Apache-2.0
// See bfd/control_packet.hpp.
#include "bfd/control_packet.hpp"

#include <algorithm>

#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/udp.hpp"

namespace sluice::bfd {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kTos = 0xc0;  // internetwork control
// Where fields lie (RFC 5880 §4.1).
constexpr std::size_t kVersionDiag = 0, kStateFlags = 1, kMultiplier = 2, kLength = 3, kMyDisc = 4,
                      kYourDisc = 8, kMinTx = 12, kMinRx = 16, kMinRxEcho = 20;

}  // namespace

std::string_view name_of(State state) {
    switch (state) {
        case State::kAdminDown:
            return "admin_down";
        case State::kDown:
            return "down";
        case State::kInit:
            return "init";
        case State::kUp:
            return "up";
    }
    return "invalid";
}

std::string_view name_of(Diagnostic diagnostic) {
    static constexpr std::string_view kNames[] = {"No Diagnostic",
                                                  "Control Detection Time Expired",
                                                  "Echo Function Failed",
                                                  "Neighbor Signaled Session Down",
                                                  "Forwarding Plane Reset",
                                                  "Path Down",
                                                  "Concatenated Path Down",
                                                  "Administratively Down",
                                                  "Reverse Concatenated Path Down"};
    const auto index = static_cast<std::size_t>(diagnostic);
    return index < std::size(kNames) ? kNames[index] : "Invalid Diagnostic";
}

std::array<std::uint8_t, kPacketBytes> encode(const ControlPacket& packet) {
    std::array<std::uint8_t, kPacketBytes> out{};
    out[kVersionDiag] =
        static_cast<std::uint8_t>(kVersion << 5 | static_cast<std::uint8_t>(packet.diagnostic));
    out[kStateFlags] = static_cast<std::uint8_t>(static_cast<unsigned>(packet.state) << 6 | packet.flags);
    out[kMultiplier] = packet.multiplier;
    out[kLength] = kPacketBytes;
    store_be32(&out[kMyDisc], packet.my_discriminator);
    store_be32(&out[kYourDisc], packet.your_discriminator);
    store_be32(&out[kMinTx], packet.min_tx_us);
    store_be32(&out[kMinRx], packet.min_rx_us);
    store_be32(&out[kMinRxEcho], packet.min_rx_echo_us);
    return out;
}

Result<ControlPacket> decode(wire::Bytes payload) {
    if (payload.size() < kPacketBytes)
        return make_error(EBADMSG, "control packet of {} bytes, at least {} are needed", payload.size(),
                          kPacketBytes);
    const unsigned version = payload[kVersionDiag] >> 5, length = payload[kLength];
    if (version != kVersion) return make_error(EBADMSG, "version {} instead of {}", version, kVersion);
    ControlPacket packet;
    packet.state = static_cast<State>(payload[kStateFlags] >> 6);
    packet.diagnostic = static_cast<Diagnostic>(payload[kVersionDiag] & 0x1f);
    packet.flags = payload[kStateFlags] & kFlags;
    packet.multiplier = payload[kMultiplier];
    packet.my_discriminator = load_be32(&payload[kMyDisc]);
    packet.your_discriminator = load_be32(&payload[kYourDisc]);
    packet.min_tx_us = load_be32(&payload[kMinTx]);
    packet.min_rx_us = load_be32(&payload[kMinRx]);
    packet.min_rx_echo_us = load_be32(&payload[kMinRxEcho]);
    if ((packet.flags & kAuthentication) != 0)
        return make_error(EBADMSG, "authenticated, but there is no authentication here");
    if (length < kPacketBytes || length > payload.size())
        return make_error(EBADMSG, "length {} in a payload of {} bytes", length, payload.size());
    if (packet.multiplier == 0) return make_error(EBADMSG, "detection multiplier 0");
    if ((packet.flags & kMultipoint) != 0) return make_error(EBADMSG, "multipoint, which is not supported");
    if (packet.my_discriminator == 0) return make_error(EBADMSG, "discriminator 0");
    if (packet.your_discriminator == 0 && packet.state > State::kDown)
        return make_error(EBADMSG, "state {} without our discriminator", name_of(packet.state));
    return packet;
}

std::array<std::uint8_t, kFrameBytes> make_frame(const Addresses& addresses, const ControlPacket& packet) {
    std::array<std::uint8_t, kFrameBytes> frame{};
    std::copy(addresses.destination_mac.begin(), addresses.destination_mac.end(), frame.begin());
    std::copy(addresses.source_mac.begin(), addresses.source_mac.end(), frame.begin() + 6);
    store_be16(&frame[12], wire::eth::kTypeIpv4);
    std::uint8_t* ip = &frame[wire::eth::kHeaderBytes];
    ip[wire::ipv4::kVersionIhl] = 0x45;
    ip[wire::ipv4::kTos] = kTos;
    store_be16(ip + wire::ipv4::kTotalLength,
               static_cast<std::uint16_t>(kFrameBytes - wire::eth::kHeaderBytes));
    ip[wire::ipv4::kTtl] = kTtl;
    ip[wire::ipv4::kProto] = wire::ip_proto::kUdp;
    store_be32(ip + wire::ipv4::kSrc, addresses.source_ip);
    store_be32(ip + wire::ipv4::kDst, addresses.destination_ip);
    store_be16(ip + wire::ipv4::kChecksum, wire::internet_checksum({ip, wire::ipv4::kMinHeaderBytes}));
    std::uint8_t* udp = ip + wire::ipv4::kMinHeaderBytes;
    store_be16(udp + wire::udp::kSrc, addresses.source_port);
    store_be16(udp + wire::udp::kDst, kUdpPort);
    store_be16(udp + wire::udp::kLength, static_cast<std::uint16_t>(wire::udp::kHeaderBytes + kPacketBytes));
    const auto control = encode(packet);
    std::copy(control.begin(), control.end(), udp + wire::udp::kHeaderBytes);
    return frame;
}

std::optional<Datagram> find_datagram(const Filter& filter, wire::Bytes frame) noexcept {
    std::size_t at = 12;  // of the Ethernet type
    for (int tags = 0;; ++tags) {
        if (frame.size() < at + 2) return std::nullopt;
        const std::uint16_t type = load_be16(&frame[at]);
        if (type == wire::eth::kTypeIpv4) break;
        if (tags == 2 || (type != wire::eth::kTypeVlan && type != wire::eth::kTypeQinQ)) return std::nullopt;
        at += 4;
    }
    const wire::Bytes ip = frame.subspan(at + 2);
    if (ip.size() < wire::ipv4::kMinHeaderBytes || ip[wire::ipv4::kProto] != wire::ip_proto::kUdp)
        return std::nullopt;
    const std::size_t header = (ip[wire::ipv4::kVersionIhl] & 0xfU) * 4;
    if (header < wire::ipv4::kMinHeaderBytes || ip.size() < header + wire::udp::kHeaderBytes)
        return std::nullopt;
    if ((load_be16(&ip[wire::ipv4::kFragment]) & wire::ipv4::kOffsetMask) != 0) return std::nullopt;
    const wire::Bytes udp = ip.subspan(header);
    if (load_be16(&udp[wire::udp::kDst]) != kUdpPort) return std::nullopt;
    if (filter.destination_mac &&
        !std::equal(filter.destination_mac->begin(), filter.destination_mac->end(), frame.begin()))
        return std::nullopt;
    if (filter.destination_ip && load_be32(&ip[wire::ipv4::kDst]) != *filter.destination_ip)
        return std::nullopt;
    Datagram found{ip[wire::ipv4::kTtl], {}};
    const std::size_t length = load_be16(&udp[wire::udp::kLength]);
    if (length >= wire::udp::kHeaderBytes && length <= udp.size())
        found.payload = udp.subspan(wire::udp::kHeaderBytes, length - wire::udp::kHeaderBytes);
    return found;
}

}  // namespace sluice::bfd
