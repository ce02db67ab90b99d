// SPDX-License-Identifier: Apache-2.0
// Frames from anywhere: finding the datagram, decoding it, and a session that gets it in each of its states.
// The first byte chooses filter and state.
#include "bfd/session.hpp"

using namespace sluice;
using namespace sluice::bfd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t choice = data[0];
    const wire::Bytes frame{data + 1, size - 1};
    Filter filter;
    if ((choice & 1) != 0) filter.destination_ip = 0xa9fe0100;
    if ((choice & 2) != 0) filter.destination_mac = mac_from_u64(0x002320000001);
    const auto datagram = find_datagram(filter, frame);
    if (!datagram) return 0;
    std::vector<std::string> complaints;
    const auto config = parse_config({{"enable", "true"}, {"forwarding_if_rx", "true"}}, complaints);
    Session session("fuzz", 1, 49152, 1);
    session.configure(*config, MacBytes{}, 1000);
    ControlPacket peer{State::kDown, Diagnostic::kNone, 0, 3, 9, 1, 1000000, 1000000, 0};
    for (unsigned step = 0; step < (choice >> 2 & 3U); ++step) {
        session.receive(kTtl, encode(peer), 1001 + step);
        peer.state = step == 0 ? State::kInit : State::kUp;
    }
    session.receive(datagram->ttl, datagram->payload, 1010);
    if (const auto packet = decode(datagram->payload)) {
        // What was understood is written the same way.
        const auto again = decode(encode(*packet));
        if (!again || !(*again == *packet)) __builtin_trap();
    }
    for (std::int64_t now = 1010; now < 5000; now += 500) {
        session.run(3, now);
        if (session.wants_to_send(now)) (void)make_frame(session.addresses(), session.next_packet(now));
    }
    (void)session.describe(5000);
    (void)session.status();
    return 0;
}
