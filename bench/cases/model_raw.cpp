#include "model_raw.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "context.h"
#include "warm.h"

namespace flare::bench {

namespace {

constexpr size_t kFrame = size_t{1} << 20;
constexpr size_t kWindow = 16;

void leave(void *, void *) {}

zmq::message_t lent(std::byte *data, size_t size) { return {data, size, leave, nullptr}; }

// The receiver asks, from before its first word until it has the last byte; both ends count what a round uses.
struct Rounds {
  int count;
  Line *line;
  Figures *figures;

  // One round to warm up, then those that count. `round` returns what to add to the series "us", or less than 0.
  template <typename Round>
  void run(Round round) {
    PeakMemory peak;
    for (int i = 0; i <= count; ++i) {
      line->say("ready");
      line->hear();
      const Usage usage;
      const double us = round();
      if (i == 0) continue;
      usage.end(figures);
      if (us >= 0) (*figures)["us"].push_back(us);
    }
    (*figures)["extra_mib"].push_back(peak.extra_mib());
    line->say("done");  // nobody leaves with frames under way
    line->hear();
  }
};

struct Chunk {
  uint64_t index;
  uint64_t checksum;
};

zmq::message_t receive(zmq::socket_t *socket) {
  zmq::message_t message;
  if (!socket->recv(message)) throw std::runtime_error("nothing came");
  return message;
}

// Serves chunks as they are asked for: (id, index) in, (id, index and checksum, bytes) out.
void serve(zmq::socket_t *socket, WarmMemory *model) {
  for (size_t chunk = 0; chunk < model->size() / kFrame; ++chunk) {
    zmq::message_t id = receive(socket);
    const zmq::message_t asked = receive(socket);
    uint64_t index = 0;
    std::memcpy(&index, asked.data(), sizeof index);
    std::byte *data = model->data() + index * kFrame;
    const Chunk head{index, XXH3_64bits(data, kFrame)};
    zmq::message_t bytes = lent(data, kFrame);
    socket->send(id, zmq::send_flags::sndmore);
    socket->send(zmq::buffer(&head, sizeof head), zmq::send_flags::sndmore);
    socket->send(bytes, zmq::send_flags::none);
  }
}

void fetch(zmq::socket_t *socket, WarmMemory *model) {
  const size_t chunks = model->size() / kFrame;
  uint64_t asked = 0;
  const auto ask = [&] {
    if (asked < chunks) socket->send(zmq::buffer(&asked, sizeof asked), zmq::send_flags::none);
    ++asked;
  };
  for (size_t i = 0; i < kWindow; ++i) ask();
  for (size_t i = 0; i < chunks; ++i) {
    const zmq::message_t head = receive(socket);
    const zmq::message_t bytes = receive(socket);
    Chunk chunk{};
    std::memcpy(&chunk, head.data(), sizeof chunk);
    if (XXH3_64bits(bytes.data(), bytes.size()) != chunk.checksum) throw std::runtime_error("corrupt");
    std::memcpy(model->data() + chunk.index * kFrame, bytes.data(), bytes.size());
    ask();
  }
}

}  // namespace

int memcpy_model(const ModelCase &options) {
  return run_alone([&](Figures *figures) {
    WarmMemory from(options.mib), to(options.mib);
    for (int i = 0; i <= options.rounds; ++i) {
      const Usage usage;
      const double begun = now_us();
      std::memcpy(to.data(), from.data(), from.size());
      const double us = now_us() - begun;
      if (i == 0) continue;
      usage.end(figures);
      (*figures)["us"].push_back(us);
    }
  });
}

int unix_model(const ModelCase &options) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) throw std::runtime_error("no sockets");
  for (const int fd : sockets) {
    const int bytes = 4 << 20;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  const auto receiver = [&](Line *line, Figures *figures) {
    WarmMemory model(options.mib);
    Rounds{options.rounds, line, figures}.run([&] {
      const double begun = now_us();
      if (::write(sockets[0], "x", 1) != 1) throw std::runtime_error("no write");
      for (size_t done = 0; done < model.size();) {
        const ssize_t got = ::read(sockets[0], model.data() + done, std::min(kFrame, model.size() - done));
        if (got <= 0) throw std::runtime_error("no read");
        done += static_cast<size_t>(got);
      }
      return now_us() - begun;
    });
  };
  return run_ends(receiver, [&](Line *line, Figures *figures) {
    WarmMemory model(options.mib);
    Rounds{options.rounds, line, figures}.run([&] {
      char word = 0;
      if (::read(sockets[1], &word, 1) != 1) throw std::runtime_error("no read");
      for (size_t done = 0; done < model.size();) {
        const ssize_t put = ::write(sockets[1], model.data() + done, std::min(kFrame, model.size() - done));
        if (put <= 0) throw std::runtime_error("no write");
        done += static_cast<size_t>(put);
      }
      return -1.0;
    });
  });
}

namespace {

// A DEALER that asks and a ROUTER that serves. Both wait for the other before each round.
template <typename Fetch, typename Serve>
int over_zmq(const ModelCase &options, Fetch fetch_model, Serve serve_model) {
  Folder folder;
  const auto receiver = [&](Line *line, Figures *figures) {
    WarmMemory model(options.mib);
    zmq::socket_t socket(context_of_process(), zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    socket.connect(line->hear());
    Rounds{options.rounds, line, figures}.run([&] {
      const double begun = now_us();
      fetch_model(&socket, &model);
      return now_us() - begun;
    });
  };
  return run_ends(receiver, [&](Line *line, Figures *figures) {
    WarmMemory model(options.mib);
    zmq::socket_t socket(context_of_process(), zmq::socket_type::router);
    socket.set(zmq::sockopt::linger, 1000);
    socket.bind(folder.raw_endpoint(options.transport));
    line->say(socket.get(zmq::sockopt::last_endpoint));
    Rounds{options.rounds, line, figures}.run([&] {
      serve_model(&socket, &model);
      return -1.0;
    });
  });
}

}  // namespace

int frames_model(const ModelCase &options) { return over_zmq(options, fetch, serve); }

int one_frame_model(const ModelCase &options) {
  return over_zmq(
      options,
      [](zmq::socket_t *socket, WarmMemory *model) {
        socket->send(zmq::str_buffer("all"), zmq::send_flags::none);
        const zmq::message_t bytes = receive(socket);
        std::memcpy(model->data(), bytes.data(), bytes.size());
      },
      [](zmq::socket_t *socket, WarmMemory *model) {
        zmq::message_t id = receive(socket);
        receive(socket);
        zmq::message_t bytes = lent(model->data(), model->size());
        socket->send(id, zmq::send_flags::sndmore);
        socket->send(bytes, zmq::send_flags::none);
      });
}

}  // namespace flare::bench
