// SPDX-License-Identifier: Apache-2.0
// Bundles of one OpenFlow connection: messages collected under a number, then carried out all or not at
// all. Source: OpenFlow 1.4 §6.8; ONF EXT-230 for 1.3.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "bridge/bridge.hpp"
#include "bridge/flow_tables.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice {

class OfBundles {
  public:
    static constexpr std::size_t kMaxBundles = 64;
    static constexpr std::size_t kMaxBytes = 512U << 20;  ///< of all bundles of a connection
    static constexpr std::int64_t kIdleMs = 10'000;       ///< an open bundle nobody adds to is dropped

    using Refusal = std::optional<openflow::OfError>;

    explicit OfBundles(bridge::Bridge& bridge) : bridge_(bridge) {}

    Refusal open(std::uint32_t id, std::uint16_t flags, std::int64_t now_ms);
    Refusal close(std::uint32_t id, std::uint16_t flags);
    Refusal discard(std::uint32_t id);
    /// Checks and keeps a message; opens the bundle if need be.
    Refusal add(const openflow::BundleAdd& message, const openflow::DecodeOptions& options,
                std::int64_t now_ms);

    /// The message of a bundle that was refused, and why.
    struct Failure {
        openflow::OfError error;
        openflow::Bytes message;
    };
    /// Carries the bundle out in one version and forgets it. `failure` is filled when a message was refused
    /// (the result is then OFPBFC_MSG_FAILED), `done` with the group-mods of one that was carried out.
    Refusal commit(std::uint32_t id, std::uint16_t flags, const openflow::DecodeOptions& options,
                   std::int64_t now_ms, const bridge::Origin& origin, std::optional<Failure>& failure,
                   std::vector<openflow::Message>& done);
    void expire(std::int64_t now_ms);

  private:
    struct Bundle {
        std::uint16_t flags = 0;
        bool closed = false;
        std::int64_t used_ms = 0;
        std::size_t bytes = 0;
        std::vector<openflow::Bytes> messages;
    };
    using Map = std::map<std::uint32_t, Bundle>;
    void forget(Map::iterator bundle);
    std::optional<Failure> carry_out(const Bundle& bundle, const openflow::DecodeOptions& options,
                                     std::int64_t now_ms, const bridge::Origin& origin,
                                     std::vector<openflow::Message>& done);

    bridge::Bridge& bridge_;
    Map bundles_;
    std::size_t bytes_ = 0;
};

/// What a port-mod would be refused for.
std::optional<openflow::OfError> check_port_mod(const bridge::Bridge& bridge, const openflow::PortMod& mod);
/// Carries out a packet-out; the refusal if it can't be.
std::optional<openflow::OfError> run_packet_out(bridge::Bridge& bridge, const openflow::PacketOut& message);
std::optional<openflow::OfError> check_packet_out(const bridge::Bridge& bridge,
                                                  const openflow::PacketOut& message);

}  // namespace sluice
