// SPDX-License-Identifier: Apache-2.0
#include "bridge/port_numbers.hpp"

namespace sluice::bridge {

std::optional<OfPort> PortNumbers::allocate(std::optional<OfPort> wish) {
    if (wish) {
        const std::uint32_t number = to_int(*wish);
        if (number >= kFirstOfPort && number <= kLastOfPort && !used_[number]) {
            used_[number] = true;
            return wish;
        }
    }
    while (next_ <= kLastOfPort && used_[next_])
        ++next_;
    if (next_ <= kLastOfPort) {
        used_[next_] = true;
        return OfPort{next_++};
    }
    while (!released_.empty()) {
        const std::uint16_t number = released_.front();
        released_.pop_front();
        if (used_[number]) continue;
        used_[number] = true;
        return OfPort{number};
    }
    return {};
}

void PortNumbers::release(OfPort number) {
    const std::uint32_t n = to_int(number);
    if (n < kFirstOfPort || n > kLastOfPort || !used_[n]) return;
    used_[n] = false;
    // Growth comes back to numbers above next_; the others wait their turn.
    if (n < next_) released_.push_back(static_cast<std::uint16_t>(n));
    if (released_.size() <= 2 * kLastOfPort) return;
    std::deque<std::uint16_t> still_free;  // a wish taken and released over and over leaves stale entries
    std::bitset<kLastOfPort + 1> seen;
    for (auto it = released_.rbegin(); it != released_.rend(); ++it) {
        if (used_[*it] || seen[*it]) continue;
        seen[*it] = true;
        still_free.push_front(*it);
    }
    released_ = std::move(still_free);
}

bool PortNumbers::in_use(OfPort number) const {
    const std::uint32_t n = to_int(number);
    return n <= kLastOfPort && used_[n];
}

}  // namespace sluice::bridge
