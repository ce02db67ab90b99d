// SPDX-License-Identifier: Apache-2.0
// Any frame on its way out of any tunnel: nothing outside of it is read, and what is taken off lies within.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "packet/test_eal.hpp"
#include "tunnel/table.hpp"

namespace {

using namespace sluice;
using namespace sluice::tunnel;

constexpr const char* kTypes[] = {"geneve", "vxlan", "gre", "erspan", "gtpu"};

Config config_of(std::uint8_t choice) {
    std::map<std::string, std::string> options{{"remote_ip", "flow"}, {"key", "flow"}};
    const std::string type = kTypes[choice % std::size(kTypes)];
    if (type == "vxlan" && (choice & 0x40)) options["exts"] = choice & 0x20 ? "gpe" : "gbp";
    if ((choice & 0x80) && (type == "gre" || (type == "vxlan" && (choice & 0x60) == 0x60)))
        options["packet_type"] = "legacy_l3";
    auto config = parse_config("t0", type, options);
    if (!config) std::abort();
    return *config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool ready = (ensure_test_eal(), true);
    if (!ready || size < 2 || size > 2000) return 0;
    const Config config = config_of(data[0]);
    const Table table({{PortIndex{1}, std::make_shared<Config>(config)}}, {}, {});
    Packet* packet = packet_from_bytes({data + 1, size - 1});
    if (!packet) std::abort();
    Received received;
    if (parse(packet, table.listeners(), table.listens_for_gre(), received) == Parse::kTunnel) {
        if (received.end > packet->pkt_len || received.inner >= received.end) std::abort();
        checksum_holds(packet, received);
        std::copy_n(rte_pktmbuf_mtod_offset(packet, const std::uint8_t*, received.options),
                    received.options_size, received.option_bytes);
        TunTable mapped;
        mapped.add({0x102, 0x80, 4, 0});
        mapped.add({0x102, 0x01, 20, 7});
        const GeneveOptions options(mapped);
        FlowKey key;
        if (to_key(config, received, &options, key) && is_acceptable(config, received) &&
            pull(packet, config, received)) {
            if (packet->pkt_len != received.end - received.inner + (config.layer3 ? 14 : 0)) std::abort();
            merge_congestion(packet, received.tos);
        }
    }
    packet_free(packet);
    return 0;
}
