// SPDX-License-Identifier: Apache-2.0
// Every way a packet can end inside Sluice without being sent. One row a reason: name, meaning.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

#define SLUICE_DROP_REASONS(X)                                                                       \
    X(kNoMatch, "no_match", "table miss: no rule matched (OpenFlow 1.3+ drops)")                     \
    X(kActionDrop, "action_drop", "the matching rule has no output")                                 \
    X(kRuntFrame, "runt_frame", "shorter than an Ethernet header")                                   \
    X(kOversized, "oversized", "larger than the output port's MTU and not segmentable")              \
    X(kSegmentation, "segmentation", "a TSO frame that cannot be segmented in software")             \
    X(kNoMemory, "no_memory", "packet pool exhausted")                                               \
    X(kTtlExpired, "ttl_expired", "dec_ttl found a TTL of 0 or 1")                                   \
    X(kTooDeep, "too_deep", "resubmit deeper than 64")                                               \
    X(kTooManyResubmits, "too_many_resubmits", "more than 4096 resubmits for one packet")            \
    X(kBadPort, "bad_port", "output to a port that does not exist")                                  \
    X(kPortDown, "port_down", "output to a port that is down or set no-forward")                     \
    X(kReceiveDisabled, "receive_disabled", "received on a port that is down or set no-receive")     \
    X(kTxFull, "tx_full", "the output queue of the port was full")                                   \
    X(kTxError, "tx_error", "the port refused the frame")                                            \
    X(kPuntFull, "punt_full", "the ring to the controller was full")                                 \
    X(kReservedMac, "reserved_mac", "destination 01:80:c2:00:00:0x, not forwarded by NORMAL")        \
    X(kVlanMismatch, "vlan_mismatch", "NORMAL: tag not allowed on the input port")                   \
    X(kNormalSamePort, "normal_same_port", "NORMAL: destination is on the input port")               \
    X(kPatchLoop, "patch_loop", "crossed more patch ports than the limit")                           \
    X(kFragment, "fragment", "IP fragment refused by the fragment handling mode")                    \
    X(kNoBridge, "no_bridge", "the port belongs to no bridge")                                       \
    X(kStackEmpty, "stack_empty", "pop from an empty stack")                                         \
    X(kNoGroup, "no_group", "group that does not exist")                                             \
    X(kNoBucket, "no_bucket", "the group has no live bucket")                                        \
    X(kMeter, "meter", "above the rate of a meter's drop band")                                      \
    X(kNotEthernet, "not_ethernet", "a packet without Ethernet header at a port (decap)")            \
    X(kStackFull, "stack_full", "push: more than 64 values")                                         \
    X(kNoTunnelRoute, "no_tunnel_route", "tunnel: no route to the remote, or nobody answers there")  \
    X(kTunnelTooLong, "tunnel_too_long", "tunnel: does not fit the path, and may not be fragmented") \
    X(kTunnelHeader, "tunnel_header", "tunnel: malformed header, or one that the port has not")      \
    X(kTunnelChecksum, "tunnel_checksum", "tunnel: wrong UDP or GRE checksum")                       \
    X(kTunnelEcn, "tunnel_ecn", "tunnel: marked as congested, but not capable of it (RFC 6040)")     \
    X(kNoTunnel, "no_tunnel", "tunnel: for no tunnel port of this switch")                           \
    X(kNatExhausted, "nat_exhausted", "nat: no free address and port is left for the connection")    \
    X(kMirrorPort, "mirror_port", "received on, or learned to be behind, the output of a mirror")    \
    X(kUnsupported, "unsupported", "action not available in this version")

enum class DropReason : std::uint8_t {
#define SLUICE_ROW(id, name, text) id,
    SLUICE_DROP_REASONS(SLUICE_ROW)
#undef SLUICE_ROW
};
inline constexpr std::array kDropReasonNames = {
#define SLUICE_ROW(id, name, text) std::string_view{name},
    SLUICE_DROP_REASONS(SLUICE_ROW)
#undef SLUICE_ROW
};
inline constexpr std::array kDropReasonTexts = {
#define SLUICE_ROW(id, name, text) std::string_view{text},
    SLUICE_DROP_REASONS(SLUICE_ROW)
#undef SLUICE_ROW
};
inline constexpr std::size_t kDropReasonCount = kDropReasonNames.size();

}  // namespace sluice
