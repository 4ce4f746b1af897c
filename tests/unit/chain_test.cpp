// Bytes in pieces.
#include "base/chain.h"

#include <gmock/gmock.h>

#include <string>

namespace flare {
namespace {

Bytes view(const std::string &text) { return {nullptr, reinterpret_cast<const std::byte *>(text.data()), text.size()}; }

std::string text_of(const Chain &chain) {
  std::string text;
  for (const Bytes &piece : chain.pieces()) text += piece.text();
  return text;
}

TEST(Chain, AnyPartOfItIsTheSameMemory) {
  const std::string first = "abc", second = "d", third = "efgh", whole = "abcdefgh";
  const Chain chain({view(first), {}, view(second), view(third)});
  EXPECT_EQ(chain.size(), whole.size());
  EXPECT_EQ(chain.pieces().size(), 3u);
  for (size_t offset = 0; offset <= whole.size(); ++offset) {
    for (size_t size = 0; offset + size <= whole.size(); ++size) {
      const Chain part = chain.part(offset, size);
      EXPECT_EQ(text_of(part), whole.substr(offset, size));
      EXPECT_EQ(part.size(), size);
    }
  }
  EXPECT_EQ(static_cast<const void *>(chain.part(5, 2).pieces().at(0).data), third.data() + 1);
}

TEST(Chain, OfNothingHasNoPieces) {
  EXPECT_TRUE(Chain().pieces().empty());
  EXPECT_TRUE(Chain(Bytes()).pieces().empty());
  EXPECT_EQ(Chain().part(0, 0).size(), 0u);
}

TEST(Chain, OwnsACopyOfWhatNobodyOwnsAndNoneOfTheRest) {
  std::string lent = "lent";
  const Bytes owned = copy_bytes("owned", 5);
  Chain chain({view(lent), owned});
  chain.own();
  lent = "gone";
  EXPECT_EQ(text_of(chain), "lentowned");
  EXPECT_EQ(chain.pieces().at(1).data, owned.data);
}

}  // namespace
}  // namespace flare
