// SPDX-License-Identifier: Apache-2.0
// Against the real ovsdb-server with the schema of Open vSwitch, and against a server that talks nonsense.
#include "control/ovsdb_session.hpp"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "control/test_util.hpp"

namespace sluice {
namespace {

using ovsdb::Datum;
using test::run_until;
using Kind = OvsdbRowChange::Kind;

class OvsdbSessionTest : public testing::Test {
  protected:
    OvsdbSessionTest() : loop_(EventLoop::create().value()), socket_("unix:" + (dir_ / "db.sock")) {}

    void SetUp() override {
        ASSERT_TRUE(log::set_syslog_method("null"));
        ASSERT_TRUE(test::shell("ovsdb-tool create " + (dir_ / "conf.db") +
                                " /usr/share/openvswitch/vswitch.ovsschema"));
    }

    void start_server() {
        server_ = std::make_unique<test::Child>(
            std::vector<std::string>{"ovsdb-server", "--no-chdir", "-vsyslog:off",
                                     "--unixctl=" + (dir_ / "ovsdb.ctl"), "--remote=p" + socket_,
                                     dir_ / "conf.db"},
            dir_ / "ovsdb.log");
    }
    void kill_server() { server_->stop(SIGKILL); }

    OvsdbSession::Options options() const {
        OvsdbSession::Options o;
        o.remote = socket_;
        o.min_backoff_ms = 20;
        o.max_backoff_ms = 100;
        o.tables["Open_vSwitch"] = {{"bridges", "next_cfg", "external_ids"}, {"cur_cfg", "ovs_version"}};
        o.tables["Bridge"] = {{"name", "ports", "no_such_column"}, {"datapath_id"}};
        o.tables["Interface"] = {{"name", "type", "options"}, {"ofport", "statistics", "error"}};
        o.tables["No_Such_Table"] = {{"x"}, {}};
        return o;
    }
    OvsdbSession::Handlers handlers() {
        OvsdbSession::Handlers h;
        h.on_changes = [this](const std::vector<OvsdbRowChange>& changes) {
            for (const auto& c : changes) {
                const auto* row = c.new_row != nullptr ? c.new_row : c.old_row;
                const char* kind = c.kind == Kind::kInsert ? "+" : c.kind == Kind::kDelete ? "-" : "~";
                seen_.push_back(kind + c.table + " " + (*row)["name"].as_string());
            }
        };
        h.on_synced = [this] { ++syncs_; };
        h.on_lost = [this](const Error&) { ++losses_; };
        h.on_lock = [this](bool held) { locks_.push_back(held); };
        return h;
    }
    std::unique_ptr<OvsdbSession> open(const OvsdbSession::Options& o) {
        auto db = std::make_unique<OvsdbSession>(*loop_, o, handlers());
        db->start();
        return db;
    }
    void vsctl(const std::string& command) {
        std::vector<std::string> words{
            "sh", "-c", "ovs-vsctl --retry --no-wait --timeout=10 --db=" + socket_ + " " + command};
        int code = -1;
        const auto output = test::run_beside(*loop_, dir_, words, &code);
        ASSERT_EQ(code, 0) << command << ": " << output;
    }
    bool saw(const std::string& what) const { return std::count(seen_.begin(), seen_.end(), what) > 0; }

    test::TempDir dir_;
    std::unique_ptr<EventLoop> loop_;
    std::string socket_;
    std::unique_ptr<test::Child> server_;
    std::vector<std::string> seen_;
    std::vector<bool> locks_;
    int syncs_ = 0, losses_ = 0;
};

TEST_F(OvsdbSessionTest, FollowsChangesAndWritesBack) {
    const auto db = open(options());  // the server isn't there yet
    run_until(
        *loop_, [] { return false; }, 60);
    start_server();
    ASSERT_TRUE(run_until(*loop_, [&] { return db->synced(); }));
    vsctl("init -- add-br br0 -- set Interface br0 type=internal options:a=b");
    ASSERT_TRUE(run_until(*loop_, [&] { return saw("+Bridge br0") && saw("+Interface br0"); }));
    ovsdb::Uuid iface, root;
    const auto* row = db->first("Interface", &iface);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ((*row)["options"].get("a"), "b");
    ASSERT_NE(db->first("Open_vSwitch", &root), nullptr);

    seen_.clear();
    db->set("Interface", iface, "ofport", Datum::integer(65534));
    db->set("Interface", iface, "statistics", Datum::integer_map({{"rx_packets", 5}}));
    db->set("Open_vSwitch", root, "cur_cfg", Datum::integer(1));
    db->set("Open_vSwitch", root, "cur_cfg", Datum::integer(2));
    EXPECT_TRUE(db->writes_pending());
    ASSERT_TRUE(run_until(*loop_, [&] { return !db->writes_pending(); }));
    EXPECT_EQ((*db->find("Interface", iface))["ofport"].as_integer(), 65534);
    EXPECT_EQ((*db->find("Open_vSwitch", root))["cur_cfg"].as_integer(), 2);
    EXPECT_TRUE(seen_.empty()) << seen_.front();  // quiet columns only

    vsctl("del-br br0");
    ASSERT_TRUE(run_until(*loop_, [&] { return saw("-Bridge br0") && saw("-Interface br0"); }));
    db->set("Interface", iface, "ofport", Datum::integer(1));  // the row has gone
    ASSERT_TRUE(run_until(*loop_, [&] { return !db->writes_pending(); }));
}

TEST_F(OvsdbSessionTest, ARefusedValueDoesNotHoldUpTheOthers) {
    start_server();
    const auto db = open(options());
    vsctl("init -- add-br br0 -- add-br br1");
    ASSERT_TRUE(run_until(*loop_, [&] { return db->table("Interface").size() == 2; }));
    for (const auto& [uuid, row] : db->table("Interface")) {
        db->set("Interface", uuid, "error", Datum::string("oops"));
        db->set("Interface", uuid, "ofport", Datum::integer(9));
    }
    // A map where the schema has an integer.
    db->set("Interface", db->table("Interface").begin()->first, "ofport", Datum::string_map({{"a", "b"}}));
    ASSERT_TRUE(run_until(*loop_, [&] { return !db->writes_pending(); }));
    for (const auto& [uuid, row] : db->table("Interface"))
        EXPECT_EQ(row["error"].as_string(), "oops");
    EXPECT_EQ(db->table("Interface").rbegin()->second["ofport"].as_integer(), 9);
}

TEST_F(OvsdbSessionTest, ResynchronisesWhenTheServerComesBack) {
    start_server();
    const auto db = open(options());
    vsctl("init -- add-br stays -- add-br goes");
    ASSERT_TRUE(run_until(*loop_, [&] { return saw("+Bridge stays") && saw("+Bridge goes"); }));
    kill_server();
    ASSERT_TRUE(run_until(*loop_, [&] { return losses_ == 1; }));
    EXPECT_EQ(db->table("Bridge").size(), 2U);  // the replica stays
    ovsdb::Uuid root;
    db->first("Open_vSwitch", &root);
    db->set("Open_vSwitch", root, "ovs_version", Datum::string("late"));
    seen_.clear();
    // Change the database while we are away.
    std::filesystem::rename(dir_ / "conf.db", dir_ / "aside.db");
    ASSERT_TRUE(
        test::shell("ovsdb-tool create " + (dir_ / "conf.db") + " /usr/share/openvswitch/vswitch.ovsschema"));
    std::filesystem::remove(dir_ / "conf.db");
    std::filesystem::rename(dir_ / "aside.db", dir_ / "conf.db");
    start_server();
    vsctl("del-br goes -- add-br comes");
    ASSERT_TRUE(
        run_until(*loop_, [&] { return syncs_ >= 2 && saw("+Bridge comes") && saw("-Bridge goes"); }));
    EXPECT_FALSE(saw("+Bridge stays"));
    ASSERT_TRUE(run_until(*loop_, [&] { return !db->writes_pending(); }));
    EXPECT_EQ((*db->first("Open_vSwitch"))["ovs_version"].as_string(), "late");
}

TEST_F(OvsdbSessionTest, OnlyTheHolderOfTheLockWrites) {
    start_server();
    vsctl("init");
    auto o = options();
    o.lock = "ovs_vswitchd";
    auto first = open(o);
    ASSERT_TRUE(run_until(*loop_, [&] { return first->synced() && first->lock_held(); }));
    EXPECT_EQ(locks_, std::vector<bool>{true});
    const auto second = open(o);
    ASSERT_TRUE(run_until(*loop_, [&] { return second->synced() && locks_.size() == 2; }));
    EXPECT_FALSE(second->lock_held());
    ovsdb::Uuid root;
    second->first("Open_vSwitch", &root);
    second->set("Open_vSwitch", root, "cur_cfg", Datum::integer(7));
    run_until(
        *loop_, [] { return false; }, 50);
    EXPECT_TRUE(second->writes_pending());
    first.reset();
    ASSERT_TRUE(run_until(*loop_, [&] { return second->lock_held() && !second->writes_pending(); }));
    EXPECT_EQ((*second->first("Open_vSwitch"))["cur_cfg"].as_integer(), 7);
}

TEST_F(OvsdbSessionTest, TransactionsInsertAndVerify) {
    start_server();
    vsctl("init");
    const auto db = open(options());
    ASSERT_TRUE(run_until(*loop_, [&] { return db->synced(); }));
    ovsdb::Uuid root;
    db->first("Open_vSwitch", &root);
    ovsdb::Transaction txn("Open_vSwitch");
    const auto bridge = txn.insert("Bridge", {{"name", Datum::string("br7")}});
    txn.mutate("Open_vSwitch", root, "bridges", "insert", Datum::uuid(bridge));
    txn.comment("test");
    bool inserted = false;
    db->transact(txn, [&](Result<ovsdb::TransactionResult> result) {
        ASSERT_TRUE(result) << result.error().message;
        inserted = db->find("Bridge", result->inserted.at(bridge)) != nullptr;
    });
    ASSERT_TRUE(run_until(*loop_, [&] { return inserted; }));
    ovsdb::Transaction stale("Open_vSwitch");
    stale.verify("Open_vSwitch", root, "next_cfg", Datum::integer(99));
    stale.update("Open_vSwitch", root, {{"next_cfg", Datum::integer(100)}});
    int code = 0;
    db->transact(stale,
                 [&](Result<ovsdb::TransactionResult> result) { code = result ? -1 : result.error().code; });
    ASSERT_TRUE(run_until(*loop_, [&] { return code != 0; }));
    EXPECT_EQ(code, EAGAIN);
}

TEST_F(OvsdbSessionTest, SurvivesADatabaseThatVanishes) {
    start_server();
    vsctl("init");
    const auto db = open(options());
    ASSERT_TRUE(run_until(*loop_, [&] { return db->synced(); }));
    const auto appctl = [&](const std::string& command, const std::string& argument) {
        return test::run_beside(*loop_, dir_, {"ovs-appctl", "-t", dir_ / "ovsdb.ctl", command, argument});
    };
    EXPECT_EQ(appctl("ovsdb-server/remove-db", "Open_vSwitch"), "");
    ASSERT_TRUE(run_until(*loop_, [&] { return losses_ >= 1 && !db->synced(); }));
    EXPECT_EQ(appctl("ovsdb-server/add-db", dir_ / "conf.db"), "");
    ASSERT_TRUE(run_until(*loop_, [&] { return db->synced(); }));
}

TEST_F(OvsdbSessionTest, KeepsTryingWhenTheServerTalksGarbage) {
    int connections = 0;
    std::vector<std::unique_ptr<Stream>> peers;
    const std::vector<std::string> nonsense{"hello\r\n", "{\"id\":1,\"result\":5,\"error\":null}",
                                            "{\"id\":1,\"result\":{\"tables\":3},\"error\":null}", "[1,2]",
                                            "{\"id\":}"};
    auto listener = Listener::listen(*loop_, "p" + socket_, {}, [&](std::unique_ptr<Stream> stream) {
        stream->send(nonsense[static_cast<std::size_t>(connections++) % nonsense.size()]);
        peers.push_back(std::move(stream));
    });
    ASSERT_TRUE(listener) << listener.error().message;
    const auto db = open(options());
    ASSERT_TRUE(run_until(*loop_, [&] { return connections >= 6; }));
    EXPECT_FALSE(db->ever_synced());
    peers.clear();
    listener->reset();
    start_server();
    ASSERT_TRUE(run_until(*loop_, [&] { return db->synced(); }));
}

TEST_F(OvsdbSessionTest, ASilentServerIsProbedAndDropped) {
    int connections = 0;
    std::vector<std::unique_ptr<Stream>> peers;
    auto listener = Listener::listen(*loop_, "p" + socket_, {}, [&](std::unique_ptr<Stream> stream) {
        ++connections;
        peers.push_back(std::move(stream));
    });
    ASSERT_TRUE(listener);
    auto o = options();
    o.probe_interval_ms = 30;
    const auto db = open(o);
    ASSERT_TRUE(run_until(*loop_, [&] { return connections >= 3; }));
    EXPECT_GE(losses_, 2);
}

TEST_F(OvsdbSessionTest, MayBeDestroyedInItsOwnCallbacks) {
    start_server();
    vsctl("init");
    for (int which = 0; which < 3; ++which) {
        std::unique_ptr<OvsdbSession> db;
        bool called = false;
        const auto destroy = [&] {
            called = true;
            db.reset();
        };
        OvsdbSession::Handlers h;
        if (which == 0) h.on_changes = [&](const auto&) { destroy(); };
        if (which == 1) h.on_synced = destroy;
        if (which == 2) h.on_lock = [&](bool) { destroy(); };
        auto o = options();
        o.lock = "test";
        db = std::make_unique<OvsdbSession>(*loop_, o, std::move(h));
        db->start();
        ASSERT_TRUE(run_until(*loop_, [&] { return called; })) << which;
    }
}

}  // namespace
}  // namespace sluice
