// SPDX-License-Identifier: Apache-2.0
// The vhost-user protocol's numbers and messages (vhost-user specification, version 1, as QEMU documents it),
// and the virtio-net feature bits (virtio 1.2 §5.1.3, §6). Host byte order: both ends are on one machine.
#pragma once

#include <cstdint>

namespace sluice::vhost {

enum class Request : std::uint32_t {
    kGetFeatures = 1,
    kSetFeatures = 2,
    kSetOwner = 3,
    kResetOwner = 4,
    kSetMemTable = 5,
    kSetVringNum = 8,
    kSetVringAddr = 9,
    kSetVringBase = 10,
    kGetVringBase = 11,
    kSetVringKick = 12,
    kSetVringCall = 13,
    kSetVringErr = 14,
    kGetProtocolFeatures = 15,
    kSetProtocolFeatures = 16,
    kGetQueueNum = 17,
    kSetVringEnable = 18,
    kSendRarp = 19,
    kNetSetMtu = 20,
};

/// In front of every message.
struct Header {
    std::uint32_t request;
    std::uint32_t flags;  ///< bits 0-1 version, 2 reply, 3 need reply
    std::uint32_t size;   ///< of the payload
};
static_assert(sizeof(Header) == 12);
inline constexpr std::uint32_t kVersionMask = 3, kVersion = 1, kFlagReply = 4, kFlagNeedReply = 8;

struct VringState {
    std::uint32_t index, number;
};
struct VringAddress {
    std::uint32_t index, flags;
    std::uint64_t descriptors, used, available, log;  ///< the front-end's virtual addresses
};
static_assert(sizeof(VringAddress) == 40);
struct MemoryTableHead {
    std::uint32_t count, padding;
};
struct MemoryTableRow {
    std::uint64_t guest, size, user, offset;
};
static_assert(sizeof(MemoryTableRow) == 32);
inline constexpr unsigned kMaxRegions = 8;
inline constexpr std::uint64_t kVringIndexMask = 0xff, kVringNoFd = 0x100;
inline constexpr std::uint32_t kMaxPayload = 4096;

/// Protocol features (bit numbers).
inline constexpr unsigned kProtocolMq = 0, kProtocolRarp = 2, kProtocolReplyAck = 3, kProtocolMtu = 4;
inline constexpr std::uint64_t kOfferedProtocol =
    1U << kProtocolMq | 1U << kProtocolRarp | 1U << kProtocolReplyAck | 1U << kProtocolMtu;

/// Device features (bit numbers).
inline constexpr unsigned kCsum = 0, kGuestCsum = 1, kMtu = 3, kGuestTso4 = 7, kGuestTso6 = 8, kGuestEcn = 9,
                          kHostTso4 = 11, kHostTso6 = 12, kHostEcn = 13, kMergeable = 15, kStatus = 16,
                          kControlQueue = 17, kControlRx = 18, kControlVlan = 19, kGuestAnnounce = 21,
                          kMultiQueue = 22, kControlMac = 23, kNotifyOnEmpty = 24, kAnyLayout = 27,
                          kIndirect = 28, kEventIndex = 29, kProtocolFeatures = 30, kVersion1 = 32,
                          kPacked = 34, kInOrder = 35, kOrderPlatform = 36, kGuestUso4 = 54, kGuestUso6 = 55,
                          kHostUso = 56;

constexpr bool has(std::uint64_t set, unsigned bit) {
    return (set >> bit & 1) != 0;
}
constexpr std::uint64_t bits(std::initializer_list<unsigned> list) {
    std::uint64_t set = 0;
    for (const unsigned bit : list)
        set |= std::uint64_t{1} << bit;
    return set;
}
/// What a port of ours can do. The control queue is QEMU's own business, but it asks for our consent. No UFO
/// (IP fragments; guests since Linux 4.14 don't want it), no dirty log (live migration of the memory).
inline constexpr std::uint64_t kOffered =
    bits({kCsum,      kGuestCsum,   kMtu,           kGuestTso4,        kGuestTso6,  kGuestEcn,
          kHostTso4,  kHostTso6,    kHostEcn,       kMergeable,        kStatus,     kControlQueue,
          kControlRx, kControlVlan, kGuestAnnounce, kMultiQueue,       kControlMac, kNotifyOnEmpty,
          kAnyLayout, kIndirect,    kEventIndex,    kProtocolFeatures, kVersion1,   kPacked,
          kInOrder,   kGuestUso4,   kGuestUso6,     kHostUso});

}  // namespace sluice::vhost
