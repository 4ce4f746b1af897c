// Bytes over a connected socket that never blocks, in clear or in TLS.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "cellnet/cell_url.h"

namespace flare {

class CellChannel {
 public:
  enum class Outcome { kMoved, kWaitToRead, kWaitToWrite, kEnd };
  struct Step {
    Outcome outcome;
    size_t bytes = 0;
  };
  using Part = std::span<const std::byte>;
  static constexpr size_t kMostParts = 64;  // of one write

  virtual ~CellChannel() = default;
  // All throw Failure(FLARE_IO), after which the channel is of no use.
  virtual Step greet() = 0;  // kMoved: the handshake is over
  virtual Step read(std::span<std::byte> room) = 0;
  // One after the other, as far as it goes. Some, and none is empty; after kWaitTo... the same bytes come again.
  virtual Step write(std::span<const Part> parts) = 0;
  // Nothing more is written, which the other end is told where the channel has a word for it.
  virtual void finish() = 0;
  // Bytes are here already that the socket does not show any more.
  virtual bool holds_bytes() const = 0;
};

// The socket is somebody else's and outlives the channel.
std::unique_ptr<CellChannel> make_clear_channel(int socket);

struct TlsFiles {
  std::string ca;           // who signs the peer's certificate
  std::string certificate;  // ours, and its key; "": only the server proves itself
  std::string key;
};

// Where NVFlare has them: in `workspace`/startup. Throws Failure(FLARE_INVALID_ARGUMENT) that names what is missing.
TlsFiles tls_files_of(const std::string &workspace, CellSecurity security);

// TLS 1.2 at least. As NVFlare's cells do, it asks whether the CA signed the peer's certificate, and not for whom.
class TlsContext {
 public:
  explicit TlsContext(const TlsFiles &files);  // throws Failure(FLARE_INVALID_ARGUMENT) that names the file
  ~TlsContext();
  std::unique_ptr<CellChannel> make_channel(int socket) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flare
