// SPDX-License-Identifier: Apache-2.0
// Framing, negotiation, errors, round trips of every message kind in every version, cut and changed bytes.
#include <set>

#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "flow/random.hpp"
#include "proto/openflow/message_samples.hpp"

namespace sluice::openflow {
namespace {

std::string hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    for (const auto b : bytes)
        text += fmt::format("{:02x}", b);
    return text;
}
std::span<const std::uint8_t> first_message(const Bytes& bytes) {
    return std::span(bytes).first(parse_header(bytes)->length);
}
template <typename F>
void for_each_sample(F&& f) {
    for (const auto& body : samples::bodies()) {
        for (const auto version : samples::versions()) {
            const Message message{version, 0x1234, body};
            if (auto bytes = encode(message)) f(message, *bytes);
        }
    }
}

TEST(OpenFlowFrames, ComeOutWholeHoweverTheStreamIsCut) {
    Bytes stream;
    for (const Body& body :
         {Body{Hello{0x7e}}, Body{EchoRequest{samples::bytes(100)}}, Body{BarrierRequest{}}})
        ASSERT_TRUE(encode(Message{Version::k13, 1, body}, stream));
    for (const std::size_t step : {1U, 3U, 7U, 1000U}) {
        FrameReader reader;
        Bytes seen;
        int count = 0;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            reader.append(std::span(stream).subspan(at, std::min(step, stream.size() - at)));
            while (auto frame = reader.next()) {
                seen.insert(seen.end(), frame->begin(), frame->end());
                ++count;
            }
        }
        EXPECT_EQ(seen, stream);
        EXPECT_EQ(count, 3);
        EXPECT_FALSE(reader.broken());
    }
}
TEST(OpenFlowFrames, ALengthBelowTheHeaderBreaksTheStream) {
    FrameReader reader;
    reader.append(Bytes{4, 2, 0, 7, 0, 0, 0, 1, 9, 9});
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.broken());
}

TEST(OpenFlowHello, HighestCommonVersionWins) {
    EXPECT_EQ(negotiate(0x7e, 0x7e), Version::k15);
    EXPECT_EQ(negotiate(0x7e, 0x12), Version::k13);
    EXPECT_EQ(negotiate(0x02, 0x50), std::nullopt);
    EXPECT_EQ(negotiate(0x02, 0xffffffff), Version::k10);
}
TEST(OpenFlowHello, WithoutABitmapMeansAllUpToTheHeader) {
    const auto message = decode(Bytes{4, 0, 0, 8, 0, 0, 0, 1});
    ASSERT_TRUE(message);
    EXPECT_EQ(std::get<Hello>(message->body).versions, 0x1eU);
    const auto future = decode(Bytes{9, 0, 0, 8, 0, 0, 0, 1});
    ASSERT_TRUE(future);
    EXPECT_EQ(std::get<Hello>(future->body).versions, 0x3feU);
}

TEST(OpenFlowErrors, EachHasOneWireFormAVersionAndComesBack) {
    for (unsigned i = 0; i < static_cast<unsigned>(ErrorCode::kCount); ++i) {
        const auto code = static_cast<ErrorCode>(i);
        bool any = false;
        for (std::uint8_t version = 1; version <= 6; ++version) {
            const auto wire = error_to_wire(code, version);
            if (!wire) continue;
            any = true;
            const auto back = error_from_wire(*wire, version);
            ASSERT_TRUE(back);
            EXPECT_EQ(error_to_wire(*back, version), wire) << error_name(code);
        }
        EXPECT_TRUE(any) << error_name(code);
        EXPECT_FALSE(error_text(code).empty());
    }
}
TEST(OpenFlowErrors, ReplyCarriesVersionXidAndTheRequest) {
    Bytes request{4, 200, 0, 100, 1, 2, 3, 4};
    request.resize(100, 0x55);
    const auto reply = decode(encode_error({ErrorCode::kBrcBadType, ""}, request));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->version, Version::k13);
    EXPECT_EQ(reply->xid, 0x01020304U);
    const auto& error = std::get<ErrorMessage>(reply->body);
    EXPECT_EQ(error.type, 1);
    EXPECT_EQ(error.code, 1);
    EXPECT_EQ(error.data, request);
    request.resize(0xffff, 0x55);
    request[0] = 1, request[2] = request[3] = 0xff;
    const Bytes longest = encode_error({ErrorCode::kBmcBadPrereq, ""}, request);
    EXPECT_EQ(longest.size(), 0xffffU) << "as much of a long request as fits";
    EXPECT_TRUE(decode(longest));
}
TEST(OpenFlowErrors, VendorFormsOfEachVersion) {
    Bytes request{1, 14, 0, 8, 0, 0, 0, 1};
    EXPECT_EQ(hex(encode_error({ErrorCode::kBmcBadPrereq, ""}, request)).substr(16, 24),
              "b0c200000000232000010104");
    request[0] = 4;
    EXPECT_EQ(hex(encode_error({ErrorCode::kNxbrcNxmInvalid, ""}, request)).substr(16, 16),
              "ffff000200002320");
}

TEST(OpenFlowCodec, WhatIsEncodedDecodesToTheSameBytes) {
    std::set<std::pair<std::size_t, Version>> seen;
    for_each_sample([&seen](const Message& message, const Bytes& bytes) {
        const auto decoded = decode(first_message(bytes));
        const auto what = fmt::format("{} {}", version_name(message.version), message_name(message.body));
        ASSERT_TRUE(decoded) << what << ": " << error_name(decoded.error().code) << " "
                             << decoded.error().detail << "\n"
                             << hex(bytes);
        // From OpenFlow 1.4 on the Nicira messages of flow monitors travel as the standard ones.
        const bool renamed = message.version >= Version::k14 &&
                             message_name(message.body).starts_with("NXT_FLOW_MONITOR") &&
                             message_name(decoded->body).find("FLOW_MONITOR") != std::string_view::npos;
        EXPECT_TRUE(renamed || decoded->body.index() == message.body.index()) << what;
        EXPECT_EQ(decoded->xid, message.xid);
        const auto again = encode(*decoded);
        ASSERT_TRUE(again) << what;
        EXPECT_EQ(hex(*again), hex(bytes)) << what;
        seen.emplace(message.body.index(), message.version);
    });
    std::set<std::size_t> kinds;
    for (const auto& [index, version] : seen)
        kinds.insert(index);
    // BundleAdd and RequestForward carry messages; they have tests of their own.
    EXPECT_EQ(kinds.size(), std::variant_size_v<BodyVariant> - 2);
}

TEST(OpenFlowCodec, FlowModsKeepMatchAndActions) {
    for (const auto version : samples::versions()) {
        for (const auto& text :
             version >= Version::k12 ? samples::rich_matches() : samples::plain_matches()) {
            FlowMod mod;
            mod.table = 1;
            mod.match = samples::match(text);
            mod.actions = samples::actions("output:2");
            const auto decoded = decode(*encode({version, 1, mod}));
            ASSERT_TRUE(decoded) << text;
            const auto& back = std::get<FlowMod>(decoded->body);
            EXPECT_EQ(format_match(back.match), format_match(mod.match)) << version_name(version);
            EXPECT_EQ(format_actions(back.actions), "output:2");
        }
    }
}

TEST(OpenFlowCodec, RandomRulesSurviveEachVersion) {
    Random random{7};
    for (const auto& rule : random_rules(random, 300)) {
        for (const auto version : {Version::k12, Version::k13, Version::k14, Version::k15}) {
            FlowMod mod;
            mod.table = rule.table == kAllTables ? 0 : rule.table;
            mod.match = rule.match;
            // OXM says "no tag" with 13 bits; that the priority is 0 then goes without saying.
            if (mod.match.value.get(key::kVlanTci) == 0 && mod.match.mask.get(key::kVlanTci) == 0xffff) {
                mod.match.mask.set(key::kVlanTci, 0x1fff);
            }
            mod.actions = rule.actions;
            const auto bytes = encode({version, 1, mod});
            ASSERT_TRUE(bytes);
            const auto decoded = decode(*bytes);
            ASSERT_TRUE(decoded) << format_flow_spec(rule) << ": " << error_name(decoded.error().code) << " "
                                 << decoded.error().detail;
            EXPECT_EQ(format_match(std::get<FlowMod>(decoded->body).match), format_match(mod.match));
            EXPECT_EQ(hex(*encode(*decoded)), hex(*bytes));
        }
    }
}

TEST(OpenFlowCodec, TableIdExtensionIsAnOptionOfTheConnection) {
    FlowMod mod;
    mod.table = 5;
    mod.command = FlowCommand::kModify;
    const auto bytes = encode({Version::k10, 1, mod}, DecodeOptions{true});
    ASSERT_TRUE(bytes);
    const auto with = decode(*bytes, DecodeOptions{true});
    ASSERT_TRUE(with);
    EXPECT_EQ(std::get<FlowMod>(with->body).table, 5);
    EXPECT_EQ(std::get<FlowMod>(with->body).command, FlowCommand::kModify);
    const auto without = decode(*bytes);
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().code, ErrorCode::kFmfcBadCommand);
}

TEST(OpenFlowCodec, BundlesCarryWholeMessages) {
    for (const auto version : {Version::k13, Version::k14, Version::k15}) {
        FlowMod mod;
        mod.table = 0;
        const BundleAdd add{5, 3, *encode({version, 9, mod})};
        const auto decoded = decode(*encode({version, 9, add}));
        ASSERT_TRUE(decoded);
        EXPECT_EQ(std::get<BundleAdd>(decoded->body).message, add.message);
        EXPECT_TRUE(decode(std::get<BundleAdd>(decoded->body).message));
    }
    EXPECT_FALSE(encode({Version::k12, 9, BundleAdd{}}));
}

std::size_t count_flows(const Bytes& bytes, std::size_t& parts) {
    FrameReader frames;
    frames.append(bytes);
    std::size_t flows = 0;
    parts = 0;
    bool more = true;
    while (auto frame = frames.next()) {
        EXPECT_TRUE(more) << "a part after the last";
        const auto message = decode(*frame);
        EXPECT_TRUE(message);
        flows += std::get<FlowStatsReply>(message->body).flows.size();
        more = message->more;
        ++parts;
    }
    EXPECT_FALSE(more);
    return flows;
}

TEST(OpenFlowMultipart, LongRepliesAreSplitAndTheLastPartSaysSo) {
    FlowStats flow;
    flow.match = SparseMatch::from(samples::match("tcp,nw_src=10.0.0.1,tp_dst=80"));
    flow.actions = samples::actions("output:1,output:2");
    for (const auto version : samples::versions()) {
        for (const bool nicira : {false, true}) {
            if (nicira && version > Version::k10) continue;
            for (const std::size_t count : {0U, 1U, 10000U}) {
                const FlowStatsReply reply{std::vector<FlowStats>(count, flow), nicira};
                std::size_t parts = 0;
                const auto bytes = encode({version, 1, reply});
                ASSERT_TRUE(bytes);
                EXPECT_EQ(count_flows(*bytes, parts), count);
                EXPECT_EQ(parts > 1, count > 1);
                Bytes streamed;
                FlowStatsWriter writer{version, 1, nicira, streamed};
                for (std::size_t i = 0; i < count; ++i)
                    ASSERT_TRUE(writer.add(flow));
                writer.finish();
                EXPECT_EQ(streamed, *bytes);
            }
        }
    }
}
TEST(OpenFlowMultipart, AnItemBeyondAMessageIsAnError) {
    FlowStats flow;
    flow.actions = samples::actions("output:1");
    for (int i = 0; i < 9000; ++i)
        flow.actions.push_back(flow.actions.front());
    Bytes out{1, 2, 3};
    EXPECT_FALSE(encode({Version::k10, 1, FlowStatsReply{{flow}, false}}, out));
    EXPECT_EQ(out, (Bytes{1, 2, 3}));
}

TEST(OpenFlowCodec, EveryCutIsRefusedOrDecodesWithinItsBytes) {
    for_each_sample([](const Message&, const Bytes& whole) {
        const auto message = first_message(whole);
        if (message.size() > 600) return;
        for (std::size_t size = 0; size < message.size(); ++size) {
            // A buffer of its own, so that sanitizers see a read past the cut.
            Bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
            if (size >= 4) store_be16(&cut[2], static_cast<std::uint16_t>(size));
            if (const auto decoded = decode(cut)) (void)encode(*decoded);
        }
    });
}
TEST(OpenFlowCodec, AnyTwoBytesMayLie) {
    Random random{11};
    for_each_sample([&random](const Message&, const Bytes& whole) {
        const auto message = first_message(whole);
        if (message.size() > 600 || !random.one_in(4)) return;
        for (std::size_t at = 8; at + 2 <= message.size(); at += 2) {
            Bytes changed(message.begin(), message.end());
            for (const unsigned value : {0U, 1U, 4U, 0xffffU, 0x8000U, random.below(0x10000)}) {
                store_be16(&changed[at], static_cast<std::uint16_t>(value));
                if (const auto decoded = decode(changed)) {
                    const auto again = encode(*decoded);
                    if (!again || again->empty()) continue;
                    EXPECT_TRUE(decode(first_message(*again))) << hex(changed);
                }
            }
        }
    });
}

TEST(OpenFlowActions, AreCheckedAgainstTheMatch) {
    const auto check = [](std::string_view match, std::string_view actions, Version version = Version::k13) {
        ActionCheck limits;
        limits.version = version;
        const auto error = check_actions(samples::actions(actions), samples::match(match), limits);
        return error ? std::string(error_name(error->code)) : std::string("ok");
    };
    EXPECT_EQ(check("tcp", "set_field:80->tcp_dst,output:1"), "ok");
    EXPECT_EQ(check("", "set_field:80->tcp_dst,output:1"), "OFPBAC_MATCH_INCONSISTENT");
    EXPECT_EQ(check("", "mod_nw_src:1.2.3.4"), "OFPBAC_MATCH_INCONSISTENT");
    EXPECT_EQ(check("", "mod_nw_src:1.2.3.4", Version::k10), "ok");
    EXPECT_EQ(check("", "goto_table:0"), "OFPBIC_BAD_TABLE_ID");
    EXPECT_EQ(check("", "goto_table:254"), "OFPBIC_BAD_TABLE_ID");
    EXPECT_EQ(check("", "goto_table:1"), "ok");
    EXPECT_EQ(check("", "resubmit(,254)"), "OFPBRC_BAD_TABLE_ID");
    const auto out = check_actions({Action{OutputAction{OfPort::kAny}}}, {}, {});
    ASSERT_TRUE(out);
    EXPECT_EQ(out->code, ErrorCode::kBacBadOutPort);
}

}  // namespace
}  // namespace sluice::openflow
