// SPDX-License-Identifier: Apache-2.0
// PacketBuilder: frames for tests, written from the outside in.
//
//   Frame f = PacketBuilder{}.eth("02:00:00:00:00:01", "02:00:00:00:00:02").vlan(10)
//                 .ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, tcp::kSyn).payload(26).build();
//
// build() fills what depends on the rest: types, protocol numbers, lengths, checksums. A knob changes
// the header added last, after everything was computed, so that exactly one thing is wrong:
// `.ipv4(...).bad_checksum()`, `.udp(...).length(3)`, `.ipv4(...).poke8(ipv4::kVersionIhl, 0x43)`.
// Test code: misuse (a bad address text, a knob without header) throws std::invalid_argument.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "wire/bytes.hpp"
#include "wire/tcp.hpp"

namespace sluice::wire {

class PacketBuilder {
  public:
    /// Ethernet header; the type comes from what follows unless given.
    PacketBuilder& eth(std::uint64_t src, std::uint64_t dst, std::uint16_t type = 0);
    PacketBuilder& eth(std::string_view src, std::string_view dst, std::uint16_t type = 0);
    /// 802.3 length with LLC; snap_type 0 means plain LLC with the given SAPs.
    PacketBuilder& llc(std::uint8_t dsap = 0x42, std::uint8_t ssap = 0x42, std::uint8_t control = 0x03);
    PacketBuilder& snap(std::uint16_t type = 0);
    PacketBuilder& vlan(std::uint16_t vid, std::uint8_t pcp = 0, std::uint16_t tpid = 0x8100,
                        bool dei = false);
    PacketBuilder& mpls(std::uint32_t label, std::uint8_t tc = 0, std::uint8_t ttl = 64, bool bottom = true);
    PacketBuilder& arp(std::uint16_t opcode, std::uint64_t sha, std::string_view spa, std::uint64_t tha,
                       std::string_view tpa, bool rarp = false);
    PacketBuilder& ipv4(std::string_view src, std::string_view dst, std::uint8_t ttl = 64,
                        std::uint8_t tos = 0);
    PacketBuilder& ipv4(std::uint32_t src, std::uint32_t dst, std::uint8_t ttl = 64, std::uint8_t tos = 0);
    PacketBuilder& ipv6(std::string_view src, std::string_view dst, std::uint8_t hop_limit = 64,
                        std::uint8_t traffic_class = 0, std::uint32_t label = 0);
    PacketBuilder& ipv6(U128 src, U128 dst, std::uint8_t hop_limit = 64, std::uint8_t traffic_class = 0,
                        std::uint32_t label = 0);
    /// Hop-by-hop (0), routing (43) or destination options (60) header of 8 * units bytes, or AH (51).
    PacketBuilder& ipv6_ext(std::uint8_t type, unsigned units = 1);
    PacketBuilder& ipv6_frag(std::uint16_t offset_units, bool more, std::uint32_t id = 1);
    PacketBuilder& tcp(std::uint16_t src, std::uint16_t dst, std::uint16_t flags = tcp::kAckFlag);
    PacketBuilder& udp(std::uint16_t src, std::uint16_t dst);
    PacketBuilder& sctp(std::uint16_t src, std::uint16_t dst);
    PacketBuilder& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
    PacketBuilder& icmpv6(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0);
    /// Neighbour solicitation (135) or advertisement (136); link 0 means no option.
    PacketBuilder& nd(std::uint8_t type, std::string_view target, std::uint64_t link = 0);
    PacketBuilder& payload(std::size_t size, std::uint8_t first = 0);  ///< bytes first, first+1, ...
    PacketBuilder& raw(Bytes bytes);

    // Changes of the header added last.
    PacketBuilder& proto(std::uint8_t number);  ///< IPv4, IPv6, ext: what follows claims to be
    PacketBuilder& options(Bytes bytes);        ///< IPv4, TCP: padded to 4 bytes, header length grows
    PacketBuilder& fragment(std::uint16_t offset_units, bool more, bool dont = false);  ///< IPv4
    PacketBuilder& id(std::uint16_t value);  ///< IPv4 identification
    PacketBuilder& no_checksum();            ///< UDP: field stays 0
    // Knobs that break it.
    PacketBuilder& bad_checksum();                                 ///< flips bits of the computed checksum
    PacketBuilder& length(std::uint16_t value);                    ///< claimed length (LLC, IPv4, IPv6, UDP)
    PacketBuilder& poke8(std::size_t offset, std::uint8_t value);  ///< byte of this header, last of all
    PacketBuilder& poke16(std::size_t offset, std::uint16_t value);
    // Changes of the whole frame.
    PacketBuilder& pad_to(std::size_t frame_bytes);  ///< zero padding beyond all lengths
    PacketBuilder& truncate_to(std::size_t frame_bytes);

    Frame build() const;

  private:
    enum class Kind : std::uint8_t {
        kEth,
        kLlc,
        kSnap,
        kVlan,
        kMpls,
        kArp,
        kIpv4,
        kIpv6,
        kIpv6Ext,
        kIpv6Frag,
        kTcp,
        kUdp,
        kSctp,
        kIcmp,
        kIcmpV6,
        kPayload
    };
    struct Poke {
        std::size_t offset;
        std::uint8_t value;
    };
    struct Layer {
        Kind kind{};
        std::vector<std::uint8_t> bytes;
        int own_type = -1;  ///< ethertype or IP protocol, -1 none; by which the layer before names this one
        bool next_fixed = false;  ///< the type of what follows was given
        bool bad_checksum = false, no_checksum = false, later_fragment = false;
        int length = -1;
        std::vector<Poke> pokes;
    };
    Layer& add(Kind kind, std::size_t size, int own_type = -1);
    Layer& last();
    Layer& last(Kind a, Kind b, const char* what);
    void link_types(std::vector<Layer>& layers) const;
    static void finish(std::vector<Layer>& layers, Frame& frame, const std::vector<std::size_t>& offsets);
    static void finish_l4(const Layer& layer, const std::vector<Layer>& layers, Frame& frame,
                          const std::vector<std::size_t>& offsets, std::size_t index);

    std::vector<Layer> layers_;
    std::size_t pad_to_ = 0, truncate_to_ = ~std::size_t{0};
};

/// Text helpers of the builder; throw std::invalid_argument on bad text.
std::uint64_t mac_of(std::string_view text);   ///< "02:00:00:00:00:01"
std::uint32_t ipv4_of(std::string_view text);  ///< host order
U128 ipv6_of(std::string_view text);
Frame frame_from_hex(std::string_view text);  ///< hex digits, white space ignored
std::string hex_of(Bytes bytes);

}  // namespace sluice::wire
