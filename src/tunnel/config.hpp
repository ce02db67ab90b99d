// SPDX-License-Identifier: Apache-2.0
// Config: what Interface:options say of a tunnel port. Source: ovs-vswitchd.conf.db(5) "Tunnel Options".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "underlay/address.hpp"

namespace sluice::tunnel {

using underlay::Address;
using underlay::from_ipv4;
using underlay::is_ipv4;

/// kGre and kErspan run over IPv4 and IPv6 (types ip6gre and ip6erspan of the database differ in nothing
/// else).
enum class Kind : std::uint8_t { kGeneve, kVxlan, kGre, kErspan, kGtpu };

/// A key of one direction: fixed, or `flow`: that of the packet's tun_id. Neither: none (0 where the format
/// has no way to say so).
struct KeyRule {
    bool present = false, flow = false;
    std::uint64_t value = 0;
    friend bool operator==(const KeyRule&, const KeyRule&) = default;
};

/// Immutable once made; ports, workers and the receive table share it.
struct Config {
    Kind kind{};
    std::uint16_t udp_port = 0;     ///< 0: not over UDP
    std::optional<Address> remote;  ///< absent: tun_dst of the packet
    std::optional<Address> local;   ///< absent: what the route says, or any
    bool local_flow = false;        ///< tun_src of the packet
    KeyRule in_key, out_key;
    std::uint8_t tos = 0, ttl = 64;
    bool tos_inherit = false, ttl_inherit = false;
    bool dont_fragment = true;  ///< outer IPv4 header: DF
    bool checksum = false;      ///< of UDP or GRE; over IPv6, UDP has it always
    bool sequence = false;      ///< GRE
    bool gbp = false, gpe = false;
    bool layer3 = false;  ///< packet_type=legacy_l3: packets without Ethernet header inside
    std::uint8_t erspan_version = 1, erspan_direction = 0, erspan_hardware = 0;
    bool erspan_flow = false;  ///< version and the rest from the packet's fields
    std::uint32_t erspan_index = 0;
    std::uint32_t packet_mark = 0;  ///< of egress_pkt_mark; selects the route
    friend bool operator==(const Config&, const Config&) = default;
};

/// Is it an Interface:type of a tunnel?
bool is_tunnel_type(std::string_view type);
/// The kind of an Interface:type.
std::optional<Kind> kind_of(std::string_view type);
/// Errors: a sentence naming port, option, value and what is allowed; as for Open vSwitch, remote_ip must be
/// there.
Result<Config> parse_config(const std::string& name, std::string_view type,
                            const std::map<std::string, std::string>& options);

/// Name and number of the datapath port that Open vSwitch has for all ports of that kind and UDP port:
/// "genev_sys_6081", 6081.
std::string system_name(const Config& config);
std::uint16_t system_number(const Config& config);

}  // namespace sluice::tunnel
