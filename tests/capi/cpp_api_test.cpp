// flare_agent.hpp: what each function makes of the C function that it stands for. Whole jobs are played by the drivers
// of tests/conformance and by the example trainers.
#include "flare_agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flare_exchanger.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Optional;

constexpr milliseconds kSoon = seconds(20);

class CppApi : public testing::Test {
 protected:
  CppApi() {
    options_.set("url", "memory://cpp-api").set("log_level", "off");
    flare::call(flare_exchanger_open, options_.handle(), &exchanger_);
    flare::call(flare_request_new, exchanger_, "train", &request_);
    body_ = flare_request_shareable(request_);
  }
  ~CppApi() override {
    flare_request_free(request_);
    flare_exchanger_close(exchanger_);
  }
  CppApi(const CppApi &) = delete;
  CppApi &operator=(const CppApi &) = delete;

  flare::Task send_and_take(flare::Agent &agent) {
    flare::call(flare_request_send, request_);
    return *agent.try_next_task(kSoon);
  }

  flare::Options options_;
  flare_exchanger *exchanger_ = nullptr;
  flare_request *request_ = nullptr;
  flare_shareable *body_ = nullptr;
};

TEST_F(CppApi, ValuesHaveTheTypesOfTheHeader) {
  flare::call(flare_shareable_set_json, body_, FLARE_META, "m", R"({"i": 3, "d": 0.5, "t": "x", "l": [1, "z"]})");
  flare::call(flare_shareable_copy_bytes, body_, "trees", static_cast<const void *>("a\0b"), size_t{3});
  flare::Agent agent(options_);
  const flare::Task task = send_and_take(agent);
  const flare::Value map = *task.data().section(FLARE_META).find("m");
  EXPECT_EQ(map.type(), FLARE_VALUE_MAP);
  EXPECT_THAT(map.find("i")->as_int(), Optional(3));
  EXPECT_THAT(map.find("d")->as_double(), Optional(0.5));
  EXPECT_THAT(map.find("t")->as_text(), Optional(std::string_view("x")));
  EXPECT_THAT(map.find("t")->as_bytes(), Optional(std::string_view("x")));
  EXPECT_THAT(map.find("l")->at(1).second.as_text(), Optional(std::string_view("z")));
  EXPECT_EQ(map.at(0).first, "i");
  EXPECT_FALSE(map.find("nothing") || map.find("i")->as_text() || map.find("i")->as_bytes() ||
               map.find("i")->as_tensor());
  EXPECT_THAT(task.data().section(FLARE_BODY).find("trees")->as_bytes(), Optional(std::string_view("a\0b", 3)));
  EXPECT_THAT(task.data().find_bytes("trees"), Optional(std::string_view("a\0b", 3)));
}

TEST_F(CppApi, ATensorIsAValueOfTheBodyToo) {
  const std::vector<float> w{1, 2, 3};
  const int64_t count = 3;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  tensor.dtype = FLARE_FLOAT32;
  tensor.ndim = 1;
  tensor.data = w.data();
  tensor.shape = &count;
  flare::call(flare_shareable_copy_tensor, body_, "w", &tensor);
  flare::Agent agent(options_);
  const flare::Task task = send_and_take(agent);
  const std::optional<flare::Tensor> found = task.data().section(FLARE_BODY).find("w")->as_tensor();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->shape(), std::vector<int64_t>{3});
  EXPECT_EQ(found->data<float>()[2], 3);
  EXPECT_THROW((void)found->data<double>(), flare::Error);
  EXPECT_EQ(task.data().vector<float>("w"), w);
}

TEST_F(CppApi, WhatIsWrongIsThrownWithItsStatusAndWords) {
  flare::Agent agent(options_);
  const flare::Task task = send_and_take(agent);
  try {
    (void)task.data().vector<float>("v");
    FAIL() << "there is no such tensor";
  } catch (const flare::Error &error) {
    EXPECT_EQ(error.status(), FLARE_NOT_FOUND);
    EXPECT_THAT(error.what(), HasSubstr("'v'"));
  }
}

TEST_F(CppApi, TheReasonOfAFailureIsReadWhereItArrives) {
  flare::Agent agent(options_);
  send_and_take(agent).fail("BAD_TASK_DATA", "no tensor named v");
  flare_reply *reply = nullptr;
  flare::call(flare_request_wait, request_, int64_t{kSoon.count()}, &reply);
  const flare::Shareable answer(flare_reply_shareable(reply));
  EXPECT_EQ(answer.return_code(), "BAD_TASK_DATA");
  EXPECT_EQ(answer.reason(), "no tensor named v");
  flare_reply_free(reply);
}

TEST_F(CppApi, DescriptorsSayWhatIsThere) {
  flare::Agent agent(options_);
  pollfd connected{agent.connected_poll_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&connected, 1, static_cast<int>(kSoon.count())), 1);
  EXPECT_TRUE(agent.wait_connected(milliseconds(0)));
  pollfd task{agent.poll_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&task, 1, 0), 0);
  flare::call(flare_exchanger_end, exchanger_, "done");
  EXPECT_EQ(::poll(&task, 1, static_cast<int>(kSoon.count())), 1);
  EXPECT_FALSE(agent.next_task());
  EXPECT_TRUE(agent.over());
}

}  // namespace
