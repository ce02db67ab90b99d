// SPDX-License-Identifier: Apache-2.0
// Messages about the session itself: hello, errors, echo, barriers, roles, asynchronous configuration,
// bundles. OpenFlow 1.5 §7.3.9-10, §7.4, §7.5.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

/// Versions a side speaks: bit n stands for wire version n. Without a bitmap element on the wire: all
/// bits 1..header version.
struct Hello {
    std::uint32_t versions = 0;
};
/// An error as it stood on the wire (see error.hpp for names). vendor 0: standard.
struct ErrorMessage {
    std::uint32_t vendor = 0;
    std::uint16_t type = 0;
    std::uint16_t code = 0;
    Bytes data;  ///< start of the refused request, or text with hello-failed
};
struct EchoRequest {
    Bytes data;
};
struct EchoReply {
    Bytes data;
};

struct BarrierRequest {};
struct BarrierReply {};

enum class Role : std::uint32_t { kNoChange = 0, kEqual = 1, kPrimary = 2, kSecondary = 3 };
struct RoleRequest {
    Role role{};
    std::optional<std::uint64_t> generation_id;
    bool nicira = false;  ///< NXT_ROLE_REQUEST; answer with the same form
};
struct RoleReply {
    Role role{};
    std::optional<std::uint64_t> generation_id;
    bool nicira = false;
};
enum class RoleReason : std::uint8_t { kPrimaryRequest, kConfig, kExperimenter };
struct RoleStatus {
    Role role{};
    RoleReason reason{};
    std::uint64_t generation_id = 0;
};

/// Kinds of asynchronous messages that a controller can mask.
enum class AsyncKind : std::uint8_t {
    kPacketIn,
    kPortStatus,
    kFlowRemoved,
    kRoleStatus,
    kTableStatus,
    kRequestForward,
    kCount
};
/// For each AsyncKind a bitmap of reasons; one set as primary or equal, one as secondary.
struct AsyncMasks {
    std::array<std::uint32_t, static_cast<std::size_t>(AsyncKind::kCount)> primary{}, secondary{};
    friend bool operator==(const AsyncMasks&, const AsyncMasks&) = default;
};
/// What a new connection gets, as OVS and the specification say.
AsyncMasks default_async_masks(Version version);
struct GetAsyncRequest {};
struct GetAsyncReply {
    AsyncMasks masks;
};
/// Only kinds whose bit (1 << AsyncKind) is in `primary_set`/`secondary_set` change.
struct SetAsync {
    AsyncMasks masks;
    std::uint32_t primary_set = 0, secondary_set = 0;
    enum class Form : std::uint8_t { kStandard, kNicira, kNicira2 } form = Form::kStandard;
};

// ---- Bundles -----------------------------------------------------------------------------------------

enum class BundleType : std::uint16_t {
    kOpenRequest,
    kOpenReply,
    kCloseRequest,
    kCloseReply,
    kCommitRequest,
    kCommitReply,
    kDiscardRequest,
    kDiscardReply
};
namespace bundle_flag {
inline constexpr std::uint16_t kAtomic = 1 << 0, kOrdered = 1 << 1;
}
/// Standard in 1.4+, ONF extension in 1.3.
struct BundleControl {
    std::uint32_t bundle = 0;
    BundleType type{};
    std::uint16_t flags = 0;
};
/// `message` is a whole OpenFlow message of the same version and xid and of a type that bundles take
/// (flow-mod, group-mod, port-mod, packet-out); decode() it when it is added.
struct BundleAdd {
    std::uint32_t bundle = 0;
    std::uint16_t flags = 0;
    Bytes message;
};
/// A group-mod or meter-mod that another controller made; NXT and ONF forms before 1.4. `message` is the
/// whole message.
struct RequestForward {
    Bytes message;
};

}  // namespace sluice::openflow
