// How an exchanger's pipe tells its agent that the job is over.
#include <gtest/gtest.h>

#include <future>

#include "frame_pipe_ends.h"

namespace flare {
namespace {

// The acknowledgement of the last result may be lost with its connection, or alone. An agent that hears of the end
// first believes that the result never came.
TEST(FramePipeEnd, SaysOnceMoreWhatCameBeforeTheEnd) {
  Settings settings;
  settings.limits.max_uploads = 2;
  const auto wire = std::make_shared<FakeLink::Wire>();
  FakeListener listener;
  Loop loop("test", [](std::exception_ptr) { ADD_FAILURE(); });
  std::unique_ptr<FramePipe> pipe;
  const auto say = [&](wire::Body body, uint64_t epoch) {
    wire->listener->on_frame("c", {epoch, std::move(body)}, {});
  };
  const auto message = [](MessageKind kind, std::string_view topic, const std::string &id) {
    auto made = std::make_shared<Message>();
    made->kind = kind;
    made->topic = topic;
    made->id = id;
    return made;
  };
  loop.run_and_wait([&] {
    pipe = std::make_unique<FramePipe>(FramePipe::Role::kExchanger, settings, std::make_unique<FakeLink>(wire), &loop,
                                       Log("off", "none"), &listener);
    wire::Hello hello;
    hello.instance = "agent";
    hello.agent_id = settings.agent_id;
    say(hello, 0);
    for (const char *id : {"1", "2", "3"}) say(wire::Data{message(MessageKind::kReply, "train", id), {}}, 1);
  });
  std::promise<void> rested;  // their acknowledgements go before the loop sleeps
  loop.run_and_wait([&] { loop.put_off([&] { rested.set_value(); }); });
  rested.get_future().wait();
  ASSERT_EQ(listener.messages.size(), 3u);
  loop.run_and_wait([&] {
    wire->sent.clear();
    pipe->send(message(MessageKind::kRequest, topic::kEnd, "end"), {});
  });
  std::vector<std::string> said;
  loop.run_and_wait([&] {
    for (const auto &sent : wire->sent) {
      if (const auto *ack = std::get_if<wire::Ack>(&sent.envelope.body)) said.push_back(ack->id);
      if (const auto *data = std::get_if<wire::Data>(&sent.envelope.body)) said.push_back(data->message->id);
    }
    pipe.reset();
  });
  EXPECT_EQ(said, (std::vector<std::string>{"2", "3", "end"}));
}

}  // namespace
}  // namespace flare
