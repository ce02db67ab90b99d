// SPDX-License-Identifier: Apache-2.0
#include "bench/gen/picker.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::gen {

void Zipf::build(std::uint64_t flows, double exponent) {
    // Buckets: ranks 1..64 alone, then eighths of octaves; the last ends at `flows`.
    std::size_t count = 0;
    std::uint64_t first = 0;
    for (double edge = 64; first < flows && count < buckets_.size();) {
        std::uint64_t next = first + 1;
        if (first >= 64) {
            edge *= std::exp2(0.125);
            next = std::max(first + 1, static_cast<std::uint64_t>(edge));
        }
        if (count + 1 == buckets_.size()) next = flows;
        next = std::min(next, flows);
        buckets_[count++] = {first, next - first};
        first = next;
    }
    std::vector<double> share(buckets_.size(), 0.0);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double low = static_cast<double>(buckets_[i].first) + 1;
        const double middle = low + (static_cast<double>(buckets_[i].count) - 1) / 2;
        share[i] = static_cast<double>(buckets_[i].count) * std::pow(middle, -exponent);
        total += share[i];
    }
    for (double& value : share)
        value *= static_cast<double>(rows_.size()) / total;
    // Vose's alias method.
    std::vector<std::size_t> small, large;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        rows_[i] = {1U << 24, static_cast<std::uint32_t>(i)};
        (share[i] < 1 ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
        const std::size_t less = small.back(), more = large.back();
        small.pop_back();
        rows_[less] = {static_cast<std::uint32_t>(share[less] * (1U << 24)),
                       static_cast<std::uint32_t>(more)};
        share[more] -= 1 - share[less];
        if (share[more] < 1) {
            large.pop_back();
            small.push_back(more);
        }
    }
}

void Picker::set(const Traffic& traffic, std::uint64_t flows, std::uint64_t new_share, std::uint64_t queue,
                 std::uint64_t queues) {
    order_ = traffic.order;
    flows_ = std::max<std::uint64_t>(flows, 1);
    queues_ = std::min(std::max<std::uint64_t>(queues, 1), flows_);
    queue_ = queue % queues_;
    own_ = flows_ / queues_ + (queue_ < flows_ % queues_ ? 1 : 0);
    next_ = 0;
    new_share_ = new_share;
    if (fresh_ == 0) {
        fresh_ = queue;  // numbers of flows that never come again go on from where they were
        random_ = Random(traffic.seed * 31 + queue);
    }
    fresh_step_ = std::max<std::uint64_t>(queues, 1);
    if (order_ == Order::kZipf) zipf_.build(own_, traffic.zipf);
}

std::uint64_t Picker::pick(std::uint64_t* out, std::size_t count) noexcept {
    switch (order_) {
        case Order::kRandom:
            for (std::size_t i = 0; i < count; ++i)
                out[i] = (((random_() >> 32) * own_) >> 32) * queues_ + queue_;
            break;
        case Order::kSequential:
            for (std::size_t i = 0; i < count; ++i) {
                out[i] = next_ * queues_ + queue_;
                if (++next_ == own_) next_ = 0;
            }
            break;
        case Order::kZipf:
            for (std::size_t i = 0; i < count; ++i)
                out[i] = zipf_(random_()) * queues_ + queue_;
            break;
    }
    if (new_share_ == 0) return 0;
    std::uint64_t fresh = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if ((random_() >> 32) >= new_share_) continue;
        out[i] = flows_ + fresh_;
        fresh_ += fresh_step_;
        ++fresh;
    }
    return fresh;
}

}  // namespace sluice::gen
