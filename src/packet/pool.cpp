// SPDX-License-Identifier: Apache-2.0
// The shared packet pools and those of single owners. See packet/pool.hpp.
#include "packet/pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "packet/rx_slots.hpp"

namespace sluice {
namespace {

struct OwnedPool {
    rte_mempool* pool;
    std::string owner;
    bool given_back = false;
    LostPackets lost = LostPackets::kNone;
    std::chrono::steady_clock::time_point given_back_at{};
};

struct Pools {
    rte_mempool* small = nullptr;
    rte_mempool* large = nullptr;
    std::vector<OwnedPool> owned;
    unsigned next_id = 0;
};
Pools pools;

/// A thread keeps at most 1.5 times this many objects to itself.
constexpr unsigned kSmallCache = 256;
constexpr unsigned kLargeCache = 32;
constexpr unsigned kMaxRoom = 65535;

rte_mempool* make_pool(const char* name, unsigned count, unsigned cache, unsigned room) {
    cache = std::min({cache, count / 2, static_cast<unsigned>(RTE_MEMPOOL_CACHE_MAX_SIZE)});
    return rte_pktmbuf_pool_create(name, count, cache, 0, static_cast<std::uint16_t>(room), SOCKET_ID_ANY);
}

Error memory_error(std::string_view what, unsigned count, unsigned room) {
    return make_error(rte_errno != 0 ? rte_errno : ENOMEM,
                      "no memory for {}: {} packets of {} bytes ({} MiB): {}; raise "
                      "other_config:dpdk-socket-mem",
                      what, count, room, (std::uint64_t{count} * (room + 256)) >> 20,
                      rte_strerror(rte_errno));
}

void copy_metadata(const Packet* from, Packet* to) noexcept {
    to->ol_flags = from->ol_flags & ~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
    to->tx_offload = from->tx_offload;
    to->port = from->port;
    to->packet_type = from->packet_type;
    to->vlan_tci = from->vlan_tci;
    to->vlan_tci_outer = from->vlan_tci_outer;
    to->hash = from->hash;
    std::memcpy(to->dynfield1, from->dynfield1, sizeof to->dynfield1);
}

}  // namespace

Result<void> create_packet_pools(const PoolConfig& config) {
    if (pools.small != nullptr) return {};
    pools.small =
        make_pool("sluice-small", config.small_count, kSmallCache, kSmallRoom + RTE_PKTMBUF_HEADROOM);
    if (pools.small == nullptr) return memory_error("small packets", config.small_count, kSmallRoom);
    pools.large = make_pool("sluice-large", config.large_count, kLargeCache, kLargeRoom);
    if (pools.large == nullptr) {
        rte_mempool_free(pools.small);
        pools.small = nullptr;
        return memory_error("large packets", config.large_count, kLargeRoom);
    }
    return {};
}

void destroy_packet_pools() {
    RxSlots::mine().release();
    for (auto& owned : pools.owned)
        rte_mempool_free(owned.pool);
    pools.owned.clear();
    rte_mempool_free(pools.small);
    rte_mempool_free(pools.large);
    pools.small = pools.large = nullptr;
}

Packet* packet_alloc() noexcept {
    return rte_pktmbuf_alloc(pools.small);
}

Packet* packet_alloc_large() noexcept {
    Packet* packet = rte_pktmbuf_alloc(pools.large);
    if (packet != nullptr) packet->data_off = 0;
    return packet;
}

Packet* packet_alloc_sized(std::uint32_t size) noexcept {
    if (size > kMaxFrameBytes) return nullptr;
    Packet* packet = packet_alloc();
    if (packet == nullptr) return nullptr;
    const std::uint32_t first = std::min<std::uint32_t>(size, kSmallRoom);
    packet->data_len = static_cast<std::uint16_t>(first);
    packet->pkt_len = size;
    if (size == first) return packet;
    Packet* tail = packet_alloc_large();
    if (tail == nullptr) {
        rte_pktmbuf_free(packet);
        return nullptr;
    }
    tail->data_len = static_cast<std::uint16_t>(size - first);
    packet->next = tail;
    packet->nb_segs = 2;
    return packet;
}

void packet_free(Packet* packet) noexcept {
    rte_pktmbuf_free(packet);
}

void packet_free_burst(Packet* const* packets, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i)
        rte_pktmbuf_free(packets[i]);
}

Packet* packet_from_bytes(std::span<const std::uint8_t> bytes) noexcept {
    if (bytes.size() > kMaxFrameBytes) return nullptr;
    Packet* packet = packet_alloc_sized(static_cast<std::uint32_t>(bytes.size()));
    if (packet == nullptr) return nullptr;
    const std::uint8_t* from = bytes.data();
    for (Packet* seg = packet; seg != nullptr; seg = seg->next) {
        if (seg->data_len > 0) std::memcpy(rte_pktmbuf_mtod(seg, void*), from, seg->data_len);
        from += seg->data_len;
    }
    return packet;
}

Packet* packet_copy(const Packet* packet) noexcept {
    Packet* copy = packet_alloc_sized(packet->pkt_len);
    if (copy == nullptr) return nullptr;
    Packet* to = copy;
    std::uint32_t filled = 0;
    for (const Packet* seg = packet; seg != nullptr; seg = seg->next) {
        const char* from = rte_pktmbuf_mtod(seg, const char*);
        std::uint32_t left = seg->data_len;
        while (left > 0) {
            if (filled == to->data_len) {
                to = to->next;
                filled = 0;
            }
            const std::uint32_t part = std::min<std::uint32_t>(left, to->data_len - filled);
            std::memcpy(rte_pktmbuf_mtod_offset(to, char*, filled), from, part);
            from += part;
            left -= part;
            filled += part;
        }
    }
    copy_metadata(packet, copy);
    return copy;
}

std::vector<std::uint8_t> packet_to_bytes(const Packet* packet) {
    std::vector<std::uint8_t> bytes;
    bytes.reserve(packet->pkt_len);
    for (const Packet* seg = packet; seg != nullptr; seg = seg->next) {
        const auto* data = rte_pktmbuf_mtod(seg, const std::uint8_t*);
        bytes.insert(bytes.end(), data, data + seg->data_len);
    }
    return bytes;
}

Packet* packet_repack(Packet* packet) noexcept {
    if (packet->data_len >= std::min(packet->pkt_len, kMinFirstSegment)) return packet;
    Packet* copy = packet_copy(packet);
    rte_pktmbuf_free(packet);
    return copy;
}

rte_mempool* small_pool() noexcept {
    return pools.small;
}
rte_mempool* large_pool() noexcept {
    return pools.large;
}

Result<rte_mempool*> acquire_pool(std::string_view owner, unsigned count, unsigned room) {
    if (room + RTE_PKTMBUF_HEADROOM > kMaxRoom)
        return make_error(EINVAL, "{}: packets of {} bytes are above the limit of {}", owner, room,
                          kMaxRoom - RTE_PKTMBUF_HEADROOM);
    sweep_pools();
    const std::string name = fmt::format("sluice-{}", pools.next_id++);
    rte_mempool* pool = make_pool(name.c_str(), count, kSmallCache, room + RTE_PKTMBUF_HEADROOM);
    if (pool == nullptr) return memory_error(owner, count, room);
    pools.owned.push_back(OwnedPool{pool, std::string{owner}});
    return pool;
}

void release_pool(rte_mempool* pool, LostPackets lost) {
    for (auto& owned : pools.owned) {
        if (owned.pool != pool) continue;
        owned.given_back = true;
        owned.lost = lost;
        owned.given_back_at = std::chrono::steady_clock::now();
    }
    sweep_pools();
}

unsigned sweep_pools() {
    const auto long_ago = std::chrono::steady_clock::now() - std::chrono::seconds{kWriteOffSeconds};
    std::erase_if(pools.owned, [&](const OwnedPool& owned) {
        if (!owned.given_back) return false;
        const bool written_off = owned.lost == LostPackets::kWriteOff && owned.given_back_at < long_ago;
        if (!written_off && rte_mempool_in_use_count(owned.pool) != 0) return false;
        rte_mempool_free(owned.pool);
        return true;
    });
    return static_cast<unsigned>(std::count_if(pools.owned.begin(), pools.owned.end(),
                                               [](const OwnedPool& o) { return o.given_back; }));
}

std::vector<PoolUsage> pool_usage() {
    std::vector<PoolUsage> list;
    const auto add = [&](const std::string& name, rte_mempool* pool, unsigned held = 0) {
        if (pool == nullptr) return;
        const unsigned out = rte_mempool_in_use_count(pool);
        const std::uint64_t object = pool->header_size + pool->elt_size + pool->trailer_size;
        list.push_back({name, pool->size, out - std::min(out, held), rte_pktmbuf_data_room_size(pool),
                        object * pool->size});
    };
    add("small", pools.small, RxSlots::held_small());
    add("large", pools.large, RxSlots::held_large());
    for (const auto& owned : pools.owned)
        add(owned.owner, owned.pool);
    return list;
}

}  // namespace sluice
