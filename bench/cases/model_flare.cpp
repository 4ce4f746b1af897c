#include "model_flare.h"

#include <algorithm>
#include <stdexcept>

#include "session.h"
#include "warm.h"

namespace flare::bench {

namespace {

// A model of equal tensors that refers to memory which is there already, as a trainer's does.
void borrow_model(flare_shareable *shareable, WarmMemory *memory, size_t tensor_mib) {
  const size_t step = tensor_mib << 20;
  for (size_t at = 0; at < memory->size(); at += step) {
    const auto count = static_cast<int64_t>(std::min(step, memory->size() - at) / sizeof(float));
    flare_tensor tensor = FLARE_TENSOR_INIT;
    tensor.dtype = FLARE_FLOAT32;
    tensor.ndim = 1;
    tensor.shape = &count;
    tensor.data = memory->data() + at;
    must(flare_shareable_borrow_tensor(shareable, ("w" + std::to_string(at)).c_str(), &tensor, nullptr), "borrow");
  }
}

// Outside of what is measured: everything is here and in its place.
void verify(const flare_shareable *shareable, size_t mib) {
  size_t at = 0;
  for (size_t i = 0; i < flare_shareable_tensor_count(shareable); ++i) {
    flare_tensor tensor = FLARE_TENSOR_INIT;
    must(flare_shareable_tensor_at(shareable, i, nullptr, &tensor), "tensor");
    const auto size = static_cast<size_t>(tensor.shape[0]) * sizeof(float);
    for (size_t offset = 0; offset < size; offset += 4096, at += 4096) {
      if (std::memcmp(static_cast<const std::byte *>(tensor.data) + offset, &at, sizeof at) != 0) {
        throw std::runtime_error("the model came otherwise than it went");
      }
    }
  }
  if (at != mib << 20) throw std::runtime_error("the model is not complete");
}

// What an end does in each round: all of it is counted, and what it says of its time is kept.
void rounds(const ModelCase &options, Line *line, Figures *figures, const std::function<double()> &round) {
  PeakMemory peak;
  for (int i = 0; i <= options.rounds; ++i) {
    line->say("ready");
    line->hear();
    const Usage usage;
    const double at = round();
    if (i == 0) {
      (*figures)["first_at_us"].push_back(at);
    } else {
      usage.end(figures);
      (*figures)["at_us"].push_back(at);
    }
  }
  (*figures)["extra_mib"].push_back(peak.extra_mib());
}

}  // namespace

// From before the call that sends the model to the return of the one that has it: the clock is the same for both ends.
int flare_model(const ModelCase &options) {
  const bool as_task = options.direction == "task";
  Folder folder;
  const auto site = [&](Line *line, Figures *figures) {
    Site end(options.transport, folder);
    line->say(end.url());
    WarmMemory memory(as_task ? options.mib : 0);
    rounds(options, line, figures, [&] {
      const RequestHandle request = end.request();
      if (as_task) borrow_model(flare_request_shareable(request.get()), &memory, options.tensor_mib);
      const double begun = now_us();
      must(flare_request_send(request.get(), nullptr), "send");
      const ReplyHandle reply = wait_for_reply(request.get());
      if (as_task) return begun;
      const double ended = now_us();
      verify(flare_reply_shareable(reply.get()), options.mib);
      return ended;
    });
  };
  return run_ends(site, [&](Line *line, Figures *figures) {
    Trainer end(line->hear());
    WarmMemory memory(as_task ? 0 : options.mib);
    rounds(options, line, figures, [&] {
      const TaskHandle task = end.next_task();
      double at = now_us();
      if (as_task) verify(flare_task_shareable(task.get()), options.mib);
      const ResultHandle result = result_of(task.get());
      if (!as_task) borrow_model(flare_result_shareable(result.get()), &memory, options.tensor_mib);
      if (!as_task) at = now_us();
      must(flare_result_finish(result.get(), FLARE_WAIT_FOREVER, nullptr), "finish");
      return at;
    });
  });
}

}  // namespace flare::bench
