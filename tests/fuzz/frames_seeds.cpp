// Writes the seeds of frames_fuzz: one file for each sample envelope. Usage: frames_seeds FOLDER
#include <fstream>

#include "frames_samples.h"

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int number = 0;
  for (const flare::wire::Envelope &envelope : flare::wire::sample_envelopes()) {
    const flare::Bytes encoded = flare::wire::encode(envelope);
    std::ofstream file(std::string(argv[1]) + "/" + (number < 10 ? "0" : "") + std::to_string(number),
                       std::ios::binary);
    file << encoded.text();
    if (!file.flush()) return 1;
    ++number;
  }
  return 0;
}
