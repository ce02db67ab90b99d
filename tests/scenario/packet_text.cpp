// SPDX-License-Identifier: Apache-2.0
// A call a row; numbers are decimal or 0x hex.
#include "tests/scenario/packet_text.hpp"

#include <functional>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "wire/builder.hpp"

namespace sluice::tests {
namespace {

using wire::PacketBuilder;

/// Arguments of one call; those left out have defaults.
class Args {
  public:
    explicit Args(std::vector<std::string> args) : args_(std::move(args)) {}
    const std::string& text(std::size_t i) const {
        if (i >= args_.size()) throw std::invalid_argument("too few arguments");
        return args_[i];
    }
    template <typename T = std::uint32_t>
    T number(std::size_t i) const {
        std::size_t used = 0;
        const unsigned long value = std::stoul(text(i), &used, 0);
        if (used != text(i).size() || value > std::numeric_limits<T>::max())
            throw std::invalid_argument("bad number \"" + text(i) + "\"");
        return static_cast<T>(value);
    }
    template <typename T = std::uint32_t>
    T number(std::size_t i, T otherwise) const {
        return i < args_.size() ? number<T>(i) : otherwise;
    }

  private:
    std::vector<std::string> args_;
};

using U8 = std::uint8_t;
using U16 = std::uint16_t;
using Call = std::function<void(PacketBuilder&, const Args&)>;

const std::map<std::string, Call, std::less<>>& calls() {
    static const std::map<std::string, Call, std::less<>> table = {
        {"eth", [](auto& b, auto& a) { b.eth(a.text(0), a.text(1), a.template number<U16>(2, 0)); }},
        {"llc", [](auto& b, auto&) { b.llc(); }},
        {"snap", [](auto& b, auto&) { b.snap(); }},
        {"vlan",
         [](auto& b, auto& a) {
             b.vlan(a.template number<U16>(0), a.template number<U8>(1, 0),
                    a.template number<U16>(2, 0x8100));
         }},
        {"mpls",
         [](auto& b, auto& a) {
             b.mpls(a.number(0), a.template number<U8>(1, 0), a.template number<U8>(2, 64),
                    a.number(3, 1U) != 0);
         }},
        {"arp",
         [](auto& b, auto& a) {
             b.arp(a.template number<U16>(0), wire::mac_of(a.text(1)), a.text(2), wire::mac_of(a.text(3)),
                   a.text(4));
         }},
        {"rarp",
         [](auto& b, auto& a) {
             b.arp(a.template number<U16>(0), wire::mac_of(a.text(1)), a.text(2), wire::mac_of(a.text(3)),
                   a.text(4), true);
         }},
        {"ipv4",
         [](auto& b, auto& a) {
             b.ipv4(a.text(0), a.text(1), a.template number<U8>(2, 64), a.template number<U8>(3, 0));
         }},
        {"ipv6",
         [](auto& b, auto& a) {
             b.ipv6(a.text(0), a.text(1), a.template number<U8>(2, 64), a.template number<U8>(3, 0),
                    a.number(4, 0U));
         }},
        {"ext", [](auto& b, auto& a) { b.ipv6_ext(a.template number<U8>(0), a.number(1, 1U)); }},
        {"frag6", [](auto& b, auto& a) { b.ipv6_frag(a.template number<U16>(0), a.number(1) != 0); }},
        {"tcp",
         [](auto& b, auto& a) {
             b.tcp(a.template number<U16>(0), a.template number<U16>(1),
                   a.template number<U16>(2, wire::tcp::kAckFlag));
         }},
        {"udp", [](auto& b, auto& a) { b.udp(a.template number<U16>(0), a.template number<U16>(1)); }},
        {"sctp", [](auto& b, auto& a) { b.sctp(a.template number<U16>(0), a.template number<U16>(1)); }},
        {"icmp", [](auto& b, auto& a) { b.icmp(a.template number<U8>(0), a.template number<U8>(1)); }},
        {"icmpv6", [](auto& b, auto& a) { b.icmpv6(a.template number<U8>(0), a.template number<U8>(1)); }},
        {"nd", [](auto& b, auto& a) { b.nd(a.template number<U8>(0), a.text(1), wire::mac_of(a.text(2))); }},
        {"payload", [](auto& b, auto& a) { b.payload(a.number(0), a.template number<U8>(1, 0)); }},
        {"raw", [](auto& b, auto& a) { b.raw(wire::frame_from_hex(a.text(0))); }},
        {"proto", [](auto& b, auto& a) { b.proto(a.template number<U8>(0)); }},
        {"frag", [](auto& b, auto& a) { b.fragment(a.template number<U16>(0), a.number(1) != 0); }},
        {"options", [](auto& b, auto& a) { b.options(wire::frame_from_hex(a.text(0))); }},
        {"no_checksum", [](auto& b, auto&) { b.no_checksum(); }},
        {"bad_checksum", [](auto& b, auto&) { b.bad_checksum(); }},
        {"length", [](auto& b, auto& a) { b.length(a.template number<U16>(0)); }},
        {"poke", [](auto& b, auto& a) { b.poke8(a.number(0), a.template number<U8>(1)); }},
        {"pad", [](auto& b, auto& a) { b.pad_to(a.number(0)); }},
        {"cut", [](auto& b, auto& a) { b.truncate_to(a.number(0)); }},
    };
    return table;
}

std::vector<std::string> split_args(std::string_view text) {
    std::vector<std::string> args;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        args.emplace_back(text.substr(0, comma));
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return args;
}

}  // namespace

Result<wire::Frame> parse_packet(std::string_view text) {
    std::string what{text};
    try {
        if (text.substr(0, 4) == "hex ") return wire::frame_from_hex(text.substr(4));
        PacketBuilder builder;
        while (!text.empty()) {
            const std::size_t open = text.find('('), close = text.find(')');
            if (open == std::string_view::npos || close == std::string_view::npos || close < open)
                return make_error(EINVAL, "packet: call without parentheses at \"{}\"", text);
            what = text.substr(0, close + 1);
            const auto call = calls().find(text.substr(0, open));
            if (call == calls().end()) return make_error(EINVAL, "packet: no call {}", what);
            call->second(builder, Args{split_args(text.substr(open + 1, close - open - 1))});
            text.remove_prefix(close + 1);
            if (!text.empty() && text.front() == '.') text.remove_prefix(1);
        }
        return builder.build();
    } catch (const std::exception& e) {  // PacketBuilder's way to refuse
        return make_error(EINVAL, "packet: {}: {}", what, e.what());
    }
}

}  // namespace sluice::tests
