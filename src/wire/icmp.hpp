// SPDX-License-Identifier: Apache-2.0
// ICMP for IPv4 (RFC 792).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::icmp {

inline constexpr std::size_t kType = 0, kCode = 1, kChecksum = 2, kRest = 4, kHeaderBytes = 8;
inline constexpr std::uint8_t kEchoReply = 0, kUnreachable = 3, kEcho = 8, kTimeExceeded = 11;

class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kHeaderBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint8_t type() const { return bytes_[kType]; }
    std::uint8_t code() const { return bytes_[kCode]; }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::icmp
