// SPDX-License-Identifier: Apache-2.0
#include "sync/rcu.hpp"

#include <chrono>

namespace sluice {

Rcu::Rcu() {
    for (auto& reader : readers_)
        reader.rcu_ = this;
}

Rcu::~Rcu() {
    for (auto& item : retired_)
        item.destroy();
}

Rcu::Reader* Rcu::add_reader() {
    for (auto& reader : readers_) {
        if (!reader.used_.exchange(true)) return &reader;
    }
    return nullptr;
}

void Rcu::remove_reader(Reader* reader) {
    reader->offline();
    reader->used_.store(false);
}

bool Rcu::passed(Point point) const noexcept {
    for (const auto& reader : readers_) {
        const auto seen = reader.seen_.load(std::memory_order_seq_cst);
        if (seen != Reader::kOffline && seen < point) return false;
    }
    return true;
}

bool Rcu::spin_until_passed(Point point, std::uint64_t max_ns) const noexcept {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(max_ns);
    while (!passed(point)) {
        for (int i = 0; i < 64; ++i)
            __builtin_ia32_pause();
        if (std::chrono::steady_clock::now() >= deadline) return passed(point);
    }
    return true;
}

void Rcu::retire(std::function<void()> destroy) {
    retired_.push_back({point(), std::move(destroy)});
}

std::size_t Rcu::reclaim() {
    while (!retired_.empty() && passed(retired_.front().point)) {
        auto destroy = std::move(retired_.front().destroy);
        retired_.pop_front();
        destroy();
    }
    return retired_.size();
}

}  // namespace sluice
