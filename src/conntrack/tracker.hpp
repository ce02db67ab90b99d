// SPDX-License-Identifier: Apache-2.0
// Tracker: the connections of a datapath, what `ct` says about a packet, and address translation.
//
// Semantics are those of Open vSwitch 3.1's user-space tracker (ovs-fields(7) "Connection Tracking Fields",
// ovs-actions(7) "The ct action"), found by trying it. Deliberate differences: a packet that was translated
// keeps its connection for the next ct() in the same zone, as in Linux; ct(commit,nat) without src or dst
// translates nothing.
//
// Look-ups take no lock. Time is checked at each look-up, so an expired connection is gone at once; its
// memory follows when sweep() comes by. A zone is flushed by giving it a new generation. What a connection
// knows of its protocol is changed under its own lock (TCP) or by atomic stores (the rest); its expiry is
// written at most four times a second.
//
// Threads: each thread that tracks has a Local and is an online Rcu reader between look-up and the last use
// of a Conn; "control" marks what the control thread does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "conntrack/expect.hpp"
#include "conntrack/ftp.hpp"
#include "conntrack/nat_spec.hpp"
#include "conntrack/pool.hpp"
#include "conntrack/probe.hpp"
#include "conntrack/table.hpp"
#include "sync/counter.hpp"
#include "sync/rcu.hpp"

namespace sluice::conntrack {

/// ct_state bits (ovs-fields(7)).
namespace ct_state {
inline constexpr std::uint8_t kNew = 1, kEst = 2, kRel = 4, kRpl = 8, kInv = 16, kTrk = 32, kSnat = 64,
                              kDnat = 128;
}

/// What one ct() action asks for.
struct Request {
    std::uint16_t zone = 0;
    bool commit = false, force = false;
    bool nat = false;               ///< translate what has a translation
    const NatSpec* spec = nullptr;  ///< and give one to a new connection
    std::uint8_t helper = 0;        ///< kHelperFtp, kHelperTftp: what a new connection is
    bool leave_text = false;        ///< not to look into packets of control connections: somebody else will
    std::uint32_t mark = 0, mark_mask = 0;
    U128 label, label_mask;
};

/// What a packet carries from one ct() to the next.
struct Attachment {
    Ref ref = kNoRef;  ///< valid until the thread's next quiescent state
    std::uint16_t zone = 0;
    std::uint8_t state = 0;  ///< ct_state
    bool reply = false, related = false;
    bool helped = false;  ///< its text was looked at
};

/// New addresses for a packet.
struct Rewrite {
    enum class Kind : std::uint8_t { kNone, kSource, kDestination };
    Kind kind = Kind::kNone;
    bool has_port = false;  ///< TCP or UDP: `port` is meant
    bool inner = false;     ///< an ICMP error: the packet inside gets inner_*
    std::uint16_t port = 0;
    U128 address;  ///< IPv4: low 32 bits
    U128 inner_src, inner_dst;
    std::uint16_t inner_sport = 0, inner_dport = 0;
};

struct Outcome {
    std::uint8_t state = 0;
    std::uint32_t mark = 0;
    U128 label;
    bool has_tuple = false;
    bool no_translation_left = false;  ///< the packet is to be dropped
    Key tuple;                         ///< original direction of its connection; of ICMP: as Key has it
    Rewrite rewrite;
    bool controls = false;  ///< of a control connection
    // Control connections: text of the packet to be replaced, offset from the transport header on; and what
    // is to be added to its sequence and acknowledgement number.
    std::uint32_t text_offset = 0;
    std::uint16_t text_removed = 0;  ///< 0: none
    std::uint8_t text_size = 0;
    std::int32_t seq_delta = 0, ack_delta = 0;
    std::array<char, kFtpTextBytes> text;
};

/// A thread's share: numbers in stock, and counters.
struct Local {
    Lot v4, v6;
    Counter created, refused_full, refused_zone, exhausted;
    std::uint64_t random = 0;
};

/// A connection as shown to people.
struct Entry {
    Key key[2];
    std::uint64_t left_ms = 0;
    std::uint32_t mark = 0;
    U128 label;
    TcpPeer peer[2];
    std::uint8_t nat = 0;
    std::uint64_t began_ms = 0;
};

/// What the sweep tells: a connection was seen for the first time, or is over.
enum class ConnEvent : std::uint8_t { kNew, kExpired, kEnded };

/// Which connections a flush means: parts of a tuple that are given must be equal.
struct TupleFilter {
    std::optional<U128> src, dst;
    std::optional<bool> v6;
    std::optional<std::uint8_t> proto;
    std::optional<std::uint16_t> sport, dport;  ///< ICMP: sport is the identifier
    std::optional<std::uint8_t> icmp_type, icmp_code;
    bool matches(const Key& key) const;
};

class Tracker {
  public:
    static constexpr std::uint32_t kDefaultMaxConns = 3000000;
    static constexpr unsigned kMaxPolicies = 256;

    /// Fails with ENOMEM if there is not even address space for a thousand connections.
    static Result<std::unique_ptr<Tracker>> create();

    // Threads that track.
    static std::uint64_t hash(const Key& key) noexcept { return hash_of(key); }
    void prefetch(const Probe& probe) const noexcept { table_.prefetch(probe.hash); }
    void prefetch_conn(const Probe& probe) const noexcept;
    /// Carries out ct() for one packet.
    void track(Local& local, const Probe& probe, const Request& request, Attachment& attachment,
               std::uint64_t now_ms, Outcome& outcome) noexcept;
    /// A thread ends: its stock goes back.
    void leave(Local& local) noexcept;

    // Control.
    /// Looks at up to `limit` records: removes what has expired or was flushed, frees what nobody can refer
    /// to any more. True: something is left to free, call again soon.
    bool sweep(Rcu& rcu, std::uint64_t now_ms, std::uint32_t limit);
    /// Who is told of connections by sweep(): each is announced, and each that was is ended, some time after.
    /// Costs the threads that track nothing. Null: nobody.
    void on_event(std::function<void(ConnEvent, const Entry&)> told) { told_ = std::move(told); }
    void flush_all();
    void flush_zone(std::uint16_t zone);
    /// Ends the connections whose original and reply direction match; how many.
    std::size_t flush(std::optional<std::uint16_t> zone, const TupleFilter& original,
                      const TupleFilter& reply, std::uint64_t now_ms);
    void for_each(std::optional<std::uint16_t> zone, std::uint64_t now_ms,
                  const std::function<void(const Entry&)>& each) const;
    /// Records there are to look at in a sweep.
    std::uint32_t records() const noexcept { return v4_.end() + v6_.end() - 2; }
    std::uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
    std::uint32_t max_conns() const noexcept { return max_conns_.load(std::memory_order_relaxed); }
    void set_max_conns(std::uint32_t max) noexcept { max_conns_.store(max, std::memory_order_relaxed); }
    /// Records that exist: what `max_conns` can never exceed.
    std::uint32_t capacity() const noexcept { return capacity_ - 1; }
    void set_check_sequence(bool on) noexcept { check_sequence_.store(on, std::memory_order_relaxed); }
    bool check_sequence() const noexcept { return check_sequence_.load(std::memory_order_relaxed); }
    /// Limit of a zone; nullopt: the default one. 0: none.
    void set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit) noexcept;
    std::optional<std::uint32_t> zone_limit(std::uint16_t zone) const noexcept;
    void set_default_limit(std::uint32_t limit) noexcept {
        default_limit_.store(limit, std::memory_order_relaxed);
    }
    std::uint32_t default_limit() const noexcept { return default_limit_.load(std::memory_order_relaxed); }
    std::uint32_t zone_count(std::uint16_t zone) const noexcept {
        return static_cast<std::uint32_t>(zones_[zone].generation_count.load(std::memory_order_relaxed));
    }
    /// Timeouts of policy `index`; 0 is the default one.
    void set_policy(unsigned index, const TimeoutPolicy& policy) noexcept;
    void set_zone_policy(std::uint16_t zone, std::uint8_t index) noexcept {
        zones_[zone].policy.store(index, std::memory_order_relaxed);
    }
    const Table& table() const noexcept { return table_; }

  private:
    struct Zone {
        std::atomic<std::uint64_t> generation_count;  ///< generation << 32 | connections of this generation
        std::atomic<std::uint32_t> limit;             ///< + 1; 0: the default
        std::atomic<std::uint8_t> policy;
    };
    static constexpr std::size_t kZones = 65536;
    static constexpr std::uint64_t kExpiryStepMs = 250;  ///< expiry is written when it moves by as much

    Tracker() = default;
    bool reserve(std::uint32_t capacity);
    Conn& at(Ref ref) const noexcept { return ref & kRefV6 ? v6_.at(ref & ~kRefV6) : v4_.at(ref); }
    std::uint32_t generation(std::uint16_t zone) const noexcept {
        return static_cast<std::uint32_t>(zones_[zone].generation_count.load(std::memory_order_acquire) >>
                                          32);
    }
    bool alive(const Conn& conn, std::uint64_t now_ms) const noexcept;
    Ref find(const Key& key, std::uint64_t hash, std::uint64_t now_ms, bool& reply) const noexcept;
    /// Look-ups don't find it any more; sweep() does the rest.
    void end(Conn& conn) noexcept;
    void unlink(Conn& conn, Ref ref) noexcept;
    void expire_in(Conn& conn, Timeout timeout, std::uint64_t now_ms) const noexcept;

    // track.cpp
    enum class Update : std::uint8_t { kValid, kStillNew, kInvalid, kReopened };
    Update update(Conn& conn, const Probe& probe, bool reply, std::uint64_t now_ms) noexcept;
    bool track_known(Conn& conn, const Probe& probe, Attachment& attachment, std::uint64_t now_ms) noexcept;
    static bool may_begin(const Probe& probe) noexcept;
    void translate(const Conn& conn, Ref ref, Attachment& attachment, Rewrite& rewrite) const noexcept;
    void describe(Conn& conn, Ref ref, const Request& request, Outcome& outcome) const noexcept;
    void begin_protocol(Conn& conn, const Probe& probe, std::uint64_t now_ms) noexcept;

    // create.cpp
    enum class Created : std::uint8_t { kYes, kThere, kFull, kNoTranslation };
    Created create(Local& local, const Probe& probe, const Request& request, const Expectation* expected,
                   std::uint64_t now_ms, Ref& ref) noexcept;
    bool claim_zone(std::uint16_t zone, std::uint32_t& generation) noexcept;
    void release_zone(std::uint16_t zone, std::uint32_t generation) noexcept;
    enum class Entered : std::uint8_t { kYes, kThere, kReplyTaken, kNoRoom };
    /// both: look-ups find it by either key; else by the original one only.
    Entered enter(Ref ref, Conn& conn, const Key& original, const Key& reply, std::uint64_t now_ms,
                  bool both = true) noexcept;
    Entered enter_translated(Local& local, Ref ref, Conn& conn, const Key& original, const NatSpec& spec,
                             std::uint64_t now_ms) noexcept;

    void look_into(Conn& conn, const Probe& probe, const Request& request, Attachment& a,
                   std::uint64_t now_ms, Outcome& outcome) noexcept;
    // helper.cpp
    void help(Conn& conn, Ref ref, const Probe& probe, bool from_server, std::uint64_t now_ms,
              Outcome& outcome) noexcept;
    void announce(Conn& conn, const Key& original, const Key& reply, const FtpAddress& found,
                  std::uint32_t header, bool from_server, Expectation& e, std::uint64_t now_ms,
                  Outcome& outcome) noexcept;
    std::uint16_t expect_from_server(const Key& original, const Key& reply, std::uint16_t port,
                                     std::uint16_t wanted, Expectation& e, std::uint64_t now_ms) noexcept;
    void expect_from_client(const Key& original, const Key& reply, std::uint16_t port, Expectation& e,
                            std::uint64_t now_ms) noexcept;

    Table table_;
    Pool v4_, v6_;
    Expectations expectations_;
    Shifts shifts_;
    Reservation zone_memory_;
    Zone* zones_ = nullptr;
    std::uint32_t capacity_ = 0;
    alignas(64) std::atomic<std::uint32_t> count_{0};
    alignas(64) std::atomic<std::uint32_t> max_conns_{kDefaultMaxConns};
    std::atomic<std::uint32_t> default_limit_{0};
    std::atomic<bool> check_sequence_{true};
    std::array<std::array<std::atomic<std::uint32_t>, kTimeoutCount>, kMaxPolicies> policies_{};

    // Control: the sweep.
    struct Batch {
        Rcu::Point point;
        std::vector<Ref> refs;
    };
    std::uint32_t sweep_pool(Pool& pool, Ref family, std::uint32_t& next, std::uint64_t now_ms,
                             std::uint32_t limit, std::vector<Ref>& freed);
    std::uint32_t next_v4_ = 1, next_v6_ = 1;
    Entry entry_of(Conn& conn, Ref ref, std::uint64_t now_ms) const;
    void tell(ConnEvent event, Conn& conn, Ref ref, std::uint64_t now_ms) const;
    std::function<void(ConnEvent, const Entry&)> told_;
    std::vector<Batch> waiting_;
    Lot control_v4_, control_v6_;
};

}  // namespace sluice::conntrack
