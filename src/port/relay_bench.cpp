// SPDX-License-Identifier: Apache-2.0
// A switch with nothing in between: moves frames between two ports of any kind in one thread, asleep when
// idle. `bench/ports.sh` compares it with a Linux bridge.
//   port_bench NAME[:TYPE[:KEY=VALUE...]] NAME[:...] [SECONDS [EMPTY_POLLS]]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include <poll.h>

#include "packet/eal.hpp"
#include "packet/pool.hpp"
#include "port/port.hpp"

namespace {

using namespace sluice;

std::unique_ptr<Port> open_port(const std::string& text) {
    PortConfig config;
    std::size_t at = text.find(':');
    config.name = text.substr(0, at);
    for (unsigned field = 0; at != std::string::npos; ++field) {
        const std::size_t next = text.find(':', at + 1);
        const std::string word = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
        const std::size_t equals = word.find('=');
        if (field == 0) {
            config.type = word;
        } else {
            config.options[word.substr(0, equals)] = equals == word.npos ? "" : word.substr(equals + 1);
        }
        at = next;
    }
    auto port = create_port(config);
    if (port) {
        if (auto up = (*port)->set_admin_up(true); up) return std::move(*port);
    } else {
        std::fprintf(stderr, "%s\n", port.error().message.c_str());
    }
    std::exit(1);
}

double seconds_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void relay(Port& a, Port& b, double seconds, unsigned empty_polls) {
    const double end = seconds_of(CLOCK_MONOTONIC) + seconds;
    pollfd fds[2] = {{a.rx_fd(QueueId{0}), POLLIN, 0}, {b.rx_fd(QueueId{0}), POLLIN, 0}};
    unsigned long sleeps = 0;
    for (unsigned idle = 0;;) {
        Packet* packets[kMaxBurst];
        unsigned moved = 0;
        for (unsigned i = 0; i < 2; ++i) {
            const unsigned n = (i == 0 ? a : b).rx_burst(QueueId{0}, packets, kMaxBurst);
            if (n > 0) (i == 0 ? b : a).tx_burst(QueueId{0}, packets, n);
            moved += n;
        }
        idle = moved > 0 ? 0 : idle + 1;
        if (idle <= empty_polls) continue;
        if (seconds_of(CLOCK_MONOTONIC) > end) break;
        ++sleeps;
        poll(fds, 2, 100);
    }
    for (Port* port : {&a, &b}) {
        const PortCounters c = port->counters();
        std::printf(
            "%-10s rx %lu packets %lu bytes missed %lu errors %lu, tx %lu packets %lu bytes dropped %lu\n",
            port->name().c_str(), c.rx_packets, c.rx_bytes, c.rx_missed, c.rx_errors, c.tx_packets,
            c.tx_bytes, c.tx_dropped);
    }
    std::printf("cpu %.2f s, slept %lu times\n", seconds_of(CLOCK_PROCESS_CPUTIME_ID), sleeps);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s NAME[:TYPE[:KEY=VALUE]...] NAME[...] [SECONDS [EMPTY_POLLS]]\n",
                     argv[0]);
        return 2;
    }
    auto started = start_eal({});
    if (started) started = create_packet_pools();
    if (!started) {
        std::fprintf(stderr, "%s\n", started.error().message.c_str());
        return 1;
    }
    auto a = open_port(argv[1]);
    auto b = open_port(argv[2]);
    std::printf("ready\n");
    std::fflush(stdout);
    relay(*a, *b, argc > 3 ? std::atof(argv[3]) : 10,
          argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 20);
    return 0;
}
