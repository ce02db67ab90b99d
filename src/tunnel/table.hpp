// SPDX-License-Identifier: Apache-2.0
// Table: all that workers need to know of tunnels: which port a received packet belongs to, which addresses
// are this host's, and how packets to a remote leave. Immutable; the control thread makes a new one when
// anything changes, and workers pin one for the length of a burst.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/hash.hpp"
#include "tunnel/outer.hpp"
#include "tunnel/received.hpp"

namespace sluice::tunnel {

/// A tunnel port as the table is made from it.
struct End {
    PortIndex port = PortIndex::kNone;
    std::shared_ptr<const Config> config;
};

class Table {
  public:
    struct Route {
        Address remote, local;  ///< local 0: any
        std::uint32_t mark = 0;
        NextHop hop;
    };
    Table(std::vector<End> ends, const std::vector<Address>& own_addresses, const std::vector<Route>& routes);

    bool empty() const noexcept { return ends_.empty(); }
    bool listens() const noexcept { return gre_ || !listeners_.empty(); }
    const std::vector<Listener>& listeners() const noexcept { return listeners_; }
    bool listens_for_gre() const noexcept { return gre_; }
    bool is_own(Address address) const noexcept { return own_.count(address) != 0; }

    /// The port of a received packet: first those with fixed keys, then with fixed remotes, then with fixed
    /// locals, as Open vSwitch prefers them. Null: none.
    const End* find(const Received& received) const noexcept;
    /// Null: never asked for.
    const NextHop* find(Address remote, Address local, std::uint32_t mark) const noexcept;

  private:
    /// What a received packet is looked up by; what is not fixed is 0.
    struct Key {
        std::uint64_t word[6];
        friend bool operator==(const Key& a, const Key& b) noexcept {
            std::uint64_t differ = 0;
            for (unsigned n = 0; n < 6; ++n)
                differ |= a.word[n] ^ b.word[n];
            return differ == 0;
        }
    };
    struct Hash {
        std::size_t operator()(const Key& key) const noexcept {
            return hash_words(process_hash_key(), key.word, 6);
        }
        std::size_t operator()(const Address& a) const noexcept {
            const std::uint64_t word[] = {a.hi, a.lo};
            return hash_words(process_hash_key(), word, 2);
        }
    };
    /// bit 0: any local; bit 1: any remote; bit 2: any key.
    static constexpr unsigned kClasses = 8;
    static Key end_key(unsigned kind_class, Kind kind, std::uint16_t udp_port, Address remote, Address local,
                       std::uint64_t id);
    static Key route_key(Address remote, Address local, std::uint32_t mark);

    std::vector<End> ends_;
    std::array<std::unordered_map<Key, std::uint32_t, Hash>, kClasses> by_class_;
    std::unordered_set<Address, Hash> own_;
    std::unordered_map<Key, NextHop, Hash> hops_;
    std::vector<Listener> listeners_;
    bool gre_ = false;
};

}  // namespace sluice::tunnel
