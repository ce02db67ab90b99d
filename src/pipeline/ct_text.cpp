// SPDX-License-Identifier: Apache-2.0
// Text of control connections (FTP) that the tracker has rewritten, and the sequence numbers behind it.
#include <cstring>

#include "packet/offload.hpp"
#include "pipeline/ct.hpp"
#include "pipeline/packet_set.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint32_t kTcpSum = 16;

/// The text, the IP header's length, and where the packet ends.
bool replace_text(PacketSet& set, unsigned i, const conntrack::Outcome& outcome) noexcept {
    Packet* packet = set.packet[i];
    const std::uint32_t at = set.l4[i] + outcome.text_offset;
    const std::uint32_t behind = at + outcome.text_removed;
    if (packet->nb_segs != 1 || behind > packet->data_len) return false;
    const std::uint32_t rest = packet->data_len - behind;
    const int more = int{outcome.text_size} - int{outcome.text_removed};
    if (more > 0 && !rte_pktmbuf_append(packet, static_cast<std::uint16_t>(more))) return false;
    auto* data = rte_pktmbuf_mtod(packet, std::uint8_t*);
    std::memmove(data + at + outcome.text_size, data + behind, rest);
    std::memcpy(data + at, outcome.text.data(), outcome.text_size);
    if (more < 0) rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(-more));
    std::uint8_t* l3 = data + set.l3[i];
    std::uint8_t* length = l3 + (set.key[i].get(key::kEthType) == 0x86dd ? 4 : 2);
    const std::uint16_t before = load_be16(length);
    const auto after = static_cast<std::uint16_t>(before + more);
    store_be16(length, after);
    if (length == l3 + 2) store_be16(l3 + 10, wire::update_checksum16(load_be16(l3 + 10), before, after));
    set.l3_end[i] = static_cast<std::uint32_t>(static_cast<int>(set.l3_end[i]) + more);
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] + more);
    return true;
}

/// TCP's checksum, of a packet in one segment; if it is left to the device, the pseudo header's part.
void finish_tcp(PacketSet& set, unsigned i) noexcept {
    const bool v6 = set.key[i].get(key::kEthType) == 0x86dd;
    auto* data = rte_pktmbuf_mtod(set.packet[i], std::uint8_t*);
    const std::uint8_t* l3 = data + set.l3[i];
    std::uint8_t* l4 = data + set.l4[i];
    const std::uint32_t size = set.l3_end[i] - set.l4[i];
    const std::uint32_t pseudo = v6 ? wire::pseudo_sum<wire::Ipv6Family>(l3 + 8, l3 + 24, 6, size)
                                    : wire::pseudo_sum<wire::Ipv4Family>(l3 + 12, l3 + 16, 6, size);
    store_be16(l4 + kTcpSum, 0);
    if (needs_checksum(set.packet[i])) {
        store_be16(l4 + kTcpSum, static_cast<std::uint16_t>(~wire::finish_sum(pseudo)));
        return;
    }
    store_be16(l4 + kTcpSum, wire::finish_sum(wire::add_sums(pseudo, wire::sum_bytes({l4, size}))));
}

void add_to(std::uint8_t* number, std::int32_t delta, std::uint8_t* checksum) noexcept {
    const std::uint32_t before = load_be32(number), after = before + static_cast<std::uint32_t>(delta);
    store_be32(number, after);
    if (checksum) store_be16(checksum, wire::update_checksum32(load_be16(checksum), before, after));
}

}  // namespace

bool edit_text(PacketSet& set, unsigned i, const conntrack::Outcome& outcome) noexcept {
    const bool text = outcome.text_removed != 0;
    if (!text && outcome.seq_delta == 0 && outcome.ack_delta == 0) return true;
    if (text && !replace_text(set, i, outcome)) return false;
    auto* l4 = rte_pktmbuf_mtod(set.packet[i], std::uint8_t*) + set.l4[i];
    std::uint8_t* checksum = text || needs_checksum(set.packet[i]) ? nullptr : l4 + kTcpSum;
    add_to(l4 + wire::tcp::kSeq, outcome.seq_delta, checksum);
    if (load_be16(l4 + wire::tcp::kOffsetFlags) & wire::tcp::kAckFlag)
        add_to(l4 + wire::tcp::kAck, outcome.ack_delta, checksum);
    if (text) finish_tcp(set, i);
    return true;
}

}  // namespace sluice::pipeline
