// SPDX-License-Identifier: Apache-2.0
// memif 2.0 as it stands on its control socket and in shared memory: the protocol of libmemif, VPP and DPDK's
// net_memif. Host byte order. A client ("slave" in old texts) connects and owns all memory; a server listens.
// Rings: head is where the client stands, tail where the server stands, free running; between tail and head
// lie the buffers that the server may use: full ones (client to server) or empty ones (server to client).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::memif {

inline constexpr std::uint32_t kCookie = 0x3e31f20;
inline constexpr std::uint16_t kVersion = 2 << 8;
inline constexpr unsigned kMaxRings = 64;  ///< each way
inline constexpr unsigned kMaxRegions = 256;
inline constexpr unsigned kMaxLog2Size = 14;
inline constexpr std::size_t kNameBytes = 32, kSecretBytes = 24, kReasonBytes = 96;

enum class Type : std::uint16_t {
    kNone,
    kAck,
    kHello,
    kInit,
    kAddRegion,
    kAddRing,
    kConnect,
    kConnected,
    kDisconnect
};

using Name = std::array<char, kNameBytes>;

/// Server to client, first of all: what it can do.
struct [[gnu::packed]] Hello {
    Name name;  ///< of the program
    std::uint16_t min_version, max_version;
    std::uint16_t max_region;                    ///< highest index
    std::uint16_t max_to_client, max_to_server;  ///< highest indices of rings
    std::uint8_t max_log2_size;
};
/// Which interface of the server the client wants.
struct [[gnu::packed]] Init {
    std::uint16_t version;
    std::uint32_t id;
    std::uint8_t mode;  ///< 0: Ethernet
    std::array<char, kSecretBytes> secret;
    Name name;
};
inline constexpr std::uint8_t kEthernet = 0;
/// With a descriptor of the memory.
struct [[gnu::packed]] AddRegion {
    std::uint16_t index;
    std::uint64_t size;
};
/// With an eventfd that whoever fills the ring writes to.
struct [[gnu::packed]] AddRing {
    std::uint16_t flags;
    std::uint16_t index;
    std::uint16_t region;
    std::uint32_t offset;
    std::uint8_t log2_size;
    std::uint16_t private_bytes;
};
inline constexpr std::uint16_t kToServer = 1;  ///< AddRing::flags
/// The last word of each side's set-up (kConnect, kConnected).
struct [[gnu::packed]] Connect {
    Name interface;
};
struct [[gnu::packed]] Disconnect {
    std::uint32_t code;
    std::array<char, kReasonBytes> reason;
};

struct [[gnu::packed]] Message {
    Type type;
    union {
        std::uint8_t raw[126];
        Hello hello;
        Init init;
        AddRegion add_region;
        AddRing add_ring;
        Connect connect;
        Disconnect disconnect;
    };
};
static_assert(sizeof(Message) == 128 && sizeof(Hello) == 43 && sizeof(Init) == 63 && sizeof(AddRing) == 13);

/// A buffer of a ring.
struct Descriptor {
    std::uint16_t flags;
    std::uint16_t region;
    std::uint32_t length;  ///< bytes of the frame in it, or free for one
    std::uint32_t offset;  ///< in the region
    std::uint32_t metadata;
};
static_assert(sizeof(Descriptor) == 16);
inline constexpr std::uint16_t kNext = 1;  ///< the frame goes on in the next buffer

struct RingHeader {
    std::uint32_t cookie;
    std::uint16_t flags;
    std::uint16_t head;
    std::uint8_t gap[56];
    std::uint16_t tail;
    std::uint8_t gap_too[62];
};
static_assert(sizeof(RingHeader) == 128 && offsetof(RingHeader, head) == 6 &&
              offsetof(RingHeader, tail) == 64);
inline constexpr std::uint16_t kNoInterrupts = 1;  ///< RingHeader::flags, written by whoever empties the ring

inline constexpr std::uint32_t kRingAlignment = 16;

constexpr std::size_t ring_bytes(unsigned log2_size) {
    return sizeof(RingHeader) + (std::size_t{1} << log2_size) * sizeof(Descriptor);
}

}  // namespace sluice::memif
