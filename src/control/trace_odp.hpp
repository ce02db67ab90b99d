// SPDX-License-Identifier: Apache-2.0
// Datapath actions and flows as text, the way ovs-dpctl(8) and ofproto/trace print them.
#pragma once

#include <string>
#include <vector>

#include "flow/action.hpp"
#include "flow/key.hpp"
#include "flow/match.hpp"

namespace sluice {

/// Datapath actions that turn the headers of `from` into those of `to`: "set(eth(dst=…))", "pop_vlan", …
std::vector<std::string> odp_changes(const FlowKey& from, const FlowKey& to);

/// What encap or decap does to a packet that was `before`, and that has got the fields of `now` until the
/// datapath does it: "push_nsh(flags=0,…)", "pop_eth", … Empty: nothing.
std::string odp_reframing(const Action& action, const FlowKey& before, const FlowKey& now);
/// The packet behind it, `after` by the action alone: the fields of the header that was added are those of
/// `now`.
FlowKey odp_reframed(const Action& action, const FlowKey& after, const FlowKey& now);

/// A ct action of a packet for which it has set ct_zone, ct_mark and ct_label: "ct(commit,zone=7)".
std::string format_odp_ct(const CtAction& action, const FlowKey& key);

/// A match in datapath form without a port: "eth(src=…),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80)".
std::string format_odp_match(const Match& match);

}  // namespace sluice
