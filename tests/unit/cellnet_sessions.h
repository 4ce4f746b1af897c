// Sessions that were recorded between NVFlare's own cells (tests/data/cellnet).
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace flare {

inline std::string read_data(const std::string &name) {
  std::ifstream file(FLARE_TEST_DATA_DIR "/cellnet/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace flare
