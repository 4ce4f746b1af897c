// Command conformance_driver_go speaks the protocol of tests/conformance/README.md through package flare.
package main

import (
	"bufio"
	"encoding/json"
	"os"
)

func main() {
	driver := &driver{}
	defer driver.close()
	requests := bufio.NewScanner(os.Stdin)
	requests.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for requests.Scan() {
		var request request
		if err := json.Unmarshal(requests.Bytes(), &request); err != nil {
			panic(err)
		}
		if err := answers.Encode(driver.answer(request)); err != nil {
			panic(err)
		}
	}
}
