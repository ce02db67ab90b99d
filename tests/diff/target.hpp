// SPDX-License-Identifier: Apache-2.0
// What scenarios and differential tests drive: something that takes a configuration and flows, then
// frames, and says what came out. The reference interpreter is one (reference_target.hpp); the compiled
// pipeline is to be another. Control thread only; no call outlives another.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "flow/flow_text.hpp"
#include "reference/interpreter.hpp"

namespace sluice::tests {

/// A bridge as a test describes it: `settings` has everything but rules and patch pointers.
struct TargetBridge {
    reference::Bridge settings;
    std::vector<FlowSpec> flows;  ///< in the order they are to be added; flows[i] has number i
    std::map<OfPort, std::pair<std::string, OfPort>>
        patches;  ///< port -> bridge name and port at the other end
};

struct SentFrame {
    std::string bridge;
    OfPort port{};
    wire::Frame bytes;
    std::uint32_t queue = 0xffffffff;  ///< of set_queue or enqueue; all ones: none
    friend auto operator<=>(const SentFrame&, const SentFrame&) = default;
};

struct SentPacketIn {
    std::string bridge;
    std::uint8_t reason = 0;  ///< OpenFlow 1.4 numbers
    std::uint8_t table = 0;
    wire::Frame bytes;
    friend auto operator<=>(const SentPacketIn&, const SentPacketIn&) = default;
};

/// What one frame led to. Frames to one port are in order; the order between ports means nothing.
struct Verdict {
    std::vector<SentFrame> sent;
    std::vector<SentPacketIn> packet_ins;
    std::optional<DropReason> drop;  ///< set if and only if nothing was sent and no packet-in was made
};

/// One flow-mod: which flow it is about is said by table, priority and match.
struct RuleChange {
    enum class Kind : std::uint8_t { kAdd, kModify, kDelete };
    Kind kind{};
    FlowSpec flow;
};

/// The plug. A differential test needs configure() and run(); scenarios use all of it.
class DiffTarget {
  public:
    virtual ~DiffTarget() = default;
    virtual std::string name() const = 0;
    /// Forgets everything, then sets up bridges, ports and flows. The first bridge is where frames enter.
    virtual Result<void> configure(const std::vector<TargetBridge>& bridges) = 0;
    /// A frame received on a port of the named bridge.
    virtual Verdict run(const std::string& bridge, OfPort in_port, wire::Bytes frame) = 0;

    // Groups and meters; those of the beginning stand in TargetBridge::settings. A target without them keeps
    // what stands here.
    /// Adds, replaces (its counters start anew) or, nullptr, deletes a group.
    virtual void set_group(const std::string&, std::uint32_t, const reference::Group*) {}
    /// The meters' clock, milliseconds; kFirstTime after configure(), and never backwards.
    virtual void set_time(std::uint64_t) {}
    struct Counts {
        std::uint64_t packets = 0, bytes = 0;
        friend bool operator==(const Counts&, const Counts&) = default;
    };
    /// Of a group and then each of its buckets; of a meter and then each of its bands.
    virtual std::vector<Counts> group_counts(const std::string&, std::uint32_t) { return {}; }
    virtual std::vector<Counts> meter_counts(const std::string&, std::uint32_t) { return {}; }
    /// Of each mirror of the bridge.
    virtual std::vector<Counts> mirror_counts(const std::string&) { return {}; }
    /// Frames received at once; the verdict joins what all of them led to.
    virtual Verdict run_burst(const std::string& bridge, OfPort in_port,
                              const std::vector<wire::Frame>& frames) {
        Verdict all;
        for (const wire::Frame& frame : frames) {
            Verdict one = run(bridge, in_port, frame);
            all.sent.insert(all.sent.end(), one.sent.begin(), one.sent.end());
            all.packet_ins.insert(all.packet_ins.end(), one.packet_ins.begin(), one.packet_ins.end());
            if (!all.drop) all.drop = one.drop;
        }
        if (!all.sent.empty() || !all.packet_ins.empty()) all.drop.reset();
        return all;
    }
    /// Changes flows between frames, all at once as a bundle does.
    virtual Result<void> change(const std::string& bridge, const std::vector<RuleChange>& changes) = 0;
};
inline constexpr std::uint64_t kFirstTime = 1'000'000;

class ScenarioTarget : public DiffTarget {
  public:
    /// A packet-out message.
    virtual Verdict packet_out(const std::string& bridge, OfPort in_port, wire::Bytes frame,
                               const ActionList& actions) = 0;
    /// Packets that flow `index` of the bridge has counted since configure().
    virtual std::uint64_t hits(const std::string& bridge, std::size_t index) = 0;
    /// A port's link comes up or goes down.
    virtual void set_link(const std::string& bridge, OfPort port, bool up) = 0;
    /// The MAC table: (VLAN, MAC) -> port.
    virtual std::map<reference::FdbKey, OfPort> fdb(const std::string& bridge) = 0;
};

}  // namespace sluice::tests
