// SPDX-License-Identifier: Apache-2.0
// ofproto/trace: what a packet would meet, table by table.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/switch.hpp"
#include "flow/text.hpp"

namespace sluice {

/// Names of a bridge's ports for the text syntax. Lives no longer than the bridge.
class BridgePortNames final : public PortNames {
  public:
    explicit BridgePortNames(const bridge::Bridge& owner) : bridge_(owner) {}
    std::optional<OfPort> find_port(std::string_view name) const override;
    std::string port_name(OfPort port) const override;

  private:
    const bridge::Bridge& bridge_;
};

/// Runs the command with the arguments of `ovs-appctl ofproto/trace` (ovs-vswitchd(8), "ofproto/trace
/// Command"): "bridge flow [options] [-generate|packet]" or "[dp] odp_flow …". Returns the text to print;
/// errors say which argument was wrong.
Result<std::string> trace_command(Switch& target, const std::vector<std::string>& arguments);
/// The same for `ofproto/trace-packet-out`, whose last argument are the actions to start with; "-consistent"
/// demands their prerequisites as OpenFlow 1.1+ does.
Result<std::string> trace_packet_out_command(Switch& target, const std::vector<std::string>& arguments);

}  // namespace sluice
