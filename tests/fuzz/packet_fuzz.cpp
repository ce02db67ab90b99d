// SPDX-License-Identifier: Apache-2.0
// Whatever the bytes of a frame are, the pipeline's parser reads inside them and finds the same key and the
// same headers as the reference parser; of a frame of which only a part lies in the first buffer, no more
// than that part.
//
// Input: a byte of options (bit 0: two VLAN tags are read, else one), two bytes that say how much of the
// frame is in the first buffer (big-endian, modulo its length), then the frame.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "pipeline/parse.hpp"
#include "reference/parse.hpp"

using namespace sluice;

namespace {

constexpr unsigned kMaxFrame = 65535 + 14;
constexpr unsigned kHeaderLines = 2 * 8;  // words of the first two cache lines

struct Parsed {
    FlowKey key{};
    pipeline::NetworkOffsets at;
};

/// As the executor does it: tags first, then the rest. The buffer has exactly `contiguous` bytes.
Parsed parse(const std::uint8_t* frame, std::uint32_t contiguous, std::uint32_t size, unsigned vlan_limit) {
    const auto buffer = std::make_unique<std::uint8_t[]>(contiguous);
    std::copy(frame, frame + contiguous, buffer.get());
    Parsed out;
    const std::uint16_t next = pipeline::parse_link(buffer.get(), contiguous, vlan_limit, out.key);
    out.at = pipeline::parse_network(buffer.get(), contiguous, size, next, out.key);
    return out;
}

void fail(const char* what, std::uint64_t want, std::uint64_t got, unsigned word = 0) {
    std::fprintf(stderr, "%s (word %u): reference %#llx, pipeline %#llx\n", what, word,
                 static_cast<unsigned long long>(want), static_cast<unsigned long long>(got));
    std::abort();
}

void expect_offset(const char* what, std::size_t want, std::uint16_t got) {
    const std::size_t wanted = want == 0 ? 0xffff : want;
    if (wanted != got) fail(what, wanted, got);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3 + 14 || size > 3 + kMaxFrame) return 0;
    const unsigned vlan_limit = data[0] & 1 ? 2 : 1;
    const std::uint8_t* frame = data + 3;
    const auto length = static_cast<std::uint32_t>(size - 3);

    const Parsed whole = parse(frame, length, length, vlan_limit);
    const auto wanted = reference::parse_frame({frame, length}, OfPort{0}, {.vlan_limit = vlan_limit});
    for (unsigned w = 0; w < kKeyWords; ++w)
        if (whole.key.word[w] != wanted.key.word[w]) fail("key", wanted.key.word[w], whole.key.word[w], w);
    expect_offset("l3", wanted.l3, whole.at.l3);
    expect_offset("l4", wanted.l4, whole.at.l4);
    if (whole.at.routing != wanted.routing) fail("routing header", wanted.routing, whole.at.routing);

    const std::uint32_t first = 14 + (static_cast<unsigned>(data[1]) << 8 | data[2]) % (length - 13);
    const Parsed part = parse(frame, first, length, vlan_limit);
    if (part.at.l3 != 0xffff && part.at.l3 > first) fail("l3 of a part", first, part.at.l3);
    if (part.at.l4 != 0xffff && part.at.l4 > first) fail("l4 of a part", first, part.at.l4);
    for (unsigned w = kHeaderLines; w < key::kMplsLse1.word; ++w)
        if (part.key.word[w] != 0) fail("key of a part", 0, part.key.word[w], w);
    return 0;
}
