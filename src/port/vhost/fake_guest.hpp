// SPDX-License-Identifier: Apache-2.0
// A guest in the same process, for tests and the fuzzer: memory of its own (a memfd), the driver's side of
// both ring layouts, and the front-end's messages to a Session. What it writes can be as wrong as wished.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "port/vhost/session.hpp"

namespace sluice::vhost {

class FakeGuest {
  public:
    static constexpr std::uint64_t kGuestBase = 0x100000, kUserBase = 0x7f0000000000, kBytes = 1 << 20;
    static constexpr std::uint32_t kRingSize = 64;
    static constexpr std::uint64_t kBuffers = 0x40000;  ///< offset of the memory for frames

    /// A part of a buffer: offset in the guest's memory.
    struct Part {
        std::uint64_t offset;
        std::uint32_t size;
        bool write = false;
    };
    struct Used {
        std::uint32_t id, written;
    };

    explicit FakeGuest(std::uint64_t features)
        : features_(features), memory_fd_(memfd_create("guest", MFD_CLOEXEC)), session_("vm", device_) {
        [[maybe_unused]] const int made = ftruncate(memory_fd_.get(), kBytes);
        memory_ = static_cast<std::uint8_t*>(
            mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0));
    }
    ~FakeGuest() { munmap(memory_, kBytes); }
    FakeGuest(const FakeGuest&) = delete;
    FakeGuest& operator=(const FakeGuest&) = delete;

    bool packed() const { return has(features_, kPacked); }
    std::uint8_t* at(std::uint64_t offset) { return memory_ + offset; }
    template <typename T>
    void put(std::uint64_t offset, T value) {
        std::memcpy(at(offset), &value, sizeof value);
    }
    template <typename T>
    T get(std::uint64_t offset) {
        T value;
        std::memcpy(&value, at(offset), sizeof value);
        return value;
    }

    // Messages.
    Result<std::vector<std::uint8_t>> say(Request request, const void* payload, std::uint32_t size,
                                          std::vector<guest::Fd> fds = {}, std::uint32_t flags = kVersion) {
        const auto* bytes = static_cast<const std::uint8_t*>(payload);
        return session_.handle({static_cast<std::uint32_t>(request), flags, size}, {bytes, size},
                               std::move(fds));
    }
    Result<std::vector<std::uint8_t>> say(Request request, std::uint64_t value,
                                          std::vector<guest::Fd> fds = {}) {
        return say(request, &value, sizeof value, std::move(fds));
    }
    Result<std::vector<std::uint8_t>> say_state(Request request, std::uint32_t index, std::uint32_t number) {
        const VringState state{index, number};
        return say(request, &state, sizeof state);
    }
    Result<std::vector<std::uint8_t>> share_memory(std::vector<MemoryTableRow> rows = {
                                                       {kGuestBase, kBytes, kUserBase, 0}}) {
        std::vector<std::uint8_t> payload(sizeof(MemoryTableHead) + rows.size() * sizeof(MemoryTableRow));
        const MemoryTableHead head{static_cast<std::uint32_t>(rows.size()), 0};
        std::memcpy(payload.data(), &head, sizeof head);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(rows.data());
        std::copy_n(bytes, rows.size() * sizeof(MemoryTableRow), payload.begin() + sizeof head);
        std::vector<guest::Fd> fds;
        for (std::size_t i = 0; i < rows.size(); ++i)
            fds.emplace_back(dup(memory_fd_.get()));
        return say(Request::kSetMemTable, payload.data(), static_cast<std::uint32_t>(payload.size()),
                   std::move(fds));
    }
    VringAddress ring_address(std::uint32_t index) const {
        const std::uint64_t base = kUserBase + ring_offset(index);
        return {index, 0, base, base + 0xc00, base + 0x800, 0};
    }
    /// Everything up to running queues 0 and 1.
    Result<void> start() {
        if (auto done = say(Request::kSetFeatures, features_); !done) return done.error();
        if (auto done = share_memory(); !done) return done.error();
        for (std::uint32_t i = 0; i < 2; ++i)
            if (auto done = start_ring(i); !done) return done;
        return {};
    }
    Result<void> start_ring(std::uint32_t i) {
        const VringAddress address = ring_address(i);
        if (auto done = say_state(Request::kSetVringNum, i, kRingSize); !done) return done.error();
        if (auto done = say_state(Request::kSetVringBase, i, packed() ? 0x8000 : 0); !done)
            return done.error();
        if (auto done = say(Request::kSetVringAddr, &address, sizeof address); !done) return done.error();
        if (auto done = say(Request::kSetVringCall, i, one_eventfd()); !done) return done.error();
        if (auto done = say(Request::kSetVringKick, i, one_eventfd()); !done) return done.error();
        return {};
    }
    static std::vector<guest::Fd> one_eventfd() {
        std::vector<guest::Fd> fds;
        fds.emplace_back(eventfd(0, EFD_CLOEXEC));
        return fds;
    }

    // Rings, the driver's side.
    static constexpr std::uint64_t ring_offset(std::uint32_t ring) { return std::uint64_t{ring} * 0x4000; }
    static constexpr std::uint64_t available_offset(std::uint32_t ring) { return ring_offset(ring) + 0x800; }
    static constexpr std::uint64_t used_offset(std::uint32_t ring) { return ring_offset(ring) + 0xc00; }
    void put_descriptor(std::uint64_t offset, std::uint64_t address, std::uint32_t size, std::uint16_t low,
                        std::uint16_t high) {
        put<std::uint64_t>(offset, address);
        put<std::uint32_t>(offset + 8, size);
        put<std::uint16_t>(offset + 12, low);
        put<std::uint16_t>(offset + 14, high);
    }
    /// Split rings: descriptor `index`.
    void describe(std::uint32_t ring, std::uint32_t index, std::uint64_t address, std::uint32_t size,
                  std::uint16_t flags, std::uint16_t next) {
        put_descriptor(ring_offset(ring) + 16ULL * index, address, size, flags, next);
    }
    void make_available(std::uint32_t ring, std::uint16_t head) {
        State& s = states_[ring];
        put<std::uint16_t>(available_offset(ring) + 4 + 2ULL * (s.available % kRingSize), head);
        write_release<std::uint16_t>(at(available_offset(ring) + 2), ++s.available);
    }
    /// Offers a buffer of `parts`; through a table at `table` (an offset) if that is not 0.
    void offer(std::uint32_t ring, std::span<const Part> parts, std::uint64_t table = 0) {
        packed() ? offer_packed(ring, parts, table) : offer_split(ring, parts, table);
    }
    /// What the device gave back since the last call.
    std::vector<Used> collect(std::uint32_t ring) {
        return packed() ? collect_packed(ring) : collect_split(ring);
    }

    Device& device() { return device_; }
    NetQueue& to_guest() { return device_.pairs[0]->to_guest; }
    NetQueue& from_guest() { return device_.pairs[0]->from_guest; }
    int memory_fd() const { return memory_fd_.get(); }

  private:
    struct State {
        std::uint16_t next = 0, available = 0, used = 0, used_place = 0;
        bool wrap = true, used_wrap = true;
        std::uint16_t slots[kRingSize] = {};  ///< packed: of each buffer id
    };
    void offer_split(std::uint32_t ring, std::span<const Part> parts, std::uint64_t table) {
        State& s = states_[ring];
        const std::uint16_t head = s.next;
        const auto flags_of = [&](std::size_t i) {
            return static_cast<std::uint16_t>((parts[i].write ? kDescWrite : 0) |
                                              (i + 1 < parts.size() ? kDescNext : 0));
        };
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const std::uint64_t address = kGuestBase + parts[i].offset;
            const auto after = static_cast<std::uint16_t>(table != 0 ? i + 1 : (head + i + 1) % kRingSize);
            const std::uint64_t place =
                table != 0 ? table + 16 * i : ring_offset(ring) + 16 * ((head + i) % kRingSize);
            put_descriptor(place, address, parts[i].size, flags_of(i), after);
        }
        if (table != 0)
            describe(ring, head, kGuestBase + table, static_cast<std::uint32_t>(16 * parts.size()),
                     kDescIndirect, 0);
        s.next = static_cast<std::uint16_t>((head + (table != 0 ? 1 : parts.size())) % kRingSize);
        make_available(ring, head);
    }
    void offer_packed(std::uint32_t ring, std::span<const Part> parts, std::uint64_t table) {
        State& s = states_[ring];
        const std::uint16_t head = s.next;
        const std::size_t slots = table != 0 ? 1 : parts.size();
        if (table != 0)
            for (std::size_t i = 0; i < parts.size(); ++i)
                put_descriptor(table + 16 * i, kGuestBase + parts[i].offset, parts[i].size, 0,
                               parts[i].write ? kDescWrite : std::uint16_t{0});
        std::uint16_t first_flags = 0;
        for (std::size_t i = 0; i < slots; ++i) {
            auto flags = static_cast<std::uint16_t>(s.wrap ? 0x80 : 0x8000);
            if (table != 0) flags |= kDescIndirect;
            if (table == 0 && parts[i].write) flags |= kDescWrite;
            if (i + 1 < slots) flags |= kDescNext;
            const std::uint64_t place = ring_offset(ring) + 16ULL * s.next;
            const std::uint64_t address = kGuestBase + (table != 0 ? table : parts[i].offset);
            const auto size = table != 0 ? static_cast<std::uint32_t>(16 * parts.size()) : parts[i].size;
            if (i == 0) {
                first_flags = flags;
                put<std::uint64_t>(place, address);
                put<std::uint32_t>(place + 8, size);
                put<std::uint16_t>(place + 12, head);
            } else {
                put_descriptor(place, address, size, head, flags);
            }
            if (++s.next == kRingSize) s.next = 0, s.wrap = !s.wrap;
        }
        s.slots[head] = static_cast<std::uint16_t>(slots);
        write_release<std::uint16_t>(at(ring_offset(ring) + 16ULL * head + 14), first_flags);
    }
    std::vector<Used> collect_split(std::uint32_t ring) {
        State& s = states_[ring];
        std::vector<Used> all;
        const auto index = read_acquire<std::uint16_t>(at(used_offset(ring) + 2));
        for (; s.used != index; ++s.used) {
            const std::uint64_t place = used_offset(ring) + 4 + 8ULL * (s.used % kRingSize);
            all.push_back({get<std::uint32_t>(place), get<std::uint32_t>(place + 4)});
        }
        return all;
    }
    std::vector<Used> collect_packed(std::uint32_t ring) {
        State& s = states_[ring];
        std::vector<Used> all;
        for (;;) {
            const std::uint64_t place = ring_offset(ring) + 16ULL * s.used_place;
            const auto flags = read_acquire<std::uint16_t>(at(place + 14));
            if (((flags & 0x80) != 0) != s.used_wrap || ((flags & 0x8000) != 0) != s.used_wrap) return all;
            const auto id = get<std::uint16_t>(place + 12);
            all.push_back({id, get<std::uint32_t>(place + 8)});
            const unsigned next = s.used_place + s.slots[id % kRingSize];
            if (next >= kRingSize) s.used_wrap = !s.used_wrap;
            s.used_place = static_cast<std::uint16_t>(next % kRingSize);
            if (s.slots[id % kRingSize] == 0) return all;
        }
    }

    std::uint64_t features_;
    guest::Fd memory_fd_;
    std::uint8_t* memory_ = nullptr;
    Device device_;
    Session session_;
    State states_[kMaxRings] = {};
};

}  // namespace sluice::vhost
