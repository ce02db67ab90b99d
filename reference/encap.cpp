// SPDX-License-Identifier: Apache-2.0
// encap and decap. A packet without an Ethernet header keeps one of zeros in its bytes (WorkPacket::bare).
#include <algorithm>

#include "base/byte_order.hpp"
#include "flow/nsh.hpp"
#include "reference/machine.hpp"
#include "wire/ethernet.hpp"
#include "wire/mpls.hpp"

namespace sluice::reference {
namespace {

constexpr std::uint16_t kTypeNsh = 0x894f;
constexpr std::ptrdiff_t kEth = wire::eth::kHeaderBytes;

}  // namespace

/// Parses the bytes as they are now; metadata stays.
void Machine::parse_again(bool bare) {
    const FlowKey old = key();
    const OfPort port{static_cast<std::uint32_t>(old.get(key::kInPort))};
    p_.at = parse_frame(p_.bytes, port, {.vlan_limit = bare ? 0 : c_.bridge->vlan_limit});
    p_.bare = bare;
    const FlowKey fresh = key();
    key() = old;
    for (const unsigned w : {0U, 1U, 2U, 3U, 4U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 42U, 46U, 47U})
        key().word[w] = fresh.word[w];
    key().set(key::kPacketType, bare ? 0x10000 | fresh.get(key::kEthType) : 0);
}

bool Machine::push_header(wire::Bytes header, std::uint16_t type) {
    wire::Frame frame(wire::eth::kType, 0);
    frame.push_back(static_cast<std::uint8_t>(type >> 8));
    frame.push_back(static_cast<std::uint8_t>(type));
    frame.insert(frame.end(), header.begin(), header.end());
    frame.insert(frame.end(), p_.bytes.begin() + (p_.bare ? kEth : 0), p_.bytes.end());
    p_.bytes = std::move(frame);
    parse_again(true);
    return false;
}

/// `type` 0: an Ethernet frame follows.
bool Machine::pull_header(std::size_t size, std::uint16_t type) {
    p_.bytes.erase(p_.bytes.begin(), p_.bytes.begin() + kEth + static_cast<std::ptrdiff_t>(size));
    if (type != 0) {
        p_.bare = true;
        const wire::Frame rest = std::move(p_.bytes);
        p_.bytes.assign(wire::eth::kHeaderBytes, 0);
        store_be16(&p_.bytes[wire::eth::kType], type);
        p_.bytes.insert(p_.bytes.end(), rest.begin(), rest.end());
    }
    parse_again(type != 0);
    return false;
}

bool Machine::operator()(const EncapAction& a) {
    const auto type = static_cast<std::uint16_t>(key().get(key::kEthType));
    if (a.packet_type == 0 && p_.bare) {
        parse_again(false);
        return false;
    }
    if (a.packet_type == kPacketTypeNsh) {
        std::uint8_t header[kMaxNshBytes];
        const std::uint32_t size = make_nsh(a.properties, nsh_next_protocol(p_.bare, type), header);
        if (size != 0) return push_header({header, size}, kTypeNsh);
    } else if (a.packet_type != 0) {
        // Label 0, TTL 64; bottom of stack unless a label follows.
        const bool follows = p_.bare && wire::mpls::is_mpls(type);
        const std::uint8_t label[] = {0, 0, static_cast<std::uint8_t>(follows ? 0 : 1), 64};
        return push_header(label, static_cast<std::uint16_t>(a.packet_type));
    }
    fail(DropReason::kUnsupported, "encap: not possible on this type of packet");
    return false;
}

bool Machine::operator()(const DecapAction& a) {
    const auto type = static_cast<std::uint16_t>(key().get(key::kEthType));
    const std::uint8_t* header = p_.bytes.data() + kEth;
    std::uint16_t inner = 0;
    if (!p_.bare && (key().get(key::kVlanTci) & kVlanPresent) == 0) {
        std::fill_n(p_.bytes.begin(), wire::eth::kType, std::uint8_t{0});
        parse_again(true);
    } else if (p_.bare && type == kTypeNsh && p_.at.l3 != 0 && nsh_inner_type(header[3], inner) &&
               (inner != 0 || p_.bytes.size() >= 2 * wire::eth::kHeaderBytes + nsh_size(header))) {
        return pull_header(nsh_size(header), inner);
    } else if (p_.bare && wire::mpls::is_mpls(type) && p_.at.l3 != 0) {
        const bool bottom = (header[2] & 1) != 0;
        inner = bottom ? static_cast<std::uint16_t>(a.packet_type) : type;
        const bool whole =
            inner != 0 || p_.bytes.size() >= 2 * wire::eth::kHeaderBytes + wire::mpls::kLseBytes;
        if (inner != kDecapNext && whole) return pull_header(wire::mpls::kLseBytes, inner);
        fail(DropReason::kUnsupported, "decap: nothing says what follows the label");
    } else {
        fail(DropReason::kUnsupported, "decap: not possible on this type of packet");
    }
    return false;
}

/// Ends the list for packets without the header as well, as OVS does.
bool Machine::operator()(const DecNshTtlAction&) {
    if (key().get(key::kEthType) != kTypeNsh) return true;
    const std::uint64_t ttl = key().get(key::kNshTtl);
    if (ttl <= 1) return invalid_ttl({});
    FlowKey wanted = key();
    wanted.set(key::kNshTtl, ttl - 1);
    set_key(wanted);
    return false;
}

}  // namespace sluice::reference
