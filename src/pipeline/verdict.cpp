// SPDX-License-Identifier: Apache-2.0
#include "pipeline/verdict.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace sluice::pipeline {

namespace {

/// Steps after the last output change nothing that anybody sees.
std::uint8_t steps_that_matter(const Journal& journal) {
    if (journal.out != PortIndex::kNone) return journal.steps_at_out;
    // A connection that is entered outlives its packet.
    return journal.step_count == 1 && journal.step[0].kind == StepKind::kTrack ? std::uint8_t{1}
                                                                               : std::uint8_t{0};
}

std::uint64_t hash_of(const HashKey& secret, const Journal& journal) {
    const std::uint8_t steps = steps_that_matter(journal);
    std::uint64_t words[kMaxVisits + 2 * kMaxVisits / 8 + 2 * kMaxSteps + 7] = {};
    std::size_t n = 0;
    words[n++] = journal.parent;
    words[n++] = reinterpret_cast<std::uintptr_t>(journal.ct);
    words[n++] = std::uint64_t{journal.outer} << 32 | journal.ct_zone | (journal.walk ? 1U << 16 : 0);
    words[n++] = std::uint64_t{journal.miss_count} << 56 | std::uint64_t{to_int(journal.out)} << 32 |
                 std::uint64_t(journal.reason) << 24 | std::uint64_t{journal.hit_count} << 16 |
                 std::uint64_t{journal.visit_count} << 8 | steps;
    for (unsigned i = 0; i < journal.hit_count; ++i)
        words[n++] = reinterpret_cast<std::uintptr_t>(journal.hit[i]);
    std::memcpy(&words[n], journal.visit, journal.visit_count);
    n += (journal.visit_count + 7U) / 8;
    std::memcpy(&words[n], journal.miss, journal.miss_count);
    n += (journal.miss_count + 7U) / 8;
    for (unsigned i = 0; i < steps; ++i) {
        const Step& step = journal.step[i];
        words[n++] = std::uint64_t(step.kind) << 56 | std::uint64_t(step.part) << 48 |
                     std::uint64_t{step.port} << 32 | std::uint64_t{step.loc.word} << 16 |
                     std::uint64_t{step.loc.shift} << 8 | step.loc.bits;
        words[n++] = step.value ^ step.mask * 0x9e3779b97f4a7c15ULL;
    }
    return hash_words(secret, words, n);
}

/// A single step that tracks.
const Step* lone_track(const Journal& journal) {
    return steps_that_matter(journal) == 1 && journal.step[0].kind == StepKind::kTrack ? &journal.step[0]
                                                                                       : nullptr;
}

std::uint16_t ct_zone_of(const Journal& journal) {
    const Step* step = lone_track(journal);
    return step ? step->port : journal.ct_zone;
}

bool same(const Verdict& verdict, const Journal& journal) {
    const std::uint8_t steps = steps_that_matter(journal);
    if (verdict.out != journal.out || verdict.reason != journal.reason || verdict.step_count != steps ||
        verdict.hit_count != journal.hit_count || verdict.visit_count != journal.visit_count ||
        verdict.miss_count != journal.miss_count || verdict.parent != journal.parent ||
        verdict.ct_zone != ct_zone_of(journal) || verdict.outer != journal.outer ||
        (verdict.rewrite == Rewrite::kSplit) != (journal.ct != nullptr) ||
        (journal.ct && verdict.ct != journal.ct) || (verdict.rewrite == Rewrite::kWalk) != journal.walk)
        return false;
    return std::equal(journal.step, journal.step + steps, verdict.steps()) &&
           std::equal(journal.hit, journal.hit + journal.hit_count, verdict.hits()) &&
           std::equal(journal.visit, journal.visit + journal.visit_count, verdict.visits()) &&
           std::equal(journal.miss, journal.miss + journal.miss_count, verdict.misses());
}

/// Sums up the steps of a verdict.
void sum_up(Verdict& verdict) {
    std::uint8_t mask[16] = {}, value[16] = {};
    for (unsigned n = 0; n < verdict.step_count; ++n) {
        const Step& step = verdict.steps()[n];
        if (step.kind == StepKind::kDecTtl) {
            verdict.rewrite = Rewrite::kMacTtl;
            continue;
        }
        if (step.kind != StepKind::kSet ||
            (step.part != HeaderPart::kEthDst && step.part != HeaderPart::kEthSrc)) {
            verdict.rewrite = Rewrite::kOther;
            return;
        }
        verdict.rewrite = Rewrite::kMacTtl;
        const unsigned at = step.part == HeaderPart::kEthDst ? 0 : 6;
        for (unsigned i = 0; i < 6; ++i) {
            const auto bits = static_cast<std::uint8_t>(step.mask >> (40 - 8 * i));
            const auto next = static_cast<std::uint8_t>(step.value >> (40 - 8 * i));
            mask[at + i] = static_cast<std::uint8_t>(mask[at + i] | bits);
            value[at + i] = static_cast<std::uint8_t>((value[at + i] & ~bits) | (next & bits));
        }
    }
    std::memcpy(verdict.keep, mask, sizeof mask);
    std::memcpy(verdict.put, value, sizeof value);
    for (auto& word : verdict.keep)
        word = ~word;
}

}  // namespace

VerdictPool::VerdictPool() : secret_(process_hash_key()), chains_(64, nullptr) {}

void* VerdictPool::allocate(std::size_t size, std::uint8_t& size_class) noexcept {
    const std::size_t units = (size + kUnit - 1) / kUnit;
    if (units > kClasses) return nullptr;
    size_class = static_cast<std::uint8_t>(units - 1);
    if (Verdict* free = free_[size_class]) {
        free_[size_class] = free->next;
        return free;
    }
    if (chunk_next_ == 0 || chunk_used_ + units * kUnit > kChunk) {
        if (chunk_next_ == chunks_.size()) {
            auto* memory = static_cast<std::byte*>(std::aligned_alloc(kUnit, kChunk));
            if (!memory) return nullptr;
            chunks_.emplace_back(memory);
        }
        ++chunk_next_;
        chunk_used_ = 0;
    }
    void* at = chunks_[chunk_next_ - 1].get() + chunk_used_;
    chunk_used_ += units * kUnit;
    return at;
}

Verdict* VerdictPool::acquire(const Journal& journal) noexcept {
    const std::uint64_t hash = hash_of(secret_, journal);
    for (Verdict* verdict = chains_[hash & (chains_.size() - 1)]; verdict; verdict = verdict->next) {
        if (verdict->hash == hash && same(*verdict, journal)) {
            ++verdict->references;
            return verdict;
        }
    }
    const std::uint8_t steps = steps_that_matter(journal);
    const std::size_t size = sizeof(Verdict) + steps * sizeof(Step) +
                             journal.hit_count * sizeof(RuleCounter*) + journal.visit_count +
                             journal.miss_count;
    std::uint8_t size_class = 0;
    void* memory = allocate(size, size_class);
    if (!memory) return nullptr;
    auto* verdict = new (memory) Verdict;
    verdict->references = 1;
    verdict->out = journal.out;
    verdict->reason = journal.reason;
    verdict->outer = journal.outer;
    verdict->ttl_steps = journal.ttl_steps;
    verdict->step_count = steps;
    verdict->hit_count = journal.hit_count;
    verdict->visit_count = journal.visit_count;
    verdict->miss_count = journal.miss_count;
    verdict->size_class = size_class;
    verdict->hash = hash;
    for (unsigned i = 0; i < steps; ++i)
        new (verdict->steps() + i) Step(journal.step[i]);
    verdict->serial = ++last_serial_;
    verdict->parent = journal.parent;
    verdict->ct_zone = ct_zone_of(journal);
    sum_up(*verdict);
    if (journal.walk) {
        verdict->rewrite = Rewrite::kWalk;
    } else if (journal.ct) {
        verdict->rewrite = Rewrite::kSplit;
        verdict->ct = journal.ct;
    } else if (const Step* step = lone_track(journal)) {
        verdict->rewrite = Rewrite::kTrack;
        verdict->ct = reinterpret_cast<const CtPlan*>(step->value);
    }
    std::copy(journal.hit, journal.hit + journal.hit_count, verdict->hits());
    std::copy(journal.visit, journal.visit + journal.visit_count, verdict->visits());
    std::copy(journal.miss, journal.miss + journal.miss_count, verdict->misses());
    Verdict*& chain = chains_[hash & (chains_.size() - 1)];
    verdict->next = chain;
    chain = verdict;
    return verdict;
}

void VerdictPool::release(Verdict* verdict) noexcept {
    if (--verdict->references != 0) return;
    Verdict** link = &chains_[verdict->hash & (chains_.size() - 1)];
    while (*link != verdict)
        link = &(*link)->next;
    *link = verdict->next;
    verdict->next = free_[verdict->size_class];
    free_[verdict->size_class] = verdict;
}

void VerdictPool::reset(std::vector<Verdict*>& chains) noexcept {
    chunk_next_ = chunk_used_ = 0;
    free_.fill(nullptr);
    chains_.swap(chains);
}

}  // namespace sluice::pipeline
