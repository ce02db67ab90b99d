// SPDX-License-Identifier: Apache-2.0
#include "control/stream.hpp"

#include <filesystem>

#include <sys/socket.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/stream_target.hpp"
#include "control/test_util.hpp"

namespace sluice {
namespace {

using test::run_until;

/// One end: what it received and how it ended.
struct End {
    std::unique_ptr<Stream> stream;
    std::string received;
    bool connected = false;
    bool closed = false;
    bool drained = false;
    Error reason;
    Stream::Handlers handlers() {
        return {[this] { connected = true; }, [this](std::string_view bytes) { received += bytes; },
                [this](const Error& e) {
                    closed = true;
                    reason = e;
                },
                [this] { drained = true; }};
    }
};

class StreamTest : public testing::Test {
  protected:
    StreamTest() : loop_(EventLoop::create().value()) {}

    void listen(const std::string& target) {
        auto made = Listener::listen(*loop_, target, options_, [this](std::unique_ptr<Stream> stream) {
            server_.stream = std::move(stream);
            server_.stream->set_handlers(server_.handlers());
        });
        ASSERT_TRUE(made) << made.error().message;
        listener_ = std::move(*made);
    }
    void connect(const std::string& target) {
        auto made = Stream::connect(*loop_, target, options_, client_.handlers());
        ASSERT_TRUE(made) << made.error().message;
        client_.stream = std::move(*made);
    }
    /// Sends a megabyte each way, then closes.
    void exchange() {
        const std::string big(1 << 20, 'x');
        client_.stream->send("hello " + big);
        ASSERT_TRUE(run_until(*loop_, [&] { return server_.received.size() == big.size() + 6; }));
        server_.stream->send("welcome " + big);
        ASSERT_TRUE(run_until(*loop_, [&] { return client_.received.size() == big.size() + 8; }));
        EXPECT_TRUE(client_.connected && server_.connected);
        client_.stream->send("bye");
        client_.stream->shutdown_after_send();
        ASSERT_TRUE(run_until(*loop_, [&] { return server_.closed && client_.closed; }));
        EXPECT_EQ(server_.reason.code, 0) << server_.reason.message;
        EXPECT_THAT(server_.received, testing::EndsWith("bye"));
    }
    void make_certificates() {
        const std::string d = dir_.path();
        ASSERT_TRUE(test::shell(
            "cd " + d +
            " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem"
            " && for n in a b; do openssl req -newkey rsa:2048 -nodes -subj /CN=$n -keyout $n.key -out $n.csr"
            " && openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $n.only"
            " && cat $n.only ca.pem > $n.pem; done"
            " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout x.key -out x.pem"));
    }
    SslConfig ssl(const std::string& name) const {
        SslConfig config;
        config.private_key = dir_ / (name + ".key");
        config.certificate = dir_ / (name + ".pem");
        config.ca_cert = dir_ / "ca.pem";
        return config;
    }

    test::TempDir dir_;
    std::unique_ptr<EventLoop> loop_;
    StreamOptions options_;
    std::unique_ptr<Listener> listener_;
    End client_, server_;
};

TEST_F(StreamTest, UnixCarriesDataBothWays) {
    listen("punix:" + (dir_ / "s"));
    connect("unix:" + (dir_ / "s"));
    exchange();
    listener_.reset();
    EXPECT_FALSE(std::filesystem::exists(dir_ / "s"));
}

TEST_F(StreamTest, UnixPathsLongerThanTheSocketAddressWork) {
    const std::string folder = dir_ / std::string(90, 'd');
    std::filesystem::create_directory(folder);
    const std::string path = folder + "/" + std::string(60, 'n');
    listen("punix:" + path);
    connect("unix:" + path);
    exchange();
    listener_.reset();
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(StreamTest, TcpOverBothAddressFamiliesAndNames) {
    listen("ptcp:0");
    for (const char* host : {"127.0.0.1", "[::1]", "localhost"}) {
        client_ = End(), server_ = End();
        const auto port = std::to_string(listener_->port());
        connect("tcp:" + std::string(host) + ":" + port);
        ASSERT_TRUE(run_until(*loop_, [&] { return client_.connected || client_.closed; })) << host;
        if (std::string(host) == "[::1]" && client_.closed) continue;  // no IPv6 on this machine
        EXPECT_NE(client_.stream->peer_address().find(":" + port), std::string::npos);
        exchange();
    }
}

TEST_F(StreamTest, TlsChecksBothCertificates) {
    make_certificates();
    options_.ssl = ssl("a");
    listen("pssl:0:127.0.0.1");
    const auto target = "ssl:127.0.0.1:" + std::to_string(listener_->port());
    options_.ssl = ssl("b");
    connect(target);
    exchange();

    client_ = End(), server_ = End();
    options_.ssl = ssl("x");  // a certificate that the CA did not sign
    connect(target);
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.closed && client_.closed; }));
    EXPECT_FALSE(server_.connected);
    EXPECT_NE(server_.reason.code, 0);
}

TEST_F(StreamTest, TlsBootstrapStoresTheCaAndThenVerifies) {
    make_certificates();
    options_.ssl = ssl("a");
    listen("pssl:0:127.0.0.1");
    const auto target = "ssl:127.0.0.1:" + std::to_string(listener_->port());
    options_.ssl = ssl("b");
    options_.ssl.ca_cert = dir_ / "learned.pem";
    options_.ssl.bootstrap_ca_cert = true;
    connect(target);
    ASSERT_TRUE(run_until(*loop_, [&] { return client_.closed; }));
    EXPECT_EQ(client_.reason.code, EPROTO);
    ASSERT_TRUE(std::filesystem::exists(dir_ / "learned.pem"));
    client_ = End(), server_ = End();
    connect(target);
    exchange();
}

TEST_F(StreamTest, SslWithoutKeysNamesWhatIsMissing) {
    auto made = Stream::connect(*loop_, "ssl:127.0.0.1:1", options_, {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "ssl: private key must be configured to use SSL");
    options_.ssl.private_key = "/nonexistent/key";
    made = Stream::connect(*loop_, "ssl:127.0.0.1:1", options_, {});
    EXPECT_EQ(made.error().message, "ssl: private key /nonexistent/key: No such file or directory");
}

TEST_F(StreamTest, APeerThatNeverReadsIsSeenAndDropped) {
    options_.high_water_bytes = 100'000;
    options_.max_queued_bytes = 1'000'000;
    listen("punix:" + (dir_ / "s"));
    connect("unix:" + (dir_ / "s"));
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.connected && client_.connected; }));
    client_.stream->set_reading(false);
    server_.stream->send(std::string(600'000, 'x'));
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.stream->stalled_ms() > 20; }));
    EXPECT_TRUE(server_.stream->above_high_water());
    client_.stream->set_reading(true);
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.drained && client_.received.size() == 600'000; }));
    client_.stream->set_reading(false);
    for (int i = 0; i < 20; ++i)
        server_.stream->send(std::string(100'000, 'y'));
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.closed; }));
    EXPECT_EQ(server_.reason.code, ENOBUFS);
    EXPECT_NE(server_.reason.message.find("the limit is 1000000"), std::string::npos);
}

TEST_F(StreamTest, ACallbackMayDestroyItsStream) {
    listen("punix:" + (dir_ / "s"));
    connect("unix:" + (dir_ / "s"));
    ASSERT_TRUE(run_until(*loop_, [&] { return server_.connected && client_.connected; }));
    server_.stream->set_handlers({{}, [this](std::string_view) { server_.stream.reset(); }, {}, {}});
    client_.stream->send(std::string(200'000, 'x'));
    ASSERT_TRUE(run_until(*loop_, [&] { return client_.closed; }));
    EXPECT_EQ(server_.stream, nullptr);
}

TEST_F(StreamTest, FailedConnectionsSayWhy) {
    connect("unix:" + (dir_ / "nobody"));
    ASSERT_TRUE(run_until(*loop_, [&] { return client_.closed; }));
    EXPECT_EQ(client_.reason.code, ENOENT);
    client_ = End();
    listen("ptcp:0:127.0.0.1");
    const auto port = std::to_string(listener_->port());
    listener_.reset();
    connect("tcp:127.0.0.1:" + port);
    ASSERT_TRUE(run_until(*loop_, [&] { return client_.closed; }));
    EXPECT_EQ(client_.reason.code, ECONNREFUSED);
}

TEST_F(StreamTest, AStaleSocketIsReplacedALiveOneIsNot) {
    const std::string path = dir_ / "s";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
    listen("punix:" + path);
    auto second = Listener::listen(*loop_, "punix:" + path, options_, {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EADDRINUSE);
    std::ofstream(dir_ / "file") << "data";
    EXPECT_FALSE(Listener::listen(*loop_, "punix:" + (dir_ / "file"), options_, {}));
    EXPECT_EQ(test::read_text(dir_ / "file"), "data");
}

TEST(StreamTarget, ParsesEveryForm) {
    const auto host = [](const char* t) { return parse_stream_target(t, 6640)->host; };
    const auto port = [](const char* t) { return parse_stream_target(t, 6640)->port; };
    EXPECT_EQ(host("tcp:[fe80::1]:5"), "fe80::1");
    EXPECT_EQ(port("tcp:[fe80::1]:5"), 5);
    EXPECT_EQ(port("tcp:[fe80::1]"), 6640);
    EXPECT_EQ(host("ssl:example.org"), "example.org");
    EXPECT_EQ(port("ptcp:"), 6640);
    EXPECT_EQ(port("ptcp:0"), 0);
    EXPECT_EQ(host("pssl:7:[::1]"), "::1");
    EXPECT_EQ(host("pssl:7:::1"), "::1");
    EXPECT_EQ(host("ptcp::10.0.0.1"), "10.0.0.1");
    EXPECT_TRUE(is_active_target("unix:x"));
    EXPECT_TRUE(is_passive_target("punix:x"));
    for (const char* bad : {"", "x", "tcp:", "tcp::5", "tcp:h:99999", "tcp:h:x", "tcp:h:0", "tcp:::1:5",
                            "tcp:[::1", "unix:", "udp:h:1", "tcp:[::1]5", "ptcp:1:h:2"})
        EXPECT_FALSE(parse_stream_target(bad, 6640)) << bad;
    EXPECT_EQ(parse_stream_target("tcp:h:99999", 1).error().message,
              "tcp:h:99999: port 99999 is above 65535");
}

}  // namespace
}  // namespace sluice
