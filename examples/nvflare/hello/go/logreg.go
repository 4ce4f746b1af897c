package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// Does a tumour look benign? Logistic regression on 30 measurements of cells, as in logreg.c. Sums are float64, so that
// every language arrives at the same float32 weights; products are converted by themselves, so that Go fuses none.
const (
	features = 30
	weights  = features + 1 // the last is the bias
	steps    = 10
	rate     = 0.5
	decay    = 1e-3
)

type row struct {
	label    float64
	features [features]float64
}

// data is what one site works with; the rows to test with are the same everywhere.
type data struct {
	train, test []row
}

// load reads the CSV file as "site-1" or "site-2" sees it: every third row of those for training is site-1's.
func load(path, site string) (*data, error) {
	if site != "site-1" && site != "site-2" {
		return nil, fmt.Errorf("site %q: it must be site-1 or site-2", site)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all := &data{}
	lines := bufio.NewScanner(file)
	for index, trainIndex := 0, 0; lines.Scan(); index++ {
		row, err := parse(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, index+1, err)
		}
		if index%5 == 4 {
			all.test = append(all.test, row)
			continue
		}
		if (trainIndex%3 == 0) == (site == "site-1") {
			all.train = append(all.train, row)
		}
		trainIndex++
	}
	if lines.Err() == nil && (len(all.train) == 0 || len(all.test) == 0) {
		return nil, fmt.Errorf("%s: nothing to learn from or nothing to test with", path)
	}
	return all, lines.Err()
}

func parse(line string) (row, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 1+features {
		return row{}, fmt.Errorf("not a label and 30 numbers")
	}
	var numbers [1 + features]float64
	for i, field := range fields {
		number, err := strconv.ParseFloat(field, 32)
		if err != nil {
			return row{}, err
		}
		numbers[i] = number
	}
	return row{numbers[0], [features]float64(numbers[1:])}, nil
}

func widen(model []float32) (exact [weights]float64) {
	for i := range exact {
		exact[i] = float64(model[i])
	}
	return exact
}

func score(model *[weights]float64, row *row) float64 {
	sum := model[features]
	for i, feature := range row.features {
		sum += float64(model[i] * feature)
	}
	return sum
}

// step goes one step down and returns the mean cross-entropy of where it started.
func step(model *[weights]float64, rows []row) float64 {
	var gradient [weights]float64
	loss := 0.0
	for r := range rows {
		difference := 1/(1+math.Exp(-score(model, &rows[r]))) - rows[r].label
		for i, feature := range rows[r].features {
			gradient[i] += float64(difference * feature)
		}
		gradient[features] += difference
		loss -= math.Log(1 - math.Abs(difference) + 1e-300)
	}
	count := float64(len(rows))
	for i := range model {
		model[i] -= float64(rate * (gradient[i]/count + float64(decay*model[i])))
	}
	return loss / count
}

// train goes ten steps down on all rows, and returns the new model and the loss before the last of them.
func train(model []float32, rows []row) (trained []float32, loss float64) {
	exact := widen(model)
	for range steps {
		loss = step(&exact, rows)
	}
	for _, weight := range exact {
		trained = append(trained, float32(weight))
	}
	return trained, loss
}

// accuracy is the share of rows whose label the model finds.
func accuracy(model []float32, rows []row) float64 {
	exact := widen(model)
	right := 0
	for r := range rows {
		if (score(&exact, &rows[r]) > 0) == (rows[r].label == 1) {
			right++
		}
	}
	return float64(right) / float64(len(rows))
}
