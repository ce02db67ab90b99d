// SPDX-License-Identifier: Apache-2.0
// TLS for streams: one OpenSSL session over a non-blocking socket. Used by stream.cpp only.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "base/result.hpp"
#include "control/stream.hpp"

namespace sluice {

/// Both ends present certificates and check the other's against `ca_cert`, as in OVS; host names aren't
/// compared.
class TlsSession {
  public:
    enum class Side { kClient, kServer };
    enum class Status { kOk, kWantRead, kWantWrite, kClosed, kError };

    /// Reads the files of `config` (a few ms). ENOENT and the like name the file.
    static Result<std::unique_ptr<TlsSession>> create(const SslConfig& config, Side side);
    /// Takes a connected socket; it stays the caller's to close.
    Result<void> attach(int fd);
    Status handshake();
    /// `n` receives the count of bytes for kOk.
    Status read(char* buffer, std::size_t size, std::size_t& n);
    Status write(const char* data, std::size_t size, std::size_t& n);
    void shutdown();
    /// Sentence for the last kError.
    const std::string& error() const { return error_; }
    /// With bootstrap: stores the CA certificate the peer presented. The connection must then be closed: it
    /// isn't verified. Nothing to do unless `bootstrapping()`.
    bool bootstrapping() const { return bootstrapping_; }
    Result<void> store_peer_ca();

  private:
    struct FreeSsl {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };
    struct FreeContext {
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };
    TlsSession() = default;
    Result<void> load(const SslConfig& config, Side side);
    Status outcome(int rc);

    std::unique_ptr<SSL_CTX, FreeContext> context_;
    std::unique_ptr<SSL, FreeSsl> ssl_;
    std::string ca_path_;
    std::string error_;
    bool bootstrapping_ = false;
};

}  // namespace sluice
