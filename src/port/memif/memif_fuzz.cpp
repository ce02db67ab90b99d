// SPDX-License-Identifier: Apache-2.0
// A memif peer whose messages and memory are the fuzzer's, against a server and a client of ours. The input
// is a list of commands. Whatever they say, frames that come out must fit a packet, and all packets come back
// to the pool.
#include <cstring>

#include "packet/pool.hpp"
#include "packet/test_eal.hpp"
#include "port/guest/fuzz_input.hpp"
#include "port/memif/fake_peer.hpp"

namespace {

using namespace sluice;
using namespace sluice::memif;

void take_all(Queue& queue) {
    Packet* packets[kMaxBurst];
    for (unsigned round = 0; round < 4; ++round) {
        const unsigned count = queue.receive(packets, kMaxBurst);
        guest::require(count <= kMaxBurst);
        for (unsigned i = 0; i < count; ++i)
            guest::require(packets[i]->pkt_len >= 14 && packets[i]->pkt_len <= kMaxFrameBytes);
        packet_free_burst(packets, count);
        if (count == 0) break;
    }
}

void send_some(Queue& queue, unsigned size) {
    static const std::vector<std::uint8_t> bytes(kMaxFrameBytes, 0x5a);
    Packet* packets[4];
    unsigned count = 0;
    for (; count < 4; ++count)
        if (packets[count] = packet_from_bytes({bytes.data(), 14 + size % 9000}); packets[count] == nullptr)
            break;
    unsigned too_large = 0;
    guest::require(queue.send(packets, count, too_large) <= count);
    packet_free_burst(packets, count);
}

void scribble(FakePair& pair, guest::FuzzInput& input) {
    const unsigned ring = input.byte() & 1, place = input.byte() & 15;
    switch (input.byte() % 4) {
        case 0:
            pair.ring(ring, 4)->head = input.word();
            break;
        case 1:
            pair.ring(ring, 4)->tail = input.word();
            break;
        case 2: {
            auto* slot = reinterpret_cast<Descriptor*>(pair.ring(ring, 4) + 1) + place;
            *slot = {input.word(), static_cast<std::uint16_t>(input.byte() & 3), input.number(),
                     input.number(), 0};
            break;
        }
        default:
            pair.ring(ring, 4)->flags = input.word();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ensure_test_eal();
    const unsigned before = pool_usage()[0].in_use + pool_usage()[1].in_use;
    {
        guest::FuzzInput input{data, size};
        Settings settings;
        settings.log2_size = 4;
        settings.buffer_bytes = 64U << (input.byte() % 6);
        FakePair pair{settings, FakePair::as_client(settings)};
        // Of the set-up's messages one is spoiled, or none.
        unsigned spoiled = input.byte();
        const auto done = pair.connect([&](Message& message, guest::Fd& fd) {
            if (spoiled-- != 1) return;
            const unsigned how = input.byte();
            if ((how & 1) != 0) fd.reset();
            if ((how & 2) != 0) message.type = Type{input.word()};
            for (unsigned n = how >> 4; n > 0; --n)
                reinterpret_cast<std::uint8_t*>(&message)[input.byte() & 127] = input.byte();
        });
        while (done && pair.memory != nullptr && input.more()) {
            switch (input.byte() % 6) {
                case 0:
                    take_all(pair.client_to_server(false));
                    break;
                case 1:
                    take_all(pair.server_to_client(false));
                    break;
                case 2:
                    send_some(pair.client_to_server(true), input.word());
                    break;
                case 3:
                    send_some(pair.server_to_client(true), input.word());
                    break;
                default:
                    scribble(pair, input);
            }
        }
    }
    guest::require(pool_usage()[0].in_use + pool_usage()[1].in_use == before);
    return 0;
}
