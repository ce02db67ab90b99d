// SPDX-License-Identifier: Apache-2.0
// Tunnels: keeps the datapath's tunnel table (tunnel/table.hpp) true: which tunnel ports there are, which
// addresses are this host's, and how packets to each remote leave. A route over a bridge's own port leads
// into that bridge; one over any other interface leads out of it directly, through an underlay port that is
// opened as long as it is needed. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/datapath.hpp"
#include "port/system/underlay_port.hpp"
#include "tunnel/table.hpp"
#include "underlay/mirror.hpp"

namespace sluice {

struct SwitchPort;

class Tunnels {
  public:
    using Ports = std::map<std::string, std::unique_ptr<SwitchPort>>;
    /// `mirror` may be null: then no route is known. All borrowed.
    Tunnels(pipeline::Datapath& datapath, underlay::Mirror* mirror, const Ports& ports)
        : datapath_(datapath), mirror_(mirror), ports_(ports) {}

    /// A worker has a packet for a remote that the table does not know.
    void learn_remote(const pipeline::RemoteRecord& record);
    /// Something may have changed: ports, routes, remotes. True: the datapath has a new table, and the
    /// topology must be pushed.
    bool update();
    /// Would update() look at anything?
    bool stale() const;
    /// Ports have changed.
    void mark_stale() { stale_ = true; }

    /// Interfaces that carry tunnel packets without being ports of a bridge.
    struct Carrier {
        std::unique_ptr<Port> port;
        PortIndex index = PortIndex::kNone;
    };
    const std::map<std::string, Carrier>& carriers() const { return carriers_; }
    /// Those no longer needed: the caller destroys them as it does other ports.
    std::vector<std::unique_ptr<Port>> take_dropped() { return std::exchange(dropped_, {}); }
    /// Whether packets that leave at internal ports must be looked at.
    bool listens() const { return table_ && table_->listens(); }

    /// What Interface:status says of a tunnel port: tunnel_egress_iface and its carrier; empty: no route.
    std::map<std::string, std::string> status(const tunnel::Config& config) const;
    /// tnl/ports/show; `verbose` with a line for each address.
    std::string show(bool verbose) const;

  private:
    struct Remote {
        tunnel::Address remote{}, local{};
        std::uint32_t mark = 0;
        friend auto operator<=>(const Remote&, const Remote&) = default;
    };
    std::vector<tunnel::End> ends() const;
    std::vector<Remote> fixed_remotes(const std::vector<tunnel::End>& ends) const;
    tunnel::NextHop resolve(const Remote& remote);
    const SwitchPort* internal_port(const std::string& device) const;
    /// The carrier of a device, opened if need be.
    PortIndex carrier(const std::string& device);
    void open_carriers(const std::vector<tunnel::End>& ends);
    void listen(const std::vector<tunnel::End>& ends);

    static constexpr std::size_t kMaxLearned = 16384;

    pipeline::Datapath& datapath_;
    underlay::Mirror* mirror_;
    const Ports& ports_;
    std::shared_ptr<const tunnel::Table> table_;
    std::map<Remote, tunnel::NextHop> hops_;  ///< as the table has them
    std::vector<Remote> learned_;             ///< asked for by packets, the oldest first
    std::map<std::string, Carrier> carriers_;
    std::map<std::string, bool> wanted_;  ///< carriers in use, during update()
    std::vector<std::unique_ptr<Port>> dropped_;
    std::vector<std::uint16_t> udp_ports_;
    bool gre_ = false;
    KernelSilence silence_;
    std::uint64_t seen_ = 0;  ///< the mirror's generation
    bool stale_ = true;
};

}  // namespace sluice
