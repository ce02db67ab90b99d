// SPDX-License-Identifier: Apache-2.0
#include "flow/bucket_choice.hpp"

#include <array>

namespace sluice {

namespace {

struct Ports {
    std::uint64_t src = 0, dst = 0;
};

Ports ports_of(const FlowKey& flow) {
    const auto proto = flow.get(key::kIpProto);
    const auto type = flow.get(key::kEthType);
    const bool ip = type == 0x0800 || type == 0x86dd;
    const bool has_ports = ip && (proto == 6 || proto == 17 || proto == 132) && flow.get(key::kIpFrag) == 0;
    return has_ports ? Ports{flow.get(key::kTpSrc), flow.get(key::kTpDst)} : Ports{};
}

}  // namespace

SelectHash SelectHash::from(const GroupProperties& properties) {
    SelectHash out;
    out.key = make_hash_key(properties.selection_param);
    if (properties.selection_method == "hash" && !properties.fields.empty()) {
        out.kind = Kind::kFields;
        out.fields = properties.fields;
    } else if (properties.selection_method == "dp_hash" && properties.selection_param >> 32 == 0) {
        out.kind = Kind::kFiveTuple;
    }
    return out;
}

std::uint64_t SelectHash::operator()(const FlowKey& flow) const noexcept {
    const auto [src_port, dst_port] = ports_of(flow);
    const auto type = flow.get(key::kEthType);
    const auto proto = flow.get(key::kIpProto);
    const bool v4 = type == 0x0800, v6 = type == 0x86dd;
    switch (kind) {
        case Kind::kSymmetric: {
            // Equal for a flow and its answers: what belongs to an end only goes in joined with the other's.
            const std::uint64_t words[] = {
                flow.get(key::kEthSrc) ^ flow.get(key::kEthDst),
                type << 32 | (flow.get(key::kVlanTci) & 0xfff) << 16 | (flow.get(key::kVlan1Tci) & 0xfff),
                v4   ? flow.get(key::kIpv4Src) ^ flow.get(key::kIpv4Dst)
                : v6 ? flow.word[key::kIpv6Src.word] ^ flow.word[key::kIpv6Dst.word]
                     : 0,
                v6 ? flow.word[key::kIpv6Src.word + 1U] ^ flow.word[key::kIpv6Dst.word + 1U] : 0,
                (v4 || v6 ? proto << 32 : 0) | (src_port ^ dst_port) << 16 | (src_port + dst_port)};
            return hash_words(key, words, std::size(words));
        }
        case Kind::kFiveTuple: {
            const std::uint64_t words[] = {type << 32 | (v4 || v6 ? proto : 0),
                                           src_port << 16 | dst_port,
                                           v4   ? flow.word[key::kIpv4Src.word]
                                           : v6 ? flow.word[key::kIpv6Src.word]
                                                : 0,
                                           v6 ? flow.word[key::kIpv6Src.word + 1U] : 0,
                                           v6 ? flow.word[key::kIpv6Dst.word] : 0,
                                           v6 ? flow.word[key::kIpv6Dst.word + 1U] : 0};
            return hash_words(key, words, std::size(words));
        }
        case Kind::kFields:
            break;
    }
    std::uint64_t state = key.word[0];
    for (const HashField& field : fields) {
        const FieldInfo& info = field_info(field.field);
        U128 value;
        if (prereq_present(info.prereq, flow)) value = field_get(info, flow) & field.mask;
        const std::uint64_t words[] = {state, value.hi, value.lo};
        state = hash_words(key, words, std::size(words));
    }
    return state;
}

}  // namespace sluice
