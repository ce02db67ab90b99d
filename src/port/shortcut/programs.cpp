// SPDX-License-Identifier: Apache-2.0
// See port/shortcut/programs.hpp; the key is make_shortcut_key()'s.
#include "port/shortcut/programs.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>

#include "port/shortcut/assembler.hpp"
#include "port/shortcut/key.hpp"

namespace sluice {
namespace {

using bpf::Assembler;
using bpf::If;
using bpf::Width;
using enum Assembler::Reg;

// On the stack of `filter`: the key at its end, a map index below.
constexpr std::int16_t kKey = -static_cast<int>(sizeof(ShortcutKey));
constexpr std::int16_t kIndex = kKey - 8;
constexpr std::int16_t kFlagsAt = kKey + static_cast<int>(offsetof(ShortcutKey, tcp_flags));
constexpr std::int16_t kIfindexAt = kKey + static_cast<int>(offsetof(ShortcutKey, ifindex));

constexpr std::int32_t kL3 = ETH_HLEN, kIpv4Header = 20, kIpv6Header = 40, kUdpHeader = 8;
constexpr std::int32_t kLeastTcpHeader = 20, kTcpFlagsAt = 12;
/// Returned by a socket filter: the whole frame is the socket's; nothing of it is.
constexpr std::int32_t kWholeFrame = -1, kNoFrame = 0;
/// TCX_NEXT and TC_ACT_UNSPEC: whatever comes next at the hook.
constexpr std::int32_t kNext = -1;

constexpr std::int16_t key_at(std::int32_t offset) {
    return static_cast<std::int16_t>(kKey + offset);
}

/// Calls bpf_skb_load_bytes(); r6 is the frame. Fails over to `otherwise` when the frame is too short.
void load_bytes(Assembler& a, std::int32_t offset, std::int16_t to, std::int32_t count,
                Assembler::Label otherwise) {
    a.move(r1, r6);
    a.set(r2, offset);
    a.move(r3, stack);
    a.add(r3, to);
    a.set(r4, count);
    a.call(BPF_FUNC_skb_load_bytes);
    a.jump_if(If::kNotEqual, r0, 0, otherwise);
}

/// r0 = address of the element whose index is in r2 (lost), or fails over to `otherwise`.
void look_up_index(Assembler& a, int map, Assembler::Label otherwise) {
    a.store(Width::k32, stack, kIndex, r2);
    a.map(r1, map);
    a.move(r2, stack);
    a.add(r2, kIndex);
    a.call(BPF_FUNC_map_lookup_elem);
    a.jump_if(If::kEqual, r0, 0, otherwise);
}

}  // namespace

std::vector<bpf_insn> make_shortcut_filter(const ShortcutMaps& maps) {
    Assembler a;
    const auto pass = a.label(), ipv4 = a.label(), transport = a.label(), udp = a.label(), sized = a.label(),
               found = a.label(), broken = a.label();

    // r6: the frame, r7: the generation.
    a.move(r6, r1);
    a.load(Width::k32, r2, r6, offsetof(__sk_buff, pkt_type));
    a.jump_if(If::kEqual, r2, PACKET_OUTGOING, pass);
    a.load(Width::k32, r2, r6, offsetof(__sk_buff, vlan_present));
    a.jump_if(If::kNotEqual, r2, 0, pass);
    a.map_value(r1, maps.control);
    a.load(Width::k64, r7, r1, offsetof(ShortcutControl, generation));
    a.jump_if(If::kNegative, r7, 0, pass);  // kOff

    // The key; r8: end of the network packet, r9: end of the headers, r3: protocol.
    for (std::int16_t at = kKey; at < 0; at = static_cast<std::int16_t>(at + 8))
        a.store(Width::k64, stack, at, 0);
    load_bytes(a, 0, kKey, ShortcutKey::kIpv4Bytes, pass);
    a.load(Width::k16, r2, stack, key_at(12));
    a.jump_if(If::kEqual, r2, htons(ETH_P_IP), ipv4);
    a.jump_if(If::kNotEqual, r2, htons(ETH_P_IPV6), pass);
    load_bytes(a, ShortcutKey::kIpv4Bytes, key_at(ShortcutKey::kIpv4Bytes),
               ShortcutKey::kIpv6Bytes - ShortcutKey::kIpv4Bytes, pass);
    a.load(Width::k8, r2, stack, key_at(kL3));
    a.shift_right(r2, 4);
    a.jump_if(If::kNotEqual, r2, 6, pass);
    a.load(Width::k16, r8, stack, key_at(kL3 + 4));
    a.from_network16(r8);
    a.add(r8, kL3 + kIpv6Header);
    a.store(Width::k16, stack, key_at(kL3 + 4), 0);
    a.set(r9, kL3 + kIpv6Header);
    a.load(Width::k8, r3, stack, key_at(kL3 + 6));
    a.jump(transport);

    a.place(ipv4);
    a.load(Width::k8, r2, stack, key_at(kL3));
    a.jump_if(If::kNotEqual, r2, 0x45, pass);  // no options
    a.load(Width::k16, r2, stack, key_at(kL3 + 6));
    a.jump_if(If::kAnyBit, r2, htons(0x3fff), pass);  // a fragment
    a.load(Width::k16, r8, stack, key_at(kL3 + 2));
    a.from_network16(r8);
    a.add(r8, kL3);
    for (const int at : {2, 4, 6, 10})  // length, identification, fragment, checksum
        a.store(Width::k16, stack, key_at(kL3 + at), 0);
    a.set(r9, kL3 + kIpv4Header);
    a.load(Width::k8, r3, stack, key_at(kL3 + 9));

    a.place(transport);
    a.load(Width::k32, r2, r6, offsetof(__sk_buff, len));
    a.jump_if(If::kAbove, r8, r2, pass);
    a.jump_if(If::kEqual, r3, IPPROTO_UDP, udp);
    a.jump_if(If::kNotEqual, r3, IPPROTO_TCP, pass);
    a.move(r1, r6);
    a.move(r2, r9);
    a.add(r2, kTcpFlagsAt);
    a.move(r3, stack);
    a.add(r3, kFlagsAt);
    a.set(r4, 2);
    a.call(BPF_FUNC_skb_load_bytes);
    a.jump_if(If::kNotEqual, r0, 0, pass);
    a.load(Width::k8, r2, stack, kFlagsAt);
    a.shift_right(r2, 4);
    a.shift_left(r2, 2);
    a.jump_if(If::kBelow, r2, kLeastTcpHeader, pass);
    a.add(r9, r2);
    a.jump(sized);
    a.place(udp);
    a.add(r9, kUdpHeader);

    // r9 becomes the length of the longest frame that will be on the wire.
    a.place(sized);
    a.jump_if(If::kAbove, r9, r8, pass);
    a.load(Width::k32, r8, r6, offsetof(__sk_buff, len));
    a.load(Width::k32, r2, r6, offsetof(__sk_buff, gso_size));
    a.add(r9, r2);
    a.jump_if(If::kNotEqual, r2, 0, found);
    a.move(r9, r8);

    a.place(found);
    a.load(Width::k32, r2, r6, offsetof(__sk_buff, ifindex));
    a.store(Width::k32, stack, kIfindexAt, r2);
    a.map(r1, maps.flows);
    a.move(r2, stack);
    a.add(r2, kKey);
    a.call(BPF_FUNC_map_lookup_elem);
    a.jump_if(If::kEqual, r0, 0, pass);
    a.load(Width::k64, r2, r0, offsetof(ShortcutEntry, generation));
    a.jump_if(If::kNotEqual, r2, r7, pass);
    a.load(Width::k32, r2, r0, offsetof(ShortcutEntry, max_frame));
    a.jump_if(If::kAbove, r9, r2, pass);
    a.load(Width::k32, r9, r0, offsetof(ShortcutEntry, out_ifindex));

    // r7: the counts, r8: length, r9: where to.
    a.load(Width::k32, r2, r0, offsetof(ShortcutEntry, slot));
    look_up_index(a, maps.counts, pass);
    a.move(r7, r0);
    a.set(r2, 0);
    look_up_index(a, maps.decision, pass);
    a.load(Width::k32, r2, r0, offsetof(ShortcutDecision, out_ifindex));
    a.jump_if(If::kNotEqual, r2, 0, broken);
    a.store(Width::k32, r0, offsetof(ShortcutDecision, out_ifindex), r9);
    a.set(r2, 1);
    a.add_atomically(r7, offsetof(ShortcutCounts, packets), r2);
    a.add_atomically(r7, offsetof(ShortcutCounts, bytes), r8);
    a.call(BPF_FUNC_ktime_get_coarse_ns);
    a.store(Width::k64, r7, offsetof(ShortcutCounts, used_ns), r0);
    a.set(r0, kNoFrame);
    a.exit();

    // Nobody took the last decision: `redirect` is gone from an interface. From here on all frames are the
    // workers'.
    a.place(broken);
    a.store(Width::k32, r0, offsetof(ShortcutDecision, out_ifindex), 0);
    a.map_value(r1, maps.control);
    a.set(r2, 1);
    a.add_atomically(r1, offsetof(ShortcutControl, lost), r2);
    a.shift_left(r2, 63);  // kOff
    a.or_atomically(r1, offsetof(ShortcutControl, generation), r2);

    a.place(pass);
    a.set(r0, kWholeFrame);
    a.exit();
    return a.finish();
}

std::vector<bpf_insn> make_shortcut_redirect(const ShortcutMaps& maps) {
    Assembler a;
    const auto nothing = a.label();
    a.set(r2, 0);
    look_up_index(a, maps.decision, nothing);
    a.load(Width::k32, r1, r0, offsetof(ShortcutDecision, out_ifindex));
    a.jump_if(If::kEqual, r1, 0, nothing);
    a.store(Width::k32, r0, offsetof(ShortcutDecision, out_ifindex), 0);
    a.set(r2, 0);  // out, not in
    a.call(BPF_FUNC_redirect);
    a.exit();
    a.place(nothing);
    a.set(r0, kNext);
    a.exit();
    return a.finish();
}

}  // namespace sluice
