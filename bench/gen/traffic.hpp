// SPDX-License-Identifier: Apache-2.0
// What a generator port sends: one frame, some of whose fields depend on the number of the flow by a formula,
// so that ten million flows need no memory.
//
//     field = base + (((flow * MUL) >> SHR) mod 2^BITS) << POS        (vary=FIELD:BITS[:POS[:SHR[:MUL]]])
//
// `vary=new.FIELD:...` holds for flows that never come again only: the base stays for the others.
//
// Behind the headers stands a mark of 16 bytes: source, flow, time stamp. The sink reads it for latencies,
// and to make the frame anew that was sent and compare it, changed as the scenario expects, with the one that
// came.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace sluice::gen {

constexpr std::size_t kMarkBytes = 16;
constexpr std::size_t kMaxHead = 192;  // headers and mark
constexpr std::size_t kMaxVary = 8;
constexpr std::size_t kFcsBytes = 4;  // counted in `size`, not in memory

enum class Order : std::uint8_t { kRandom, kSequential, kZipf };

/// A varying part of a field. See the formula above.
struct Formula {
    std::uint64_t mul = 1;
    std::uint64_t mask = 0;
    std::uint8_t shr = 0;
    std::uint8_t pos = 0;
    std::uint64_t from = 0;  // flows with lower numbers have 0
    [[nodiscard]] std::uint64_t operator()(std::uint64_t flow) const noexcept {
        return flow < from ? 0 : (((flow * mul) >> shr) & mask) << pos;
    }
};

/// Where a field of the frame stands: at most 8 bytes, or the last 8 of an IPv6 address.
struct Field {
    std::string_view name;
    std::size_t offset = 0;
    std::size_t bytes = 0;
    int checksum = 0;  // which IPv4 header checksum covers it: 0 none, 1 the outer, 2 the inner
};

struct Vary {
    Field field;
    Formula formula;
};

/// A change that the switch is expected to make, in order.
struct Edit {
    enum class Kind : std::uint8_t {
        kSet,
        kDecTtl,
        kPushVlan,
        kPopVlan,
        kSkip,
        kStrip,
        kPort,
        kNotPort,
        kNone
    };
    Kind kind = Kind::kNone;
    std::string field;        // kSet
    std::uint64_t value = 0;  // kSet: base; kPushVlan: TCI; kSkip, kStrip: bytes; kPort, kNotPort: value that
                              // the formula must, must not give
    Formula formula;
};

/// All arguments of a port, checked. Immutable after parse().
struct Traffic {
    std::string proto = "udp4";
    std::vector<std::uint32_t> sizes{64};  // on the wire, with FCS; several: a repeating pattern
    Order order = Order::kRandom;
    double zipf = 1.0;
    std::uint64_t flows = 1;
    double new_share = 0;
    std::uint64_t rate = 0;
    std::uint64_t burst = 1;
    std::uint64_t count = 0;
    std::uint64_t seed = 1;
    std::uint64_t ring = 2048;
    std::uint64_t sample = 64;  // one latency in so many packets
    std::uint64_t check = 16;   // one comparison in so many latencies
    bool enable = true;
    bool l4_checksum = false;
    std::string stats;  // path of the file to share; empty: none
    std::vector<Vary> vary;
    std::vector<Edit> expect;

    std::vector<Field> fields;         // of this frame
    std::vector<std::uint8_t> head;    // headers, with zeroed mark, without lengths and checksums
    std::size_t mark = 0;              // offset of the mark; 0: no frame of these sizes has room
    std::size_t l3 = 0, inner_l3 = 0;  // offsets of IPv4/IPv6 headers; inner 0: no tunnel
    std::size_t l4 = 0;                // of the innermost UDP or TCP header; 0: none
    [[nodiscard]] const Field* find(std::string_view name) const noexcept;

    /// Parses "key=value" pairs as in devargs, without the device's name.
    static Result<Traffic> parse(std::span<const std::pair<std::string, std::string>> arguments);
};

/// The keys that parse() knows, ended by nullptr, as DPDK wants them.
[[nodiscard]] const char* const* traffic_keys() noexcept;

/// Head of a frame of `size` bytes on the wire for no flow in particular: lengths and checksums filled in,
/// flow = 0's values not added. Result: at most kMaxHead bytes, padded with zeros.
[[nodiscard]] std::array<std::uint8_t, kMaxHead> base_head(const Traffic& traffic,
                                                           std::uint32_t size) noexcept;

/// Head of the frame of a flow, made slowly: the reference for the fast writer. The mark stays zero and an L4
/// checksum is not filled in.
[[nodiscard]] std::array<std::uint8_t, kMaxHead> flow_head(const Traffic& traffic, std::uint32_t size,
                                                           std::uint64_t flow) noexcept;

/// What is compared of a packet that came.
enum class Verdict : std::uint8_t { kRight, kWrongPort, kWrongBytes };

/// Compares a frame, as it came to a sink that expects `edits`, with what `source` sent for `flow`.
/// `want` gets the frame as expected (its first bytes). `frame`: at least the head, contiguous.
[[nodiscard]] Verdict judge(const Traffic& source, std::span<const Edit> edits, std::uint64_t flow,
                            std::span<const std::uint8_t> frame, std::size_t frame_bytes,
                            std::array<std::uint8_t, kMaxHead>& want) noexcept;

/// By how many bytes `edits` move the mark.
[[nodiscard]] std::ptrdiff_t growth(std::span<const Edit> edits) noexcept;

}  // namespace sluice::gen
