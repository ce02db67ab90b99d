// SPDX-License-Identifier: Apache-2.0
// Every row of tests/data/of_errors.txt against the whole stack from socket to flow tables: the errors must
// be those that Open vSwitch gave. tests/data/of_errors.py tells the format, and asks running switches the
// same.
#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "bridge/flow_tables.hpp"
#include "control/of_service.hpp"
#include "control/test_util.hpp"
#include "packet/test_eal.hpp"
#include "port/port.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice {
namespace {

namespace of = openflow;

struct Row {
    std::uint8_t version = 0;
    std::string name;
    std::vector<of::Bytes> messages;
    std::string expected;
};

std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> words;
    std::istringstream in(line);
    for (std::string word; std::getline(in, word, separator);)
        words.push_back(word);
    return words;
}
std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \r\n");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \r\n") - first + 1);
}

std::vector<Row> read_rows() {
    const char* path = SLUICE_SOURCE_DIR "/tests/data/of_errors.txt";
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::vector<Row> rows;
    for (std::string line; std::getline(file, line);) {
        if (trimmed(line).empty() || line[0] == '#') continue;
        const auto columns = split(line, '|');
        EXPECT_EQ(columns.size(), 4U) << line;
        if (columns.size() != 4) continue;
        Row& row = rows.emplace_back();
        row.version = static_cast<std::uint8_t>(std::stoi(columns[0]));
        row.name = trimmed(columns[1]);
        for (const std::string& hex : split(trimmed(columns[2]), ' ')) {
            of::Bytes& bytes = row.messages.emplace_back();
            for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
                bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
        }
        row.expected = trimmed(columns[3]);
    }
    return rows;
}

/// A controller that speaks bytes.
class RawClient {
  public:
    RawClient(EventLoop& loop, const std::string& target) {
        Stream::Handlers handlers{[] {}, [this](std::string_view bytes) { receive(bytes); },
                                  [this](const Error&) { closed_ = true; }, [] {}};
        auto connected = Stream::connect(loop, target, {}, std::move(handlers));
        if (connected) stream_ = std::move(connected.value());
    }
    void send(const of::Bytes& bytes) {
        stream_->send({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    void send(of::Version version, std::uint32_t xid, of::Body body) {
        const auto bytes = of::encode({version, xid, std::move(body)});
        ASSERT_TRUE(bytes) << bytes.error().message;
        send(bytes.value());
    }
    bool done() const { return closed_ || passed_; }
    /// The errors as the table writes them.
    std::string answer() const {
        const std::string all = closed_ ? errors_ + " closed" : errors_;
        return all.empty() ? "-" : trimmed(all);
    }
    static constexpr std::uint32_t kBarrier = 0xfffffff0;

  private:
    void receive(std::string_view bytes) {
        frames_.append({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        while (const auto frame = frames_.next()) {
            const auto message = of::decode(*frame);
            if (!message) continue;
            if (std::holds_alternative<of::BarrierReply>(message->body)) passed_ |= message->xid == kBarrier;
            if (const auto* error = std::get_if<of::ErrorMessage>(&message->body)) {
                if (error->vendor == 0) {
                    errors_ += fmt::format(" {}/{}", error->type, error->code);
                } else if (message->version <= of::Version::k11) {
                    errors_ += fmt::format(" {:#x}:{}/{}", error->vendor, error->type, error->code);
                } else {
                    errors_ += fmt::format(" {:#x}:{}", error->vendor, error->type);
                }
            }
        }
    }
    std::unique_ptr<Stream> stream_;
    of::FrameReader frames_;
    std::string errors_;
    bool closed_ = false, passed_ = false;
};

/// Vendors' messages, flow-, group- and meter-mods, bundles; OpenFlow 1.0's port-mod too, for simplicity.
bool may_leave_something(const Row& row) {
    constexpr std::uint8_t kTypes[] = {4, 14, 15, 29, 33, 34};
    return std::any_of(row.messages.begin(), row.messages.end(), [&](const of::Bytes& message) {
        return message.size() < 2 ||
               std::find(std::begin(kTypes), std::end(kTypes), message[1]) != std::end(kTypes);
    });
}

class OfErrorsTest : public testing::Test {
  protected:
    OfErrorsTest() {
        // Packet-outs need memory for packets.
        ensure_test_eal();
        OfServiceSettings settings;
        settings.rundir = directory_.path();
        EXPECT_TRUE(service_.configure(settings));
        for (const char* name : {"p1", "p2", "p3"}) {
            bridge::PortSpec spec;
            spec.name = name;
            spec.patch = true;
            EXPECT_TRUE(bridge_.add_port(spec));
        }
    }
    std::string answer(const Row& row) {
        RawClient client(*loop_, target_);
        const auto version = of::Version{row.version};
        client.send(version, 1, of::Hello{1U << row.version});
        for (const of::Bytes& message : row.messages)
            client.send(message);
        client.send(version, RawClient::kBarrier, of::BarrierRequest{});
        if (!test::run_until(*loop_, [&] { return client.done(); })) return "silent";
        return client.answer();
    }
    /// As every row wants to find the switch.
    void clear() {
        RawClient client(*loop_, target_);
        constexpr auto kVersion = of::Version::k13;
        client.send(kVersion, 1, of::Hello{1U << of::to_int(kVersion)});
        of::FlowMod flows;
        flows.command = of::FlowCommand::kDelete;
        client.send(kVersion, 2, flows);
        of::GroupMod groups;
        groups.command = of::GroupCommand::kDelete;
        groups.group = of::kAllGroups;
        client.send(kVersion, 3, groups);
        of::MeterMod meters;
        meters.command = of::MeterCommand::kDelete;
        meters.meter = of::kAllMeters;
        client.send(kVersion, 4, meters);
        client.send(kVersion, 5, of::TlvTableMod{of::TlvTableMod::Command::kClear, {}});
        client.send(kVersion, RawClient::kBarrier, of::BarrierRequest{});
        ASSERT_TRUE(test::run_until(*loop_, [&] { return client.done(); }));
        EXPECT_EQ(client.answer(), "-");
    }

    test::TempDir directory_;
    std::unique_ptr<EventLoop> loop_ = std::move(EventLoop::create().value());
    pipeline::Datapath datapath_;
    bridge::Bridge bridge_{datapath_, [] {
                               bridge::BridgeSettings settings;
                               settings.name = "br0";
                               settings.datapath_id = 0x42;
                               return settings;
                           }()};
    OfService service_{*loop_, bridge_};
    std::string target_ = "unix:" + (directory_ / "br0.mgmt");
};

TEST_F(OfErrorsTest, EveryBadMessageIsRefusedAsOpenVSwitchDoes) {
    const auto rows = read_rows();
    std::size_t refused = 0;
    bool dirty = true;
    for (const Row& row : rows) {
        if (std::exchange(dirty, may_leave_something(row))) clear();
        EXPECT_EQ(answer(row), row.expected)
            << of::version_name(of::Version{row.version}) << ", " << row.name;
        refused += row.expected != "-";
    }
    EXPECT_GE(refused, 300U);
}

}  // namespace
}  // namespace sluice
