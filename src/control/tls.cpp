// SPDX-License-Identifier: Apache-2.0
#include "control/tls.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace sluice {
namespace {

/// Empties OpenSSL's error queue into one text.
std::string openssl_errors() {
    std::string out;
    while (const auto code = ::ERR_get_error()) {
        char text[256];
        ::ERR_error_string_n(code, text, sizeof text);
        if (!out.empty()) out += "; ";
        out += text;
    }
    return out.empty() ? "unknown TLS error" : out;
}

Result<void> check_file(const char* what, const std::string& path) {
    if (path.empty()) return make_error(EINVAL, "ssl: {} must be configured to use SSL", what);
    if (::access(path.c_str(), R_OK) != 0) {
        const int error = errno;
        return make_error(error, "ssl: {} {}: {}", what, path, std::strerror(error));
    }
    return {};
}

/// Protocol versions from "TLSv1,TLSv1.1,TLSv1.2": the range from lowest to highest named.
Result<void> set_protocols(SSL_CTX* context, const std::string& list) {
    int lowest = INT_MAX, highest = 0;
    std::string word;
    for (const char c : list + ",") {
        if (c != ',' && c != ' ') {
            word += c;
            continue;
        }
        if (word.empty()) continue;
        const int version = word == "TLSv1"     ? TLS1_VERSION
                            : word == "TLSv1.1" ? TLS1_1_VERSION
                            : word == "TLSv1.2" ? TLS1_2_VERSION
                            : word == "TLSv1.3" ? TLS1_3_VERSION
                                                : 0;
        if (version == 0) return make_error(EINVAL, "ssl: {} is not an SSL protocol", word);
        lowest = std::min(lowest, version);
        highest = std::max(highest, version);
        word.clear();
    }
    if (highest == 0) lowest = TLS1_2_VERSION;
    ::SSL_CTX_set_min_proto_version(context, lowest);
    ::SSL_CTX_set_max_proto_version(context, highest);
    return {};
}

int accept_any_certificate(int /*ok*/, X509_STORE_CTX* /*store*/) {
    return 1;
}

}  // namespace

Result<void> TlsSession::load(const SslConfig& config, Side side) {
    ::ERR_clear_error();
    context_.reset(::SSL_CTX_new(side == Side::kClient ? ::TLS_client_method() : ::TLS_server_method()));
    if (!context_) return make_error(ENOMEM, "ssl: {}", openssl_errors());
    auto* const context = context_.get();
    if (auto ok = set_protocols(context, config.protocols); !ok) return ok;
    if (!config.ciphers.empty() && ::SSL_CTX_set_cipher_list(context, config.ciphers.c_str()) != 1)
        return make_error(EINVAL, "ssl: ciphers \"{}\": {}", config.ciphers, openssl_errors());
    ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ::SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);

    if (auto ok = check_file("private key", config.private_key); !ok) return ok;
    if (auto ok = check_file("certificate", config.certificate); !ok) return ok;
    if (::SSL_CTX_use_certificate_chain_file(context, config.certificate.c_str()) != 1)
        return make_error(EINVAL, "ssl: certificate {}: {}", config.certificate, openssl_errors());
    if (::SSL_CTX_use_PrivateKey_file(context, config.private_key.c_str(), SSL_FILETYPE_PEM) != 1)
        return make_error(EINVAL, "ssl: private key {}: {}", config.private_key, openssl_errors());
    if (!config.peer_ca_cert.empty()) {
        if (auto ok = check_file("peer CA certificate", config.peer_ca_cert); !ok) return ok;
        std::unique_ptr<BIO, int (*)(BIO*)> bio(::BIO_new_file(config.peer_ca_cert.c_str(), "r"),
                                                &::BIO_free);
        while (X509* extra = bio ? ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr)
            ::SSL_CTX_add_extra_chain_cert(context, extra);
        ::ERR_clear_error();  // the end of the file is an error to OpenSSL
    }
    ca_path_ = config.ca_cert;
    if (config.bootstrap_ca_cert && side == Side::kClient && ::access(ca_path_.c_str(), F_OK) != 0) {
        bootstrapping_ = true;
        ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any_certificate);
        return {};
    }
    if (auto ok = check_file("CA certificate", ca_path_); !ok) return ok;
    if (::SSL_CTX_load_verify_locations(context, ca_path_.c_str(), nullptr) != 1)
        return make_error(EINVAL, "ssl: CA certificate {}: {}", ca_path_, openssl_errors());
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
}

Result<std::unique_ptr<TlsSession>> TlsSession::create(const SslConfig& config, Side side) {
    std::unique_ptr<TlsSession> session(new TlsSession);
    if (auto ok = session->load(config, side); !ok) return ok.error();
    session->ssl_.reset(::SSL_new(session->context_.get()));
    if (!session->ssl_) return make_error(ENOMEM, "ssl: {}", openssl_errors());
    if (side == Side::kClient)
        ::SSL_set_connect_state(session->ssl_.get());
    else
        ::SSL_set_accept_state(session->ssl_.get());
    return session;
}

Result<void> TlsSession::attach(int fd) {
    if (::SSL_set_fd(ssl_.get(), fd) != 1) return make_error(ENOMEM, "ssl: {}", openssl_errors());
    return {};
}

TlsSession::Status TlsSession::outcome(int rc) {
    const int saved_errno = errno;
    switch (::SSL_get_error(ssl_.get(), rc)) {
        case SSL_ERROR_NONE:
            return Status::kOk;
        case SSL_ERROR_WANT_READ:
            return Status::kWantRead;
        case SSL_ERROR_WANT_WRITE:
            return Status::kWantWrite;
        case SSL_ERROR_ZERO_RETURN:
            return Status::kClosed;
        case SSL_ERROR_SYSCALL:
            error_ = saved_errno != 0 ? std::strerror(saved_errno) : "connection closed during TLS handshake";
            return Status::kError;
        default:
            error_ = openssl_errors();
            return Status::kError;
    }
}

TlsSession::Status TlsSession::handshake() {
    ::ERR_clear_error();
    errno = 0;
    return outcome(::SSL_do_handshake(ssl_.get()));
}

TlsSession::Status TlsSession::read(char* buffer, std::size_t size, std::size_t& n) {
    ::ERR_clear_error();
    errno = 0;
    const int rc = ::SSL_read(ssl_.get(), buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
    n = rc > 0 ? static_cast<std::size_t>(rc) : 0;
    return rc > 0 ? Status::kOk : outcome(rc);
}

TlsSession::Status TlsSession::write(const char* data, std::size_t size, std::size_t& n) {
    ::ERR_clear_error();
    errno = 0;
    const int rc = ::SSL_write(ssl_.get(), data, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
    n = rc > 0 ? static_cast<std::size_t>(rc) : 0;
    return rc > 0 ? Status::kOk : outcome(rc);
}

void TlsSession::shutdown() {
    ::ERR_clear_error();
    if (::SSL_is_init_finished(ssl_.get()) == 1) ::SSL_shutdown(ssl_.get());
}

Result<void> TlsSession::store_peer_ca() {
    auto* const chain = ::SSL_get_peer_cert_chain(ssl_.get());
    const int count = chain != nullptr ? sk_X509_num(chain) : 0;
    if (count == 0) return make_error(EPROTO, "bootstrapping CA certificate: peer sent no certificate");
    X509* const last = sk_X509_value(chain, count - 1);
    if (::X509_check_issued(last, last) != X509_V_OK)
        return make_error(EPROTO,
                          "bootstrapping CA certificate: the peer's last certificate is not self-signed "
                          "(give the peer --peer-ca-cert)");
    // O_EXCL: never replace a CA certificate that somebody installed meanwhile.
    const int fd = ::open(ca_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0) {
        const int error = errno;
        return make_error(error, "bootstrapping CA certificate: creating {}: {}", ca_path_,
                          std::strerror(error));
    }
    std::FILE* const file = ::fdopen(fd, "w");
    const bool written = file != nullptr && ::PEM_write_X509(file, last) == 1;
    const bool closed = file != nullptr ? std::fclose(file) == 0 : ::close(fd) == 0;
    if (written && closed) return {};
    ::unlink(ca_path_.c_str());
    return make_error(EIO, "bootstrapping CA certificate: writing {} failed", ca_path_);
}

}  // namespace sluice
