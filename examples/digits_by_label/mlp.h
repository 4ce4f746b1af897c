/*
 * mlp.h - the learning part of the example: handwritten digits and a small network that reads them. Plain C99,
 * nothing about federations in here. The network is 64 pixels -> 32 relu units -> softmax over 10 digits.
 *
 * Everybody must be able to repeat the run in any language, so nothing is left to chance: float32 throughout,
 * rows in the order of the file, start values by a counted-out generator. README.md states each constant.
 */
#ifndef DIGITS_MLP_H
#define DIGITS_MLP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MLP_INPUTS = 64, MLP_HIDDEN = 32, MLP_CLASSES = 10, MLP_TENSORS = 4 };

/** All matrices are row-major: w1[input * MLP_HIDDEN + hidden], w2[hidden * MLP_CLASSES + digit]. */
typedef struct mlp {
  float w1[MLP_INPUTS * MLP_HIDDEN];
  float b1[MLP_HIDDEN];
  float w2[MLP_HIDDEN * MLP_CLASSES];
  float b2[MLP_CLASSES];
} mlp;

/** One tensor of a model: its name, where its values are, and its shape. */
typedef struct mlp_tensor {
  const char *name;
  float *values;
  size_t count;
  int32_t ndim;
  int64_t shape[2];
} mlp_tensor;

/** The tensors of `model` for `index` 0 to MLP_TENSORS - 1: w1, b1, w2, b2. */
mlp_tensor mlp_tensor_at(mlp *model, int index);

/** Images and what they show: `count` rows of MLP_INPUTS pixels between 0 and 1, and as many labels. */
typedef struct digits_rows {
  size_t count;
  size_t capacity;
  float *pixels;
  int *labels;
} digits_rows;

/** What one site works with: its own digits to learn from, and the rows of all digits to test with. */
typedef struct digits {
  digits_rows train;
  digits_rows test;
  int epochs; /* to train in each round: 2, but 1 with more than two sites, as their digits differ more */
} digits;

/** Reads the CSV file as site number `site` (from 0) of `sites` (1 to 10) sees it. Returns 0, or -1 with the
 *  reason in `error`; `data` is then empty. */
int digits_load(digits *data, const char *path, int site, int sites, char *error, size_t error_size);
void digits_free(digits *data);

/** 0 for "site-1", 1 for "site-2" and so on; -1 for other names. */
int digits_site_index(const char *site);

/** The start values: the same in every language, on every machine. */
void mlp_init(mlp *model);

/** Trains by plain SGD and returns the mean loss over the last epoch. */
double mlp_train(mlp *model, const digits_rows *rows, int epochs);

/** The share of rows whose digit the model finds. */
double mlp_accuracy(const mlp *model, const digits_rows *rows);

#ifdef __cplusplus
}
#endif

#endif /* DIGITS_MLP_H */
