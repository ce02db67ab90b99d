// SPDX-License-Identifier: Apache-2.0
#include "pipeline/id_table.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace sluice::pipeline {
namespace {

struct Object : Numbered {
    ~Object() { serial = 0; }
    std::uint64_t serial = 0;
};

void discard(Datapath&, std::unique_ptr<Object>) {}

TEST(IdTable, an_object_is_seen_from_its_version_to_its_end) {
    Datapath datapath;
    IdTable<Object> table(datapath, discard);
    auto object = std::make_unique<Object>();
    object->id = 7;
    Object* added = table.add(std::move(object));
    EXPECT_EQ(table.find(7, datapath.version()), nullptr);
    datapath.publish();
    EXPECT_EQ(table.find(7, datapath.version()), added);
    EXPECT_EQ(table.find(8, datapath.version()), nullptr);
    table.remove(added);
    EXPECT_EQ(table.find(7, datapath.version()), added);
    table.revert_remove(added);
    datapath.publish();
    EXPECT_EQ(table.find(7, datapath.version()), added);
    table.remove(added);
    datapath.publish();
    EXPECT_EQ(table.find(7, datapath.version()), nullptr);
    while (datapath.rcu().reclaim() !=
           0) {  // before the table goes: what was removed is still unlinked from it
    }
}

// A reader pins a version, as a worker does for a burst; every number must be there, alive, in one version.
TEST(IdTable, a_reader_finds_every_number_while_all_are_replaced_and_others_come_and_go) {
    constexpr std::uint32_t kStable = 40, kMoving = 400;
    Datapath datapath;
    IdTable<Object> table(datapath, discard);
    std::vector<Object*> stable(kStable), moving;
    std::uint64_t serial = 0;
    const auto add = [&](std::uint32_t id) {
        auto object = std::make_unique<Object>();
        object->id = id;
        object->serial = ++serial;
        return table.add(std::move(object));
    };
    for (std::uint32_t id = 0; id < kStable; ++id)
        stable[id] = add(id);
    datapath.publish();

    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> rounds{0}, faults{0};
    Rcu::Reader* reader = datapath.rcu().add_reader();
    std::thread thread([&] {
        reader->online();
        while (!stop.load(std::memory_order_relaxed)) {
            const Version version = datapath.version();
            for (std::uint32_t id = 0; id < kStable; ++id) {
                const Object* found = table.find(id, version);
                if (!found || found->id != id || found->serial == 0) faults.fetch_add(1);
            }
            rounds.fetch_add(1);
            reader->quiescent();
        }
        reader->offline();
    });
    for (unsigned turn = 0; turn < 300 || rounds.load() < 100; ++turn) {
        for (std::uint32_t id = 0; id < kStable; ++id) {
            table.remove(stable[id]);
            stable[id] = add(id);
        }
        if (turn % 8 == 0) {
            for (Object* object : moving)
                table.remove(object);
            moving.clear();
        }
        for (std::uint32_t n = 0; n < kMoving / 8; ++n)
            moving.push_back(add(1000 + turn % 8 * kMoving + n));
        datapath.publish();
        datapath.rcu().reclaim();
    }
    stop.store(true);
    thread.join();
    datapath.rcu().remove_reader(reader);
    EXPECT_EQ(faults.load(), 0U);
    while (datapath.rcu().reclaim() != 0) {
    }
}

}  // namespace
}  // namespace sluice::pipeline
