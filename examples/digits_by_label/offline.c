/*
 * offline.c - the whole run without a federation: every site in this process, averaged here. It shows which
 * numbers a job must reach, and its final weights are what tests compare a job's model with.
 *
 *   digits_offline DATA.csv [ROUNDS [SITES [WEIGHTS.txt]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlp.h"

/* A round of federated averaging: each site trains the shared model, and each counts by its number of rows. */
static void run_round(mlp *global, const digits *data, int sites) {
  double sum[MLP_TENSORS][MLP_INPUTS * MLP_HIDDEN] = {{0.0}};
  double rows = 0.0;
  for (int site = 0; site < sites; site++) {
    const double weight = (double)data[site].train.count;
    mlp local = *global;
    (void)mlp_train(&local, &data[site].train, data[site].epochs);
    for (int t = 0; t < MLP_TENSORS; t++) {
      const mlp_tensor tensor = mlp_tensor_at(&local, t);
      for (size_t i = 0; i < tensor.count; i++) sum[t][i] += weight * (double)tensor.values[i];
    }
    rows += weight;
  }
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor tensor = mlp_tensor_at(global, t);
    for (size_t i = 0; i < tensor.count; i++) tensor.values[i] = (float)(sum[t][i] / rows);
  }
}

/* One line per value: tensor, position, value with all its digits. */
static int write_weights(mlp *model, const char *path) {
  FILE *file = fopen(path, "w");
  if (file == NULL) return -1;
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor tensor = mlp_tensor_at(model, t);
    for (size_t i = 0; i < tensor.count; i++)
      (void)fprintf(file, "%s %zu %.9g\n", tensor.name, i, (double)tensor.values[i]);
  }
  const int failed = ferror(file);
  return fclose(file) != 0 || failed ? -1 : 0;
}

int main(int argc, char **argv) {
  static digits data[MLP_CLASSES];
  char error[256];
  mlp model;
  const int rounds = argc > 2 ? atoi(argv[2]) : 20;
  const int sites = argc > 3 ? atoi(argv[3]) : 2;
  if (argc < 2 || argc > 5 || rounds < 1 || sites < 1 || sites > MLP_CLASSES) {
    (void)fprintf(stderr, "usage: %s DATA.csv [ROUNDS [SITES, 1 to 10 [WEIGHTS.txt]]]\n", argv[0]);
    return 1;
  }
  for (int site = 0; site < sites; site++) {
    if (digits_load(&data[site], argv[1], site, sites, error, sizeof error) != 0) {
      (void)fprintf(stderr, "%s\n", error);
      return 1;
    }
    mlp_init(&model);
    (void)mlp_train(&model, &data[site].train, rounds * data[site].epochs);
    printf("site-%d alone, %zu rows: accuracy %.4f\n", site + 1, data[site].train.count,
           mlp_accuracy(&model, &data[site].test));
  }
  mlp_init(&model);
  for (int round = 1; round <= rounds; round++) {
    run_round(&model, data, sites);
    printf("together, round %d: accuracy %.4f\n", round, mlp_accuracy(&model, &data[0].test));
  }
  for (int site = 0; site < sites; site++) digits_free(&data[site]);
  if (argc > 4 && write_weights(&model, argv[4]) != 0) {
    (void)fprintf(stderr, "%s: cannot be written\n", argv[4]);
    return 1;
  }
  return 0;
}
