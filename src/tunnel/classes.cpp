// SPDX-License-Identifier: Apache-2.0
#include "tunnel/classes.hpp"

#include <cstring>

namespace sluice::tunnel {

std::uint32_t ArrivalClasses::number(const Received& in) {
    if (in.options_size > kOptionWords * sizeof(std::uint64_t)) return unique();
    Words words{};
    words[0] = in.src.hi;
    words[1] = in.src.lo;
    words[2] = in.dst.hi;
    words[3] = in.dst.lo;
    words[4] = in.id;
    words[5] = std::uint64_t{to_int(in.port)} << 48 | std::uint64_t{in.udp_port} << 32 |
               std::uint64_t{in.tos} << 24 | std::uint64_t{in.ttl} << 16 |
               static_cast<std::uint64_t>(in.kind) << 8 | (in.has_key ? 4U : 0U) | (in.oam ? 2U : 0U) |
               (in.checksum ? 1U : 0U);
    words[6] = std::uint64_t{in.vxlan_flags} << 32 | in.erspan_index;
    words[7] = std::uint64_t{in.erspan_version} << 32 | std::uint64_t{in.erspan_direction} << 24 |
               std::uint64_t{in.erspan_hardware} << 16 | std::uint64_t{in.gtpu_flags} << 8 | in.gtpu_type;
    words[8] = in.options_size;
    std::memcpy(&words[9], in.option_bytes, in.options_size);
    if (last_number_ != 0 && words == last_) return last_number_;
    if (numbers_.size() >= kMost && numbers_.count(words) == 0) return unique();
    const auto next = static_cast<std::uint32_t>(kFirst + numbers_.size());
    last_number_ = numbers_.emplace(words, next).first->second;
    last_ = words;
    return last_number_;
}

void ArrivalClasses::clear() noexcept {
    numbers_.clear();
    last_number_ = 0;
}

}  // namespace sluice::tunnel
