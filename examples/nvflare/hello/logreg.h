/*
 * logreg.h - the learning part of the example: does a tumour look benign? Logistic regression on 30 measurements of
 * cells, by plain gradient descent. Plain C99, nothing about federations in here.
 */
#ifndef HELLO_LOGREG_H
#define HELLO_LOGREG_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LOGREG_FEATURES = 30, LOGREG_WEIGHTS = LOGREG_FEATURES + 1, LOGREG_MAX_ROWS = 1000 }; /* the last is the bias */

typedef struct logreg_rows {
  size_t count;
  float features[LOGREG_MAX_ROWS][LOGREG_FEATURES];
  int labels[LOGREG_MAX_ROWS];
} logreg_rows;

/** What one site works with: its own rows to learn from, and the rows to test with, which are the same everywhere. */
typedef struct logreg_data {
  logreg_rows train;
  logreg_rows test;
} logreg_data;

/** Reads the CSV file as "site-1" or "site-2" sees it. Returns 0, or -1 with a static reason in `error`. */
int logreg_load(logreg_data *data, const char *path, const char *site, const char **error);

/** Ten steps of gradient descent on all rows, and the loss before the last of them. */
double logreg_train(float weights[LOGREG_WEIGHTS], const logreg_rows *rows);

/** The share of rows whose label the weights find. */
double logreg_accuracy(const float weights[LOGREG_WEIGHTS], const logreg_rows *rows);

#ifdef __cplusplus
}
#endif

#endif /* HELLO_LOGREG_H */
