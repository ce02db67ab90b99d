// SPDX-License-Identifier: Apache-2.0
// Packets of a burst that part at a table and meet again: what one part wrote, the other has not.
#include <algorithm>

#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "flow/flow_text.hpp"
#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

wire::Frame udp_frame(std::uint16_t port, std::uint8_t ttl) {
    wire::Frame bytes(60);
    store_mac(&bytes[0], 0x020000000001);
    store_mac(&bytes[6], 0x020000000002);
    store_be16(&bytes[12], 0x0800);
    bytes[14] = 0x45;
    store_be16(&bytes[16], 46);
    bytes[22] = ttl;
    bytes[23] = 17;
    store_be32(&bytes[26], 0x0a000001);
    store_be32(&bytes[30], 0x0a000002);
    store_be16(&bytes[34], 1000);
    store_be16(&bytes[36], port);
    store_be16(&bytes[38], 26);
    return bytes;
}

void compare(const std::vector<std::string>& flows) {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= 4; ++n)
        bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
    for (const auto& text : flows) {
        auto flow = parse_flow_spec(text);
        ASSERT_TRUE(flow) << text << ": " << flow.error().message;
        if (flow->table == 0xff) flow->table = 0;
        bridge.flows.push_back(*flow);
    }
    for (const unsigned cache_entries : {0U, 64U}) {
        PipelineTarget pipeline{cache_entries};
        ReferenceTarget reference;
        ASSERT_TRUE(pipeline.configure({bridge}));
        ASSERT_TRUE(reference.configure({bridge}));
        for (unsigned burst = 0; burst < 4; ++burst) {
            std::vector<wire::Frame> frames;
            for (unsigned n = 0; n < 12; ++n)
                frames.push_back(udp_frame(static_cast<std::uint16_t>(1 + (n + burst) % 3), n % 4 ? 64 : 1));
            Verdict got = pipeline.run_burst("br0", OfPort{1}, frames);
            Verdict expected = reference.run_burst("br0", OfPort{1}, frames);
            std::sort(got.sent.begin(), got.sent.end());
            std::sort(expected.sent.begin(), expected.sent.end());
            EXPECT_TRUE(got.sent == expected.sent) << flows.front() << ", burst " << burst;
        }
        for (std::size_t n = 0; n < bridge.flows.size(); ++n)
            EXPECT_EQ(pipeline.hits("br0", n), reference.hits("br0", n)) << flows[n];
    }
}

const std::vector<std::string> kByRegister = {
    "table=2,reg0=1,actions=output:2",
    "table=2,reg0=2,actions=output:3",
    "table=2,reg0=0,actions=output:4",
};

std::vector<std::string> with(std::vector<std::string> flows) {
    flows.insert(flows.end(), kByRegister.begin(), kByRegister.end());
    return flows;
}

TEST(Split, a_register_is_set_for_those_that_set_it) {
    compare(
        with({"actions=resubmit(,1),resubmit(,2)", "table=1,udp,tp_dst=1,actions=load:1->NXM_NX_REG0[]"}));
    compare(with({"actions=resubmit(,1),resubmit(,2)", "table=1,udp,tp_dst=1,actions=load:1->NXM_NX_REG0[]",
                  "table=1,udp,tp_dst=2,actions=load:2->NXM_NX_REG0[]"}));
    // The same by rules that are more than sets of fields.
    compare(with({"actions=resubmit(,1),resubmit(,2)",
                  "table=1,udp,tp_dst=1,actions=load:1->NXM_NX_REG0[],move:NXM_NX_REG0[]->NXM_NX_REG1[]",
                  "table=1,udp,tp_dst=2,actions=load:2->NXM_NX_REG0[]"}));
    compare(
        with({"actions=resubmit(1,1),resubmit(,2)", "table=1,udp,tp_dst=1,actions=load:1->NXM_NX_REG0[]"}));
}

TEST(Split, packets_meet_again_in_a_later_table) {
    compare(with({"udp,tp_dst=1,actions=load:1->NXM_NX_REG0[],goto_table:2",
                  "udp,tp_dst=2,actions=load:2->NXM_NX_REG0[],goto_table:2",
                  "priority=1,actions=load:7->NXM_NX_REG1[],goto_table:2"}));
    compare(with({"udp,tp_dst=1,actions=load:1->NXM_NX_REG0[],goto_table:1",
                  "udp,tp_dst=2,actions=load:2->NXM_NX_REG0[],resubmit(,2)",
                  "priority=1,actions=mod_dl_src:02:00:00:00:00:09,resubmit(,1)",
                  "table=1,actions=dec_ttl,goto_table:2"}));
}

TEST(Split, a_packet_whose_ttl_ends_does_not_get_what_follows) {
    compare(with({"actions=resubmit(,1),resubmit(,2)", "table=1,ip,actions=dec_ttl,load:1->NXM_NX_REG0[]"}));
    compare(with({"actions=resubmit(,1),resubmit(,2)",
                  "table=1,udp,tp_dst=1,actions=dec_ttl,load:1->NXM_NX_REG0[]",
                  "table=1,udp,tp_dst=2,actions=dec_ttl,load:2->NXM_NX_REG0[],output:1"}));
}

TEST(Split, headers_that_one_part_changed_are_not_read_anew) {
    compare({"actions=resubmit(,1),resubmit(,2)", "table=1,dl_dst=02:00:00:00:00:01,actions=resubmit(,3)",
             "table=3,udp,tp_dst=1,actions=mod_vlan_vid:5,output:2", "table=2,dl_vlan=5,actions=output:3",
             "table=2,priority=1,actions=output:4"});
}

}  // namespace
}  // namespace sluice::tests
