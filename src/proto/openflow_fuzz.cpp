// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as a stream of OpenFlow messages, then as the actions of a packet-out and as the match of a
// flow-mod, so that these need no right lengths around them. What decodes must encode; its encoding must
// decode and encode to the same bytes again.
#include <cstdint>
#include <cstdlib>
#include <vector>

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

void append(std::vector<std::uint8_t>& out, std::uint64_t value, unsigned bytes) {
    while (bytes-- > 0)
        out.push_back(static_cast<std::uint8_t>(value >> 8 * bytes));
}

std::vector<std::uint8_t> header(std::uint8_t version, std::uint8_t type, std::size_t body) {
    std::vector<std::uint8_t> out{version, type};
    append(out, 8 + body, 2);
    append(out, 1, 4);
    return out;
}

/// OpenFlow 1.3 §7.3.7, OpenFlow 1.0 §5.3.6: the actions, and no packet.
void check_actions(std::span<const std::uint8_t> actions) {
    auto message = header(4, 13, 16 + actions.size());
    append(message, 0xffffffff, 4);
    append(message, 1, 4);
    append(message, actions.size(), 2);
    append(message, 0, 6);
    message.insert(message.end(), actions.begin(), actions.end());
    check(message, {});
    message = header(1, 13, 8 + actions.size());
    append(message, 0xffffffff, 4);
    append(message, 1, 2);
    append(message, actions.size(), 2);
    message.insert(message.end(), actions.begin(), actions.end());
    check(message, {});
}

/// OpenFlow 1.3 §7.3.4.1 with an OXM match and no instructions.
void check_match(std::span<const std::uint8_t> fields) {
    const std::size_t padding = (8 - (4 + fields.size()) % 8) % 8;
    auto message = header(4, 14, 40 + 4 + fields.size() + padding);
    append(message, 0, 8);
    append(message, 0, 8);
    append(message, 0, 8);           // table, command, timeouts, priority
    append(message, 0xffffffff, 4);  // no buffer
    append(message, 0, 8);           // ports and groups mean nothing to an add
    append(message, 0, 4);
    append(message, 1, 2);
    append(message, 4 + fields.size(), 2);
    message.insert(message.end(), fields.begin(), fields.end());
    append(message, 0, static_cast<unsigned>(padding));
    check(message, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FrameReader frames;
    frames.append({data, size});
    while (auto frame = frames.next()) {
        check(*frame, {});
        check(*frame, {true});
    }
    if (size < 60'000) {
        check_actions({data, size});
        check_match({data, size});
    }
    return 0;
}
