// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a stream of OpenFlow messages. What decodes must encode; its encoding must decode and
// encode to the same bytes again.
#include <cstdint>
#include <cstdlib>

#include "proto/openflow/codec.hpp"

using namespace sluice::openflow;

namespace {

void check(std::span<const std::uint8_t> frame, const DecodeOptions& options) {
    const auto message = decode(frame, options);
    if (!message) {
        (void)encode_error(message.error(), frame);
        return;
    }
    const auto bytes = encode(*message, options);
    if (!bytes) return;
    FrameReader parts;
    parts.append(*bytes);
    while (auto part = parts.next()) {
        const auto again = decode(*part, options);
        if (!again || again->body.index() != message->body.index()) std::abort();
        const auto twice = encode(*again, options);
        if (!twice) std::abort();
        if (twice->size() != part->size() || !std::equal(part->begin(), part->end(), twice->begin()))
            std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FrameReader frames;
    frames.append({data, size});
    while (auto frame = frames.next()) {
        check(*frame, {});
        check(*frame, {true});
    }
    return 0;
}
