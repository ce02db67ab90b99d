// SPDX-License-Identifier: Apache-2.0
#include "bridge/flow_index.hpp"

namespace sluice::bridge {

namespace {
constexpr std::size_t kFirstBuckets = 16;
}

std::uint32_t FlowIndex::hash_of(const SparseMatch& match, std::uint16_t priority) {
    const HashKey& key = process_hash_key();
    std::uint64_t state = hash_word(key, priority);
    for (const auto& word : match.words) {
        const std::uint64_t part[4] = {state, word.value, word.mask, word.index};
        state = hash_words(key, part, 4);
    }
    return static_cast<std::uint32_t>(state);
}

void FlowIndex::insert(Flow& flow) {
    if (size_ >= buckets_.size()) grow();
    flow.hash = hash_of(flow.match(), flow.priority());
    Flow*& bucket = buckets_[flow.hash & (buckets_.size() - 1)];
    flow.bucket_next = bucket;
    bucket = &flow;
    flow.previous = last_;
    flow.next = nullptr;
    (last_ ? last_->next : first_) = &flow;
    last_ = &flow;
    ++size_;
}

void FlowIndex::erase(Flow& flow) {
    Flow** link = &buckets_[flow.hash & (buckets_.size() - 1)];
    while (*link != &flow)
        link = &(*link)->bucket_next;
    *link = flow.bucket_next;
    (flow.previous ? flow.previous->next : first_) = flow.next;
    (flow.next ? flow.next->previous : last_) = flow.previous;
    --size_;
}

Flow* FlowIndex::find(const SparseMatch& match, std::uint16_t priority) const {
    if (buckets_.empty()) return nullptr;
    const std::uint32_t hash = hash_of(match, priority);
    for (Flow* flow = buckets_[hash & (buckets_.size() - 1)]; flow; flow = flow->bucket_next) {
        if (flow->hash == hash && !flow->hidden && flow->priority() == priority && flow->match() == match)
            return flow;
    }
    return nullptr;
}

void FlowIndex::grow() {
    std::vector<Flow*> bigger(buckets_.empty() ? kFirstBuckets : buckets_.size() * 2);
    for (Flow* flow = first_; flow; flow = flow->next) {
        Flow*& bucket = bigger[flow->hash & (bigger.size() - 1)];
        flow->bucket_next = bucket;
        bucket = flow;
    }
    buckets_ = std::move(bigger);
}

}  // namespace sluice::bridge
