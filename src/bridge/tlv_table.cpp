// SPDX-License-Identifier: Apache-2.0
#include "bridge/tlv_table.hpp"

#include <fmt/format.h>

namespace sluice::bridge {

using openflow::ErrorCode;
using openflow::OfError;

std::optional<OfError> TlvTable::apply(const openflow::TlvTableMod& mod) {
    using Command = openflow::TlvTableMod::Command;
    Maps maps = maps_;
    switch (mod.command) {
        case Command::kAdd:
            for (const auto& map : mod.maps) {
                if (auto error = add(maps, map)) return error;
            }
            break;
        case Command::kDelete:
            for (const auto& map : mod.maps)
                maps[map.index].reset();
            break;
        case Command::kClear:
            maps = {};
            break;
    }
    maps_ = maps;
    return {};
}

std::optional<OfError> TlvTable::add(Maps& maps, const openflow::TlvMap& map) {
    if (maps[map.index])
        return OfError{ErrorCode::kNxttmfcAlreadyMapped, fmt::format("tun_metadata{} is mapped", map.index)};
    std::uint32_t used = map.option_len;
    for (const auto& other : maps) {
        if (!other) continue;
        used += other->option_len;
        if (other->option_class == map.option_class && other->option_type == map.option_type)
            return OfError{ErrorCode::kNxttmfcDupEntry,
                           fmt::format("option {:#x}:{:#x} is tun_metadata{} already", map.option_class,
                                       map.option_type, other->index)};
    }
    if (used > kSpace)
        return OfError{ErrorCode::kNxttmfcTableFull, fmt::format("{} bytes of {}", used, kSpace)};
    maps[map.index] = map;
    return {};
}

openflow::TlvTableReply TlvTable::describe() const {
    openflow::TlvTableReply reply;
    reply.max_option_space = kSpace;
    reply.max_fields = kFields;
    for (const auto& map : maps_) {
        if (map) reply.maps.push_back(*map);
    }
    return reply;
}

}  // namespace sluice::bridge
