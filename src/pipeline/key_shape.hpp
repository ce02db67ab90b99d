// SPDX-License-Identifier: Apache-2.0
// KeyShape: the header bits that the tables of one bridge can read, as words and masks of FlowKey.
#pragma once

#include <array>
#include <cstdint>

#include "classify/table.hpp"
#include "flow/key.hpp"

namespace sluice::pipeline {

/// Words 0-4 and 7-15 of FlowKey: everything a packet without MPLS or NSH has in its headers.
inline constexpr unsigned kMaxKeyWords = 14;

struct KeyShape {
    std::uint64_t serial = 0;  ///< differs for each shape of each bridge, 0: none yet
    std::uint8_t count = 0;
    std::uint8_t count_ipv4 = 0;  ///< leading words that an IPv4 packet can have
    bool reads_headers = false;   ///< false: packets of one port all go the same way, found once a burst
    std::array<std::uint8_t, kMaxKeyWords> word{};
    std::array<std::uint64_t, kMaxKeyWords> mask{};
    std::array<std::uint64_t, 16> covered{};  ///< by word number: the bits in the key
    /// Behind a ct action, words of ct_state and ct_zone, ct_mark and ct_label are in the key, too.
    static constexpr unsigned kCtWords = 4;
    static constexpr unsigned kFirstCtWord = key::kCtState.word;
    std::uint8_t ct_count = 0;
    std::array<std::uint8_t, kCtWords> ct_word{};
    std::array<std::uint64_t, kCtWords> ct_mask{};
    std::array<std::uint64_t, kCtWords> ct_covered{};  ///< from kFirstCtWord on
    bool reads_ct_tuple = false;                       ///< then what follows a ct has no place in the cache

    /// True if a match reads nothing of the headers that is not in the key.
    bool covers(const SparseMatch& match) const noexcept;
};

/// What packet_class() tells of a packet: Ethernet type, protocol, fragment bits, tags and which headers are
/// sound. So these bits of words 0 and 2 need not be in the key again.
inline constexpr std::uint64_t kClassWord0 = 0xffff, kClassWord2 = 0xff0000ff;

/// The shape that covers these masks (indexed by key word).
KeyShape make_key_shape(const std::array<std::uint64_t, kKeyWords>& mask, std::uint64_t serial);

}  // namespace sluice::pipeline
