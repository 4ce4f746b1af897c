// A frame through a connection that takes a few bytes each time.
#include "cellnet/frame_writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace flare {
namespace {

class NarrowChannel : public CellChannel {
 public:
  explicit NarrowChannel(size_t width) : width_(width) {}

  Step greet() override { return {Outcome::kMoved}; }
  Step read(std::span<std::byte>) override { return {Outcome::kWaitToRead}; }
  Step write(std::span<const Part> parts) override {
    size_t moved = 0;
    for (const Part &part : parts) {
      EXPECT_FALSE(part.empty());
      const size_t count = std::min(part.size(), width_ - moved);
      taken.append(reinterpret_cast<const char *>(part.data()), count);
      moved += count;
    }
    return {Outcome::kMoved, moved};
  }
  void finish() override {}
  bool holds_bytes() const override { return false; }

  std::string taken;

 private:
  size_t width_;
};

Bytes view(const std::string &text) { return {nullptr, reinterpret_cast<const std::byte *>(text.data()), text.size()}; }

TEST(FrameWriter, SendsEachByteOnceWhateverTheConnectionTakes) {
  const std::string one = "one", two = "twotwo", three = "3";
  std::vector<Bytes> many = {view(one), view(two), view(three)};
  for (int i = 0; i < 100; ++i) many.push_back(view(two));
  std::string expected = "head" + one + two + three;
  for (int i = 0; i < 100; ++i) expected += two;
  for (const size_t width : {1u, 2u, 3u, 4u, 5u, 7u, 100u, 10000u}) {
    FrameWriter frame({"head", Chain(many)});
    NarrowChannel channel(width);
    for (int steps = 0; !frame.done() && steps < 1000; ++steps) frame.write(&channel);
    EXPECT_EQ(channel.taken, expected) << width;
  }
}

TEST(FrameWriter, WithoutPayloadIsDoneAfterItsHead) {
  FrameWriter frame({"head", {}});
  NarrowChannel channel(10);
  EXPECT_FALSE(frame.done());
  frame.write(&channel);
  EXPECT_TRUE(frame.done());
  EXPECT_EQ(channel.taken, "head");
}

TEST(FrameWriter, GoesOnWithCopiesOfWhatItsOwnerTakesBack) {
  for (size_t before = 0; before < 14; ++before) {
    std::string lent = "lentlent", more = "more";
    FrameWriter frame({"ab", Chain({view(lent), view(more)})});
    NarrowChannel channel(1);
    for (size_t i = 0; i < before; ++i) frame.write(&channel);
    frame.own();
    lent.assign(lent.size(), '!');
    more.assign(more.size(), '!');
    while (!frame.done()) frame.write(&channel);
    EXPECT_EQ(channel.taken, "ablentlentmore") << before;
  }
}

}  // namespace
}  // namespace flare
