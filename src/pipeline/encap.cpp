// SPDX-License-Identifier: Apache-2.0
// encap and decap (ovs-actions(7), "Encapsulation Actions"), as the user-space datapath of OVS does them.
//
// A packet without an Ethernet header ("bare") keeps one of zeros in front of it, so that offsets and
// parsers hold for it as well; such packets never leave by a port, and packet-ins are cut.
#include <cstring>

#include "base/byte_order.hpp"
#include "flow/nsh.hpp"
#include "packet/offload.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/parse.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint32_t kEthernet = 14;

std::uint8_t* data_of(Packet* packet) {
    return rte_pktmbuf_mtod(packet, std::uint8_t*);
}

/// A header goes behind the (new, if the packet had a real one) Ethernet header of zeros.
bool push(PacketSet& set, unsigned i, const std::uint8_t* header, std::uint32_t size, std::uint16_t type) {
    Packet* packet = set.packet[i];
    finish_checksum(packet);
    const bool was_bare = set.bare >> i & 1;
    const std::uint32_t more = was_bare ? size : size + kEthernet;
    char* front = rte_pktmbuf_prepend(packet, static_cast<std::uint16_t>(more));
    if (!front) return false;
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] + static_cast<int>(more));
    std::memset(front, 0, kEthernet);
    store_be16(front + 12, type);
    std::memcpy(front + kEthernet, header, size);
    return true;
}

/// Takes `size` bytes off behind the Ethernet header; what is left gets `type`, or is an Ethernet frame (0).
bool pull(PacketSet& set, unsigned i, std::uint32_t size, std::uint16_t type) {
    Packet* packet = set.packet[i];
    const std::uint32_t gone = type == 0 ? size + kEthernet : size;
    if (packet->data_len < gone + kEthernet) return false;
    rte_pktmbuf_adj(packet, static_cast<std::uint16_t>(gone));
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] - static_cast<int>(gone));
    if (type == 0) return true;
    std::memset(data_of(packet), 0, kEthernet);
    store_be16(data_of(packet) + 12, type);
    return true;
}

}  // namespace

/// Reads all headers of a packet anew; metadata stays.
void Executor::Impl::parse_again(PacketSet& set, unsigned i, bool bare) noexcept {
    FlowKey& key = set.key[i];
    for (unsigned w = 0; w < kKeyWords; ++w) {
        if (kHeaderWords.has(w)) key.word[w] = 0;
    }
    const Packet* packet = set.packet[i];
    set.next[i] = parse_link(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len,
                             bare ? 0 : vlan_limit, key);
    set.tags[i] = !(key.word[1] & kVlanPresent) ? 0 : key.get(key::kVlan1Tci) != 0 ? 2 : 1;
    parse_network_of(set, i);
    set.bare = bare ? set.bare | 1U << i : set.bare & ~(1U << i);
    set.retyped |= 1U << i;
    key.set(key::kPacketType, bare ? 0x10000 | key.get(key::kEthType) : 0);
}

void Executor::Impl::encap(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    prepare_write(set, group, path, op);
    ensure_lines(set, group, path, kAllLines);
    flush_pending(set, group);
    const auto& action = std::get<EncapAction>(op.source->kind);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const bool bare = set.bare >> i & 1;
        const auto type = static_cast<std::uint16_t>(set.key[i].get(key::kEthType));
        bool done = false;
        if (action.packet_type == 0) {
            done = bare;
            if (bare) parse_again(set, i, false);
        } else if (action.packet_type == kPacketTypeNsh) {
            std::uint8_t header[kMaxNshBytes];
            const std::uint32_t size = make_nsh(action.properties, nsh_next_protocol(bare, type), header);
            done = size != 0 && push(set, i, header, size, 0x894f);
            if (done) parse_again(set, i, true);
        } else {
            std::uint8_t label[4];
            const bool inner = bare && (type == 0x8847 || type == 0x8848);
            store_be32(label, inner ? 64U : 0x100U | 64U);
            const auto outer = static_cast<std::uint16_t>(action.packet_type);
            done = push(set, i, label, sizeof label, outer);
            if (done) parse_again(set, i, true);
        }
        if (!done) fail_one(set, i, path, DropReason::kUnsupported);
    }
    path.uniform.bits[0] &= ~kHeaderWords.bits[0];
    path.uniform.bits[1] &= ~kHeaderWords.bits[1];
    path.uniform.remove(key::kPacketType.word);
}

bool Executor::Impl::decap_one(PacketSet& set, unsigned i, const DecapAction& action) noexcept {
    Packet* packet = set.packet[i];
    const FlowKey& key = set.key[i];
    const auto type = static_cast<std::uint16_t>(key.get(key::kEthType));
    if (!(set.bare >> i & 1)) {
        if (key.get(key::kVlanTci) & kVlanPresent) return false;
        finish_checksum(packet);
        std::memset(data_of(packet), 0, 12);
        parse_again(set, i, true);
        return true;
    }
    if (set.l3[i] == kNoOffset) return false;
    const std::uint8_t* header = data_of(packet) + kEthernet;
    if (type == 0x894f) {
        const std::uint32_t size = nsh_size(header);
        std::uint16_t inner = 0;
        if (!nsh_inner_type(header[3], inner) || !pull(set, i, size, inner)) return false;
        parse_again(set, i, inner != 0);
        return true;
    }
    if (type != 0x8847 && type != 0x8848) return false;
    const bool bottom = load_be32(header) & 0x100;
    const std::uint16_t inner = !bottom ? type : static_cast<std::uint16_t>(action.packet_type);
    if (inner == kDecapNext || !pull(set, i, 4, inner)) return false;
    parse_again(set, i, inner != 0);
    return true;
}

void Executor::Impl::decap(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    prepare_write(set, group, path, op);
    ensure_lines(set, group, path, kAllLines);
    flush_pending(set, group);
    const auto& action = std::get<DecapAction>(op.source->kind);
    for (unsigned g = 0; g < group.count; ++g) {
        if (!decap_one(set, group.index[g], action))
            fail_one(set, group.index[g], path, DropReason::kUnsupported);
    }
    path.uniform.bits[0] &= ~kHeaderWords.bits[0];
    path.uniform.bits[1] &= ~kHeaderWords.bits[1];
    path.uniform.remove(key::kPacketType.word);
}

void Executor::Impl::fail_one(PacketSet& set, unsigned i, const Path& path, DropReason reason) noexcept {
    Group one;
    one.count = 1;
    one.index[0] = static_cast<std::uint8_t>(i);
    fail(set, one, path, reason);
}

void Executor::Impl::dec_nsh_ttl(PacketSet& set, Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    flush_pending(set, group);
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        if (key.get(key::kEthType) != 0x894f) continue;  // OVS ends the list here too
        const auto ttl = key.get(key::kNshTtl);
        if (ttl <= 1) {
            Group one;
            one.count = 1;
            one.index[0] = static_cast<std::uint8_t>(i);
            set.reason[i] = DropReason::kTtlExpired;
            punt(set, one, path, 2, 0xffff, 0, nullptr);
            continue;
        }
        key.set(key::kNshTtl, ttl - 1);
        write_back(set, i, HeaderPart::kNsh);
        group.index[kept++] = static_cast<std::uint8_t>(i);
    }
    group.count = static_cast<std::uint8_t>(kept);
    path.uniform.remove(key::kNshTtl.word);
}

}  // namespace sluice::pipeline
