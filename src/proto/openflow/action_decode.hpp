// SPDX-License-Identifier: Apache-2.0
// What the files that decode actions share. Private to action_decode*.cpp.
#pragma once

#include "proto/openflow/action_codec.hpp"

namespace sluice::openflow {

/// One action that is being decoded.
struct ActionBody {
    Reader& in;  ///< what follows the header
    const ActionScope& scope;
    ActionList& out;
    std::uint32_t vendor;
    std::uint16_t number;

    template <typename K>
    void add(K kind) const {
        out.push_back(Action{std::move(kind)});
    }
};

/// A sub-field [offset, offset + bits) given by an OXM header; checks its range.
SubField read_subfield(Reader& in, unsigned offset, unsigned bits, bool write, OxmUse use = OxmUse::kHeader);
/// The same with offset and width packed as ofs_nbits.
inline SubField read_range(Reader& in, std::uint16_t range, bool write) {
    return read_subfield(in, range >> 6, (range & 63U) + 1, write, OxmUse::kNxmHeader);
}

/// Finds what can't stand where it does: ct's fields and nat outside of ct, conjunction beside others.
void verify_actions(const ActionList& actions);

// action_decode_learn.cpp
void decode_learn(const ActionBody& b);
// action_decode_nicira.cpp
void decode_conjunction(const ActionBody& b);
void decode_multipath(const ActionBody& b);
void decode_bundle(const ActionBody& b);
void decode_sample(const ActionBody& b);
void decode_fin_timeout(const ActionBody& b);
void decode_check_pkt_larger(const ActionBody& b);
void decode_delete_field(const ActionBody& b);
void decode_encap(const ActionBody& b);
void decode_decap(const ActionBody& b);
// action_decode_ct.cpp
void decode_ct(const ActionBody& b);
void decode_nat(const ActionBody& b);

}  // namespace sluice::openflow
