// SPDX-License-Identifier: Apache-2.0
#include "bridge/tlv_table.hpp"

#include <fmt/format.h>

namespace sluice::bridge {

using openflow::ErrorCode;
using openflow::OfError;

namespace {

std::optional<OfError> add(TunTable& table, const openflow::TlvMap& map) {
    const auto field = fmt::format("tun_metadata{}", map.index);
    switch (table.add({map.option_class, map.option_type, map.option_len, map.index})) {
        case TunTable::Refusal::kNone:
            return {};
        case TunTable::Refusal::kBadOptionLength:
            return OfError{ErrorCode::kNxttmfcBadOptLen,
                           fmt::format("{}: an option of {} bytes", field, map.option_len)};
        case TunTable::Refusal::kBadFieldIndex:
            return OfError{ErrorCode::kNxttmfcBadFieldIdx, field + ": there are 64"};
        case TunTable::Refusal::kTableFull:
            return OfError{ErrorCode::kNxttmfcTableFull,
                           fmt::format("{}: no {} bytes left, {} of {} are in use", field, map.option_len,
                                       table.used_bytes(), TunTable::kSpaceBytes)};
        case TunTable::Refusal::kAlreadyMapped:
            return OfError{ErrorCode::kNxttmfcAlreadyMapped, field + " is mapped"};
        case TunTable::Refusal::kDuplicateEntry:
            break;
    }
    return OfError{ErrorCode::kNxttmfcDupEntry,
                   fmt::format("option {:#x}:{:#x} is mapped already", map.option_class, map.option_type)};
}

}  // namespace

std::optional<OfError> TlvTable::apply(const openflow::TlvTableMod& mod, std::uint64_t used) {
    using Command = openflow::TlvTableMod::Command;
    TunTable next = table_;
    std::uint64_t deleted = 0;
    switch (mod.command) {
        case Command::kAdd:
            for (const auto& map : mod.maps) {
                if (auto error = add(next, map)) return error;
            }
            break;
        case Command::kDelete:
            for (const auto& map : mod.maps) {
                if (next.remove(map.index)) deleted |= std::uint64_t{1} << map.index;
            }
            break;
        case Command::kClear:
            for (const auto& mapping : next.mappings())
                deleted |= std::uint64_t{1} << mapping.index;
            next.clear();
            break;
    }
    if ((deleted & used) != 0)
        return OfError{ErrorCode::kNxttmfcInvalidDelete,
                       fmt::format("tun_metadata{} is in use", __builtin_ctzll(deleted & used))};
    table_ = next;
    return {};
}

openflow::TlvTableReply TlvTable::describe() const {
    openflow::TlvTableReply reply;
    reply.max_option_space = TunTable::kSpaceBytes;
    reply.max_fields = TunTable::kFields;
    for (const TunMapping& map : table_.mappings())
        reply.maps.push_back({map.option_class, map.option_type, map.option_length, map.index});
    return reply;
}

}  // namespace sluice::bridge
