// SPDX-License-Identifier: Apache-2.0
// FlowKey: everything a match can read of one packet, as 64-bit words of host-order integers.
//
// Every field lies inside one word (a 128-bit field: two words, high half first) and is stored as a
// plain integer. So sub-field loads, moves and masks are shifts, a prefix is a run of high bits, and
// the classifier treats keys as arrays of words without knowing any field. Aliases fall out of the
// layout: xreg0 is the word that holds reg0 (high half) and reg1 (low half), xxreg0 the two words
// that hold reg0..reg3. Words are ordered so that an IPv4 5-tuple program touches one cache line.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/types.hpp"

namespace sluice {

/// Where a field lies: bits [shift, shift+bits) of `word`; if bits == 128, `word` holds the high 64
/// bits and `word + 1` the low ones (shift 0).
struct FieldLoc {
    std::uint8_t word = 0;
    std::uint8_t shift = 0;
    std::uint8_t bits = 0;
};

namespace key {
// Cache line 0: what daily programs read.
inline constexpr FieldLoc kEthDst{0, 16, 48}, kEthType{0, 0, 16};
inline constexpr FieldLoc kEthSrc{1, 16, 48}, kVlanTci{1, 0, 16};       ///< TCI bit 12 set: a tag is present
inline constexpr FieldLoc kVlan1Tci{2, 48, 16}, kVlan1Tpid{2, 32, 16};  ///< second tag
inline constexpr FieldLoc kIpProto{2, 24, 8};  ///< ARP/RARP: low 8 bits of the opcode
inline constexpr FieldLoc kIpTos{2, 16, 8}, kIpTtl{2, 8, 8};
inline constexpr FieldLoc kIpFrag{2, 0, 8};  ///< bit 0: any fragment, bit 1: not the first
inline constexpr FieldLoc kIpv4Src{3, 32, 32}, kIpv4Dst{3, 0, 32};  ///< ARP: spa, tpa
inline constexpr FieldLoc kTpSrc{4, 48, 16}, kTpDst{4, 32, 16};     ///< ICMP: type, code
inline constexpr FieldLoc kTcpFlags{4, 16, 16}, kVlanTpid{4, 0, 16};
inline constexpr FieldLoc kMetadata{5, 0, 64};
inline constexpr FieldLoc kInPort{6, 32, 32}, kPktMark{6, 0, 32};
inline constexpr FieldLoc kIpv6Label{7, 32, 32}, kMplsLse0{7, 0, 32};
// Cache line 1: IPv6, ARP and ND.
inline constexpr FieldLoc kIpv6Src{8, 0, 128}, kIpv6Dst{10, 0, 128};
inline constexpr FieldLoc kArpSha{12, 0, 48}, kArpTha{13, 0, 48};  ///< ND: sll, tll
inline constexpr FieldLoc kNdTarget{14, 0, 128};
// Cache line 2: registers. reg(2n) is the high half of word 16+n, reg(2n+1) the low half.
inline constexpr unsigned kRegWord = 16;
constexpr FieldLoc reg(unsigned n) {
    return {static_cast<std::uint8_t>(kRegWord + n / 2), static_cast<std::uint8_t>(n % 2 ? 0 : 32), 32};
}
constexpr FieldLoc xreg(unsigned n) {
    return {static_cast<std::uint8_t>(kRegWord + n), 0, 64};
}
constexpr FieldLoc xxreg(unsigned n) {
    return {static_cast<std::uint8_t>(kRegWord + 2 * n), 0, 128};
}
// Cache line 3: tunnel and connection state.
inline constexpr FieldLoc kTunId{24, 0, 64};
inline constexpr FieldLoc kTunSrc{25, 32, 32}, kTunDst{25, 0, 32};
inline constexpr FieldLoc kTunFlags{26, 48, 16}, kTunTos{26, 40, 8}, kTunTtl{26, 32, 8};
inline constexpr FieldLoc kTunGbpId{26, 16, 16}, kTunGbpFlags{26, 8, 8}, kTunErspanVer{26, 0, 8};
inline constexpr FieldLoc kCtState{27, 32, 32}, kCtZone{27, 16, 16}, kCtProto{27, 8, 8};
inline constexpr FieldLoc kTunErspanDir{27, 0, 8};
inline constexpr FieldLoc kCtMark{28, 32, 32}, kConjId{28, 0, 32};
inline constexpr FieldLoc kCtLabel{29, 0, 128};
inline constexpr FieldLoc kDpHash{31, 32, 32}, kRecircId{31, 0, 32};
// Cache lines 4 and 5: the rest.
inline constexpr FieldLoc kTunIpv6Src{32, 0, 128}, kTunIpv6Dst{34, 0, 128};
inline constexpr FieldLoc kCtSrc{36, 32, 32}, kCtDst{36, 0, 32};
inline constexpr FieldLoc kCtTpSrc{37, 48, 16}, kCtTpDst{37, 32, 16}, kTunErspanIdx{37, 0, 32};
inline constexpr FieldLoc kCtIpv6Src{38, 0, 128}, kCtIpv6Dst{40, 0, 128};
inline constexpr FieldLoc kMplsLse1{42, 32, 32}, kMplsLse2{42, 0, 32};
inline constexpr FieldLoc kPacketType{43, 32, 32}, kActsetOutput{43, 0, 32};
inline constexpr FieldLoc kSkbPriority{44, 32, 32}, kTunErspanHwid{44, 16, 8};
inline constexpr FieldLoc kTunGtpuFlags{44, 8, 8}, kTunGtpuMsgtype{44, 0, 8};
inline constexpr FieldLoc kNdReserved{7, 0, 32}, kNdOptionsType{12, 48, 8};  ///< never beside MPLS
inline constexpr FieldLoc kNshFlags{46, 56, 8}, kNshTtl{46, 48, 8}, kNshMdtype{46, 40, 8}, kNshNp{46, 32, 8};
inline constexpr FieldLoc kNshSpi{46, 8, 24}, kNshSi{46, 0, 8};
inline constexpr FieldLoc kNshC1{47, 32, 32}, kNshC2{47, 0, 32};
inline constexpr FieldLoc kNshC3{14, 32, 32}, kNshC4{14, 0, 32};  ///< an NSH packet has no ND target
inline constexpr FieldLoc kTunPresent{45, 0, 64};  ///< bit N: the packet has the option of tun_metadataN
/// Tunnel option space: 256 bytes as 32 words, byte 0 the most significant of word 48. What lies where says
/// the bridge's TLV table (tun_table.hpp).
inline constexpr unsigned kTunMetadataWord = 48;
inline constexpr unsigned kTunMetadataWords = 32;
}  // namespace key

inline constexpr unsigned kKeyWords = 80;
inline constexpr std::uint64_t kVlanPresent = 0x1000;  ///< CFI bit of kVlanTci
inline constexpr std::uint8_t kFragAny = 1, kFragLater = 2;

/// One packet's (or one rule's) field values, or a mask over them.
struct alignas(64) FlowKey {
    std::array<std::uint64_t, kKeyWords> word{};

    /// Value of a field of up to 64 bits.
    constexpr std::uint64_t get(FieldLoc f) const noexcept {
        return f.bits >= 64 ? word[f.word] : (word[f.word] >> f.shift) & ((std::uint64_t{1} << f.bits) - 1);
    }
    constexpr void set(FieldLoc f, std::uint64_t value) noexcept {
        if (f.bits >= 64) {
            word[f.word] = value;
            return;
        }
        const std::uint64_t mask = ((std::uint64_t{1} << f.bits) - 1) << f.shift;
        word[f.word] = (word[f.word] & ~mask) | ((value << f.shift) & mask);
    }
    /// Value of a field of any width.
    constexpr U128 get_wide(FieldLoc f) const noexcept {
        return f.bits == 128 ? U128{word[f.word], word[f.word + 1U]} : U128{0, get(f)};
    }
    constexpr void set_wide(FieldLoc f, U128 value) noexcept {
        if (f.bits == 128) {
            word[f.word] = value.hi;
            word[f.word + 1U] = value.lo;
        } else {
            set(f, value.lo);
        }
    }
    friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

}  // namespace sluice
