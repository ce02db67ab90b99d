// SPDX-License-Identifier: Apache-2.0
// Verdict: the walk of a packet through the tables, with all look-ups taken out. Journal: such a walk while
// it is being taken down.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/hash.hpp"
#include "flow/key.hpp"
#include "packet/drop_reason.hpp"
#include "pipeline/action_program.hpp"
#include "pipeline/stats.hpp"

namespace sluice::pipeline {

struct CtPlan;

/// kTrack: a ct action without a table to go on in.
enum class StepKind : std::uint8_t { kSet, kDecTtl, kPushVlan, kPopVlan, kSetTci, kCopyOut, kTrack };

/// One change of a packet, or a copy sent on the way.
struct Step {
    StepKind kind{};
    HeaderPart part = HeaderPart::kNone;  ///< kSet
    FieldLoc loc{};                       ///< kSet
    std::uint16_t port = 0;               ///< kCopyOut: PortIndex; kPushVlan: Ethernet type; kTrack: zone
    std::uint64_t value = 0, mask = 0;  ///< kSet: in field position; kSetTci: value alone; kTrack: its CtPlan
    friend bool operator==(const Step& a, const Step& b) {
        return a.kind == b.kind && a.part == b.part && a.loc.word == b.loc.word &&
               a.loc.shift == b.loc.shift && a.loc.bits == b.loc.bits && a.port == b.port &&
               a.value == b.value && a.mask == b.mask;
    }
};

inline constexpr unsigned kMaxVisits = 28, kMaxSteps = 20;

/// What the steps of a verdict come to for a plain packet (parse_plain).
enum class Rewrite : std::uint8_t {
    kNone,    ///< nothing
    kMacTtl,  ///< other MAC addresses, a TTL less by ttl_steps
    kOther,   ///< step by step
    // Of bridges that track connections:
    kSplit,  ///< nothing; a ct action, whose answer decides which verdict follows
    kTrack,  ///< a ct action that decides nothing
    kWalk    ///< what follows has to be walked
};

/// Fixed part; counters, steps and tables follow in one piece of memory (VerdictPool). The first cache line
/// is all that a plain packet needs.
struct alignas(64) Verdict {
    std::uint32_t references = 0;
    PortIndex out = PortIndex::kNone;  ///< where the packet itself goes; kNone: nowhere
    DropReason reason{};               ///< why it goes nowhere
    std::uint8_t ttl_steps = 0;        ///< needs a TTL above this
    std::uint8_t step_count = 0, hit_count = 0, visit_count = 0, miss_count = 0;
    std::uint8_t size_class = 0;
    Rewrite rewrite = Rewrite::kNone;
    /// Packets that its rules have not counted yet (FlowCache::settle).
    std::uint32_t pending_packets = 0;
    std::uint64_t pending_bytes = 0;
    /// kMacTtl, of the first 16 bytes of the frame: what stays, and what comes in its place.
    std::uint64_t keep[2] = {~std::uint64_t{0}, ~std::uint64_t{0}};
    std::uint64_t put[2] = {0, 0};
    std::uint64_t hash = 0;
    Verdict* next = nullptr;   ///< of the same hash chain
    std::uint64_t serial = 0;  ///< of all verdicts of its pool, ever
    std::uint64_t parent = 0;  ///< serial of the verdict whose ct action it continues; 0: a walk's beginning
    const CtPlan* ct = nullptr;  ///< kSplit, kTrack
    std::uint16_t ct_zone = 0;
    std::uint16_t outer = 0;  ///< headers of a tunnel (Executor::Impl::patterns), 0: none

    const Step* steps() const noexcept { return reinterpret_cast<const Step*>(this + 1); }
    Step* steps() noexcept { return reinterpret_cast<Step*>(this + 1); }
    /// Rules that count the packet.
    RuleCounter* const* hits() const noexcept {
        return reinterpret_cast<RuleCounter* const*>(steps() + step_count);
    }
    RuleCounter** hits() noexcept { return reinterpret_cast<RuleCounter**>(steps() + step_count); }
    /// Tables it was looked up in, a number a visit.
    const std::uint8_t* visits() const noexcept {
        return reinterpret_cast<const std::uint8_t*>(hits() + hit_count);
    }
    std::uint8_t* visits() noexcept { return reinterpret_cast<std::uint8_t*>(hits() + hit_count); }
    /// Tables that had no rule for it.
    const std::uint8_t* misses() const noexcept { return visits() + visit_count; }
    std::uint8_t* misses() noexcept { return visits() + visit_count; }
};

/// What one packet of a burst met so far.
struct Journal {
    bool bad = false;  ///< did something that a verdict can't say
    std::uint8_t visit_count = 0, hit_count = 0, step_count = 0, miss_count = 0;
    std::uint8_t steps_at_out = 0;  ///< steps before the last output
    bool wrote_ttl = false;
    std::uint8_t ttl_steps = 0;
    PortIndex out = PortIndex::kNone;
    DropReason reason{};
    std::uint64_t parent = 0;
    const CtPlan* ct = nullptr;  ///< it ends with this ct action, in `ct_zone`
    std::uint16_t ct_zone = 0;
    std::uint16_t outer = 0;  ///< as in Verdict, of `out`
    bool translated = false;  ///< by an action in the middle: what follows may read no headers
    bool walk = false;        ///< says only that the rest is to be walked
    std::uint8_t visit[kMaxVisits];
    std::uint8_t miss[kMaxVisits];
    RuleCounter* hit[kMaxVisits];
    Step step[kMaxSteps];

    void begin() noexcept {
        bad = wrote_ttl = translated = walk = false;
        ct = nullptr;
        ct_zone = outer = 0;
        parent = 0;
        visit_count = hit_count = miss_count = step_count = steps_at_out = ttl_steps = 0;
        out = PortIndex::kNone;
    }
    /// Only that it has to be walked, as long as the tables are what they are.
    void forget() noexcept {
        walk = true;
        bad = false;
        hit_count = miss_count = step_count = steps_at_out = ttl_steps = 0;
        out = PortIndex::kNone;
        outer = 0;
    }
    /// A ct action in the middle can be carried out if it is the only step.
    bool tracks_plainly() const noexcept {
        for (unsigned n = 0; n < step_count; ++n) {
            if (step[n].kind == StepKind::kTrack &&
                (n != 0 || (out == PortIndex::kNone ? step_count : steps_at_out) != 1))
                return false;
        }
        return true;
    }
    void add_visit(std::uint8_t table) noexcept {
        if (visit_count == kMaxVisits || translated) {
            bad = true;
            return;
        }
        visit[visit_count++] = table;
    }
    void add_hit(RuleCounter& counter) noexcept {
        if (hit_count == kMaxVisits) {
            bad = true;
            return;
        }
        hit[hit_count++] = &counter;
    }
    void add_miss(std::uint8_t table) noexcept {
        if (miss_count == kMaxVisits) {
            bad = true;
            return;
        }
        miss[miss_count++] = table;
    }
    void add_step(const Step& next) noexcept {
        if (step_count == kMaxSteps) {
            bad = true;
            return;
        }
        step[step_count++] = next;
    }
    /// The packet goes out here, and what went out before was a copy.
    void add_output(PortIndex port, std::uint16_t headers = 0) noexcept {
        bad |= outer != 0;  // a copy that goes into a tunnel
        outer = headers;
        if (out != PortIndex::kNone) {
            // The copy leaves where the previous output stood.
            if (step_count == kMaxSteps) {
                bad = true;
                return;
            }
            for (unsigned n = step_count; n > steps_at_out; --n)
                step[n] = step[n - 1U];
            step[steps_at_out] = {StepKind::kCopyOut, HeaderPart::kNone, {}, to_int(out), 0, 0};
            ++step_count;
        }
        out = port;
        steps_at_out = step_count;
    }
};

/// Memory of std::aligned_alloc.
struct AlignedFree {
    void operator()(void* memory) const noexcept { std::free(memory); }
};

/// All verdicts of one cache; equal ones are one object. Memory comes in chunks that are kept for re-use.
class VerdictPool {
  public:
    VerdictPool();
    ~VerdictPool() = default;
    /// A verdict that says what the journal says, with one more reference; nullptr when memory is short.
    Verdict* acquire(const Journal& journal) noexcept;
    /// Nothing may be pending with the last reference.
    void release(Verdict* verdict) noexcept;
    /// Forgets all of them and takes other hash chains: a power of two, all empty.
    void reset(std::vector<Verdict*>& chains) noexcept;
    std::size_t bytes() const noexcept { return chunks_.size() * kChunk + chains_.size() * sizeof(Verdict*); }

  private:
    static constexpr std::size_t kChunk = 64 * 1024, kUnit = 64;
    static constexpr std::size_t kClasses = 16;
    void* allocate(std::size_t size, std::uint8_t& size_class) noexcept;

    const HashKey secret_;
    std::uint64_t last_serial_ = 0;
    std::vector<std::unique_ptr<std::byte[], AlignedFree>> chunks_;
    std::size_t chunk_used_ = 0, chunk_next_ = 0;
    std::array<Verdict*, kClasses> free_{};
    std::vector<Verdict*> chains_;
};

}  // namespace sluice::pipeline
