// The smallest cycle: a task without tensors, its result with one number, until the exchanger has it. Beside it 64 raw
// bytes from a DEALER to a ROUTER and back.
#include "cases.h"

#include <stdexcept>
#include <thread>

#include "context.h"
#include "session.h"

namespace flare::bench {

namespace {

void ping(zmq::socket_t *socket, const std::string &peer, int rounds, std::vector<double> *times) {
  const std::vector<char> bytes(64, 'x');
  for (int i = 0; i < rounds; ++i) {
    const double begun = now_us();
    socket->send(zmq::buffer(peer), zmq::send_flags::sndmore);
    socket->send(zmq::buffer(bytes), zmq::send_flags::none);
    zmq::message_t id, body;
    if (!socket->recv(id) || !socket->recv(body)) throw std::runtime_error("nothing came");
    if (times) times->push_back(now_us() - begun);
  }
}

int raw_latency(const LatencyCase &options) {
  const int all = options.warm_up + options.rounds;
  Folder folder;
  const auto pinger = [&](Line *line, Figures *figures) {
    zmq::socket_t socket(context_of_process(), zmq::socket_type::router);
    socket.set(zmq::sockopt::linger, 1000);
    socket.set(zmq::sockopt::router_mandatory, true);
    socket.bind(folder.raw_endpoint(options.transport));
    line->say(socket.get(zmq::sockopt::last_endpoint));
    // The first message tells who is there; it comes from the other end once it is connected.
    const std::string peer = [&] {
      zmq::message_t id, body;
      if (!socket.recv(id) || !socket.recv(body)) throw std::runtime_error("nothing came");
      return id.to_string();
    }();
    ping(&socket, peer, options.warm_up, nullptr);
    const Usage usage;
    ping(&socket, peer, options.rounds, &(*figures)["us"]);
    usage.end(figures);
    socket.send(zmq::buffer(peer), zmq::send_flags::sndmore);
    socket.send(zmq::str_buffer("end"), zmq::send_flags::none);
  };
  return run_ends(pinger, [&](Line *line, Figures *figures) {
    const std::string endpoint = line->hear();
    zmq::socket_t socket(context_of_process(), zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    socket.connect(endpoint);
    socket.send(zmq::str_buffer("here"), zmq::send_flags::none);
    Usage usage;
    for (int i = 0; i < all; ++i) {
      if (i == options.warm_up) usage.begin();
      zmq::message_t message;
      if (!socket.recv(message)) throw std::runtime_error("nothing came");
      socket.send(message, zmq::send_flags::none);
    }
    usage.end(figures);
    zmq::message_t end;
    if (!socket.recv(end)) throw std::runtime_error("nothing came");
  });
}

void answer_tiny(Trainer *trainer) {
  const float loss = 0.5F;
  const int64_t one = 1;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  tensor.dtype = FLARE_FLOAT32;
  tensor.ndim = 1;
  tensor.data = &loss;
  tensor.shape = &one;
  const TaskHandle task = trainer->next_task();
  const ResultHandle result = result_of(task.get());
  must(flare_shareable_copy_tensor(flare_result_shareable(result.get()), "w", &tensor, nullptr), "copy");
  must(flare_result_submit(result.get(), nullptr), "submit");
}

void ask_tiny(Site *site, int rounds, std::vector<double> *times) {
  for (int i = 0; i < rounds; ++i) {
    const double begun = now_us();
    const RequestHandle request = site->request();
    must(flare_request_send(request.get(), nullptr), "send");
    wait_for_reply(request.get());
    if (times) times->push_back(now_us() - begun);
  }
}

int flare_latency(const LatencyCase &options) {
  const int all = options.warm_up + options.rounds;
  Folder folder;
  const auto asker = [&](Line *line, Figures *figures) {
    Site site(options.transport, folder);
    line->say(site.url());
    ask_tiny(&site, options.warm_up, nullptr);
    const Usage usage;
    ask_tiny(&site, options.rounds, &(*figures)["us"]);
    usage.end(figures);
  };
  const auto trainer = [&](Line *line, Figures *figures) {
    Trainer end(line->hear());
    Usage usage;
    for (int i = 0; i < all; ++i) {
      if (i == options.warm_up) usage.begin();
      answer_tiny(&end);
    }
    usage.end(figures);
  };
  if (options.transport != "memory") return run_ends(asker, trainer);
  return run_alone([&](Figures *figures) {
    Site site(options.transport, folder);
    std::thread other([&, url = site.url()] {
      Trainer end(url);
      for (int i = 0; i < all; ++i) answer_tiny(&end);
    });
    ask_tiny(&site, options.warm_up, nullptr);
    const Usage usage;
    ask_tiny(&site, options.rounds, &(*figures)["us"]);
    usage.end(figures);
    other.join();
  });
}

}  // namespace

int run(const LatencyCase &options) {
  if (options.one_core) pin_to_one_core();
  return options.contender == "raw" ? raw_latency(options) : flare_latency(options);
}

}  // namespace flare::bench
