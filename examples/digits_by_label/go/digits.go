package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// row is an image and what it shows.
type row struct {
	label  int
	pixels []float32 // 0 to 1
}

// digits is what one site works with: its own digits to learn from, and all digits to test with.
type digits struct {
	train, test []row
	epochs      int // to train in each round: 2, but 1 with more than two sites, as their digits differ more
}

// load reads the CSV file as this site ("site-1" ...) of so many sees it.
func load(path, site string, sites int) (*digits, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(site, "site-"))
	if err != nil || sites < 1 || sites > classes || number < 1 || number > sites {
		return nil, fmt.Errorf("site %q of %d: it must be site-1, site-2 or the like, of at most 10", site, sites)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data := &digits{epochs: 2}
	if sites > 2 {
		data.epochs = 1
	}
	lines := bufio.NewScanner(file)
	for index := 0; lines.Scan(); index++ {
		row, err := parse(lines.Text())
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s:%d: %w", path, index+1, err)
		case index%5 == 4:
			data.test = append(data.test, row)
		case row.label*sites/classes == number-1: // each site has a block of neighbouring digits
			data.train = append(data.train, row)
		}
	}
	if lines.Err() == nil && (len(data.train) == 0 || len(data.test) == 0) {
		return nil, fmt.Errorf("%s: nothing to learn from or nothing to test with", path)
	}
	return data, lines.Err()
}

func parse(line string) (row, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 1+inputs {
		return row{}, fmt.Errorf("a line is a label and 64 pixels with commas between them")
	}
	label, err := strconv.Atoi(fields[0])
	if err != nil || label < 0 || label >= classes {
		return row{}, fmt.Errorf("the label, the first number, must be 0 to 9")
	}
	pixels := make([]float32, inputs)
	for i, field := range fields[1:] {
		pixel, err := strconv.Atoi(field)
		if err != nil || pixel < 0 || pixel > 16 {
			return row{}, fmt.Errorf("a pixel must be 0 to 16")
		}
		pixels[i] = float32(pixel) / 16
	}
	return row{label, pixels}, nil
}
