// SPDX-License-Identifier: Apache-2.0
// BfdMonitor: the thread that BFD sessions run on. Intervals of 100 ms must hold while workers keep all cores
// busy and the control thread changes 100,000 flows, so neither of the two has a part in it: received
// packets come from the workers through an inbox (pipeline/monitor.hpp), sent ones leave through an executor
// of its own, and `PortMonitor::forwarding` tells the workers at once.
//
// The thread exists while there are sessions. It sleeps until a packet comes or a session is due, and is
// offline in RCU meanwhile. What it shares with the control thread is under one mutex that both hold for
// microseconds: never while sending, logging or waiting.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "bfd/session.hpp"
#include "pipeline/datapath.hpp"

namespace sluice::worker {

class BfdMonitor {
  public:
    /// `on_change` is called, from the monitor's thread, when a session's status changed or it has something
    /// for the log: it must only arrange that the control thread calls collect().
    BfdMonitor(pipeline::Datapath& datapath, std::function<void()> on_change);
    /// Stops the thread.
    ~BfdMonitor();
    BfdMonitor(const BfdMonitor&) = delete;
    BfdMonitor& operator=(const BfdMonitor&) = delete;

    // Control thread.
    /// Where a session's packets come from and go to.
    struct Place {
        PortIndex port = PortIndex::kNone;
        unsigned bridge = 0;
        OfPort number{};
        MacBytes mac{};
        friend bool operator==(const Place&, const Place&) = default;
    };
    /// Starts the session of that interface, or gives it a new configuration or place. The result goes into
    /// PortEntry::monitor; it changes with the filter. EAGAIN: no thread could be had.
    Result<std::shared_ptr<pipeline::PortMonitor>> set(const std::string& name, const bfd::Config& config,
                                                       const Place& place);
    /// Ends a session; its packets go to the flow tables from the next topology on.
    void remove(const std::string& name);
    bool has(const std::string& name) const;
    /// May traffic go to that interface? True when it has no session.
    bool forwarding(const std::string& name) const;
    /// Interface:bfd_status; empty without a session.
    std::map<std::string, std::string> status(const std::string& name) const;
    /// bfd/show of one session, or of all with their names; none: no such session.
    std::optional<std::string> show(const std::string& name) const;
    std::string show_all() const;
    /// bfd/set-forwarding; an empty name means all. False: no such session.
    bool set_forwarding(const std::string& name, std::optional<bool> forwarding);
    /// What the sessions have to tell; for the log.
    std::vector<std::string> collect();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::worker
