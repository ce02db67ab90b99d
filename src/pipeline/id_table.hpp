// SPDX-License-Identifier: Apache-2.0
// IdTable: objects by 32-bit number (groups, meters), changed in place by the control thread while workers
// look them up. Like a rule an object shows from one version of the datapath to another; several of one
// number may stand in the table while a change is on its way, and a look-up finds the one of its version.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/datapath.hpp"

namespace sluice::pipeline {

/// What objects of an IdTable derive from.
struct Numbered {
    std::uint32_t id = 0;
    std::atomic<Version> added{kNeverVersion}, removed{kNeverVersion};
    std::size_t place = 0;  ///< IdTable only
    bool visible(Version version) const noexcept {
        return added.load(std::memory_order_relaxed) <= version &&
               version < removed.load(std::memory_order_relaxed);
    }
};

/// `Free` is called with an object that nobody can refer to any more. Control thread, but for find().
template <typename T>
class IdTable {
  public:
    using Free = void (*)(Datapath& datapath, std::unique_ptr<T> object);

    IdTable(Datapath& datapath, Free free) : datapath_(datapath), free_(free) { resize(kFirstHeads); }
    /// No thread reads any more.
    ~IdTable() {
        for (auto& item : items_)
            free_(datapath_, std::move(item));
    }
    IdTable(const IdTable&) = delete;
    IdTable& operator=(const IdTable&) = delete;

    /// Any reading thread: the object of this number at `version`, or nullptr. O(1) expected.
    const T* find(std::uint32_t id, Version version) const noexcept {
        const Index& index = *index_.read();
        const Link* link = index.heads[slot_of(id, index)].load(std::memory_order_acquire);
        for (; link; link = link->next) {
            if (link->item->id == id && link->item->visible(version)) return link->item;
        }
        return nullptr;
    }

    /// Enters an object, which shows from the next publication on.
    T* add(std::unique_ptr<T> object) {
        T* item = object.get();
        item->added.store(datapath_.next_version(), std::memory_order_relaxed);
        item->place = items_.size();
        items_.push_back(std::move(object));
        if (items_.size() > 2 * index_.read()->count) {
            resize(index_.read()->count * 4);
        } else {
            link(*index_.read(), item);
        }
        return item;
    }
    /// Hides an object from the next publication on and frees it once nobody can see it.
    void remove(T* item) {
        item->removed.store(datapath_.next_version(), std::memory_order_relaxed);
        if (hidden_.empty()) datapath_.at_publish([this] { retire_hidden(); });
        hidden_.push_back(item);
    }
    /// Undo add() and remove() before the publication.
    void revert_add(T* item) { unlink(item); }
    void revert_remove(T* item) {
        item->removed.store(kNeverVersion, std::memory_order_relaxed);
        std::erase(hidden_, item);
    }

  private:
    struct Link {
        T* item;
        Link* next;
    };
    struct Index {
        std::size_t count;
        std::unique_ptr<std::atomic<Link*>[]> heads;
        ~Index() {
            for (std::size_t i = 0; i < count; ++i) {
                for (Link* link = heads[i].load(std::memory_order_relaxed); link;)
                    delete std::exchange(link, link->next);
            }
        }
    };
    static constexpr std::size_t kFirstHeads = 16;  // a power of two, as all later counts

    static std::size_t slot_of(std::uint32_t id, const Index& index) noexcept {
        return static_cast<std::size_t>(id * 0x9e3779b97f4a7c15ULL >> 32) & (index.count - 1);
    }
    static void link(Index& index, T* item) {
        auto& head = index.heads[slot_of(item->id, index)];
        head.store(new Link{item, head.load(std::memory_order_relaxed)}, std::memory_order_release);
    }
    void resize(std::size_t count) {
        auto next = std::make_unique<Index>();
        next->count = count;
        next->heads.reset(new std::atomic<Link*>[count] {});
        for (const auto& item : items_)
            link(*next, item.get());
        index_.publish(datapath_.rcu(), std::move(next));
    }
    /// Takes an object out of its chain: links before it are made anew, so that readers inside never stray.
    void unlink(T* item) {
        Index& index = *index_.read();
        auto& head = index.heads[slot_of(item->id, index)];
        Link* rest = head.load(std::memory_order_relaxed);
        std::vector<Link*> gone;
        while (rest->item != item)
            gone.push_back(std::exchange(rest, rest->next));
        gone.push_back(rest);
        Link* chain = rest->next;
        for (std::size_t i = gone.size() - 1; i-- > 0;)
            chain = new Link{gone[i]->item, chain};
        head.store(chain, std::memory_order_release);
        std::swap(items_[item->place], items_.back());
        items_[item->place]->place = item->place;
        auto object = std::make_shared<std::unique_ptr<T>>(std::move(items_.back()));
        items_.pop_back();
        datapath_.rcu().retire([&datapath = datapath_, free = free_, gone = std::move(gone), object] {
            for (Link* link : gone)
                delete link;
            free(datapath, std::move(*object));
        });
    }
    /// Unlinks once no worker can be at a version that shows the objects.
    void retire_hidden() {
        datapath_.rcu().retire([this, hidden = std::exchange(hidden_, {})] {
            for (T* item : hidden)
                unlink(item);
        });
    }

    Datapath& datapath_;
    Free free_;
    RcuPtr<Index> index_;
    std::vector<std::unique_ptr<T>> items_;
    std::vector<T*> hidden_;  ///< removed, not yet published
};

}  // namespace sluice::pipeline
