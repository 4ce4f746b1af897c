// Any bytes from a connection: the frames in them are the same in whichever pieces they come, headers that are
// understood mean the same once they are encoded again, and a session takes all of it or says why not.
#include "base/failure.h"
#include "cellnet_samples.h"
#include "fuzz_input.h"

namespace flare {
namespace {

CellLimits fuzz_limits() {
  CellLimits limits;
  limits.max_frame_bytes = 4096;
  return limits;
}

struct Outcome {
  std::vector<KeptFrame> frames;
  bool failed = false;
};

Outcome parse(std::string_view bytes, size_t piece) {
  FrameParser parser(fuzz_limits());
  Outcome outcome;
  while (!bytes.empty() && !outcome.failed) {
    const std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    try {
      const auto room = parser.room();
      require(room.size() >= part.size());
      std::memcpy(room.data(), part.data(), part.size());
      parser.filled(part.size());
      while (const auto frame = parser.next()) {
        outcome.frames.push_back(
            {frame->prefix, std::string(frame->headers), std::string(frame->payload.text()), frame->skipped});
      }
    } catch (const Failure &failure) {
      require(failure.status() == FLARE_PROTOCOL);
      outcome.failed = true;
    }
  }
  return outcome;
}

void check_headers(const std::string &encoded) {
  try {
    const std::string again = encode_map(decode_map(encoded, fuzz_limits()));
    require(encode_map(decode_map(again, fuzz_limits())) == again);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
  }
}

void check_session(const std::vector<KeptFrame> &frames) {
  SfmSession session(session_options(), fuzz_limits());
  session.on_connected(TimePoint());
  size_t answers = 0;
  try {
    for (const KeptFrame &frame : frames) {
      const bool ready = session.ready();
      const auto received = session.on_frame(frame.frame(), TimePoint());
      require(ready || !std::holds_alternative<CellMessage>(received));
    }
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE ||
            failure.status() == FLARE_REFUSED);
  }
  while (session.take_frame(0)) require(++answers <= 1 + fuzz_limits().max_pongs);
}

void check_input(FuzzInput input) {
  const size_t piece = 1 + input.byte();
  const std::string_view bytes = input.rest();
  const Outcome whole = parse(bytes, 4096);
  const Outcome pieces = parse(bytes, piece);
  require(whole.failed == pieces.failed && whole.frames.size() == pieces.frames.size());
  for (size_t i = 0; i < whole.frames.size(); ++i) {
    const KeptFrame &frame = whole.frames[i];
    require(frame.prefix == pieces.frames[i].prefix && frame.skipped == pieces.frames[i].skipped);
    require(frame.headers == pieces.frames[i].headers && frame.payload == pieces.frames[i].payload);
    require(frame.skipped || frame.prefix.length == kPrefixBytes + frame.headers.size() + frame.payload.size());
    check_headers(frame.headers);
  }
  check_session(whole.frames);
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::check_input({bytes, size});
  return 0;
}
