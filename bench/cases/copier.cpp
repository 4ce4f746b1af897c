// A resident program for flare-agent exec that does nothing but copy the file.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cases.h"

namespace flare::bench {

int run_copier() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto task = nlohmann::json::parse(line);
    std::filesystem::copy_file(task["task_file"].get<std::string>(), task["result_file"].get<std::string>());
    std::cout << "{}" << std::endl;
  }
  return 0;
}

}  // namespace flare::bench
