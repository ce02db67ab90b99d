// SPDX-License-Identifier: Apache-2.0
// A guest whose memory, rings and messages are the fuzzer's. The input is a list of commands; whatever they
// say, no piece of a buffer may lie outside the guest's memory, and frames out of it must fit a packet.
#include <algorithm>

#include "packet/test_eal.hpp"
#include "port/guest/fuzz_input.hpp"
#include "port/vhost/fake_guest.hpp"

namespace {

using namespace sluice;
using namespace sluice::vhost;

/// Walks the rings by themselves: pieces must lie in memory.
template <typename Ring>
void walk(Ring ring, const guest::GuestMemory& memory) {
    PieceStore store;
    Chain chain;
    ring.available();
    for (unsigned i = 0; i < 64 && ring.next(chain, store); ++i) {
        std::uint64_t bytes = 0;
        for (unsigned p = chain.first; p < unsigned{chain.first} + chain.count; ++p) {
            const Piece& piece = store.piece[p];
            const guest::Region& region = memory.regions().front();
            guest::require(piece.data >= region.host && piece.size <= region.size &&
                           piece.data <= region.host + (region.size - piece.size));
            bytes += piece.size;
        }
        guest::require(bytes == chain.bytes && store.used <= PieceStore::kCapacity);
        ring.give_back(chain, 0);
    }
    ring.publish();
    ring.must_notify();
}

void walk_rings(FakeGuest& guest) {
    guest::GuestMemory memory;
    auto mapping = guest::SharedMapping::map(guest.memory_fd(), 0, FakeGuest::kBytes);
    guest::require(static_cast<bool>(mapping));
    const guest::Region region{FakeGuest::kGuestBase, FakeGuest::kBytes, FakeGuest::kUserBase,
                               mapping->data()};
    guest::require(static_cast<bool>(memory.add(region, std::move(*mapping))));
    std::uint8_t* const host = region.host + FakeGuest::ring_offset(1);
    const RingAreas areas{host, host + 0x800, host + 0xc00};
    walk(SplitRing{areas, FakeGuest::kRingSize, true, &memory, 0}, memory);
    walk(PackedRing{areas, FakeGuest::kRingSize, &memory, 0x8000}, memory);
}

void receive(FakeGuest& guest) {
    Packet* packets[kMaxBurst];
    const unsigned count = guest.from_guest().receive(packets, kMaxBurst);
    for (unsigned i = 0; i < count; ++i)
        guest::require(packets[i]->pkt_len <= kMaxFrameBytes && packets[i]->pkt_len >= 14);
    packet_free_burst(packets, count);
}

void send(FakeGuest& guest, unsigned size) {
    Packet* packet = packet_alloc_sized(std::clamp(size, 60U, 60000U));
    if (packet == nullptr) return;
    NetQueue::Sent sent;
    Packet* burst[4] = {packet, packet, packet, packet};
    guest::require(guest.to_guest().send(burst, 4, 1, sent) <= 4);
    packet_free(packet);
}

/// False: the session has ended.
bool say(FakeGuest& guest, guest::FuzzInput& input) {
    const auto request = static_cast<Request>(input.byte());
    const std::uint8_t kinds = input.byte();  // bits 0-1: descriptors, bit 2: of memory, bit 3: needs a reply
    std::vector<guest::Fd> fds;
    for (unsigned i = 0; i < (kinds & 3U); ++i)
        fds.emplace_back((kinds & 4U) != 0 ? dup(guest.memory_fd()) : eventfd(0, EFD_CLOEXEC));
    const auto payload = input.bytes(input.byte());
    return static_cast<bool>(guest.say(request, payload.data(), static_cast<std::uint32_t>(payload.size()),
                                       std::move(fds), kVersion | (kinds & kFlagNeedReply)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ensure_test_eal();
    guest::FuzzInput input{data, size};
    const std::uint8_t choice = input.byte();
    std::uint64_t features = bits({kVersion1, kIndirect, kGuestCsum});
    if ((choice & 1) != 0) features |= bits({kPacked});
    if ((choice & 2) != 0) features |= bits({kEventIndex});
    if ((choice & 4) != 0) features |= bits({kMergeable});
    if ((choice & 8) != 0) features |= bits({kProtocolFeatures});
    FakeGuest guest(features);
    guest::require(static_cast<bool>(guest.start()));
    for (unsigned steps = 0; steps < 200 && input.more(); ++steps) {
        switch (input.byte() % 6) {
            case 0: {  // anything anywhere; most often in the rings
                const std::uint64_t at = input.word();
                const auto bytes = input.bytes(input.byte() % 64);
                std::copy(bytes.begin(), bytes.end(), guest.at(at));
                break;
            }
            case 1:
                receive(guest);
                break;
            case 2:
                send(guest, input.word());
                break;
            case 3: {  // a proper buffer
                const FakeGuest::Part part{input.word(), input.word(), (input.byte() & 1) != 0};
                guest.offer(input.byte() % 2, {&part, 1});
                break;
            }
            case 4:
                if (!say(guest, input)) return 0;
                break;
            case 5:
                walk_rings(guest);
                break;
        }
    }
    return 0;
}
