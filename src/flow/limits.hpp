// SPDX-License-Identifier: Apache-2.0
// Limits of execution besides those of action.hpp.
#pragma once

namespace sluice {

/// Values that push: can put on a packet's stack (OVS: 64 KiB of them). More are not pushed.
inline constexpr unsigned kMaxStackDepth = 64;

}  // namespace sluice
