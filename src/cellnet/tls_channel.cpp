#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/failure.h"
#include "cellnet/cell_channel.h"

namespace flare {
namespace {

// What OpenSSL says last, which is what came of the rest, and nothing of it left for others in this thread.
std::string tls_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char *reason = ERR_reason_error_string(code);
    if (reason) text = reason;
  }
  return text.empty() ? "TLS failed" : text;
}

// OpenSSL's own BIO of a socket writes with write(), which raises SIGPIPE in a thread of the user.
int write_to_socket(BIO *bio, const char *data, int size) {
  const int socket = *static_cast<const int *>(BIO_get_data(bio));
  const ssize_t count = ::send(socket, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int read_from_socket(BIO *bio, char *data, int size) {
  const int socket = *static_cast<const int *>(BIO_get_data(bio));
  const ssize_t count = ::recv(socket, data, static_cast<size_t>(size), 0);
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

// TLS asks for the end of the stream, which is no error of the system.
long control_socket(BIO *bio, int command, long, void *) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

using MethodPointer = std::unique_ptr<BIO_METHOD, void (*)(BIO_METHOD *)>;
using ContextPointer = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX *)>;
using TlsPointer = std::unique_ptr<SSL, void (*)(SSL *)>;

MethodPointer make_socket_method() {
  MethodPointer method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket"), BIO_meth_free);
  if (!method || BIO_meth_set_write(method.get(), write_to_socket) != 1 ||
      BIO_meth_set_read(method.get(), read_from_socket) != 1 || BIO_meth_set_ctrl(method.get(), control_socket) != 1) {
    throw Failure(FLARE_INTERNAL, tls_error());
  }
  return method;
}

// An alert of the other end.
bool is_about_our_certificate(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return true;
    default: return false;
  }
}

class TlsChannel : public CellChannel {
 public:
  TlsChannel(SSL_CTX *context, BIO_METHOD *method, int socket) : socket_(socket), tls_(SSL_new(context), SSL_free) {
    if (!tls_) throw Failure(FLARE_IO, tls_error());
    BIO *bio = BIO_new(method);
    if (!bio) throw Failure(FLARE_IO, tls_error());
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls_.get(), bio, bio);
    SSL_set_connect_state(tls_.get());
  }

  Step greet() override {
    ERR_clear_error();
    return step(SSL_do_handshake(tls_.get()), 0);
  }

  Step read(std::span<std::byte> room) override {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_read_ex(tls_.get(), room.data(), room.size(), &count);
    return step(result, count);
  }

  Step write(std::span<const Part> parts) override {
    ERR_clear_error();
    size_t count = 0;
    const int result = SSL_write_ex(tls_.get(), parts.front().data(), parts.front().size(), &count);
    return step(result, count);
  }

  void finish() override {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
  }

  bool holds_bytes() const override { return SSL_pending(tls_.get()) > 0; }

 private:
  Step step(int result, size_t count) {
    if (result == 1) return {Outcome::kMoved, count};
    const int system_error = errno;
    switch (SSL_get_error(tls_.get(), result)) {
      case SSL_ERROR_WANT_READ: return {Outcome::kWaitToRead};
      case SSL_ERROR_WANT_WRITE: return {Outcome::kWaitToWrite};
      case SSL_ERROR_ZERO_RETURN: return {Outcome::kEnd};
      case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) throw Failure(FLARE_IO, std::system_category().message(system_error));
        [[fallthrough]];
      default: throw failure();
    }
  }

  Failure failure() const {
    const long verified = SSL_get_verify_result(tls_.get());
    const bool ours_refused = is_about_our_certificate(ERR_peek_last_error());
    const std::string text = tls_error();
    if (text == "unexpected eof while reading") return {FLARE_IO, "the other end closed the connection"};
    if (verified == X509_V_ERR_CERT_NOT_YET_VALID || verified == X509_V_ERR_CERT_HAS_EXPIRED) {
      return {FLARE_IO, "TLS: " + text + ": " + X509_verify_cert_error_string(verified) +
                            ". Is the clock of this machine right?"};
    }
    if (verified != X509_V_OK) {
      return {FLARE_REFUSED, "TLS: " + text + ": " + X509_verify_cert_error_string(verified) +
                                 ". The listener's certificate is not from the CA of rootCA.pem (or customRootCA.pem) "
                                 "in the folder startup of workspace_dir: take that of this federation's kit"};
    }
    if (!ours_refused) return {FLARE_IO, "TLS: " + text};
    return {FLARE_REFUSED, "TLS: " + text +
                               ". The listener takes only certificates of its federation: cell_security must be mtls, "
                               "and client.crt and client.key in the folder startup of workspace_dir those of this "
                               "site's kit"};
  }

  int socket_;
  TlsPointer tls_;
};

void require_file(int result, const char *what, const std::string &path) {
  if (result == 1) return;
  throw Failure(FLARE_INVALID_ARGUMENT, std::string(what) + " '" + path + "': " + tls_error());
}

// Called for a key that is encrypted: OpenSSL itself would ask at the terminal for the password.
int no_password(char *, int, int, void *asked) {
  if (asked) *static_cast<bool *>(asked) = true;
  return -1;
}

void use_key(SSL_CTX *context, const std::string &path) {
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
  const int result = SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (result != 1 && encrypted) {
    ERR_clear_error();
    throw Failure(FLARE_INVALID_ARGUMENT, "our key '" + path + "' is encrypted, and there is no password for it");
  }
  require_file(result, "our key", path);
}

}  // namespace

struct TlsContext::State {
  // Nothing of ours runs when the program exits.
  const int initialized = OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  MethodPointer method = make_socket_method();
  ContextPointer context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
};

TlsContext::TlsContext(const TlsFiles &files) : state_(std::make_unique<State>()) {
  SSL_CTX *context = state_->context.get();
  if (state_->initialized != 1 || !context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
    throw Failure(FLARE_INTERNAL, tls_error());
  // What is not written is kept where it lies, but the list that names it may move.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  require_file(SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr), "the CA's certificate", files.ca);
  if (files.certificate.empty()) return;
  require_file(SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()), "our certificate",
               files.certificate);
  use_key(context, files.key);
  require_file(SSL_CTX_check_private_key(context), "our key", files.key);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<CellChannel> TlsContext::make_channel(int socket) const {
  return std::make_unique<TlsChannel>(state_->context.get(), state_->method.get(), socket);
}

TlsFiles tls_files_of(const std::string &workspace, CellSecurity security) {
  const std::filesystem::path folder = std::filesystem::path(workspace) / "startup";
  const auto there = [&](const char *name) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(folder / name, ignored);
  };
  const auto file = [&](const char *name) {
    if (!there(name)) throw Failure(FLARE_INVALID_ARGUMENT, "TLS needs '" + (folder / name).string() + "'");
    return (folder / name).string();
  };
  if (security == CellSecurity::kMutualTls) return {file("rootCA.pem"), file("client.crt"), file("client.key")};
  return {there("customRootCA.pem") ? file("customRootCA.pem") : file("rootCA.pem"), "", ""};
}

}  // namespace flare
