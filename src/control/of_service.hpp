// SPDX-License-Identifier: Apache-2.0
// OfService: all OpenFlow connections of one bridge: <bridge>.mgmt and <bridge>.snoop, controllers.
//
// Owns the listeners and sessions, hands packet-ins, port-status and flow-removed messages to those that
// asked for them, keeps controllers' connections up, and takes care of fail_mode. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "bridge/bridge.hpp"
#include "control/stream.hpp"

namespace sluice {

enum class FailMode : std::uint8_t { kStandalone, kSecure };
enum class ControllerBand : std::uint8_t { kInBand, kOutOfBand };

/// One row of the Controller table.
struct ControllerSettings {
    std::string target;  ///< "tcp:…", "ssl:…", "unix:…", "ptcp:…", "pssl:…", "punix:…"
    std::int64_t max_backoff_ms = 8000;       ///< Controller:max_backoff; at least 1000
    std::int64_t inactivity_probe_ms = 5000;  ///< 0: never probe
    std::optional<unsigned> rate_limit;       ///< controller_rate_limit: packet-ins a second
    std::optional<unsigned> burst_limit;      ///< controller_burst_limit
    bool enable_async_messages = true;
    ControllerBand band = ControllerBand::kOutOfBand;
    bool primary = true;  ///< Controller:type is not "service"
    friend bool operator==(const ControllerSettings&, const ControllerSettings&) = default;
};

/// Everything the database says about a bridge's OpenFlow side.
struct OfServiceSettings {
    std::string rundir;        ///< where <bridge>.mgmt and <bridge>.snoop go
    unsigned versions = 0x7e;  ///< bit n: wire version n (1.0 is 1 ... 1.5 is 6); Bridge:protocols
    FailMode fail_mode = FailMode::kStandalone;
    std::vector<ControllerSettings> controllers;
    SslConfig ssl;
    friend bool operator==(const OfServiceSettings&, const OfServiceSettings&) = default;
};

/// Bit set of `versions` from the words of Bridge:protocols ("OpenFlow13"); empty list: all. EINVAL names an
/// unknown word.
Result<unsigned> parse_openflow_protocols(const std::vector<std::string>& protocols);

/// What goes into a Controller row.
struct ControllerStatus {
    std::string target;
    bool connected = false;
    std::optional<std::string> role;  ///< "other", "master", "slave"; none while not connected
    std::map<std::string, std::string>
        status;  ///< last_error, state, sec_since_connect, sec_since_disconnect
};

class OfService final : public bridge::BridgeListener {
  public:
    /// The bridge outlives the service.
    OfService(EventLoop& loop, bridge::Bridge& bridge);
    ~OfService() override;
    OfService(const OfService&) = delete;
    OfService& operator=(const OfService&) = delete;

    /// Applies settings; connections whose settings did not change stay. The first call installs the NORMAL
    /// flow of a standalone bridge without controllers. Errors (a socket that can't be opened) leave the rest
    /// applied.
    Result<void> configure(const OfServiceSettings& settings);

    /// A packet for controllers, from Datapath::drain(). The caller keeps the packet.
    void packet_in(const pipeline::PuntRecord& record);

    /// One entry a controller in settings order, for active ones; passive ones report their connections
    /// together.
    std::vector<ControllerStatus> controller_status() const;
    /// Called (deferred) when a controller_status() may have changed other than by time.
    std::function<void()> on_status_changed;

    /// Primary controllers configured, and connected right now.
    bool has_controllers() const;
    bool any_controller_connected() const;
    std::size_t connection_count() const;
    /// Asks all controllers to connect again at once (ovs-appctl ofproto… , DB replaced).
    void reconnect();

    // bridge::BridgeListener
    void port_status(bridge::PortEvent event, const bridge::BridgePort& port) override;
    void flow_removed(const bridge::Flow& flow, bridge::FlowRemovedReason reason) override;
    void table_vacancy(std::uint8_t table, bool down) override;

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
