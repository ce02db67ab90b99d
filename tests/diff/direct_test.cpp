// SPDX-License-Identifier: Apache-2.0
// The short cuts for whole bursts (pipeline/direct.cpp) do what the walk does.
#include <algorithm>

#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "flow/flow_text.hpp"
#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

constexpr std::uint64_t kAlice = 0x020000000001, kBob = 0x020000000002;

TargetBridge bridge_with(const std::string& flow) {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= 3; ++n)
        bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
    bridge.settings.fdb[{0, kAlice}] = OfPort{2};
    bridge.settings.fdb[{0, kBob}] = OfPort{1};
    bridge.flows.push_back(*parse_flow_spec(flow));
    bridge.flows.back().table = 0;
    return bridge;
}

wire::Frame frame(std::uint64_t dst, std::uint64_t src) {
    wire::Frame bytes(60);
    store_mac(&bytes[0], dst);
    store_mac(&bytes[6], src);
    store_be16(&bytes[12], 0x88b5);
    return bytes;
}

/// Runs the same bursts through both and compares what left, port by port.
void compare(const std::string& flow, const std::vector<std::vector<wire::Frame>>& bursts) {
    PipelineTarget pipeline;
    ReferenceTarget reference;
    ASSERT_TRUE(pipeline.configure({bridge_with(flow)}));
    ASSERT_TRUE(reference.configure({bridge_with(flow)}));
    for (std::size_t n = 0; n < bursts.size(); ++n) {
        Verdict got = pipeline.run_burst("br0", OfPort{1}, bursts[n]);
        Verdict expected = reference.run_burst("br0", OfPort{1}, bursts[n]);
        std::sort(got.sent.begin(), got.sent.end());
        std::sort(expected.sent.begin(), expected.sent.end());
        EXPECT_TRUE(got.sent == expected.sent)
            << "burst " << n << ": " << got.sent.size() << " frames, not " << expected.sent.size();
    }
}

TEST(Direct, a_recycled_buffer_does_not_bring_its_queue) {
    for (const unsigned size : {1U, 31U, 32U}) {
        const std::vector<wire::Frame> burst(size, frame(kAlice, kBob));
        compare("actions=output:2", {burst});
        compare("actions=NORMAL", {burst});
    }
}

TEST(Direct, a_packet_to_its_own_source_goes_nowhere) {
    // The address is known on port 2, and this very packet moves it to port 1.
    compare("actions=NORMAL", {{frame(kAlice, kAlice)}, {frame(kAlice, kBob)}});
    compare("actions=NORMAL", {std::vector<wire::Frame>(32, frame(kAlice, kAlice)), {frame(kAlice, kBob)}});
}

}  // namespace
}  // namespace sluice::tests
