// SPDX-License-Identifier: Apache-2.0
// check_actions(): what OVS refuses in a flow-mod's actions beyond their form, with its error codes.
#include <cerrno>

#include "flow/action_text.hpp"
#include "proto/openflow/action_codec.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice::openflow {

namespace {

using Found = std::optional<OfError>;
constexpr std::uint32_t kMaxQueue = 0xfffffffe;

/// Checks what stands in one action alone.
struct Single {
    const ActionCheck& check;

    Found port(OfPort port) const {
        const auto number = to_int(port);
        if (number < check.max_port || (number >= to_int(OfPort::kInPort) && port != OfPort::kAny)) return {};
        return OfError{ErrorCode::kBacBadOutPort, fmt::format("output to port {:#x}", number)};
    }
    Found list(const ActionList& actions) const {
        for (const auto& action : actions) {
            if (auto found = std::visit(*this, action.kind)) return found;
        }
        return {};
    }
    Found operator()(const OutputAction& a) const { return port(a.port); }
    Found operator()(const OutputTruncAction& a) const {
        if (a.port == OfPort::kNormal || a.port == OfPort::kFlood || a.port == OfPort::kAll ||
            a.port == OfPort::kController || a.port == OfPort::kTable) {
            return OfError{ErrorCode::kBacBadOutPort, "output with max_len to a port that is many"};
        }
        return port(a.port);
    }
    Found operator()(const EnqueueAction& a) const {
        if (a.queue > kMaxQueue) return OfError{ErrorCode::kBacBadQueue, "queue number"};
        return port(a.port);
    }
    Found operator()(const GroupAction& a) const {
        if (a.group <= kMaxGroup) return {};
        return OfError{ErrorCode::kBacBadOutGroup, fmt::format("group {:#x}", a.group)};
    }
    Found operator()(const ResubmitAction& a) const {
        if (a.table == kAllTables || a.table < check.n_tables) return {};
        return OfError{ErrorCode::kBrcBadTableId, fmt::format("resubmit to table {}", a.table)};
    }
    Found operator()(const GotoTableAction& a) const {
        const bool backward = check.table != kAllTables && a.table <= check.table;
        if (!backward && a.table < check.n_tables) return {};
        return OfError{ErrorCode::kBicBadTableId, fmt::format("goto_table:{} from {}", a.table, check.table)};
    }
    Found operator()(const CloneAction& a) const { return list(a.actions); }
    Found operator()(const WriteActionsAction& a) const { return list(a.actions); }
    template <typename Other>
    Found operator()(const Other&) const {
        return {};
    }
};

/// Fields that a rule can't match, or not without a match on the Ethernet type, though they decode.
Found check_flow_match(const Match& match) {
    if (match.mask.get(key::kDpHash) != 0 || match.value.get(key::kRecircId) != 0) {
        return OfError{ErrorCode::kBrcEperm, "match on dp_hash or recirc_id"};
    }
    const auto is_matched = [&match](FieldLoc field) { return !match.mask.get_wide(field).is_zero(); };
    const bool needs_ip = is_matched(key::kCtSrc) || is_matched(key::kCtDst);
    const bool needs_ipv6 = is_matched(key::kCtIpv6Src) || is_matched(key::kCtIpv6Dst);
    if ((needs_ip && !prereq_ok(Prereq::kIpv4, match)) || (needs_ipv6 && !prereq_ok(Prereq::kIpv6, match))) {
        return OfError{ErrorCode::kBacMatchInconsistent, "ct addresses without a match on ip or ipv6"};
    }
    return {};
}

}  // namespace

std::optional<OfError> check_actions(const ActionList& actions, const Match& match,
                                     const ActionCheck& check) {
    if (auto found = check_flow_match(match)) return found;
    if (auto found = Single{check}.list(actions)) return found;
    const auto rules = check.version == Version::k10 ? ActionRules::kOpenFlow10 : ActionRules::kOpenFlow11;
    if (const auto checked = sluice::check_actions(actions, match, check.table, rules); !checked) {
        const auto code = checked.error().code == EPERM    ? ErrorCode::kBacBadSetArgument
                          : checked.error().code == EPROTO ? ErrorCode::kBacUnsupportedOrder
                                                           : ErrorCode::kBacMatchInconsistent;
        return OfError{code, checked.error().message};
    }
    return {};
}

}  // namespace sluice::openflow
